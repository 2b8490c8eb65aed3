import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist, pdist

from glc import geo
from glc.applicability import dissimilarity
from glc.applicability.nearest import Nearest, mean_distance
from glc.applicability.space import Space
from glc.errors import ConfigError, DataError


def brute(train, folds, queries, weight):
    """Index of queries, index of the training across folds, and mean distance, by all distances in float64."""
    mean, scale = train.mean(axis=0), train.std(axis=0, ddof=1)
    points, places = (train - mean) / scale * weight, (queries - mean) / scale * weight
    apart = cdist(points, points)
    average = apart[~np.eye(len(train), dtype=bool)].mean()
    apart[folds[:, None] == folds] = np.inf
    return cdist(places, points).min(axis=1) / average, apart.min(axis=1) / average, average


def test_six_points_by_hand():
    # A (-12, 0), B (12, 0), C (0, -9), D (0, 5), E (0, 16), F (0, 0). Deviations: sqrt(288 / 5) of x and, about its
    # mean 2, sqrt(338 / 5) of y; they are as 12 to 13, so that with these weights every distance is the raw one times
    # sqrt(2.5): AB 24, AC 15, AD 13, AE 20, AF 12, BC 15, BD 13, BE 20, BF 12, CD 14, CE 25, CF 9, DE 11, DF 5, EF 16;
    # mean 224 / 15.
    values = pd.DataFrame({"x": [-12.0, 12, 0, 0, 0, 0], "y": [0.0, 0, -9, 5, 16, 0]})
    space = Space.of_table(values, {"x": 12.0, "y": 13.0})
    index, own = dissimilarity.fit(space, values, np.array([0, 0, 1, 1, 2, 2]))  # AB, CD, EF
    assert_allclose(index.mean_distance, np.sqrt(2.5) * 224 / 15)
    assert_allclose(own, np.array([12, 12, 9, 5, 11, 5]) * 15 / 224)  # AF, BF, CF, DF, ED, FD
    # sorted 5 5 9 11 12 12: quartiles 6 and 11.75, whisker 20.375, beyond the maximum
    assert_allclose(index.threshold, 12 * 15 / 224)
    # 3, 4 from A: 5 away; 8 above E; unknown y: its mean 2, 2 away from F
    places = pd.DataFrame({"x": [-9.0, 0, 0], "y": [4.0, 24, np.nan]})
    assert_allclose(index.index(places)[0], np.array([5, 8, 2]) * 15 / 224)


def test_six_points_by_hand_with_an_outlier():
    # 0, 1, 2, 4, 6, 11: mean 4, standard deviation sqrt(82 / 5). Pairs apart by 1 2 4 6 11, 1 3 5 10, 2 4 9, 2 7, 5:
    # mean 72 / 15 = 4.8. Nearest of another fold: 0-2, 1-2, 2-1, 4-6, 6-4, 11-4.
    values = pd.DataFrame({"x": [0.0, 1, 2, 4, 6, 11]})
    index, own = dissimilarity.fit(Space.of_table(values), values, np.array([0, 0, 1, 1, 2, 2]))
    assert_allclose(index.mean_distance, 4.8 / np.sqrt(16.4))
    assert_allclose(own, np.array([2, 1, 1, 2, 2, 7]) / 4.8)
    # sorted 1 1 2 2 2 7: quartiles (R's type 7) 1.25 and 2, whisker 2 + 1.5 * 0.75, not the largest value below it, 2
    assert_allclose(index.threshold, 3.125 / 4.8)


def test_threshold_is_never_above_the_largest_dissimilarity():
    # CAST since 0.9: a whisker beyond all values is cut to the largest
    assert dissimilarity.whisker(np.array([1.0, 2, 3, 4])) == 4
    assert dissimilarity.whisker(np.array([1.0, 1, 1, 1, 9])) == 1


@pytest.mark.parametrize("columns", [2, 40])  # a KD-tree, and candidates by matrix multiplication
def test_index_and_threshold_are_those_of_all_distances(columns):
    rng = np.random.default_rng(1)
    train = rng.normal(size=(400, columns)) * rng.uniform(0.5, 20, columns) + rng.normal(size=columns) * 100
    queries = np.vstack([train[:3], train[:200] + rng.normal(size=(200, columns)), train[:2] * 50])
    folds, weight = rng.integers(4, size=400), rng.uniform(0.2, 3, columns)
    names = [f"band_{number}" for number in range(columns)]
    frame = pd.DataFrame(train, columns=names)
    index, own = dissimilarity.fit(Space.of_table(frame, dict(zip(names, weight, strict=True))), frame, folds)
    expected, expected_own, average = brute(train, folds, queries, weight)
    found, _ = index.index(pd.DataFrame(queries, columns=names)[names[::-1]])
    assert_allclose(index.mean_distance, average, rtol=1e-9)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert_allclose(own, expected_own, rtol=1e-9)
    first, third = np.quantile(expected_own, [0.25, 0.75])
    assert_allclose(index.threshold, min(third + 1.5 * (third - first), expected_own.max()), rtol=1e-9)


def test_candidates_of_a_matrix_product_are_exact_where_points_nearly_coincide():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(3_000, 30))
    points[1_500:] = points[:1_500] + rng.normal(size=(1_500, 30)) * 1e-6  # far below what float32 can tell
    queries = points[:100] + rng.normal(size=(100, 30)) * 1e-7
    nearest = Nearest(points)
    assert nearest.dimensions > 20
    assert_allclose(nearest.distance(queries), cdist(queries, points).min(axis=1), rtol=1e-6)
    assert nearest.distance(points[:5]).max() < 1e-12


