"""Tiles of rasters of any size in bounded memory: near surveys are served from one box of pixels, read once.

Surveys are sorted along the raster's own storage (bands of block rows, then columns) and walked in that order, so that
stored blocks are decoded about once. Surveys in one pixel are one window. A survey outside the raster gets the band's
mean (that of the first area, where there are several) everywhere, and no pixel of it is valid. A raster that spans the
globe has no edge in the west and the east.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import RasterioIOError

from glc.covariates import Raster
from glc.rasters import grids
from glc.rasters.boxes import Boxes
from glc.rasters.grids import Grid
from glc.rasters.reader import Impossible, Reader
from glc.rasters.values import at_pixels
from glc.types import StrPath

FLAGS = np.array(["ok", "edge", "outside", "missing", "corrupt"], object)
"""From good to bad; a survey has the worst of its layers."""
_OK, _EDGE, _OUTSIDE, _CORRUPT = 0, 1, 2, 4
Cut = tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray, list[tuple[int, str, str]]]
"""Tiles of n places: values by column (n, length); shares of valid pixels by column (n,); ranks (n,) into `FLAGS`; and
what could not be read: (row number, file, cause)."""
_BYTES_A_VALUE, _BYTES_A_PIXEL = 24, 48  # of a box while it is read, filled and compressed


class RasterCutter:
    """Cuts the tiles of a `glc.covariates.Raster` found in `folders`.

    columns : name -> (length of its lists, dtype of their values); files : paths that are read
    """

    def __init__(
        self, covariate: Raster, folders: Sequence[StrPath], size: int, block: int | Literal["full"], memory_mb: float
    ) -> None:
        self.size, self.memory = size, memory_mb * 2**20
        self.boxes = [Boxes(grid, covariate.classes_as, size, block) for grid in grids.find(covariate, folders)]
        self.columns = {}
        for column in (column for boxes in self.boxes for column in boxes.columns):
            _, dtype = self.columns.get(column.name, (column.length, column.dtype))  # of another area
            self.columns[column.name] = (column.length, np.result_type(dtype, column.dtype).type)
        self.files = list(dict.fromkeys(path for boxes in self.boxes for path in boxes.grid.files))

    @property
    def impossible(self) -> list[tuple[Grid, str, Impossible]]:
        """Bands with values that cannot be, and are nodata, among the pixels that their means are of."""
        return [(boxes.grid, name, what) for boxes in self.boxes for name, what in boxes.impossible.items()]

    def order(self, places: pd.DataFrame) -> np.ndarray:
        """Row numbers of the frame `places` (surveyId, lon, lat) in the order in which reading is cheapest."""
        first = {column.name for column in self.boxes[0].columns}
        row, col, band = np.full((3, len(places)), -1)
        which = np.full(len(places), len(self.boxes))
        for number, boxes in enumerate(self.boxes):
            if first.isdisjoint(column.name for column in boxes.columns):
                continue  # another variable; the first alone leads
            down, across = boxes.grid.pixels(places["lon"], places["lat"])
            mine = (down >= 0) & (which == len(self.boxes))
            row[mine], col[mine], which[mine] = down[mine], across[mine], number
            band[mine] = down[mine] // _band(boxes.grid, self.size)
        return np.lexsort((places["surveyId"], row, col, band, which))

    def cut(self, places: pd.DataFrame) -> Cut:
        """Tiles of the frame `places` (lon, lat), n rows.

        returns : values {column: (n, length)}, valid {column: (n,) share of valid pixels}, rank (n,) into `FLAGS`,
            problems [(row number, file, cause)]
        """
        values, valid, ranks, problems = {}, {}, {}, []
        pixels = [boxes.grid.pixels(places["lon"], places["lat"]) for boxes in self.boxes]
        for boxes, (row, col), taken in zip(self.boxes, pixels, self._taken(pixels), strict=True):
            numbers = np.flatnonzero(taken.any(axis=1))
            width = boxes.grid.shape[1]
            distinct, which = np.unique(row[numbers] * width + col[numbers], return_inverse=True)
            made, share, state, causes = self._windows(boxes, distinct // width, distinct % width)
            flat = boxes.flat()
            for column in boxes.columns:
                name = column.name
                if name not in values:
                    values[name] = np.repeat(flat[name].astype(self.columns[name][1]), len(places), axis=0)
                    valid[name] = np.zeros(len(places), np.float32)
                    ranks[name] = np.full(len(places), _OUTSIDE, np.int8)
                mine = taken[numbers, column.band]
                rows, tiles = numbers[mine], which[mine]
                values[name][rows], valid[name][rows] = made[name][tiles], share[name][tiles]
                ranks[name][rows] = state[tiles]
            files = ", ".join(boxes.grid.files)
            problems += [(i, files, causes[w]) for i, w in zip(numbers, which, strict=True) if w in causes]
        return values, valid, np.max(list(ranks.values()), axis=0), problems

    def _taken(self, pixels):
        """For each grid, (n, bands): whether tiles of places at its `pixels`, (row, col), are of it.

        That is of the first area that has a value at the place itself; where none has, of the first that covers it.
        """
        inside = [(row >= 0)[:, None] & np.ones(len(boxes.grid.bands), bool) for boxes, (row, _) in self._with(pixels)]
        by_area = {}
        for boxes, (row, _) in self._with(pixels):
            by_area[boxes.grid.area] = by_area.get(boxes.grid.area, False) | (row >= 0)
        several = np.flatnonzero(np.sum(list(by_area.values()), axis=0) > 1)
        if not len(several):
            return inside
        known = [
            np.isfinite(at_pixels(boxes.grid, row[several], col[several])[0])
            for boxes, (row, col) in self._with(pixels)
        ]
        for where in grids.columns([boxes.grid for boxes in self.boxes]).values():
            valid = np.stack([known[grid][:, band] for grid, band in where])
            there = np.stack([inside[grid][several, band] for grid, band in where])
            there &= valid | ~valid.any(axis=0)
            there &= np.cumsum(there, axis=0) == 1
            for (grid, band), mine in zip(where, there, strict=True):
                inside[grid][several, band] = mine
        return inside

    def _with(self, pixels):
        return zip(self.boxes, pixels, strict=True)

    def _windows(self, boxes, row, col):
        """Tiles around distinct pixels of one grid, their valid shares, states, and {number: cause} of unreadable."""
        size, grid = self.size, boxes.grid
        top, left = row - size // 2, col - size // 2
        flat = boxes.flat()
        made = {name: np.empty((len(row), tile.shape[1]), tile.dtype) for name, tile in flat.items()}
        share = {name: np.zeros(len(row), np.float32) for name in flat}
        edge = (top < 0) | (top + size > grid.shape[0])
        if not boxes.around:
            edge |= (left < 0) | (left + size > grid.shape[1])
        state = np.where(edge, _EDGE, _OK).astype(np.int8)
        causes = {}
        limit = self.memory // 2 // (_BYTES_A_VALUE * len(boxes.planes) + _BYTES_A_PIXEL)
        with rasterio.Env(GDAL_CACHEMAX=self.memory // 2), Reader(grid) as reader:
            pending = groups(top, left, grid, size, limit)[::-1]
            while pending:
                group = pending.pop()
                try:
                    tiles, valid = boxes.tiles(reader, top[group], left[group])
                except RasterioIOError as error:
                    if len(group) > 1:  # a damaged block must not cost its neighbours their tiles
                        half = len(group) // 2
                        pending += [group[half:], group[:half]]
                        continue
                    tiles, valid = flat, dict.fromkeys(flat, np.float32(0))
                    causes[int(group[0])] = str(error.__cause__ or error)
                    state[group] = _CORRUPT
                for name in flat:
                    made[name][group], share[name][group] = tiles[name], valid[name]
        return made, share, state, causes


def groups(top, left, grid, size, limit):
    """Windows that are read together, a list of index arrays: boxes of at most `limit` pixels that waste little."""
    if not len(top):
        return []
    order = np.lexsort((top, left, (top + size // 2) // _band(grid, size)))
    tops, lefts = top[order].tolist(), left[order].tolist()
    low, high, first, last = tops[0], tops[0], lefts[0], lefts[0]
    bounds, area = [], size**2
    for i, (row, col) in enumerate(zip(tops, lefts, strict=True)):
        grown = (min(low, row), max(high, row), first, max(last, col))
        new = (grown[1] - grown[0] + size) * (grown[3] - first + size)
        # reading pixels that no window needs may cost as much as reading two more windows
        if col >= first and new <= limit and new - area <= 3 * size**2:
            (low, high, first, last), area = grown, new
        else:
            bounds.append(i)
            low, high, first, last, area = row, row, col, col, size**2
    return np.split(order, bounds)


def _band(grid, size):
    """Rows that are walked through together: whole blocks, about two tiles high."""
    return -(-2 * size // grid.block[0]) * grid.block[0]
