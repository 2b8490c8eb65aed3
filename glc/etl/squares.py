"""Surveys by squares of a grid, and whole squares dealt to folds."""

import heapq
from dataclasses import dataclass

import numpy as np

from glc import geo

SMALLEST_M = 250.0
"""Least side of squares."""


def deal(block: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each survey: blocks, largest first and in random order among equals, each to the emptiest fold.

    block : (n,) id of each survey's block
    count : of folds
    returns : (n,) int32, 0 to count - 1; folds are even in surveys up to the size of a block
    """
    _, inverse, sizes = np.unique(block, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    folds = [(0, fold) for fold in range(count)]
    of_block = np.empty(len(sizes), np.int32)
    for index in order:
        total, fold = heapq.heappop(folds)
        of_block[index] = fold
        heapq.heappush(folds, (total + int(sizes[index]), fold))
    return of_block[inverse]


@dataclass(frozen=True)
class Squares:
    """Projected places, grouped by squares of any size.

    easting, northing : (n,) metres
    crs : (n,) EPSG codes
    """

    easting: np.ndarray
    northing: np.ndarray
    crs: np.ndarray

    def deal(self, size_m: float, count: int, rng: np.random.Generator) -> np.ndarray:
        """Fold of each place, (n,) int32; size 0 deals them one by one."""
        if not size_m:
            return (rng.permutation(len(self.easting)) % count).astype(np.int32)
        return deal(geo.block_ids(self.easting, self.northing, size_m, self.crs), count, rng)

    def sizes(self, count: int, many: int) -> list[float]:
        """Sides in metres, `many` of them from `SMALLEST_M` up to the largest with which no fold is empty.

        count : of folds
        """
        largest = SMALLEST_M
        extent = max(np.ptp(self.easting), np.ptp(self.northing), SMALLEST_M)
        for size_m in np.geomspace(SMALLEST_M, extent, 2 * many):
            if len(np.unique(geo.block_ids(self.easting, self.northing, size_m, self.crs))) >= count:
                largest = size_m
        return list(np.geomspace(SMALLEST_M, largest, many))