def test_mean_distance_of_a_sample_is_within_its_error():
    points = np.random.default_rng(3).gamma(1, size=(2_000, 3))
    exact, none = mean_distance(points)
    assert_allclose(exact, pdist(points).mean(), rtol=1e-9)
    assert none == 0
    errors = [mean_distance(points, exact=300, seed=seed) for seed in range(40)]
    within = [abs(mean - exact) <= half for mean, half in errors]
    assert sum(within) >= 34  # 95 % of 40 is 38
    assert max(half for _, half in errors) < 0.1 * exact


def test_missing_predictors_become_the_training_mean_and_are_counted():
    rng = np.random.default_rng(4)
    values = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc"))
    values.iloc[0, 0] = np.nan
    values.iloc[1] = np.nan
    values.iloc[2, 1] = np.inf
    index, own = dissimilarity.fit(Space.of_table(values), values, np.arange(60) % 3)
    assert np.isnan(own[1])
    assert np.isfinite(np.delete(own, 1)).all()
    assert index.facts["without_predictors"] == 1
    assert index.facts["with_missing_predictors"] == index.facts["missing_predictors"] == 2
    assert index.facts["training_places"] == 59
    place = pd.DataFrame({"a": [np.nan, values["a"].mean()], "b": 0.3, "c": -0.2})
    found, missing = index.index(place)
    assert_allclose(found[0], found[1])
    assert missing.tolist() == [1, 0]


def test_constant_predictors_and_weights_of_zero_count_for_nothing():
    rng = np.random.default_rng(5)
    values = pd.DataFrame(rng.normal(size=(50, 3)), columns=list("abc")).assign(constant=0.1 + 0.2)
    folds = np.arange(50) % 5
    alone, own = dissimilarity.fit(Space.of_table(values[["a"]]), values[["a"]], folds)
    weights = {"a": 0.7, "b": 0.0, "c": -0.3, "constant": 5.0}
    among, same = dissimilarity.fit(Space.of_table(values, weights), values, folds)
    assert_allclose(same, own)
    assert_allclose(among.threshold, alone.threshold)
    assert among.facts["ignored_predictors"] == ["b", "c", "constant"]
    odd = values.assign(constant=1e6, b=np.nan)
    found, missing = among.index(odd)
    assert_allclose(found, 0, atol=1e-12)
    assert not missing.any()


def test_classes_are_one_standard_deviation_apart_however_rare():
    number = np.tile([0.0, 1.0], 50)
    values = pd.DataFrame({"warm": number, "soil_1": 1.0, "soil_2": 0.0, "soil_3": 0.0})
    values.loc[7, ["soil_1", "soil_2"]] = 0.0, 1.0
    space = Space.of_table(values, {"warm": 1.0, "soil": 3.0}, {"soil": ["soil_1", "soil_2", "soil_3"]})
    points, _ = space.points(values.iloc[[0, 1, 7]])
    apart = cdist(points, points)
    assert_allclose(apart[0, 1], 1 / number.std(ddof=1))
    assert_allclose(apart[1, 2], 3)  # a standard deviation, times the weight of the classes' band
    other, _ = space.points(pd.DataFrame({"warm": [1.0], "soil_1": 0.0, "soil_2": 0.0, "soil_3": 1.0}))
    assert_allclose(cdist(other, points)[0, [1, 2]], 3)  # a class that no training place has


def test_coordinates_are_points_on_the_sphere():
    lon, lat = np.array([179.9, -179.9, 0.0, 1.0]), np.array([10.0, 10, 60, 61])
    index, own = dissimilarity.fit(Space.of_coordinates(), np.column_stack([lon, lat]), np.array([0, 1, 0, 1]))
    across = geo.chord(geo.great_circle_m(179.9, 10, -179.9, 10)) * geo.EARTH_RADIUS_M  # over the date line
    assert_allclose(own[:2] * index.mean_distance, across)
    found, _ = index.index(pd.DataFrame({"lat": [61.0, np.nan], "lon": [1.0, 2.0]}))
    assert_allclose(found, [0, np.nan], atol=1e-9)


def test_an_embedding_keeps_its_scale():
    values = np.random.default_rng(6).normal(size=(200, 4)) * [10, 1, 0.1, 0]
    folds = np.arange(200) % 4
    index, own = dissimilarity.fit(Space.of_embedding(values), values, folds)
    apart = cdist(values, values)
    apart[folds[:, None] == folds] = np.inf
    assert_allclose(own, apart.min(axis=1) / pdist(values).mean())
    assert index.facts["ignored_predictors"] == ["embedding_3"]


def test_what_cannot_be_measured_is_refused():
    values = pd.DataFrame({"a": [1.0, 2, 3], "b": [5.0, 5, 5]})
    with pytest.raises(DataError, match="in 1 folds, expected at least two"):
        dissimilarity.fit(Space.of_table(values), values, np.zeros(3, int))
    with pytest.raises(DataError, match="none of b both varies"):
        Space.of_table(values[["b"]])
    with pytest.raises(ConfigError, match=r"unknown predictor 'aa'.*did you mean 'a'"):
        Space.of_table(values, {"aa": 1.0})
    with pytest.raises(DataError, match="no column 'b'"):
        Space.of_table(values).points(values[["a"]])
    with pytest.raises(DataError, match=r"shape \(3, 1\), expected \(n, 2\)"):
        Space.of_table(values).points(values[["a"]].to_numpy())
