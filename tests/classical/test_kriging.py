"""Kriging: linear algebra written out, known covariances found again, and whose labels the scores never hold."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import geo
from glc.classical import _field
from glc.classical._field import Covariances, Field, Observations, estimate
from glc.classical.kriging import Kriging
from tests.helpers import records_alone, survey_data

RANGES = np.array([10_000.0, 60_000.0])


def metres(points, others):
    """Great-circle metres (n, k) between points on the unit sphere, by the angle's tangent."""
    cross = np.linalg.norm(np.cross(points[:, None], others[None]), axis=2)
    return np.arctan2(cross, points @ others.T) * geo.arc(2) / np.pi


def places(n, seed=0):
    rng = np.random.default_rng(seed)
    return geo.unit_sphere(rng.uniform(2, 4, n), rng.uniform(45, 46.5, n))


def observed(n=120, r=3, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=n)
    number = np.where(kind, rng.integers(1, 200, n), rng.integers(1, 9, n)).astype(float)
    return Observations(places(n, seed), rng.normal(size=(n, r)), number, kind, np.ones(n))


COVARIANCES = Covariances(
    groups=np.array([0, 1, 1]),
    ranges_m=RANGES,
    sills=np.array([[0.2, 1.0], [0.5, 0.0]]),
    noise=np.array([[0.7, 5.0], [2.0, 30.0]]),
)


def brute(seen, covariances, asked, near):
    """Simple kriging of each field by itself from the observations `near`."""
    out = np.zeros((len(asked), seen.values.shape[1]))
    between, to = metres(seen.points[near], seen.points[near]), metres(asked, seen.points[near])
    for field, group in enumerate(covariances.groups):
        matrix, right = (
            sum(
                sill * np.exp(-away / scale)
                for sill, scale in zip(covariances.sills[group], covariances.ranges_m, strict=True)
            )
            for away in (between, to)
        )
        matrix = matrix + np.diag(covariances.noise[group][seen.kind[near]] / seen.number[near])
        out[:, field] = right @ np.linalg.solve(matrix, seen.values[near, field])
    return out


def test_a_field_is_predicted_as_by_linear_algebra_written_out():
    seen, asked = observed(), places(40, seed=1)
    assert_allclose(
        Field(seen, COVARIANCES, 500).at(asked), brute(seen, COVARIANCES, asked, np.arange(120)), rtol=1e-4, atol=1e-4
    )


def test_an_observation_without_noise_is_met():
    seen = dataclasses.replace(observed(), number=np.full(120, 1e12))
    assert_allclose(Field(seen, COVARIANCES, 500).at(seen.points), seen.values, atol=1e-3)


def test_far_from_everything_a_field_is_its_mean():
    far = geo.unit_sphere(np.array([60.0]), np.array([10.0]))
    assert_allclose(Field(observed(), COVARIANCES, 500).at(far), 0, atol=1e-12)


def test_of_many_observations_a_place_is_predicted_from_the_nearest_to_its_region():
    seen, asked = observed(n=300), places(50, seed=1)
    field = Field(seen, COVARIANCES, 40)
    regions = field._regions.of(asked)
    assert len(np.unique(regions)) > 10
    got = field.at(asked)
    for region in np.unique(regions):
        middle = field._regions.middles[region]
        near = np.argsort(((seen.points - middle) ** 2).sum(axis=1))[:40]
        own = regions == region
        assert_allclose(got[own], brute(seen, COVARIANCES, asked[own], near), rtol=1e-4, atol=1e-4)


