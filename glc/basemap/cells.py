"""Where many places are, from small cells: only in a cell that an edge crosses need a place be compared with areas."""

from collections.abc import Callable

import numpy as np

STEP = 0.1
"""Side of a cell, degrees."""
_COLS, _ROWS = round(360 / STEP), round(180 / STEP)
_UNKNOWN, _MIXED = -3, -2


class Cells:
    """What is at places, remembered by cell of the globe.

    edges : (m, 4) lon, lat, lon, lat of the straight edges at which it can change, degrees
    look_up : function of lon, lat (n,) to what is there, (n,) integers of at least -1

    What `at` returns is exactly what `look_up` would: a cell that no edge's bounding box touches has one value.
    """

    def __init__(self, edges: np.ndarray, look_up: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        self._look_up = look_up
        self._known = np.full(_ROWS * _COLS, _UNKNOWN, np.int16)
        first, last = _cell(edges[:, 0], edges[:, 1]), _cell(edges[:, 2], edges[:, 3])
        low = [np.minimum(a, b) for a, b in zip(first, last, strict=True)]
        size = [np.abs(a - b) + 1 for a, b in zip(first, last, strict=True)]
        count = size[0] * size[1]  # cells of each edge's bounding box: one or two of most
        edge = np.repeat(np.arange(len(edges)), count)
        number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        row, col = low[0][edge] + number // size[1][edge], low[1][edge] + number % size[1][edge]
        self._known[row * _COLS + col] = _MIXED

    def at(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """What is at places, (n,) int64.

        lon, lat : (n,) degrees within 180 and 90, finite
        """
        row, col = _cell(lon, lat)
        cell = row * _COLS + col
        fresh = np.unique(cell[self._known[cell] == _UNKNOWN])
        if len(fresh):
            centre = (fresh % _COLS + 0.5) * STEP - 180, (fresh // _COLS + 0.5) * STEP - 90
            self._known[fresh] = self._look_up(*centre)
        values = self._known[cell].astype(np.int64)
        mixed = np.flatnonzero(values == _MIXED)
        values[mixed] = self._look_up(lon[mixed], lat[mixed])
        return values


def _cell(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the cell of each place."""
    col = np.floor((np.asarray(lon) + 180) / STEP).astype(np.int64)
    row = np.floor((np.asarray(lat) + 90) / STEP).astype(np.int64)
    return np.clip(row, 0, _ROWS - 1), np.clip(col, 0, _COLS - 1)
