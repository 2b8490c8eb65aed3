"""Pretraining curves: what is drawn, and on which axes."""

import csv

import numpy as np
import pytest
from matplotlib import image

from glc.errors import ConfigError, DataError
from glc.nets.pretraining.tile2vec import COLUMNS
from glc.report import curves, palette, svg


def write(path, epochs=4, species=None, weight=1.0):
    """A history whose terms halve each epoch; without species those cells are empty."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for epoch in range(epochs):
            half = 0.5**epoch
            row = {"epoch": epoch, "weight_triplet": 1, "weight_species": "", "learning_rate": 1e-3, "seconds": 1}
            for part in ("train", "valid"):
                row |= {f"{part}_triplet": 0.1 * half, f"{part}_satisfied": 1 - 0.4 * half, f"{part}_norm": 1}
                row |= {f"{part}_species": "" if species is None else species * half, f"{part}_alone": 0}
            if species is not None:
                row["weight_species"] = weight * half
            writer.writerow(row)
    return path


def test_variants_are_drawn_beside_each_other_on_axes_that_fit(tmp_path):
    histories = {
        "triplets alone": write(tmp_path / "none.csv"),
        "sum": write(tmp_path / "sum.csv", species=5000),
        "normalised": write(tmp_path / "normalised.csv", species=100, weight=1e-4),
    }
    scales = curves.draw(histories, tmp_path / "all.png", "three variants")
    assert scales == {"triplet": False, "satisfied": False, "species": True, "weights": True}
    picture = image.imread(tmp_path / "all.png")[..., :3]
    for colour in (palette.category(number).lstrip("#") for number in range(3)):  # one for each variant
        wanted = np.array([int(colour[at : at + 2], 16) for at in (0, 2, 4)]) / 255
        assert (np.abs(picture - wanted).max(axis=2) < 0.02).sum() > 50
    curves.draw(histories, tmp_path / "all.svg")
    said = svg.description((tmp_path / "all.svg").read_text())
    assert "sum: triplet term 0.013, 95% nearer the neighbour, held out, after 4 epochs" in said
    alone = curves.draw({"sum": histories["sum"]}, tmp_path / "one.svg")
    assert alone == {"triplet": False, "satisfied": False, "species": False, "weights": False}


def test_panels_without_any_value_are_left_out(tmp_path):
    scales = curves.draw({"a": write(tmp_path / "a.csv", epochs=1)}, tmp_path / "a.png")
    assert list(scales) == ["triplet", "satisfied"]
    assert image.imread(tmp_path / "a.png").std() > 0.01


def test_cells_are_read_as_numbers_or_nan(tmp_path):
    line = curves.read(write(tmp_path / "a.csv"))
    np.testing.assert_allclose(line["valid_triplet"], [0.1, 0.05, 0.025, 0.0125])
    assert np.isnan(line["valid_species"]).all()


def test_what_cannot_be_drawn_is_told(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such history"):
        curves.draw({"a": tmp_path / "none.csv"}, tmp_path / "a.png")
    (tmp_path / "other.csv").write_text("epoch,train_loss\n0,1\n")
    with pytest.raises(DataError, match="'train_satisfied' is missing"):
        curves.draw({"a": tmp_path / "other.csv"}, tmp_path / "a.png")
    with pytest.raises(ConfigError, match="found no history"):
        curves.draw({}, tmp_path / "a.png")
    with pytest.raises(ConfigError, match="picture's suffix"):
        curves.draw({"a": write(tmp_path / "a.csv")}, tmp_path / "a.txt")
