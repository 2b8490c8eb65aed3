"""The front end of the nets that read imagery."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from glc import dct as numpy_dct
from glc.errors import ConfigError
from glc.nets.inputs.features import Layout, Moments
from glc.nets.layers import dct
from glc.nets.layers.maps import Maps, common_size, pixel_symmetries

TILES = Layout("coeffs", ("red", "nir"), 8, 8, 128)
SMALL = Layout("coeffs", ("elevation",), 4, 4, 64)
PIXELS = Layout("pixels", ("red", "green"), 16, 16, 16)
SERIES = Layout("series", ("blue", "swir"), 8, 8)
CUBE = Layout("cube", ("tas", "pr"), 3, 12)
EIGHT = torch.arange(8)


def draw(layouts, n=8, seed=0):
    """Random imagery with every value of its own mean and deviation."""
    rng = np.random.default_rng(seed)
    spread = {name: rng.uniform(0.5, 3, layout.shape) for name, layout in layouts.items()}
    return {
        name: torch.tensor(rng.normal(10 * spread[name], spread[name], (n, *layout.shape)), dtype=torch.float32)
        for name, layout in layouts.items()
    }


def summary_of(batch):
    """What `Features.moments` finds for a batch without gaps."""
    parts = {name: values.numpy().astype(np.float64) for name, values in batch.items()}
    return SimpleNamespace(
        inputs={
            name: Moments(x.mean(axis=0).astype(np.float32), x.std(axis=0).astype(np.float32), 1.0)
            for name, x in parts.items()
        }
    )


def prepared(layouts, batch, **settings):
    maps = Maps(layouts, **settings)
    maps.prepare(summary_of(batch))
    return maps.eval()


def test_without_statistics_maps_are_the_inputs_side_by_side():
    layouts = {"tiles": TILES, "series": SERIES}
    batch = draw(layouts)
    maps = Maps(layouts).eval()
    assert (maps.channels, maps.rows, maps.cols) == (4, 8, 8)
    assert torch.equal(maps(batch), torch.cat([batch["tiles"], batch["series"]], dim=1))


@pytest.mark.parametrize(
    ("layouts", "settings"),
    [
        ({"tiles": TILES, "small": SMALL, "series": SERIES, "cube": CUBE}, {}),
        ({"tiles": TILES, "cube": CUBE}, {"expand": 128}),
        ({"pixels": PIXELS, "cube": CUBE}, {}),
    ],
)
def test_known_shapes_and_what_is_missing_is_zero(layouts, settings):
    batch = draw(layouts)
    maps = prepared(layouts, batch, **settings)
    whole = maps(batch)
    assert whole.shape == (8, maps.channels, maps.rows, maps.cols)
    for values in batch.values():
        values[0] = float("nan")
        values[1, 1:] = float("nan")
    found = maps(batch)
    assert (found[0] == 0).all()
    channel = 0
    for layout in layouts.values():
        bands = len(layout.bands)
        assert torch.equal(found[1, channel], whole[1, channel])
        assert (found[1, channel + 1 : channel + bands] == 0).all()
        channel += bands
    assert torch.equal(found[2:], whole[2:])


def test_each_coefficient_is_standardised_by_its_own_moments():
    batch = draw({"tiles": TILES, "series": SERIES}, 4_000)
    found = prepared({"tiles": TILES, "series": SERIES}, batch, symmetries=False)(batch)
    assert_allclose(found.mean(dim=0).numpy(), 0, atol=1e-3)
    assert_allclose(found.std(dim=0, correction=0).numpy(), 1, rtol=1e-3)


def test_symmetrised_moments_are_those_of_all_eight_symmetries_of_the_data():
    batch = draw({"tiles": TILES}, 50)
    eightfold = {"tiles": torch.cat([dct.symmetry(batch["tiles"], name) for name in dct.SYMMETRIES])}
    maps = prepared({"tiles": TILES}, batch)
    wanted = prepared({"tiles": TILES}, eightfold, symmetries=False)
    assert_allclose(maps.mean_0.numpy(), wanted.mean_0.numpy(), atol=1e-4)
    assert_allclose(maps.scale_0.numpy(), wanted.scale_0.numpy(), rtol=1e-4)
    assert (maps.mean_0[:, 1::2] == 0).all()
    assert torch.equal(maps.scale_0, maps.scale_0.mT)


@pytest.mark.parametrize("name", dct.SYMMETRIES)
def test_standardising_commutes_with_every_symmetry_when_they_are_on(name):
    batch = draw({"tiles": TILES}, 50)
    turned = {"tiles": dct.symmetry(batch["tiles"], name)}
    maps = prepared({"tiles": TILES}, batch)
    torch.testing.assert_close(maps(turned), dct.symmetry(maps(batch), name), rtol=1e-5, atol=1e-4)
    own = prepared({"tiles": TILES}, batch, symmetries=False)
    gap = (own(turned) - dct.symmetry(own(batch), name)).abs().max()
    assert (gap > 0.1) == (name != "identity")


@pytest.mark.parametrize("size", [128, 40])
def test_expanded_maps_are_the_pixels_standardised_by_band(size):
    batch = draw({"tiles": TILES}, 30)
    pixels = numpy_dct.expand(batch["tiles"].numpy().astype(np.float64), size, from_size=128)
    mean = pixels.mean(axis=(0, 2, 3), keepdims=True)
    std = pixels.std(axis=(0, 2, 3), keepdims=True)
    found = prepared({"tiles": TILES}, batch, expand=size)(batch)
    assert_allclose(found.numpy(), (pixels - mean) / std, atol=2e-4)


def test_pixels_are_standardised_by_band():
    batch = draw({"pixels": PIXELS}, 30)
    x = batch["pixels"]
    wanted = (x - x.mean(dim=(0, 2, 3), keepdim=True)) / x.std(dim=(0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(prepared({"pixels": PIXELS}, batch)(batch), wanted, rtol=1e-4, atol=1e-4)


def test_eight_bits_of_colour_are_normalised_by_given_moments_and_other_bands_by_their_own():
    colours = Layout("pixels", ("nir", "green", "red"), 16, 16, 16, levels=255)
    layouts = {"pixels": PIXELS, "colours": colours}  # the first holds red and green too, but of no known depth
    batch = draw(layouts, 30)
    maps = prepared(layouts, batch)
    own = maps(batch)
    maps.normalise((0.5, 0.4, 0.3), (0.2, 0.1, 0.05))
    made = maps(batch)
    torch.testing.assert_close(made[:, :3], own[:, :3])
    green, red = batch["colours"][:, 1] / 255, batch["colours"][:, 2] / 255
    torch.testing.assert_close(made[:, 3], (green - 0.4) / 0.1, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made[:, 4], (red - 0.5) / 0.2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("expand", [0, 64])
def test_constant_bands_become_zero_though_float32_leaves_noise_of_them(expand):
    tiles = torch.full((20, 2, 64, 64), 2931.7)
    tiles[:, 1] = torch.arange(20.0)[:, None, None]
    batch = {"small": dct.compress(tiles, 4)}
    batch["small"] += 1e-4 * torch.rand(20, 2, 4, 4)  # nothing beside first terms of 187,629 and of 0 to 1,216
    layout = Layout("coeffs", ("constant", "flat"), 4, 4, 64)
    found = prepared({"small": layout}, batch, expand=expand)(batch)
    assert (found[:, 0] == 0).all()
    steps = torch.linspace(-9.5, 9.5, 20) / np.arange(20).std()
    wanted = steps[:, None, None].expand(-1, 64, 64) if expand else torch.zeros(20, 4, 4)
    if not expand:
        wanted[:, 0, 0] = steps
    torch.testing.assert_close(found[:, 1], wanted, rtol=0, atol=1e-5)


def train_with(maps, monkeypatch, which=EIGHT):
    monkeypatch.setattr(maps, "choose", lambda n: which[:n])
    return maps.train()


def turned_pixels(tiles):
    """Sample k under symmetry k, in NumPy's words."""
    x = tiles.numpy()
    operations = {
        "identity": lambda t: t,
        "flip_north_south": lambda t: t[:, ::-1],
        "flip_east_west": lambda t: t[:, :, ::-1],
        "rotate_180": lambda t: np.rot90(t, 2, (1, 2)),
        "transpose": lambda t: t.swapaxes(1, 2),
        "rotate_90": lambda t: np.rot90(t, 1, (1, 2)),
        "rotate_270": lambda t: np.rot90(t, 3, (1, 2)),
        "anti_transpose": lambda t: t[:, ::-1, ::-1].swapaxes(1, 2),
    }
    return np.stack([operations[name](tile) for name, tile in zip(dct.SYMMETRIES, x, strict=True)])


