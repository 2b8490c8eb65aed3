"""Kriging against scikit-learn's Gaussian process, against the plain equations, and its variogram on a known field."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from glc import geo
from glc.location.downstream import kriging, nearest

KM = geo.EARTH_RADIUS_M / 1000


def draw(n, seed, west=0, width=30):
    rng = np.random.default_rng(seed)
    return rng.uniform(west, west + width, n), rng.uniform(-15, 15, n)


def chords(a, b):
    return cdist(geo.unit_sphere(*a), geo.unit_sphere(*b)) * KM


def fields(places, range_km, nugget, seeds):
    """Draws of a Gaussian field of variance 1 with exponential covariance, and noise."""
    n = len(places[0])
    root = np.linalg.cholesky(np.exp(-chords(places, places) / range_km) + 1e-9 * np.eye(n))
    for rng in map(np.random.default_rng, seeds):
        yield root @ rng.normal(size=n) + nugget**0.5 * rng.normal(size=n)


def field(places, range_km, nugget):
    return next(fields(places, range_km, nugget, [0]))


@pytest.mark.parametrize("ranges_km", [(400,), (60, 1000)], ids=["one range", "two ranges"])
def test_the_variogram_of_a_field_with_a_known_one_is_found(ranges_km):
    places = draw(3000, 0, width=60)
    values = np.sum([list(fields(places, km, 0.1, 10 * int(km) + np.arange(16))) for km in ranges_km], axis=0)
    fitted = [kriging.variogram(geo.unit_sphere(*places), [value]) for value in values]
    km = np.array([60.0, 120.0, 250.0, 500.0])  # neighbours are 80 km from each other
    wanted = sum(0.1 + 1 - np.exp(-km / range_km) for range_km in ranges_km)
    got = np.mean([one(km) * value.var() for one, value in zip(fitted, values, strict=True)], axis=0)
    np.testing.assert_allclose(got, wanted, rtol=0.05)
    assert fitted[0](0.0) == fitted[0].nugget
    lags = torch.tensor([0.0, 100.0])
    np.testing.assert_allclose(
        fitted[0].covariance(lags), fitted[0].nugget + fitted[0].sills.sum() - fitted[0](lags.numpy()), rtol=1e-5
    )


def test_what_differs_at_one_point_is_the_nugget():
    places = np.tile(draw(1000, 0), 2)
    noise = 0.7 * np.random.default_rng(1).normal(size=2000)
    value = np.tile(field(places[:, :1000], 400, 0), 2) + noise
    fitted = kriging.variogram(geo.unit_sphere(*places), [value])
    assert fitted(0.0) * value.var() == pytest.approx(0.49, rel=0.15)


def test_targets_count_alike_in_the_variogram():
    places = draw(300, 0)
    points, value = geo.unit_sphere(*places), field(places, 500, 0.1)
    alone, both = (kriging.variogram(points, targets) for targets in ([value], [value, 10 * value + 3]))
    km = np.array([0.0, 100.0, 1000.0])
    np.testing.assert_allclose(both(km), alone(km), rtol=1e-3)


@pytest.mark.parametrize("degrees", [30, 0.01])
def test_it_is_ordinary_kriging_by_the_plain_equations(monkeypatch, degrees):
    """Also of places some metres apart, where chords from the Earth's centre would drown in float32."""
    scale = degrees / 30
    places, query = ([scale * x for x in draw(60, seed)] for seed in (1, 2))
    query = [x[:9] for x in query]
    value = field(places, 500 * scale, 0.1) + 7
    model = kriging.Variogram(0.1, np.array([0.4, 0.6, 0.0]), scale * np.array([50.0, 500.0, 5.0]))
    monkeypatch.setattr(kriging, "variogram", lambda *_: model)

    def likeness(a, b):
        return 0.4 * np.exp(-chords(a, b) / (50 * scale)) + 0.6 * np.exp(-chords(a, b) / (500 * scale))

    found = kriging.fit_predict(places, {"v": value}, query, near=60, spread=0)["v"].values
    system = np.ones((61, 61))
    system[:60, :60] = likeness(places, places) + 0.1 * np.eye(60)
    system[60, 60] = 0
    right = np.vstack([likeness(places, query), np.ones((1, 9))])
    weights = np.linalg.solve(system, right)[:60]
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    np.testing.assert_allclose(found, weights.T @ value, atol=1e-4)


