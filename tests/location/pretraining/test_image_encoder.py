import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from glc.config import Choice
from glc.errors import ConfigError, DataError
from glc.location.pretraining.image_encoder import ImageEncoder


def tiles(n=50, bands=3, size=8, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, bands, size, size)) * [[[5.0]], [[100.0]], [[0.0]]] + 7).astype(np.float32)


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (Choice("cnn"), 8),
        (Choice("cnn"), 1),
        (Choice("cnn", {"channels": [8]}), 12),
        (Choice("timm", {"net": "resnet18", "scale": 0.25, "resize": 32}), 8),
    ],
)
def test_unit_vectors_of_any_bands_and_sizes(image, size):
    encoder = ImageEncoder(("a", "b", "c"), size, image, 16)
    encoder.prepare(tiles(size=size))
    got = encoder.embed(tiles(size=size))
    assert got.dtype == np.float32
    assert got.shape == (50, 16)
    assert_allclose(np.linalg.norm(got, axis=1), 1, rtol=1e-5)


def test_bands_are_standardised_and_what_is_missing_is_the_mean():
    x = tiles()
    x[3, 1, 2, 2] = np.nan
    encoder = ImageEncoder("abc", 8, Choice("cnn"), 4)
    encoder.prepare(x)
    standard = encoder.standard(torch.from_numpy(x)).numpy()
    assert_allclose(standard[:, :2].mean(axis=(0, 2, 3)), 0, atol=1e-5)
    assert_allclose(standard[:, :2].std(axis=(0, 2, 3)), 1, atol=1e-3)
    assert standard[3, 1, 2, 2] == 0
    assert not standard[:, 2].any()  # it does not vary


def test_units_of_a_band_change_nothing():
    x = tiles()
    torch.manual_seed(0)
    encoder = ImageEncoder("abc", 8, Choice("cnn"), 4)
    encoder.prepare(x)
    first = encoder.embed(x)
    encoder.prepare(x * 10 - 3)
    assert_allclose(encoder.embed(x * 10 - 3), first, atol=1e-4)


def test_loaded_is_what_was_saved(tmp_path):
    encoder = ImageEncoder(("a", "b", "c"), 8, Choice("cnn", {"channels": [8, 8]}), 4, {"steps": 1})
    encoder.prepare(tiles())
    encoder.save(tmp_path / "image.ckpt")
    loaded = ImageEncoder.load(tmp_path / "image.ckpt")
    assert np.array_equal(loaded.embed(tiles()), encoder.embed(tiles()))
    assert (loaded.bands, loaded.size, loaded.facts) == (("a", "b", "c"), 8, {"steps": 1})


def test_other_tiles_nets_and_options_are_refused():
    encoder = ImageEncoder(("red", "nir"), 8, Choice("cnn"), 4)
    with pytest.raises(DataError, match=r"shape \(2, 3, 8, 8\), expected .* \(n, 2, 8, 8\) of the bands red, nir"):
        encoder.embed(np.zeros((2, 3, 8, 8)))
    with pytest.raises(ConfigError, match="unknown net 'resnet19'"):
        ImageEncoder(("a",), 8, Choice("timm", {"net": "resnet19"}), 4)
    with pytest.raises(ConfigError, match="channels: found"):
        ImageEncoder(("a",), 8, Choice("cnn", {"channels": []}), 4)
