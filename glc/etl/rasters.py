"""Tiles of rasters of any size in bounded memory: near surveys are served from one box of pixels, read once.

Surveys are sorted along the raster's own storage (bands of block rows, then columns) and walked in that order, so that
stored blocks are decoded about once. Surveys in one pixel are one window. A survey outside the raster gets the band's
mean everywhere, and no pixel of it is valid.
"""

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError

from glc.etl import grids
from glc.etl.boxes import Boxes

FLAGS = np.array(["ok", "edge", "outside", "missing", "corrupt"], object)
"""From good to bad; a survey has the worst of its layers."""
_OK, _EDGE, _OUTSIDE, _CORRUPT = 0, 1, 2, 4
_BYTES_A_VALUE, _BYTES_A_PIXEL = 24, 48  # of a box while it is read, filled and compressed


class RasterCutter:
    """Cuts the tiles of a `glc.covariates.Raster` found in `folders`.

    columns : name -> (length of its lists, dtype of their values); files : paths that are read
    """

    def __init__(self, covariate, folders, size, block, memory_mb):
        self.size, self.memory = size, memory_mb * 2**20
        self.boxes = [Boxes(grid, covariate.classes_as, size, block) for grid in grids.find(covariate, folders)]
        self.columns = {c.name: (c.length, c.dtype) for boxes in self.boxes for c in boxes.columns}
        self.files = list(dict.fromkeys(band.path for boxes in self.boxes for band in boxes.grid.bands))

    def order(self, places):
        """Row numbers of the frame `places` (surveyId, lon, lat) in the order in which reading is cheapest."""
        grid = self.boxes[0].grid
        row, col = grid.pixels(places["lon"], places["lat"])
        return np.lexsort((places["surveyId"], row, col, row // _band(grid, self.size), row < 0))

    def cut(self, places):
        """Tiles of the frame `places` (lon, lat), n rows.

        returns : values {column: (n, length)}, valid {column: (n,) share of valid pixels}, rank (n,) into `FLAGS`,
            problems [(row number, file, cause)]
        """
        values, valid, problems = {}, {}, []
        rank = np.zeros(len(places), np.int8)
        for boxes in self.boxes:
            row, col = boxes.grid.pixels(places["lon"], places["lat"])
            inside = row >= 0
            width = boxes.grid.shape[1]
            pixels, which = np.unique(row[inside] * width + col[inside], return_inverse=True)
            made, share, state, causes = self._windows(boxes, pixels // width, pixels % width)
            for name, tile in boxes.flat().items():
                values[name] = np.repeat(tile, len(places), axis=0)
                valid[name] = np.zeros(len(places), np.float32)
                values[name][inside], valid[name][inside] = made[name][which], share[name][which]
            here = np.full(len(places), _OUTSIDE, np.int8)
            here[inside] = state[which]
            rank = np.maximum(rank, here)
            files = ", ".join(dict.fromkeys(band.path for band in boxes.grid.bands))
            numbers = np.flatnonzero(inside)
            problems += [(i, files, causes[w]) for i, w in zip(numbers, which, strict=True) if w in causes]
        return values, valid, rank, problems

    def _windows(self, boxes, row, col):
        """Tiles around distinct pixels of one grid, their valid shares, states, and {number: cause} of unreadable."""
        size, grid = self.size, boxes.grid
        top, left = row - size // 2, col - size // 2
        flat = boxes.flat()
        made = {name: np.empty((len(row), tile.shape[1]), tile.dtype) for name, tile in flat.items()}
        share = {name: np.zeros(len(row), np.float32) for name in flat}
        edge = (top < 0) | (left < 0) | (top + size > grid.shape[0]) | (left + size > grid.shape[1])
        state = np.where(edge, _EDGE, _OK).astype(np.int8)
        causes = {}
        limit = self.memory // 2 // (_BYTES_A_VALUE * len(boxes.planes) + _BYTES_A_PIXEL)
        with rasterio.Env(GDAL_CACHEMAX=self.memory // 2), grid.open() as reader:
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
