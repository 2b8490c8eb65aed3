"""The low frequencies of tiles and series: truncated cosine transforms, and the square's symmetries on them.

A tile's first block x block terms of the orthonormal two-dimensional DCT-II are two matrix products with a
(block, size) basis; nothing beyond the terms that are kept is ever computed. Axes are (..., row, col), north-up, so
term [u, v] has u half waves from north to south and v from west to east. float32 and float64 stay what they are;
integers, booleans and float16 become float32. (Miyaguchi et al. 2024, sections 4.2 to 4.4.)
"""

import operator
from collections.abc import Sequence
from functools import lru_cache
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from glc.errors import ConfigError, DataError, did_you_mean

SYMMETRIES = {
    "identity": (False, False, False),
    "flip_north_south": (False, True, False),
    "flip_east_west": (False, False, True),
    "rotate_180": (False, True, True),
    "transpose": (True, False, False),
    "rotate_90": (True, True, False),
    "rotate_270": (True, False, True),
    "anti_transpose": (True, True, True),
}
"""The eight symmetries of the square by name: transpose first or not, then reverse rows, then columns or not."""


def compress(tiles: ArrayLike, block: int | Sequence[int] = 8) -> np.ndarray:
    """Keep the low spatial frequencies of tiles.

    tiles : (..., row, col), north-up, finite
    block : how many terms an axis keeps, or (rows, cols) of them
    returns : (..., block, block), the tiles' own float type, orthonormal DCT-II; [..., 0, 0] is the mean times the
        side (of a tile that is not square: times the root of its pixel count)
    """
    return compress_nd(tiles, block, (-2, -1))


def expand(coeffs: ArrayLike, size: int | Sequence[int], from_size: int | Sequence[int] | None = None) -> np.ndarray:
    """Tiles of low spatial frequencies: the inverse of `compress`, exact where every coefficient was kept.

    coeffs : (..., block, block)
    size : side of the tiles, or (rows, cols)
    from_size : side of the tiles that were compressed where that is not `size`: pixel values are then kept, each axis
        being scaled by sqrt(size / from_size)
    returns : (..., size, size), the coefficients' own float type
    """
    return expand_nd(coeffs, size, (-2, -1), from_size)


def compress_1d(series: ArrayLike, terms: int) -> np.ndarray:
    """Keep the first `terms` of the DCT-II of series, (..., time) to (..., terms): `compress` for one axis."""
    return compress_nd(series, terms, (-1,))


def expand_1d(coeffs: ArrayLike, size: int, from_size: int | None = None) -> np.ndarray:
    """Series of `size` values, (..., terms) to (..., size): the inverse of `compress_1d`, scaled as `expand` is."""
    return expand_nd(coeffs, size, (-1,), from_size)


