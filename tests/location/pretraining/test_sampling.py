import numpy as np
import pytest
from scipy import stats

from glc import geo
from glc.errors import ConfigError, DataError
from glc.location.pretraining import sampling

GLOBE = (-180.0, -90.0, 180.0, 90.0)


def test_places_are_uniform_by_area():
    lon, lat = sampling.uniform(20_000, GLOBE, np.random.default_rng(0))
    assert stats.kstest(np.sin(np.radians(lat)), stats.uniform(-1, 2).cdf).pvalue > 0.001
    assert stats.kstest(lon, stats.uniform(-180, 360).cdf).pvalue > 0.001
    lon, lat = sampling.uniform(500, (5, 40, 9, 44), np.random.default_rng(0))
    assert (lon.min() >= 5) & (lon.max() <= 9) & (lat.min() >= 40) & (lat.max() <= 44)


def test_on_land_keeps_exactly_n_places_of_land_alone():
    def island(lon, lat):
        return (np.abs(lon) < 20) & (lat > 0)

    lon, lat = sampling.on_land(1000, island, GLOBE, np.random.default_rng(1), "test")
    assert len(lon) == len(lat) == 1000
    assert island(lon, lat).all()
    # half of the area of a hemisphere lies below 30 degrees
    assert abs((lat < 30).mean() - 0.5) < 0.06
    with pytest.raises(DataError, match=r"raster.tif: found 0 places on land of 10"):
        sampling.on_land(10, lambda lon, lat: np.zeros(len(lon), bool), GLOBE, np.random.default_rng(0), "raster.tif")


def test_held_out_are_whole_squares():
    lon, lat = sampling.uniform(5000, GLOBE, np.random.default_rng(2))
    out = sampling.held_out(lon, lat, 0.1, np.random.default_rng(0), 4.0)
    assert abs(out.mean() - 0.1) < 0.01
    # 90 / 4 is no whole number: squares are counted from the south pole
    cell = np.floor((lat + 90) / 4).astype(int) * 10_000 + np.floor((lon + 180) / 4).astype(int)
    assert not set(cell[out]) & set(cell[~out])


@pytest.fixture
def crowd():
    """Places of which many are near each other: 400 in a box of about 550 km, 200 elsewhere."""
    rng = np.random.default_rng(3)
    near, far = sampling.uniform(400, (0, 40, 6, 45), rng), sampling.uniform(200, GLOBE, rng)
    return np.concatenate([near, far], axis=1)


def test_no_two_of_a_batch_are_near_and_no_place_comes_twice(crowd):
    batches = sampling.Batches(*crowd, 20, apart_km=80, seed=0)
    made = list(batches)
    assert len(made) > 5
    rows = np.concatenate(made)
    assert len(set(rows)) == len(rows)
    assert len(rows) + batches.left == 600
    closest = np.inf
    for batch in made:
        assert len(batch) == 20
        lon, lat = crowd[:, batch]
        metres = geo.great_circle_m(lon[:, None], lat[:, None], lon, lat)
        closest = min(closest, metres[np.triu_indices(20, 1)].min())
    assert closest >= 80_000
    plain = [crowd[:, batch] for batch in sampling.Batches(*crowd, 20)]
    assert (
        min(
            geo.great_circle_m(lon[:, None], lat[:, None], lon, lat)[np.triu_indices(20, 1)].min() for lon, lat in plain
        )
        < 80_000
    )


def test_passes_differ_and_the_same_seed_gives_the_same(crowd):
    one, two = sampling.Batches(*crowd, 50, 5, seed=4), sampling.Batches(*crowd, 50, 5, seed=4)
    first, second = np.concatenate(list(one)), np.concatenate(list(one))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, np.concatenate(list(two)))
    fixed = sampling.Batches(*crowd, 50, 5, seed=4, shuffle=False)
    assert np.array_equal(np.concatenate(list(fixed)), np.concatenate(list(fixed)))


def test_where_no_batch_can_be_filled_it_is_told():
    with pytest.raises(ConfigError, match="batch_size: found 10 of 40 places at least 500 km apart"):
        list(sampling.Batches(np.full(40, 7.0), np.full(40, 46.0), 10, 500))
