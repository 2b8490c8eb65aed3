import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from glc.config import Choice
from glc.errors import DataError
from glc.location import LocationEncoder

LON, LAT = np.array([0.0, 100.0, -179.0, 5.0]), np.array([0.0, 45.0, -90.0, 80.0])


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return LocationEncoder(Choice("harmonics", {"degree": 5}), Choice("siren", {"hidden": 16}), 8, {"seed": 0})


def test_embeddings_are_float32_unit_vectors(encoder):
    got = encoder.embed(LON, LAT)
    assert got.dtype == np.float32
    assert got.shape == (4, 8)
    assert_allclose(np.linalg.norm(got, axis=1), 1, rtol=1e-6)
    assert encoder.embed(3.0, 46.0).shape == (1, 8)
    assert encoder.embed([], []).shape == (0, 8)


def test_batches_change_nothing_and_full_turns_are_the_same_place(encoder):
    lon, lat = np.random.default_rng(0).uniform(-90, 90, (2, 300))
    assert_allclose(encoder.embed(lon, lat, batch=7), encoder.embed(lon, lat), atol=1e-6)
    assert_allclose(encoder.embed(LON + 180, LAT), encoder.embed(LON - 180, LAT), atol=1e-5)


@pytest.mark.parametrize("name", ["harmonics", "raw", "xyz", "spherec_plus"])
def test_loaded_is_what_was_saved(name, tmp_path):
    made = LocationEncoder(Choice(name), Choice("mlp", {"hidden": 8}), 4, {"steps": 3, "bands": ["a"]})
    made.save(tmp_path / "location.ckpt")
    loaded = LocationEncoder.load(tmp_path / "location.ckpt")
    assert np.array_equal(loaded.embed(LON, LAT), made.embed(LON, LAT))
    assert loaded.facts == {"steps": 3, "bands": ["a"]}
    assert not loaded.training


def test_the_file_is_read_without_running_code(tmp_path, encoder):
    path = tmp_path / "location.ckpt"
    encoder.save(path)
    assert set(torch.load(path, weights_only=True)) >= {"kind", "features", "network", "dim", "facts", "state_dict"}

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    torch.save({"kind": "location encoder", "facts": Evil()}, path)
    with pytest.raises(DataError, match="cannot be read as a location encoder"):
        LocationEncoder.load(path)
    assert not (tmp_path / "made").exists()


def test_files_that_are_something_else_are_told(tmp_path, encoder):
    with pytest.raises(DataError, match=r"none.ckpt: no such file; .*make location-encoder"):
        LocationEncoder.load(tmp_path / "none.ckpt")
    path = tmp_path / "other.ckpt"
    torch.save({"model": "tile_cnn"}, path)
    with pytest.raises(DataError, match=r"other.ckpt: found None, expected a location encoder"):
        LocationEncoder.load(path)
    encoder.save(path)
    content = torch.load(path, weights_only=True)
    torch.save(content | {"dim": 9}, path)
    with pytest.raises(DataError, match="is no location encoder of this version"):
        LocationEncoder.load(path)


def test_places_off_the_globe_are_refused(encoder):
    with pytest.raises(DataError, match=r"lat: found 91.0 at row 1"):
        encoder.embed([0, 0], [0, 91])
