"""Values of a covariate at places: the pixels of its rasters that they lie in, in the files' own CRS."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from rasterio.errors import RasterioIOError

from glc.covariates import Raster
from glc.errors import DataError
from glc.rasters import grids
from glc.rasters.reader import Reader
from glc.types import StrPath

_CELL = 512  # side in pixels of what is read at once, at most


class RasterValues:
    """Pixels of a `glc.covariates.Raster` found in `folders`.

    raw : leave values that cannot be, infinite or beyond the limits, to whom counts them; otherwise they are NaN
    columns : names, one for all areas of a variable; classes : name -> codes of the categorical ones
    files : paths that are read
    """

    def __init__(self, covariate: Raster, folders: Sequence[StrPath], *, raw: bool = False) -> None:
        # in the files' own CRS: warped, a pixel would be a mixture of several
        self.grids = grids.find(replace(covariate, crs=None), folders)
        bands = [band for grid in self.grids for band in grid.bands]
        self.columns, self.raw = list(grids.columns(self.grids)), raw
        self.classes = {band.name: band.classes for band in bands if band.classes}
        self.labels: dict[str, list[str]] = {}  # classes are called by their codes
        self.files = list(dict.fromkeys(path for grid in self.grids for path in grid.files))

    def read(self, places: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Values at the frame `places` (lon, lat): (n, columns) float64, and surveys whose pixel cannot be read."""
        values = np.full((len(places), len(self.columns)), np.nan)
        unreadable = np.zeros(len(places), bool)
        for grid in self.grids:
            sampled, bad = at_pixels(grid, *grid.pixels(places["lon"], places["lat"]), raw=self.raw)
            unreadable |= bad
            for band, column in zip(grid.bands, sampled.T, strict=True):
                mine = values[:, self.columns.index(band.name)]
                low, high = band.limits
                lacks = ~((mine >= low) & (mine <= high) & np.isfinite(mine))
                can_be = (column >= low) & (column <= high) & np.isfinite(column)
                np.copyto(mine, column, where=np.isnan(mine) | (lacks & can_be))  # what the first area knows stays
        return values, unreadable


def at_pixels(
    grid: grids.Grid, row: np.ndarray, col: np.ndarray, *, raw: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Values of a `grids.Grid` at pixels (n,), -1 where off it: (n, bands) float64, and (n,) which cannot be read.

    raw : as of `glc.rasters.reader.Reader`
    """
    values, unreadable = np.full((len(row), len(grid.bands)), np.nan), np.zeros(len(row), bool)
    inside = np.flatnonzero(row >= 0)
    cell = row[inside] // _CELL * (grid.shape[1] // _CELL + 1) + col[inside] // _CELL
    order = np.argsort(cell, kind="stable")
    pending = np.split(inside[order], np.flatnonzero(np.diff(cell[order])) + 1)[::-1] if len(inside) else []
    with Reader(grid, raw=raw) as reader:
        while pending:
            at = pending.pop()
            try:
                values[at] = _pixels(reader, row[at], col[at])
            except RasterioIOError:
                if len(at) > 1:  # a damaged block must not cost its neighbours their values
                    half = len(at) // 2
                    pending += [at[half:], at[:half]]
                else:
                    unreadable[at] = True
    return values, unreadable


def _pixels(reader, row, col):
    """Values of pixels (n,) of the grid, (n, bands), read as one box."""
    top, left = int(row.min()), int(col.min())
    values, valid = reader.box(top, left, int(row.max()) - top + 1, int(col.max()) - left + 1)
    values, valid = values[:, row - top, col - left], valid[:, row - top, col - left]
    return np.where(valid, values, np.nan).T


def check_codes(path: StrPath, column: str, values: np.ndarray, codes: Sequence[int]) -> None:
    known = np.isfinite(values)
    strange = known & ~np.isin(values, codes)
    if strange.sum() > known.sum() / 2:
        raise DataError(
            f"{path}: column {column!r}: found {strange.sum():,} of {known.sum():,} values such as "
            f"{values[strange][0]:g}, expected class codes {codes}; is it another classification? try the rasters"
        )