def test_symmetries_of_pixels_are_numpys():
    tiles = torch.randn(8, 3, 5, 5)
    assert np.array_equal(pixel_symmetries(tiles, EIGHT).numpy(), turned_pixels(tiles))
    shuffled = torch.tensor([3, 3, 0])
    assert torch.equal(pixel_symmetries(tiles[[3, 3, 0]], shuffled)[1], pixel_symmetries(tiles, EIGHT)[3])


def test_turned_coefficients_expand_to_turned_pixels_and_all_tiles_of_a_survey_alike(monkeypatch):
    layouts = {"coeffs": Layout("coeffs", ("a", "b"), 8, 8, 32), "pixels": Layout("pixels", ("c",), 32, 32, 32)}
    batch = draw(layouts)
    maps = prepared(layouts, batch, expand=32)
    still = maps(batch)
    found = train_with(maps, monkeypatch)(batch)
    assert_allclose(found.detach().numpy(), turned_pixels(still), atol=1e-4)


def test_one_draw_a_survey_serves_all_its_tiles():
    layouts = {"one": TILES, "other": TILES}
    batch = draw({"one": TILES}, 32)
    batch["other"] = batch["one"]
    found = prepared(layouts, batch).train()(batch)
    assert torch.equal(found[:, :2], found[:, 2:])