def test_far_from_all_places_it_is_nearly_the_mean_and_near_scikit_learns_process(monkeypatch):
    places, query = draw(80, 3), draw(20, 4)
    value = field(places, 300, 0.05)
    monkeypatch.setattr(kriging, "variogram", lambda *_: kriging.Variogram(0.05, np.array([1.0]), np.array([300.0])))
    found = kriging.fit_predict(places, {"v": value}, query, near=40, spread=40)["v"].values
    process = GaussianProcessRegressor(Matern(300, nu=0.5), alpha=0.05, optimizer=None)
    process.fit(geo.unit_sphere(*places) * KM, value - value.mean())
    theirs = process.predict(geo.unit_sphere(*query) * KM) + value.mean()
    # simple kriging takes the plain mean for known, the only difference
    np.testing.assert_allclose(found, theirs, atol=0.1)
    assert np.corrcoef(found, theirs)[0, 1] > 0.99


def test_classes_are_shares_and_places_without_one_tell_nothing():
    places = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0] * 8), np.repeat(np.arange(8.0), 6)
    label = np.where(places[0] < 3, "a", "b").astype(object)
    label[places[0] == 0] = None
    found = kriging.fit_predict(places, {"c": label, "v": places[0]}, ([0.1, 4.9], [3.5, 3.5]))
    assert found["c"].best.tolist() == ["a", "b"]
    np.testing.assert_allclose(found["c"].values.sum(axis=1), 1, rtol=1e-6)
    assert found["c"].values.min() >= 0
    assert list(found) == ["c", "v"]
    assert found["v"].values[1] > 4


def test_it_crosses_the_date_line():
    lon = np.array([-179.0, 179.0, 170.0, -170.0, 0.0, 1.0] * 4)
    lat = np.repeat([0.0, 1.0, 2.0, 3.0], 6)
    value = np.where(np.abs(lon) > 90, 5.0, -5.0)
    found = kriging.fit_predict((lon, lat), {"v": value}, ([180.0, 0.5], [1.5, 1.5]))["v"].values
    np.testing.assert_allclose(found, [5, -5], atol=1)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_places_and_constant_targets_are_no_trouble(n):
    places = np.arange(float(n)), np.zeros(n)
    one = np.array(["x"] * n, object)
    found = kriging.fit_predict(places, {"v": np.full(n, 3.0), "c": one}, ([50.0], [50.0]))
    assert found["v"].values == pytest.approx([3.0])
    assert found["c"].best.tolist() == ["x"]


def test_places_at_one_point_are_solved_for(monkeypatch):
    """Also where labels seem to vary without a nugget, with which the equations could not be solved."""
    lon = np.repeat([1.0, 2.0, 3.0, 4.0], 5)
    monkeypatch.setattr(kriging, "variogram", lambda *_: kriging.Variogram(0.0, np.array([1.0]), np.array([100.0])))
    found = kriging.fit_predict((lon, 0 * lon), {"v": lon}, (np.array([1.0, 4.0]), np.zeros(2)))["v"].values
    np.testing.assert_allclose(found, [1, 4], atol=0.1)


def test_a_field_is_predicted_better_than_by_its_nearest_places():
    places, query = draw(800, 5), draw(200, 6)
    both = tuple(np.concatenate(pair) for pair in zip(places, query, strict=True))
    value = field(both, 400, 0.5)
    kriged = kriging.fit_predict(places, {"v": value[:800]}, query)["v"].values
    near = nearest.fit_predict(places, {"v": value[:800]}, query, k=5)["v"].values
    explained, by_nearest = (1 - np.mean((got - value[800:]) ** 2) / value[800:].var() for got in (kriged, near))
    assert explained > max(by_nearest, 0.3)


def test_a_target_without_spatial_structure_is_its_mean():
    """Half the mean square difference is then the same at all distances, and all places count alike."""
    places, query = draw(500, 9), draw(10, 10)
    value = np.random.default_rng(0).normal(5, 1, 500)
    got = kriging.fit_predict(places, {"v": value}, query)["v"].values
    np.testing.assert_allclose(got, value.mean(), atol=0.3)