def test_a_prediction_does_not_depend_on_what_else_is_asked(monkeypatch):
    seen, asked = observed(n=300), places(50, seed=1)
    together = Field(seen, COVARIANCES, 40).at(asked)
    monkeypatch.setattr(_field, "_KEPT", 1)  # weights of regions are made again and again
    field = Field(seen, COVARIANCES, 40)
    apart = np.concatenate([field.at(asked[[row]]) for row in range(50)])
    assert_allclose(apart, together, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("most", [1, 7, 50])
def test_regions_hold_every_point_and_few_of_them(most):
    points = places(200)
    regions = _field._Regions(points, most)
    own = regions.of(points)
    assert np.bincount(own).max() <= most
    assert own.max() + 1 == len(regions.middles)
    middles = [points[own == region].mean(axis=0) for region in range(len(regions.middles))]
    assert_allclose(regions.middles, middles)


def test_points_of_one_place_are_one_region():
    assert _field._Regions(np.repeat(places(1), 20, axis=0), 4).of(places(5, seed=2)).tolist() == [0] * 5


def simulated(n=700, r=400, sills=(0.0, 1.0), noise=(0.5, 20.0), seed=0):
    """Observations of fields of one known covariance; as many fields as make the estimates sure."""
    rng = np.random.default_rng(seed)
    points = places(n, seed)
    away = metres(points, points)
    covariance = sum(sill * np.exp(-away / scale) for sill, scale in zip(sills, RANGES, strict=True))
    values = np.linalg.cholesky(covariance + 1e-9 * np.eye(n)) @ rng.normal(size=(n, r))
    kind = rng.integers(2, size=n)
    number = np.where(kind, rng.integers(20, 200, n), rng.integers(1, 9, n)).astype(float)
    values = values + rng.normal(size=(n, r)) * np.sqrt(np.asarray(noise)[kind] / number)[:, None]
    return Observations(points, values, number, kind, np.ones(n))


@pytest.mark.parametrize("sills", [(0.0, 1.0), (1.0, 0.0), (0.6, 0.4)])
def test_known_covariances_and_noise_are_found_again(sills):
    estimated = estimate(simulated(sills=sills), RANGES, 5_000)
    largest = len(estimated.sills) - 1  # a group of many fields
    assert_allclose(estimated.sills[largest], sills, atol=0.1)
    assert_allclose(estimated.noise[largest], (0.5, 20.0), rtol=0.25)


def test_fields_of_noise_alone_hardly_vary():
    estimated = estimate(simulated(sills=(1e-6, 0.0)), RANGES, 5_000)
    assert estimated.sills[-1].sum() < 0.01


def test_one_place_has_no_pairs_and_its_fields_do_not_vary():
    estimated = estimate(observed(n=1), RANGES, 5_000)
    assert not estimated.varying.any()


def test_groups_grow_and_hold_every_field():
    groups = _field._groups(500)
    sizes = np.bincount(groups)
    assert len(groups) == 500
    assert (np.diff(groups) >= 0).all()
    assert sizes[0] == 1
    assert sizes[-1] > 100
    assert _field._groups(1).tolist() == [0]


def model(**options):
    return Kriging(Kriging.Options(**({"square_m": 15_000.0, "components": 12} | options)))


def clustered(**numbers):
    """`survey_data` whose species each grow around a centre."""
    data = survey_data(**numbers)
    rng = np.random.default_rng(0)
    place, species = data.places, len(data.species)
    east = (place["lon"].to_numpy()[:, None] - rng.uniform(2, 3.5, species)) / 0.4
    north = (place["lat"].to_numpy()[:, None] - rng.uniform(46, 47, species)) / 0.3
    labels = rng.random((len(place), species)) < 0.8 * np.exp(-(east**2) - north**2) + 0.02
    labels[np.arange(len(place)), rng.integers(0, species, len(place))] = True
    labels[place["dataset"] == "pa_test"] = False
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


def brute_scores(data, fold, queries, square_m):
    """Kriging of the species themselves, which share one covariance: squares by loops, equations by a solver."""
    labels = data.label_matrix.toarray().astype(float)
    train, po = data.train(fold), data.presence_only
    mean = labels[train].mean(axis=0)
    points, shares, number, kind = [], [], [], []
    for source, rows in enumerate((train, po)):
        place = data.places.iloc[rows]
        squares = geo.block_ids(place["easting"], place["northing"], square_m, place["crs"])
        first = len(points)
        for square in np.unique(squares):
            own = rows[squares == square]
            middle = geo.unit_sphere(data.places["lon"].iloc[own], data.places["lat"].iloc[own]).mean(axis=0)
            counts = labels[own].sum(axis=0)
            points.append(middle / np.linalg.norm(middle))
            number.append(counts.sum() if source else len(own))
            shares.append(counts / number[-1] * (mean.sum() if source else 1))
            kind.append(source)
        weights = np.array(number[first:])[:, None]
        own_mean = (np.array(shares[first:]) * weights).sum(axis=0) / weights.sum()
        shares[first:] = list(np.array(shares[first:]) - own_mean)
    scale = (mean * (1 - mean) + 0.5 / len(train)) ** -0.25
    number, kind = np.array(number, float), np.array(kind)
    weight = number / (number + np.where(kind, 100, 3))
    seen = Observations(np.array(points), np.array(shares) * scale, number, kind, weight)
    # all axes are one group: what they share is the mean over orthonormal axes, whichever these are
    ranges = np.sort(Kriging.Options().ranges_m).astype(float)
    covariances = estimate(seen, ranges, square_m)
    asked = geo.unit_sphere(data.places["lon"].iloc[queries], data.places["lat"].iloc[queries])
    return np.clip(mean + brute(seen, covariances, asked, np.arange(len(number))) / scale, 0, 1)


@pytest.mark.parametrize("fold", [1, None])
def test_scores_are_those_of_kriging_the_species_themselves_where_all_axes_share_a_covariance(fold, monkeypatch):
    monkeypatch.setattr(_field, "_GROUPS", 1)
    data = clustered(n_train=240, n_po=300, n_test=30, seed=1)
    queries = data.test if fold is None else data.valid(fold)
    got = model(components=20).scores(data, fold, queries).toarray()
    wanted = brute_scores(data, fold, queries, 15_000)
    assert np.ptp(wanted, axis=0).max() > 0.01
    assert_allclose(got, wanted, atol=2e-4)


def test_scores_of_a_fold_do_not_depend_on_its_labels():
    data = survey_data(n_train=200, n_po=100, n_test=20, seed=2)
    labels = data.label_matrix.toarray()
    labels[data.valid(1)] = ~labels[data.valid(1)]
    other = dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))
    before, after = (model().scores(each, 1, data.valid(1)).toarray() for each in (data, other))
    assert_array_equal(after, before)


