import numpy as np
import pandas as pd
import pytest

from glc import geo
from glc.evaluation import strata
from glc.report import distance


def frame(km, f1=0.1, block=None):
    count = len(km)
    return pd.DataFrame(
        {
            "lon": np.linspace(0, 5, count),
            "lat": 45.0,
            "block": np.arange(count) if block is None else block,
            "nearest_train_m": np.asarray(km, float) * 1000,
            "f1": f1,
        }
    )


def test_edges_follow_the_data():
    assert distance.edges(np.linspace(0, 9.9, 1000)).tolist() == [0, 0.5, 1, 2, 5, 10]
    assert distance.edges(np.repeat([0.5, 3, 7, 15, 30, 80], 10)).tolist() == [0, 1, 5, 10, 20, 50, 100]
    assert distance.edges(np.repeat([3, 700], 10)).tolist() == [0, 5, np.inf]
    assert distance.edges(np.repeat([3, 30, 450], [500, 500, 1])).tolist() == [0, 5, np.inf]


@pytest.mark.parametrize("km", [[], [0.0], [7.0], [1e9], [5.0, 5.0]])
def test_edges_of_few_distances(km):
    edges = distance.edges(np.array(km))
    assert edges[0] == 0
    assert (np.diff(edges) > 0).all()
    assert edges[-1] > max(km, default=0)


def test_no_bin_is_nearly_empty_and_none_is_lost():
    rng = np.random.default_rng(3)
    for scale in (0.01, 1, 30, 400):
        km = rng.lognormal(np.log(scale), 1.5, 2_000)
        counts = np.histogram(km, np.append(distance.edges(km)[:-1], np.inf))[0]
        assert counts.sum() == 2_000
        assert counts.min() >= 0.03 * 2_000


def test_means_of_bins_are_those_by_hand():
    km = np.array([0.0, 0.6, 1.0, 1.9, 7, 7, 7, 300])
    f1 = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    labels, series, lacking = distance.by_distance({"valid": frame(km, f1)}, 30_000)
    assert labels == ["0–0.1", "0.1–1", "1–2", "2–10", "≥ 10"]
    counts, means = zip(*[point[:2] for point in series["valid"]], strict=True)
    assert counts == (1, 1, 2, 3, 1)
    np.testing.assert_allclose(means, [0.1, 0.2, 0.35, 0.6, 0.8])
    assert lacking == 0


def test_interval_holds_the_mean_and_one_block_has_none():
    rng = np.random.default_rng(4)
    many = frame([0.05] * 200, rng.random(200))
    (point,) = distance.by_distance({"valid": many}, 30_000)[1]["valid"]
    assert point[2] < point[1] < point[3]
    # the mean of 200 uniform numbers: a standard error of sqrt(1 / 12 / 200)
    assert point[3] - point[2] == pytest.approx(2 * 1.96 * np.sqrt(1 / 12 / 200), rel=0.2)
    (point,) = distance.by_distance({"valid": frame([0.05])}, 30_000)[1]["valid"]
    assert point[0] == 1
    assert np.isnan(point[2:]).all()


@pytest.mark.parametrize("south", [0, 60])
def test_a_split_without_blocks_gets_squares_of_about_their_size(south):
    lon, lat = (axis.ravel() for axis in np.meshgrid(np.linspace(-3, 3, 120), south + np.linspace(-3, 3, 120)))
    blocks = strata.spatial_blocks(pd.DataFrame({"lon": lon, "lat": lat, "block": 0}), 30_000)
    for block in np.unique(blocks):
        here = blocks == block
        assert geo.great_circle_m(lon[here].min(), lat[here].min(), lon[here].max(), lat[here].max()) < 1.5 * 30_000
    area = (6 * 111.195) ** 2 * np.cos(np.radians(south))
    assert len(np.unique(blocks)) == pytest.approx(area / 30**2, rel=0.25)


def test_surveys_without_a_distance_are_counted():
    labels, series, lacking = distance.by_distance({"valid": frame([1, np.nan, 2]), "test": frame([np.nan])}, 30_000)
    assert lacking == 2
    assert list(series) == ["valid"]
    assert sum(point[0] for point in series["valid"] if point) == 2
    assert len(labels) == len(series["valid"])


def test_a_bin_that_a_split_does_not_reach_is_none():
    _, series, _ = distance.by_distance({"valid": frame([0.5] * 5 + [30] * 5), "test": frame([0.7, 0.8])}, 30_000)
    assert series["test"][-1] is None
    assert series["valid"][-1][0] == 5
