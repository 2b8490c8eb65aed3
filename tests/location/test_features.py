import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import registry
from glc.errors import ConfigError, DataError
from glc.location.features import degrees, features

LON, LAT = np.array([0.0, 90.0, -180.0, 180.0, 12.5]), np.array([0.0, 45.0, 90.0, -30.0, 80.0])


def test_all_feature_maps_are_found():
    assert {"harmonics", "raw", "spherec_plus", "xyz"} <= set(registry.locations.choices())


@pytest.mark.parametrize("name", ["harmonics", "raw", "xyz", "spherec_plus"])
def test_every_map_gives_float32_rows_and_360_degrees_on_is_the_same_place(name):
    got = features(name, LON, LAT)
    assert got.dtype == np.float32
    assert got.shape == (5, registry.locations.get(name)(registry.locations.get(name).Options()).width)
    assert_allclose(features(name, [12.5 + 360 - 360, 200], [3, 4]), features(name, [12.5, -160], [3, 4]), atol=1e-5)


def test_raw_and_xyz_are_what_they_say():
    assert_allclose(features("raw", LON, LAT), np.stack([LON / 180, LAT / 90], axis=1), atol=1e-7)
    assert_allclose(features("xyz", [0, 90, 5], [0, 0, 90]), [[1, 0, 0], [0, 1, 0], [0, 0, 1]], atol=1e-7)


def test_spherec_plus_by_hand():
    got = features("spherec_plus", [30.0], [20.0], scales=2, shortest=0.1)[0]
    lam, phi = np.radians(30.0) / np.array([0.1, 1]), np.radians(20.0) / np.array([0.1, 1])
    wanted = [np.sin(phi), np.cos(phi), np.sin(lam), np.cos(lam), np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam)]
    assert_allclose(got, np.concatenate(wanted), atol=1e-6)


def test_options_change_the_map_and_unknown_ones_are_refused():
    assert features("harmonics", LON, LAT, degree=3, inclusive=False).shape == (5, 9)
    with pytest.raises(ConfigError, match=r"unknown key 'degre'.*did you mean 'degree'"):
        features("harmonics", LON, LAT, degre=3)
    with pytest.raises(ConfigError, match="unknown feature map of coordinates 'harmonic'"):
        features("harmonic", LON, LAT)


@pytest.mark.parametrize(
    ("lon", "lat", "told"),
    [
        ([0, 1], [0, 90.1], r"lat: found 90.1 at row 1 \(1 such rows\)"),
        ([0, np.nan], [0, 1], "lon: found nan at row 1"),
        ([700_000.0], [5], "lon: found 700000.0"),
        ([0, 1], [0], "2 lon and 1 lat"),
        ([[0, 1]], [[0, 1]], r"lon: found an array of shape \(1, 2\)"),
        (["x"], [0], "lon: could not convert"),
    ],
)
def test_what_is_no_place_is_refused(lon, lat, told):
    with pytest.raises(DataError, match=told):
        degrees(lon, lat)
