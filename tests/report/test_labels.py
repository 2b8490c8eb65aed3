"""Names with dollar signs, which matplotlib takes for formulae: every figure shows them as they are."""

from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glc.report import (
    budget,
    curves,
    embedding,
    figures,
    localisation,
    location,
    losses,
    lowpass,
    maps,
    series,
    species_figures,
)
from tests.report.test_losses import write as write_history

NAME = r"$$ votes+x=$\frac{1$"
Draw = Callable[[str, Path], str | None]
PLACES = np.array([1.0, 2.0, 3.0])


def _scores(name, _):
    return figures.scores(name, [(name, 0.2, 0.1, 0.3, 0.2)])


def _by_distance(name, _):
    return figures.by_distance(name, [name], {"valid": [(3, 0.1, 0.1, 0.2)]})


def _recall(name, _):
    return figures.recall(name, [(name, 0.2)])


def _learning(name, _):
    frame = pd.DataFrame({"epoch": [0, 1], "loss": [1.0, 0.5]})
    return figures.learning(name, {0: frame}, ["loss"], {0: 1}, name)


def _set_sizes(name, _):
    return species_figures.set_sizes(name, {("predicted", name): np.array([1, 2])}, 5)


def _surveys(name, _):
    return maps.surveys(name, PLACES, PLACES, PLACES, name, (0, 3))


def _losses(name, path):
    losses.draw({name: {name: write_history(path.with_suffix(".csv"))}}, path, name)


def _curves(name, path):
    columns = sorted({"epoch", "weight_triplet", "weight_species", *(c for *_, cs in curves._PANELS for c in cs)})
    pd.DataFrame([np.arange(len(columns)) + 1.0], columns=columns).to_csv(path.with_suffix(".csv"), index=False)
    curves.draw({name: path.with_suffix(".csv")}, path, name)


def _budget(name, path):
    frame = pd.DataFrame({"bytes_per_survey": [10, 1e4], "psnr_db": [1.0, 2], "f1": [0.1, 0.2], "low": 0, "high": 1})
    budget.draw(frame.assign(block=name), path)


def _embedding(name, path):
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    embedding.species_map(vectors, np.arange(6.0), np.ones(6), path, label=name)


def _series(name, path):
    series.draw(np.ones((6, 8)), 2000, path, terms=(4,), title=name)


def _lowpass(name, path):
    tile = np.random.default_rng(0).normal(size=(32, 32))
    lowpass.draw(lowpass.Window(tile, np.ones((32, 32), bool), 0, 0), path, title=name)


def _localised(name, path):
    frame = pd.DataFrame({"lon": PLACES, "lat": PLACES, "error_km": PLACES, "queries": name, "refined": False})
    localisation.error_map(path, frame, (PLACES, PLACES), name)


def _top(name, path):
    best = pd.DataFrame({"lon": PLACES, "lat": PLACES, "km": PLACES, "similarity": 0.5})
    localisation.top_map(path, (1.0, 2.0), best, (PLACES, PLACES), name)


def _errors(name, path):
    location.error_map(path, PLACES, PLACES, PLACES, PLACES + 1, name, name)


def _class_map(name, path):
    location.class_map(path, PLACES, PLACES, np.array([True, False, True]), name)


def _rgb(name, path):
    location.rgb_map(path, PLACES, PLACES, np.random.default_rng(0).normal(size=(3, 3)), name)


def _similarity(name, path):
    vectors = np.random.default_rng(0).normal(size=(3, 3))
    location.similarity_map(path, PLACES, PLACES, vectors, vectors[0], (1.0, 1.0), name)


FIGURES: dict[str, Draw] = {
    draw.__name__.strip("_"): draw
    for draw in (_scores, _by_distance, _recall, _learning, _set_sizes, _surveys, _losses, _curves, _budget, _embedding,
                 _series, _lowpass, _localised, _top, _errors, _class_map, _rgb, _similarity)
}  # fmt: skip


@pytest.mark.parametrize("figure", FIGURES)
def test_dollar_signs_are_shown_as_they_are(tmp_path: Path, figure: str) -> None:
    path = tmp_path / "figure.svg"
    svg: Any = FIGURES[figure](NAME, path) or path.read_text(encoding="utf-8")
    texts = unescape(" ".join(part.split("</text>")[0] for part in svg.split("<text")[1:]))
    assert NAME in texts.replace(" +", "+"), "spaces let a long name wrap"


def test_numbers_of_a_logarithmic_axis_are_plain(tmp_path: Path) -> None:
    _budget("8", tmp_path / "figure.svg")
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert ">1000</text>" in svg
    assert "mathdefault" not in svg
