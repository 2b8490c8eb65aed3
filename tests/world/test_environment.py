import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc.world import environment

LON, LAT = np.random.default_rng(0).uniform([[0], [40]], [[25], [60]], (2, 3_000))


def test_the_environment_of_a_place_does_not_depend_on_the_others():
    whole = environment.at(3, LON, LAT)
    assert whole.shape == (3_000, len(environment.ENVIRONMENT))
    assert_array_equal(environment.at(3, LON, LAT, chunk=700), whole)
    assert (np.abs(whole.mean(axis=0)) < 1).all()
    assert ((whole.std(axis=0) > 0.4) & (whole.std(axis=0) < 1.7)).all()


def test_shares_of_cover_add_up():
    shares = np.stack(environment.cover_shares(*environment.cover(3, LON, LAT)))
    assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    assert (shares >= -1e-6).all()
    assert (shares.mean(axis=1) > 0.01).all()


def test_the_months_make_the_year():
    temperature, rain, swing = np.array([2.0, 15.0]), np.array([500.0, 900.0]), np.array([20.0, 12.0])
    monthly = environment.monthly(temperature, rain, swing)
    assert_allclose(monthly[:, 0].sum(axis=1), rain)
    assert_allclose(monthly[:, 1].mean(axis=1), temperature)
    assert_allclose(np.ptp(monthly[:, 1], axis=1), swing * np.cos(np.pi / 12))
    assert (monthly[:, 2] > monthly[:, 1]).all()
    assert (monthly[:, 1] > monthly[:, 3]).all()
    assert monthly[0, 1].argmax() in (6, 7)


def test_climate_cools_with_height_and_latitude():
    low = environment.climate(3, LON, LAT, np.zeros(len(LON)))[0]
    assert_allclose(low - environment.climate(3, LON, LAT, np.full(len(LON), 1_000.0))[0], 5.5, atol=1e-3)
    assert np.corrcoef(low, LAT)[0, 1] < -0.5


def test_there_is_land_and_sea_and_none_beyond_the_polygon():
    assert 0.2 < (environment.land(2024, LON, LAT) > 0).mean() <= 1
    edge = environment.land(2024, np.array([-32.0, -40.0]), np.array([27.0, 50.0]))
    assert (edge < 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_every_seed_has_enough_land(seed):
    assert (environment.land(seed, LON, LAT) > 0).mean() > 0.3
