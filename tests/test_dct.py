import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from glc import dct
from glc.errors import ConfigError, DataError

PIXELS = {
    "identity": lambda x: x,
    "flip_north_south": lambda x: x[..., ::-1, :],
    "flip_east_west": lambda x: x[..., :, ::-1],
    "rotate_90": lambda x: np.rot90(x, 1, (-2, -1)),
    "rotate_180": lambda x: np.rot90(x, 2, (-2, -1)),
    "rotate_270": lambda x: np.rot90(x, 3, (-2, -1)),
    "transpose": lambda x: x.swapaxes(-2, -1),
    "anti_transpose": lambda x: x[..., ::-1, ::-1].swapaxes(-2, -1),
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("size", "block"), [(128, 8), (128, 128), (64, 1), (33, 7), (1, 1)])
def test_compress_is_the_corner_of_the_whole_transform(rng, size, block):
    tiles = rng.normal(10, 5, (2, 3, size, size))
    wanted = fft.dctn(tiles, norm="ortho", axes=(-2, -1))[..., :block, :block]
    assert_allclose(dct.compress(tiles, block), wanted, rtol=0, atol=1e-10)
    found = dct.compress(tiles.astype(np.float32), block)
    assert found.dtype == np.float32
    assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_first_term_is_the_mean_times_the_side(rng):
    tile = rng.normal(7, 1, (128, 128))
    assert dct.compress(tile)[0, 0] == pytest.approx(tile.mean() * 128)


def test_rows_are_the_first_frequency_and_columns_the_second():
    row, col = np.mgrid[:32, :32]
    coeffs = dct.compress(np.cos(np.pi * 3 * (row + 0.5) / 32) * np.cos(np.pi * 2 * (col + 0.5) / 32))
    assert_allclose(
        coeffs, np.where(np.indices(coeffs.shape)[0] * 10 + np.indices(coeffs.shape)[1] == 32, 16, 0), atol=1e-12
    )


def test_all_terms_expand_to_the_tiles_and_few_to_their_best_fit(rng):
    tiles = rng.normal(size=(2, 24, 40))
    assert_allclose(dct.expand(dct.compress(tiles, (24, 40)), (24, 40)), tiles, atol=1e-12)
    smooth = dct.low_pass(tiles, 5)
    assert_allclose(dct.compress(smooth, 5), dct.compress(tiles, 5), atol=1e-12)
    # a projection: what is left is orthogonal to what is kept
    assert np.vdot(smooth, tiles - smooth) == pytest.approx(0, abs=1e-9)
    assert_allclose(dct.low_pass(smooth, 5), smooth, atol=1e-12)


def test_expanding_to_another_size_keeps_pixel_values():
    def scene(size):
        x = (np.arange(size) + 0.5) / size
        return 20 + 3 * np.cos(np.pi * x)[:, None] + np.cos(3 * np.pi * x)

    for size in (32, 128, 200):
        assert_allclose(dct.expand(dct.compress(scene(128)), size, from_size=128), scene(size), atol=1e-10)
    found = dct.expand(dct.compress(scene(128)), (40, 200), from_size=128)
    assert found.shape == (40, 200)
    assert found.mean() == pytest.approx(20)
    # unscaled, the transform keeps the sum of squares instead
    coeffs = dct.compress(scene(128))
    assert np.square(dct.expand(coeffs, 32)).sum() == pytest.approx(np.square(coeffs).sum())


def test_series(rng):
    series = rng.normal(size=(3, 5, 84))
    assert_allclose(dct.compress_1d(series, 64), fft.dct(series, norm="ortho")[..., :64], atol=1e-10)
    assert_allclose(dct.expand_1d(dct.compress_1d(series, 84), 84), series, atol=1e-12)
    assert_allclose(dct.expand_1d(dct.compress_1d(np.full(84, 3.0), 4), 21, from_size=84), np.full(21, 3.0))


@pytest.mark.parametrize("axes", [(1, 2, 3), (-1, 0), (2,), (-3, -1), ()])
def test_any_axes(rng, axes):
    x = rng.normal(size=(6, 4, 20, 12))
    blocks = [3, 2, 4][: len(axes)]
    corner = [slice(None)] * 4
    for axis, block in zip(axes, blocks, strict=True):
        corner[axis] = slice(block)
    found = dct.compress_nd(x, blocks, axes)
    assert_allclose(found, fft.dctn(x, norm="ortho", axes=axes)[tuple(corner)] if axes else x, atol=1e-10)
    sizes = [x.shape[axis] for axis in axes]
    assert_allclose(dct.compress_nd(dct.expand_nd(found, sizes, axes), blocks, axes), found, atol=1e-10)


def test_basis_of_a_long_series_is_orthonormal():
    found = dct.basis(20_000, 30)
    assert_allclose(found @ found.T, np.eye(30), atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("u1", "f4"), ("i2", "f4"), ("i8", "f4"), ("?", "f4"), ("f2", "f4"), ("f4", "f4"), (">f4", "f4"), ("f8", "f8")],
)
def test_float_types(rng, given, wanted):
    tiles = rng.integers(0, 2 if given == "?" else 100, (2, 16, 16)).astype(given)
    before = tiles.copy()
    for found in (dct.compress(tiles), dct.expand(tiles, 32, 16), dct.low_pass(tiles)):
        assert found.dtype == np.dtype(wanted)
    assert_allclose(dct.compress(tiles), dct.compress(tiles.astype(float)), rtol=1e-5, atol=1e-3)
    assert_array_equal(tiles, before)


