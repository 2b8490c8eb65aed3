"""The transforms of `glc.dct` as Spark column functions: a column of flat pixel arrays to one of flat coefficients.

A table holds arrays row-major and flat, of one length in all rows, so each function takes their shape. The result
is array<float>; null stays null (a survey without a tile), and a null inside an array is refused as not finite.
"""

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from glc import dct
from glc.errors import ConfigError, DataError


def compress(column, shape, block=8):
    """Column of ``glc.dct.compress`` of a column of tiles.

    column : name or Column of array<number>; shape : (..., row, col) of one array, such as (4, 128, 128) for four bands
    returns : Column of array<float>, (..., block, block) flat
    """
    return compress_nd(column, shape, block, (-2, -1))


def expand(column, shape, size, from_size=None):
    """Column of ``glc.dct.expand`` of coefficients; shape : (..., block, block) of one array."""
    return _applied(column, shape, lambda coeffs: dct.expand(coeffs, size, from_size))


def compress_nd(column, shape, blocks, axes):
    """Column of ``glc.dct.compress_nd``; axes are those of `shape`; axes (-1,) transform series."""
    axes = [axis - len(shape) if axis >= 0 else axis for axis in axes]  # rows are stacked in front
    return _applied(column, shape, lambda x: dct.compress_nd(x, blocks, axes))


def _applied(column, shape, transform):
    shape = tuple(int(length) for length in shape)
    if not shape or min(shape) < 1:
        raise ConfigError(f"shape={shape}: expected the lengths of one array's axes, each at least 1")
    transform(np.zeros((0, *shape), np.float32))  # wrong options stop here and not in a worker

    def apply(arrays: pd.Series) -> pd.Series:
        return _transformed(arrays, shape, transform)

    return F.pandas_udf(apply, "array<float>")(column)


def _transformed(arrays, shape, transform):
    """Series of flat float32 arrays, or None, for a Series of flat arrays, or None."""
    result = [None] * len(arrays)
    known = np.flatnonzero(arrays.notna())
    if len(known):
        flat = [arrays.iloc[row] for row in known]
        wrong = [len(array) for array in flat if len(array) != np.prod(shape)]
        if wrong:
            raise DataError(
                f"{len(wrong):,} of {len(flat):,} arrays do not fit: found {wrong[0]:,} values, expected "
                f"{np.prod(shape):,} of shape {shape}; give the shape that the column was written with"
            )
        made = transform(np.stack(flat).reshape(-1, *shape)).astype(np.float32, copy=False)
        for row, coeffs in zip(known, made.reshape(len(made), -1), strict=True):
            result[row] = coeffs
    return pd.Series(result, dtype=object)
