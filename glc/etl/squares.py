"""Places by squares of a grid, and whole squares dealt to folds."""

import heapq
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

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


class Grid(ABC):
    """Places grouped by squares of any size; a kind of grid says the square of each place and how far places reach."""

    @abstractmethod
    def ids(self, size_m: float) -> np.ndarray:
        """(n,) int64 id of the square of `size_m` metres that holds each place."""

    @property
    @abstractmethod
    def extent_m(self) -> float:
        """Metres that squares need not exceed."""

    @abstractmethod
    def __len__(self) -> int: ...

    def deal(self, size_m: float, count: int, rng: np.random.Generator) -> np.ndarray:
        """Fold of each place, (n,) int32; size 0 deals them one by one."""
        if not size_m:
            return (rng.permutation(len(self)) % count).astype(np.int32)
        return deal(self.ids(size_m), count, rng)

    def sizes(self, count: int, many: int) -> list[float]:
        """Sides in metres, `many` of them from `SMALLEST_M` up to the largest with which no fold is empty.

        count : of folds
        """
        largest = SMALLEST_M
        for size_m in np.geomspace(SMALLEST_M, max(self.extent_m, SMALLEST_M), 2 * many):
            if len(np.unique(self.ids(size_m))) >= count:
                largest = size_m
        return list(np.geomspace(SMALLEST_M, largest, many))


@dataclass(frozen=True)
class Squares(Grid):
    """Projected places, and squares of their projections.

    easting, northing : (n,) metres
    crs : (n,) EPSG codes
    """

    easting: np.ndarray
    northing: np.ndarray
    crs: np.ndarray

    def ids(self, size_m: float) -> np.ndarray:
        """`glc.geo.block_ids` of the places."""
        return geo.block_ids(self.easting, self.northing, size_m, self.crs)

    @property
    def extent_m(self) -> float:
        """The longer side of what holds all places."""
        return float(max(np.ptp(self.easting), np.ptp(self.northing)))

    def __len__(self) -> int:
        return len(self.easting)


@dataclass(frozen=True)
class Cells(Grid):
    """Places anywhere on Earth, and cells of bands of latitude, `glc.geo.cell_ids`.

    lon, lat : (n,) degrees
    """

    lon: np.ndarray
    lat: np.ndarray

    def ids(self, size_m: float) -> np.ndarray:
        """`glc.geo.cell_ids` of the places."""
        return geo.cell_ids(self.lon, self.lat, size_m)

    @cached_property
    def extent_m(self) -> float:
        """The diameter of a circle around all places."""
        points = geo.unit_sphere(self.lon, self.lat)
        centre = points.mean(axis=0)
        norm = np.linalg.norm(centre)
        if norm < 1e-9:  # all around the Earth
            return np.pi * geo.EARTH_RADIUS_M
        return float(min(2 * geo.arc(np.linalg.norm(points - centre / norm, axis=1)).max(), np.pi * geo.EARTH_RADIUS_M))

    def __len__(self) -> int:
        return len(self.lon)