def test_no_tiles_and_strided_tiles(rng):
    assert dct.compress(np.zeros((0, 4, 16, 16), np.float32)).shape == (0, 4, 8, 8)
    bands_last = rng.normal(size=(5, 16, 16, 3))
    found = dct.compress(np.moveaxis(bands_last, -1, 1))
    assert_allclose(found, dct.compress(np.moveaxis(bands_last, -1, 1).copy()), atol=1e-12)


@pytest.mark.parametrize("block", [8, 5, 16, 1])
@pytest.mark.parametrize("name", dct.SYMMETRIES)
def test_symmetry_of_coefficients_is_that_of_the_pixels(rng, name, block):
    tiles = rng.normal(size=(2, 3, 16, 16))
    coeffs = dct.compress(tiles, block)
    before = coeffs.copy()
    found = getattr(dct, name)(coeffs)
    assert_allclose(found, dct.compress(PIXELS[name](tiles), block), atol=1e-12)
    assert_allclose(dct.expand(found, 16), PIXELS[name](dct.expand(coeffs, 16)), atol=1e-12)
    assert_array_equal(coeffs, before)
    assert not np.shares_memory(found, coeffs)


@pytest.mark.parametrize("name", dct.SYMMETRIES)
def test_symmetry_of_tiles_that_are_not_square(rng, name):
    tiles = rng.normal(size=(2, 12, 20))
    turned = PIXELS[name](tiles)
    blocks = (4, 6) if turned.shape == tiles.shape else (6, 4)
    assert_allclose(dct.symmetry(dct.compress(tiles, (4, 6)), name), dct.compress(turned, blocks), atol=1e-12)


def test_symmetries_are_the_group_of_the_square(rng):
    coeffs = rng.normal(size=(8, 8))
    images = {name: dct.symmetry(coeffs, name) for name in dct.SYMMETRIES}

    def named(x):
        (name,) = (name for name, image in images.items() if np.array_equal(image, x))  # one and only one
        return name

    product = {(a, b): named(dct.symmetry(images[b], a)) for a in images for b in images}
    for a in images:
        assert {product[a, b] for b in images} == set(images)  # closed, and every one has its inverse
        assert product[a, "identity"] == product["identity", a] == a
    assert product["rotate_90", "rotate_90"] == "rotate_180"
    assert product["rotate_90", "rotate_270"] == "identity"
    assert product["rotate_90", "transpose"] != product["transpose", "rotate_90"]


def test_the_transpose_is_no_rotation(rng):
    tile = rng.normal(size=(8, 8))
    found = dct.expand(dct.transpose(dct.compress(tile)), 8)
    assert not any(np.allclose(found, np.rot90(tile, turns)) for turns in range(4))


def bad(value):
    tiles = np.ones((3, 16, 16), np.float32)
    tiles[1, 5, 2] = value
    return tiles


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: dct.compress(np.ones((2, 6, 16)), 8), ConfigError, "block=8: larger than axis -2.*at most 6"),
        (lambda: dct.compress(np.ones((16, 16)), 0), ConfigError, "block=0: expected an integer.* or 2 of them"),
        (lambda: dct.compress(np.ones((16, 16)), 2.5), ConfigError, "block=2.5"),
        (lambda: dct.compress(np.ones((16, 16)), (4, 4, 4)), ConfigError, "block="),
        (lambda: dct.compress(np.ones(16)), DataError, r"shape \(16,\), expected one with the axes \(-2, -1\)"),
        (lambda: dct.compress(bad(np.nan)), DataError, r"1 of 768 values not finite, the first nan at \(1, 5, 2\)"),
        (lambda: dct.compress(bad(-np.inf), 16), DataError, "the first -inf at"),
        (lambda: dct.compress(np.full((16, 16), 3e38, np.float32)), DataError, "overflow; convert .* to float64"),
        (lambda: dct.compress(np.ma.masked_less(np.eye(16), 1)), DataError, "240 masked of 256"),
        (lambda: dct.compress(np.full((16, 16), "a")), DataError, "expected numbers"),
        (lambda: dct.compress(np.ones((16, 16), complex)), DataError, "expected numbers"),
        (lambda: dct.compress_nd(np.ones((16, 16)), 4, (1, -1)), ConfigError, "found an axis twice"),
        (lambda: dct.compress_1d(np.ones(21), 64), ConfigError, "block=64: larger than axis -1.*at most 21"),
        (lambda: dct.expand(np.ones((8, 8)), 4), ConfigError, "size=4: smaller than axis -2"),
        (lambda: dct.expand(np.ones((8, 8)), 16, from_size=4), ConfigError, "from_size=4: smaller"),
        (lambda: dct.expand(bad(np.nan), 16), DataError, "not finite"),
        (lambda: dct.flip_east_west(np.ones(8)), DataError, "expected one with the axes"),
        (lambda: dct.symmetry(np.ones((8, 8)), "rotate_9"), ConfigError, "did you mean 'rotate_90'"),
    ],
)  # fmt: skip
def test_errors_say_what_and_the_remedy(call, error, told):
    with pytest.raises(error, match=told):
        call()
