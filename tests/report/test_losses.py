"""Learning curves: what is read and drawn."""

import csv

import numpy as np
import pytest
from matplotlib import image

from glc.errors import ConfigError, DataError
from glc.report import losses, svg
from glc.report.palette import CATEGORIES

COLUMNS = ("epoch", "train_loss", "valid_loss", "valid_f1", "learning_rate")


def write(path, epochs=4, level=1.0):
    """A history whose losses halve each epoch."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for epoch in range(epochs):
            writer.writerow([epoch, level * 0.5**epoch, "" if epoch == 1 else level * 0.6**epoch, 0.1 * epoch, 1e-3])
    return path


def test_cells_are_read_as_numbers_or_nan(tmp_path):
    found = losses.read(write(tmp_path / "a.csv"))
    np.testing.assert_allclose(found["train_loss"], [1, 0.5, 0.25, 0.125])
    np.testing.assert_allclose(found["valid_loss"], [1, np.nan, 0.36, 0.216])


def test_every_training_of_every_group_is_drawn(tmp_path):
    nets = {f"net {number}": write(tmp_path / f"{number}.csv", level=1 + number) for number in range(3)}
    losses.draw({"nets": nets}, tmp_path / "one.png")
    losses.draw({"nets": nets, "folds": {"fold 0": write(tmp_path / "f.csv", 1)}}, tmp_path / "two.png", "a title")
    one, two = (image.imread(tmp_path / f"{name}.png")[..., :3] for name in ("one", "two"))
    assert two.shape[0] > 1.5 * one.shape[0]
    losses.draw({"nets": nets}, tmp_path / "one.svg")
    said = svg.description((tmp_path / "one.svg").read_text())
    assert said.count("best validation F1 0.300 in 4 epochs") == 3
    for number, colour in enumerate(CATEGORIES[:4]):
        wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        seen = (np.abs(one - wanted).max(axis=2) < 0.02).sum()
        assert (seen > 100) == (number < 3)


def test_what_cannot_be_drawn_is_told(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such history"):
        losses.read(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("epoch,loss\n0,1\n")
    with pytest.raises(DataError, match=r"other\.csv: column 'train_loss' is missing"):
        losses.read(tmp_path / "other.csv")
    with pytest.raises(ConfigError, match="expected at least one history"):
        losses.draw({"nets": {}}, tmp_path / "a.png")
