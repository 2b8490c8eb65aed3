"""Kriging by several ranges against scikit-learn's Gaussian process and against the plain equations."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from glc import geo
from glc.location.downstream import nearest, nested
from glc.neighbours.fields import Covariances
from tests.location.downstream.test_kriging import draw, field, fields

KM = geo.EARTH_RADIUS_M / 1000


def arcs(a, b):
    """Great-circle kilometres, by the haversine formula."""
    lon, lat = (np.radians(np.subtract.outer(x, y)) for x, y in zip(a, b, strict=True))
    cosines = np.cos(np.radians(a[1]))[:, None] * np.cos(np.radians(b[1]))
    return 2 * KM * np.arcsin(np.sqrt(np.sin(lat / 2) ** 2 + cosines * np.sin(lon / 2) ** 2))


def known(monkeypatch, range_km, nugget):
    """All fields have this covariance."""

    def covariances(seen, ranges_m, nearest_m, seed):
        return Covariances(seen.groups, np.array([range_km * 1000]), np.array([[1.0]]), np.array([[nugget]]))

    monkeypatch.setattr(nested, "estimate", covariances)


@pytest.mark.parametrize("degrees", [30, 0.01])
def test_it_is_simple_kriging_by_the_plain_equations(monkeypatch, degrees):
    """Also of places some metres apart, where cosines of angles would drown in rounding."""
    scale = degrees / 30
    places, query = ([scale * x for x in draw(60, seed)] for seed in (1, 2))
    query = [x[:9] for x in query]
    value = field(places, 500 * scale, 0.1) + 7
    known(monkeypatch, 500 * scale, 0.1)
    got = nested.fit_predict(places, {"v": value}, query)["v"].values
    covariance, right = (np.exp(-arcs(places, other) / (500 * scale)) for other in (places, query))
    weights = np.linalg.solve(covariance + 0.1 * np.eye(60), right)
    np.testing.assert_allclose(got, value.mean() + weights.T @ (value - value.mean()), atol=1e-4)


def test_it_is_near_scikit_learns_process(monkeypatch):
    places, query = draw(80, 3), draw(20, 4)
    value = field(places, 300, 0.05)
    known(monkeypatch, 300, 0.05)
    got = nested.fit_predict(places, {"v": value}, query)["v"].values
    process = GaussianProcessRegressor(Matern(300, nu=0.5), alpha=0.05, optimizer=None)
    process.fit(geo.unit_sphere(*places) * KM, value - value.mean())
    theirs = process.predict(geo.unit_sphere(*query) * KM) + value.mean()
    np.testing.assert_allclose(got, theirs, atol=0.01)  # theirs are chords


def test_a_field_is_predicted_better_than_by_its_nearest_places():
    places, query = draw(800, 5), draw(200, 6)
    both = tuple(np.concatenate(pair) for pair in zip(places, query, strict=True))
    value = field(both, 400, 0.5)
    got = nested.fit_predict(places, {"v": value[:800]}, query)["v"].values
    near = nearest.fit_predict(places, {"v": value[:800]}, query, k=5)["v"].values
    known_best = 1 - np.mean((got - value[800:]) ** 2) / value[800:].var()
    assert known_best > 1 - np.mean((near - value[800:]) ** 2) / value[800:].var()
    assert known_best > 0.3


def test_targets_count_alike():
    places, query = draw(300, 0), draw(20, 1)
    value, other = fields(places, 500, 0.1, [0, 1])
    alone = nested.fit_predict(places, {"v": value, "w": other}, query)
    both = nested.fit_predict(places, {"v": 10 * value + 3, "w": other}, query)
    np.testing.assert_allclose(both["v"].values, 10 * alone["v"].values + 3, rtol=1e-6)
    np.testing.assert_allclose(both["w"].values, alone["w"].values, rtol=1e-6)


def test_of_many_places_the_nearest_are_taken():
    places, query = draw(400, 7), draw(50, 8)
    value = field(places, 400, 0.1)
    every, some = (nested.fit_predict(places, {"v": value}, query, neighbours=count)["v"].values for count in (400, 80))
    assert 0 < np.abs(every - some).mean() < 0.1
