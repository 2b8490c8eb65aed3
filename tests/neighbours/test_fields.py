"""Fields: the equations of kriging written out, and known covariances found again."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc import geo
from glc.neighbours import fields
from glc.neighbours.fields import Covariances, Field, Observations, Values, estimate, geometric_groups

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
    return Observations(places(n, seed), sparse_and_low_rank(n, r, seed), np.array([0, 1, 1]), number, kind, np.ones(n))


def sparse_and_low_rank(n, r, seed=0):
    rng = np.random.default_rng(seed)
    rest = sparse.random(n, r, 0.3, format="csr", random_state=seed, data_rvs=rng.standard_normal)
    return Values(rng.normal(size=(n, 2)), rng.normal(size=(2, r)), rest)


COVARIANCES = Covariances(
    groups=np.array([0, 1, 1]),
    ranges_m=RANGES,
    sills=np.array([[0.2, 1.0], [0.5, 0.0]]),
    noise=np.array([[0.7, 5.0], [2.0, 30.0]]),
)


def plain(seen, covariances, asked, near):
    """Simple kriging of each field by itself from the observations `near`."""
    values = seen.values.rows(np.arange(len(seen.points)))
    out = np.zeros((len(asked), values.shape[1]))
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
        out[:, field] = right @ np.linalg.solve(matrix, values[near, field])
    return out


def test_a_field_is_predicted_as_by_linear_algebra_written_out():
    seen, asked = observed(), places(40, seed=1)
    assert_allclose(
        Field(seen, COVARIANCES, 500).at(asked), plain(seen, COVARIANCES, asked, np.arange(120)), rtol=1e-4, atol=1e-4
    )


def test_an_observation_without_noise_is_met():
    seen = dataclasses.replace(observed(), number=np.full(120, 1e12))
    assert_allclose(Field(seen, COVARIANCES, 500).at(seen.points), seen.values.rows(np.arange(120)), atol=1e-3)


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
        assert_allclose(got[own], plain(seen, COVARIANCES, asked[own], near), rtol=1e-4, atol=1e-4)


def test_a_prediction_does_not_depend_on_what_else_is_asked(monkeypatch):
    seen, asked = observed(n=300), places(50, seed=1)
    together = Field(seen, COVARIANCES, 40).at(asked)
    monkeypatch.setattr(fields, "_KEPT", 1)  # weights of regions are made again and again
    field = Field(seen, COVARIANCES, 40)
    apart = np.concatenate([field.at(asked[[row]]) for row in range(50)])
    assert_allclose(apart, together, rtol=1e-9, atol=1e-9)


def test_the_factors_of_regions_leave_with_their_field():
    field = Field(observed(n=300), COVARIANCES, 40)
    field.at(places(5, seed=1))
    there = weakref.ref(field)
    gc.disable()  # a cycle would hold them until the next collection, in a fit of each fold
    try:
        del field
        assert there() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("most", [1, 7, 50])
def test_regions_hold_every_point_and_few_of_them(most):
    points = places(200)
    regions = fields._Regions(points, most)
    own = regions.of(points)
    assert np.bincount(own).max() <= most
    assert own.max() + 1 == len(regions.middles)
    middles = [points[own == region].mean(axis=0) for region in range(len(regions.middles))]
    assert_allclose(regions.middles, middles)


def test_points_of_one_place_are_one_region():
    assert fields._Regions(np.repeat(places(1), 20, axis=0), 4).of(places(5, seed=2)).tolist() == [0] * 5


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
    return Observations(points, Values.of(values), geometric_groups(r), number, kind, np.ones(n))


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
    groups = geometric_groups(500)
    sizes = np.bincount(groups)
    assert len(groups) == 500
    assert (np.diff(groups) >= 0).all()
    assert sizes[0] == 1
    assert sizes[-1] > 100
    assert geometric_groups(1).tolist() == [0]


def test_values_are_a_low_rank_matrix_and_a_sparse_one():
    values = sparse_and_low_rank(20, 7)
    whole = values.left @ values.right + values.rest.toarray()
    rows, fields_ = np.array([3, 3, 11]), np.array([6, 0])
    assert_allclose(values.rows(rows), whole[rows])
    assert_allclose(values.fields(fields_).rows(rows), whole[np.ix_(rows, fields_)])
    weights = np.random.default_rng(1).normal(size=(4, 20))
    for each in (weights, sparse.csr_matrix(weights)):
        assert_allclose(values.sums(each), weights @ whole)
    assert_allclose(values.fields(fields_).sums(weights[:, :3], rows), weights[:, :3] @ whole[np.ix_(rows, fields_)])
    assert_allclose(Values.of(whole).rows(np.arange(20)), whole)


def test_covariances_are_the_same_of_values_that_are_held_whole():
    seen = observed(n=200)
    whole = dataclasses.replace(seen, values=Values.of(seen.values.rows(np.arange(200))))
    one, other = (estimate(each, RANGES, 5_000) for each in (seen, whole))
    assert_allclose(one.sills, other.sills)
    assert_allclose(one.noise, other.noise)
