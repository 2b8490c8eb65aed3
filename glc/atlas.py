"""The grid of an atlas: records that were collected by squares have the composition of their square.

Floras are mapped by squares of 1 to 50 km. A survey or record then lies somewhere in its square, and what is near it
but across the square's border says less than what is far away within it. Side and projection of an atlas are known;
where its squares begin often is not, and the records tell.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from glc import geo, storage

MOST = 300_000
"""Places that are enough to find a grid."""
SMOOTHED = 200.0
"""Records of the whole dataset that each square's composition is smoothed with, to judge a grid."""
STEPS = 8
"""Grids that are tried along each axis, first of all over a square."""
_CLOSER = 3
"""Times finer than the grids before are those that are tried next."""
_PRECISION = 1 / 200
"""Of a square: how exactly its border is sought."""
_FILE = "grid.json"
_FAR = 1 << 24
"""More squares than a projection has side by side."""


@dataclass(frozen=True)
class Grid:
    """Squares of a projection.

    crs : EPSG code; size_m : side in its units, metres; west, south : where a square begins
    gain : how many times likelier a record is, given the others of its square, than with squares placed anyhow: about
        1.01 where there is no such grid
    """

    crs: int
    size_m: float
    west: float
    south: float
    gain: float = 1.0

    def centres(self, lon: ArrayLike, lat: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude (n,) of the middle of the square in which each place lies, all in degrees."""
        east, north = geo.project(lon, lat, self.crs)
        column, row = _square(east, north, self.west, self.south, self.size_m)
        middle = (start + (at + 0.5) * self.size_m for start, at in ((self.west, column), (self.south, row)))
        return geo.degrees(*middle, self.crs)

    def moved(self, places: pd.DataFrame) -> pd.DataFrame:
        """The frame `places` with lon, lat, easting and northing (in the projection of each, crs) of those middles."""
        lon, lat = self.centres(places["lon"], places["lat"])
        plane = np.empty((2, len(places)))
        codes = places["crs"].to_numpy()
        for crs in np.unique(codes):
            plane[:, codes == crs] = geo.project(lon[codes == crs], lat[codes == crs], int(crs))
        moved = dict(zip(("lon", "lat", "easting", "northing"), (lon, lat, *plane), strict=True))
        return places.assign(**{name: values.astype(places[name].dtype) for name, values in moved.items()})


def find(places: pd.DataFrame, records: sparse.csr_matrix, size_m: float, crs: int = 0) -> Grid:
    """The grid whose squares tell the most of their records: coarse steps over a square, then finer ones.

    places : frame (n) of lon and lat, degrees; records : (n, m) CSR of records by species
    size_m : side of the squares; crs : EPSG code of a projection in metres; 0: the UTM zone of the middle
    Of more than `MOST` places as many are drawn, evenly and always the same.
    """
    if len(places) > MOST:
        drawn = np.sort(np.random.default_rng(0).choice(len(places), MOST, replace=False))
        places, records = places.iloc[drawn], records[drawn]
    crs = crs or geo.utm_zone(float(places["lon"].median()), float(places["lat"].median()))
    x, y = geo.project(places["lon"], places["lat"], crs)
    counted = _Likelihood(x, y, records.tocoo(), size_m)
    step = size_m / STEPS
    first = {(i * step, j * step): counted.at(i * step, j * step) for i in range(STEPS) for j in range(STEPS)}
    west, south = max(first, key=first.__getitem__)
    best = first[west, south]
    while step > size_m * _PRECISION:
        step /= _CLOSER
        around = [(west + i * step, south + j * step) for i in range(-2, 3) for j in range(-2, 3)]
        near = {place: counted.at(*place) for place in around}
        west, south = max(near, key=near.__getitem__)
        best = near[west, south]
    gain = math.exp(best - float(np.median(list(first.values()))))
    return Grid(crs, size_m, west % size_m, south % size_m, gain)


class _Likelihood:
    """The mean log likelihood of each record, given the other records of its square."""

    def __init__(self, x: np.ndarray, y: np.ndarray, records: sparse.coo_matrix, size_m: float) -> None:
        self.x, self.y, self.size_m = x[records.row], y[records.row], size_m
        self.species, self.counts = records.col, records.data.astype(float)
        total = np.bincount(self.species, self.counts, records.shape[1])
        self.overall = total / total.sum()

    def at(self, west: float, south: float) -> float:
        """Of the grid that begins there."""
        column, row = _square(self.x, self.y, west, south, self.size_m)
        square = np.unique(column * _FAR + row, return_inverse=True)[1]
        records = np.bincount(square, self.counts)
        pair, place = np.unique(square * len(self.overall) + self.species, return_inverse=True)
        alike = np.bincount(place, self.counts)
        expected = SMOOTHED * self.overall[pair % len(self.overall)]
        others = records[pair // len(self.overall)] - 1 + SMOOTHED
        return float(alike @ (np.log(alike - 1 + expected) - np.log(others)) / alike.sum())


def _square(x, y, west, south, size_m):
    """Column and row of the square of each place."""
    return np.floor((x - west) / size_m), np.floor((y - south) / size_m)


def write(grid: Grid, folder: Path) -> None:
    """Write a grid to the existing `folder`."""
    (folder / _FILE).write_text(json.dumps(asdict(grid), indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> Grid:
    """The grid that `write` wrote."""
    storage.bring(folder)
    return Grid(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