def test_a_species_recorded_alike_everywhere_says_nothing_by_its_records():
    """Records of the last species are three times as many everywhere: its mean is its own, and its scores stay."""
    data = survey_data(n_train=120, n_po=0, n_test=20, seed=3)
    rng = np.random.default_rng(0)
    squares = data.places.iloc[data.train()].drop_duplicates("block")
    again = squares.loc[squares.index.repeat(40)].assign(dataset="po", fold=-1)
    labels = sparse.lil_matrix((len(again), 20), dtype=bool)
    for row in range(len(again)):
        labels[row, 19 if row % 2 else rng.integers(19)] = True
    wider = dataclasses.replace(
        data,
        places=pd.concat([data.places, again], ignore_index=True),
        label_matrix=sparse.vstack([data.label_matrix, labels], format="csr"),
    )
    options = {"components": 20, "square_m": 20_000.0}
    without = model(**options).scores(data, 0, data.valid(0)).toarray()
    with_records = model(**options).scores(wider, 0, data.valid(0)).toarray()
    own = np.abs(with_records - without)[:, 19].mean()
    assert own < 0.05
    assert with_records[:, 19].mean() == pytest.approx(without[:, 19].mean(), abs=0.03)


def test_presence_only_records_alone_are_kriged_too():
    data = records_alone()
    queries = data.valid(0)
    fitted = model()
    scores = fitted.scores(data, 0, queries).toarray()
    truth = data.label_matrix[queries].toarray()
    assert scores[truth].mean() > 2 * scores[~truth].mean()
    assert fitted.facts["components"] == 8
    assert 0 < fitted.facts["components_used"] <= 8
    assert fitted.facts["squares"] > 10


def test_facts_and_limits_follow_the_options():
    data = survey_data(n_train=200, n_po=100, seed=4)
    fitted = model(components=5, squares=10)
    assert (fitted.scores(data, 0, data.valid(0)).toarray().max(axis=1) > 0).all()
    assert fitted.facts["components"] == 5