def test_cubes_and_series_are_never_turned(monkeypatch):
    layouts = {"tiles": TILES, "series": SERIES, "cube": CUBE}
    batch = draw(layouts)
    maps = prepared(layouts, batch)
    still = maps(batch)
    found = train_with(maps, monkeypatch)(batch)
    torch.testing.assert_close(found[:, :2], dct.symmetries(still[:, :2], EIGHT))
    assert torch.equal(found[:, 2:], still[:, 2:])


def test_symmetries_are_random_in_training_follow_the_seed_and_can_be_off():
    batch = draw({"tiles": TILES}, 64)
    maps = prepared({"tiles": TILES}, batch)
    still = maps(batch)
    assert torch.equal(still, maps(batch))
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(maps.train()(batch))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    images = torch.stack([dct.symmetry(still, name) for name in dct.SYMMETRIES])
    matches = (drawn[0] == images).all(dim=(2, 3, 4))
    assert (matches.sum(dim=0) == 1).all()
    assert matches.any(dim=1).all()
    off = prepared({"tiles": TILES}, batch, symmetries=False)
    assert torch.equal(off.train()(batch), off.eval()(batch))


def test_smaller_blocks_are_padded_to_the_largest_and_tile_size_does_not_matter():
    pixels = torch.rand(40, 1, 64, 64)
    finer = pixels.repeat_interleave(2, -1).repeat_interleave(2, -2)
    batch = {"small": dct.compress(pixels, 4), "large": dct.compress(finer, 8)}
    layouts = {"small": Layout("coeffs", ("p",), 4, 4, 64), "large": Layout("coeffs", ("p",), 8, 8, 128)}
    found = prepared(layouts, batch)(batch)
    assert found.shape == (40, 2, 8, 8)
    assert (found[:, 0, 4:] == 0).all()
    assert (found[:, 0, :, 4:] == 0).all()
    torch.testing.assert_close(found[:, 0, :4, :4], found[:, 1, :4, :4], rtol=0, atol=1e-3)


def test_cubes_join_as_the_mean_of_their_standardised_values():
    batch = draw({"tiles": TILES, "cube": CUBE}, 200)
    # all values of the cube rise and fall together: its mean then has deviation 1
    level = torch.randn(200, 1, 1, 1)
    batch["cube"] = 280 + torch.rand(1, 2, 3, 12) * 20 + level * (1 + torch.rand(1, 2, 3, 12))
    wanted = ((level - level.mean()) / level.std(correction=0))[:, 0]
    found = prepared({"tiles": TILES, "cube": CUBE}, batch)(batch)[:, 2:]
    torch.testing.assert_close(found[:, :, 0, 0], wanted[..., 0].expand(-1, 2), rtol=1e-3, atol=1e-3)
    assert found[:, :, 0, 1:].abs().max() == found[:, :, 1:].abs().max() == 0
    maps = prepared({"tiles": TILES, "cube": CUBE}, batch, expand=128)
    torch.testing.assert_close(maps(batch)[:, 2:], wanted[..., None].expand(-1, 2, 128, 128), rtol=1e-3, atol=1e-3)
    # a value that is missing takes its own mean: a cube of winters alone is not a cold place
    batch["cube"][:, :, :, 1:] = float("nan")
    part = maps(batch)[:, 2, 0, 0]
    assert part.mean().abs() < 1e-3


def test_the_checkpoint_carries_the_statistics():
    layouts = {"tiles": TILES, "cube": CUBE}
    batch = draw(layouts)
    maps = prepared(layouts, batch)
    other = Maps(layouts).eval()
    other.load_state_dict(maps.state_dict())
    assert torch.equal(other(batch), maps(batch))


@pytest.mark.parametrize(
    ("layouts", "settings", "told"),
    [
        ({"t": TILES, "p": PIXELS}, {}, r"t \(coeffs\), p \(pixels\), expected coefficients or pixels alone"),
        ({"p": PIXELS, "s": SERIES}, {}, r"p \(pixels\), s \(series\), expected coefficients or pixels"),
        ({"p": PIXELS, "q": Layout("pixels", ("x",), 32, 32, 32)}, {}, r"p \(16 x 16\), q \(32 x 32\) pixels"),
        ({"t": TILES, "p": PIXELS}, {"expand": 128}, r"t \(128 x 128\), p \(16 x 16\) pixels, expected tiles of one"),
        ({"t": TILES, "s": SERIES}, {"expand": 128}, r"t \(coeffs\), s \(series\), expected no series"),
        ({"c": CUBE}, {}, r"c \(cube\), expected a map"),
    ],
)
def test_inputs_that_make_no_map_are_named(layouts, settings, told):
    with pytest.raises(ConfigError, match=told):
        Maps(layouts, **settings)


def test_the_size_to_expand_to_is_that_of_all_tiles():
    assert common_size({"t": TILES, "c": CUBE}) == 128
    with pytest.raises(ConfigError, match=r"tiles of t \(128\), s \(64\) pixels, expected one size"):
        common_size({"t": TILES, "s": SMALL})
    with pytest.raises(ConfigError, match="no tiles"):
        common_size({"s": SERIES})