def compress_nd(x: ArrayLike, blocks: int | Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """Keep the low frequencies along some axes of an array.

    x : array, finite
    axes : distinct axes of it
    blocks : how many terms each of them keeps, one number or one an axis
    returns : `x` with those axes cut to their blocks, orthonormal DCT-II along them
    """
    x = _floats(x)
    axes = _axes(x, axes)
    blocks = _lengths(blocks, len(axes), "block")
    for block, axis in zip(blocks, axes, strict=True):
        if block > x.shape[axis]:
            raise ConfigError(
                f"block={block}: larger than axis {axis} of an array of shape {x.shape}; "
                f"expected at most {x.shape[axis]}; keep fewer coefficients or cut larger tiles"
            )
    return _product(x, [basis(x.shape[a], b, x.dtype) for b, a in zip(blocks, axes, strict=True)], axes)


def expand_nd(
    coeffs: ArrayLike, sizes: int | Sequence[int], axes: Sequence[int], from_sizes: int | Sequence[int] | None = None
) -> np.ndarray:
    """The inverse of `compress_nd`; `sizes` and `from_sizes` are one number or one an axis, as in `expand`."""
    coeffs = _floats(coeffs)
    axes = _axes(coeffs, axes)
    sizes = _lengths(sizes, len(axes), "size")
    origins = sizes if from_sizes is None else _lengths(from_sizes, len(axes), "from_size")
    scale = expansion_scale(coeffs.shape, axes, sizes, origins)
    bases = [basis(s, coeffs.shape[a], coeffs.dtype).T for s, a in zip(sizes, axes, strict=True)]
    tiles = _product(coeffs, bases, axes)
    return tiles if scale == 1 else tiles * coeffs.dtype.type(scale)


def expansion_scale(shape: Sequence[int], axes: Sequence[int], sizes: Sequence[int], origins: Sequence[int]) -> float:
    """Factor of an expansion to `sizes` of coefficients (of `shape`) of tiles of the sizes `origins`; checks them."""
    for axis, size, origin in zip(axes, sizes, origins, strict=True):
        for name, length in (("size", size), ("from_size", origin)):
            if length < shape[axis]:
                raise ConfigError(
                    f"{name}={length}: smaller than axis {axis} of coefficients of shape {tuple(shape)}; "
                    f"expected at least {shape[axis]}; for smaller tiles cut the coefficients first"
                )
    return float(np.sqrt(np.prod(np.array(sizes, float) / np.array(origins, float))))


def low_pass(tiles: ArrayLike, block: int | Sequence[int] = 8) -> np.ndarray:
    """Tiles (..., row, col) without their high frequencies: the same shape, from block x block coefficients."""
    tiles = _floats(tiles)
    return expand(compress(tiles, block), tiles.shape[-2:])


@lru_cache(maxsize=64)
def basis(size: int, block: int, dtype: DTypeLike = np.float64) -> np.ndarray:
    """The first `block` rows of the orthonormal DCT-II matrix of order `size`: (block, size), read-only."""
    # the angle's whole turns are taken off while it is an integer: cos of a large angle is not exact
    quarter_turns = np.outer(np.arange(block), 2 * np.arange(size) + 1) % (4 * size)
    made = np.sqrt(2 / size) * np.cos(np.pi / (2 * size) * quarter_turns)
    made[0] = np.sqrt(1 / size)
    made = made.astype(dtype)
    made.setflags(write=False)
    return made


def symmetry(coeffs: ArrayLike, name: str) -> np.ndarray:
    """Apply one of `SYMMETRIES` to coefficients (..., block, block) as if to the pixels they come from.

    Reversing an axis of pixels changes the sign of every odd term along it, transposing pixels transposes the terms.
    Both hold for truncated coefficients as for all, so nothing is expanded and nothing lost. They are symmetries of
    space: coefficients of a series folded to a square have none of them.
    returns : a new array of the same type; of a block that is not square, a transposed shape where `name` transposes
    """
    transposed, rows, cols = symmetry_named(name)
    coeffs = np.asarray(coeffs)
    _axes(coeffs, (-2, -1))
    coeffs = coeffs.swapaxes(-2, -1).copy() if transposed else coeffs.copy()
    if rows:
        coeffs[..., 1::2, :] *= -1
    if cols:
        coeffs[..., :, 1::2] *= -1
    return coeffs


def symmetry_named(name: str) -> tuple[bool, bool, bool]:
    """The (transposed, rows reversed, columns reversed) of a name; a ConfigError lists the choices."""
    if name not in SYMMETRIES:
        raise ConfigError(
            f"unknown symmetry {name!r}; expected one of: {', '.join(SYMMETRIES)}{did_you_mean(name, SYMMETRIES)}"
        )
    return SYMMETRIES[name]


def identity(coeffs: ArrayLike) -> np.ndarray:
    """The pixels as they are: ``tiles``."""
    return symmetry(coeffs, "identity")


def flip_north_south(coeffs: ArrayLike) -> np.ndarray:
    """Rows in reverse: ``tiles[..., ::-1, :]`` (the paper's Figure 7, there called a horizontal flip)."""
    return symmetry(coeffs, "flip_north_south")


def flip_east_west(coeffs: ArrayLike) -> np.ndarray:
    """Columns in reverse: ``tiles[..., :, ::-1]``."""
    return symmetry(coeffs, "flip_east_west")


def rotate_90(coeffs: ArrayLike) -> np.ndarray:
    """A quarter turn counter-clockwise, as ``np.rot90(tiles, 1, (-2, -1))``: east becomes north.

    Section 4.4 of the paper says that the transpose of the coefficients is this rotation. It is not: the transpose is a
    reflection, and a rotation is a transpose with every odd row (90 degrees) or column (270 degrees) of it negated.
    """
    return symmetry(coeffs, "rotate_90")


def rotate_180(coeffs: ArrayLike) -> np.ndarray:
    """Half a turn, as ``np.rot90(tiles, 2, (-2, -1))``."""
    return symmetry(coeffs, "rotate_180")


def rotate_270(coeffs: ArrayLike) -> np.ndarray:
    """Three quarter turns counter-clockwise, as ``np.rot90(tiles, 3, (-2, -1))``: a quarter turn clockwise."""
    return symmetry(coeffs, "rotate_270")


def transpose(coeffs: ArrayLike) -> np.ndarray:
    """Reflection in the diagonal from north-west to south-east: ``tiles.swapaxes(-2, -1)``. Not a rotation."""
    return symmetry(coeffs, "transpose")


def anti_transpose(coeffs: ArrayLike) -> np.ndarray:
    """Reflection in the diagonal from north-east to south-west: ``tiles[..., ::-1, ::-1].swapaxes(-2, -1)``."""
    return symmetry(coeffs, "anti_transpose")


def _floats(x):
    if np.ma.is_masked(x):
        raise DataError(
            f"found {np.ma.count_masked(x):,} masked of {x.size:,} values, expected all valid; fill them, for example "
            f"x.filled(x.mean())"
        )
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise DataError(f"found values of type {x.dtype}, expected numbers; convert them to float32")
    if x.dtype.kind != "f" or x.dtype.itemsize < 4:
        return x.astype(np.float32)
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _axes(x, axes):
    """`axes` counted from the last, as (-2, -1) are rows and columns, or a DataError."""
    if not all(-x.ndim <= axis < x.ndim for axis in axes):
        raise DataError(f"found an array of shape {x.shape}, expected one with the axes {tuple(axes)}; reshape it")
    axes = [axis - x.ndim if axis >= 0 else axis for axis in axes]
    if len(set(axes)) < len(axes):
        raise ConfigError(f"axes={axes}: found an axis twice, expected distinct axes")
    return axes


def _lengths(value, count, name):
    values = [value] * count if isinstance(value, Integral) else value
    try:
        made = [operator.index(each) for each in values]
    except TypeError:
        made = []
    if len(made) != count or min(made, default=1) < 1:
        several = f", or {count} of them" if count > 1 else ""
        raise ConfigError(f"{name}={value!r}: expected an integer of at least 1{several}")
    return made


def _product(x, matrices, axes):
    """Multiply each of `axes` of `x` by its (out, in) matrix."""
    y = x
    with np.errstate(invalid="ignore", over="ignore"):  # told by `_finite`
        for matrix, axis in sorted(zip(matrices, axes, strict=True), key=lambda pair: -pair[1]):
            if axis == -1:
                y = y @ matrix.T
            else:
                y = np.moveaxis(matrix @ np.moveaxis(y, axis, -2), -2, axis)
    return _finite(np.ascontiguousarray(y), x)


def _finite(result, source):
    """`result`, or a DataError when it is not finite: one look at few coefficients finds any bad pixel of many."""
    if not np.isfinite(result).all():
        bad = ~np.isfinite(source)
        if not bad.any():
            raise DataError(f"the sums of {source.dtype} values overflow; convert the array to float64")
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        raise DataError(
            f"found {int(bad.sum()):,} of {source.size:,} values not finite, the first {source[first]} at {first}; "
            f"expected numbers: fill nodata (nearest valid pixel, band mean) first"
        )
    return result
