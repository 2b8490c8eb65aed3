import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glc.report import figures, species_figures


def parse(svg):
    """The figure as an XML tree: it must be well-formed."""
    assert svg.startswith("<svg ")
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))


def words(svg):
    return ["".join(element.itertext()).strip() for element in parse(svg).iter("text")]


def history(epochs, **columns):
    return pd.DataFrame({"epoch": np.arange(epochs)} | columns)


def test_text_stays_text_and_the_alternative_is_escaped():
    svg = figures.recall('R < 5 & "all"', [("1 km", 0.5)])
    assert parse(svg).attrib["aria-label"] == 'R < 5 & "all"'
    assert "recall against exact search" in words(svg)


def test_drawing_leaves_matplotlib_as_it_was_and_heeds_no_settings_of_the_user():
    plain = figures.recall("a", [("1 km", 0.5)])
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 31, "axes.facecolor": "pink"}):
        assert figures.recall("a", [("1 km", 0.5)]) == plain
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("share", "told"), [(0.9917, "99.2%"), (0.0065, "0.65%"), (0.0, "0.00%"), (1.0, "100.0%"), (None, "no pairs")]
)
def test_recall_is_written_on_the_bars(share, told):
    assert told in words(figures.recall("a", [("1 km", share)]))


def bars(svg):
    """(width, height) of the filled bars of a figure, in points."""
    found = []
    for path in parse(svg).iter("path"):
        if re.search(r"fill: var\(--(validation|baseline)\)", path.attrib.get("style", "").lower()):
            numbers = np.array(re.findall(r"-?\d+\.?\d*", path.attrib["d"]), float).reshape(-1, 2)
            found.append(np.ptp(numbers, axis=0))
    return np.array(found)


def test_bars_of_scores_are_as_long_as_the_scores():
    rows = [("model", 0.15, 0.14, 0.16, None), ("a", 0.05, None, None, None), ("b", 0.1, 0.1, 0.1, 0.2)]
    lengths = bars(figures.scores("a", rows))[:3, 0]  # the last one is the legend's
    np.testing.assert_allclose(lengths / lengths[0], [1, 1 / 3, 2 / 3], atol=1e-4)


def test_scores_name_the_test_only_where_it_is_known():
    assert "test" in words(figures.scores("a", [("model", 0.15, 0.14, 0.16, 0.1)]))
    assert "test" not in words(figures.scores("a", [("model", 0.15, 0.14, 0.16, None)]))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_scores_all_equal(value):
    parse(figures.scores("a", [("model", value, value, value, value)] * 2))


def test_distances_with_empty_bins_and_single_blocks():
    point = (3, 0.1, float("nan"), float("nan"))
    svg = figures.by_distance("a", ["0–1", "≥ 1"], {"valid": [point, None], "test": [None, (9, 0.2, 0.1, 0.3)]})
    assert {"0–1", "≥ 1", "validation", "test"} <= set(words(svg))
    assert "nan" not in svg


def test_distances_in_one_bin_of_zero_f1():
    assert "nan" not in figures.by_distance("a", ["0–1"], {"valid": [(1, 0.0, float("nan"), float("nan"))]})


def test_learning_curves_have_a_colour_for_each_fold_and_no_limit_on_folds():
    frames = {fold: history(4, train_loss=[4, 3, 2, 1.0], valid_loss=[4, 3, 3, 3.5]) for fold in range(12)}
    svg = figures.learning("a", frames, ("train_loss", "valid_loss"), dict.fromkeys(frames, 1), "loss")
    told = words(svg)
    assert [f"fold {fold}" in told for fold in range(12)] == [True] * 12
    assert "training" in told


def test_learning_curve_of_one_epoch():
    parse(figures.learning("a", {0: history(1, valid_f1=[0.0])}, ("valid_f1",), {0: 0}, "F1"))


def test_diagonal_only_where_scores_may_be_probabilities():
    assert "score = presence rate" in words(species_figures.calibration("a", [[0.1, 0.05], [1.0, 0.7]]))
    assert "score = presence rate" not in words(species_figures.calibration("a", [[0.1, 0.05], [7.5, 0.7]]))


@pytest.mark.parametrize("points", [[[0.3, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[1, 1], [1, 1]]])
def test_calibration_of_few_points(points):
    assert "nan" not in species_figures.calibration("a", points)


def test_heat_map_marks_its_best_pair():
    grid = {"k": [1, 2, 3], "threshold": [0.1, 0.2], "f1": [[0.1, 0.2], [0.15, 0.12], [0.3, 0.25]]}
    svg = figures.heat("a", grid)
    parse(svg)
    assert "k 3, threshold 0.1: 0.3000" in words(svg)
    assert figures.heat("a", grid) == svg


@pytest.mark.parametrize("limit", [1, 25, 39, 40, 41, 2_000])
def test_set_sizes_are_shares_that_sum_to_one_with_the_tail_in_the_last_bar(limit, monkeypatch):
    seen = []
    monkeypatch.setattr(Axes, "stairs", lambda self, values, edges, **_: seen.append((values, edges)))
    monkeypatch.setattr(Figure, "legend", lambda self, **_: None)  # of what was not drawn
    sizes = np.array([1, 1, limit, limit + 1, 50_000])
    species_figures.set_sizes("a", {("predicted", "test"): sizes}, limit)
    ((shares, edges),) = seen
    assert shares.sum() == pytest.approx(1)
    assert shares[-1] == pytest.approx(1 if limit == 1 and len(shares) == 1 else (sizes >= edges[-2]).mean())
    assert len(shares) <= 42
