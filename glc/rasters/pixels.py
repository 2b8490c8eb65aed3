"""Which pixel of a raster holds a place, for values, tiles and masks alike; and whether its ground fits in degrees.

Longitudes have no end: 185° and -175° are one place, and a raster in degrees may begin at any meridian.
"""

import math
from functools import lru_cache

import numpy as np
import rasterio
from numpy.typing import ArrayLike
from pyproj import Transformer
from rasterio.crs import CRS

from glc import geo

_ROUNDING = 1e-9
"""Degrees: less than any pixel, more than the error of a coordinate."""
_SAMPLED = 33
"""Pixels a side that are looked at, to tell where a raster's ground lies."""


def of_places(
    crs: str, transform: rasterio.Affine, shape: tuple[int, int], lon: ArrayLike, lat: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, (n,) int64 each, of the pixels that hold places; -1 where a place is not on the raster.

    crs, transform, shape : of the raster, which may be turned
    lon, lat : (n,) degrees; a longitude may be any number of turns off. A place on the last edge of the Earth (180°, a
        pole) is in the last pixel before it
    """
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    x, y = _projected(crs, lon, lat)
    row, col = _inside(transform, shape, x, y)
    turn = full_turn(crs)
    if not turn:
        return row, col
    corners = transform @ (0, 0), transform @ (shape[1], 0), transform @ (0, shape[0]), transform @ shape[::-1]
    west = min(corner[0] for corner in corners)
    # measured from the raster's corner, so that adding a turn rounds no place across the border of a pixel
    steps = rasterio.Affine(transform.a, transform.b, 0, transform.d, transform.e, 0)
    turns = np.where((row < 0) & np.isfinite(x), np.ceil((west - x) / turn), 0)
    x = x + turn * turns
    at_180, at_pole = np.abs(lon) % 360 == 180, np.abs(lat) == 90
    x_before, y_before = np.where(at_180, x - _ROUNDING, x), np.where(at_pole, y * (1 - _ROUNDING / 90), y)
    for again, east, north in ((turns != 0, x, y), (at_180 | at_pole, x_before, y_before)):
        off = (row < 0) & again
        row[off], col[off] = _inside(steps, shape, east[off] - transform.c, north[off] - transform.f)
    return row, col


def full_turn(crs: str) -> float:
    """360 degrees in the unit of a CRS in degrees or grads; 0 of a projected one."""
    system = _parsed(crs)
    return round(2 * math.pi / system.units_factor[1], 6) if system.is_geographic else 0.0


def columns_around(crs: str, transform: rasterio.Affine, shape: tuple[int, int]) -> int:
    """Columns of an upright raster that go once around the Earth, after which they repeat; 0 where they do not."""
    columns = full_turn(crs) / transform.a
    # a step of 0.0083333333 degrees misses 360 by a little
    return round(columns) if 0 < columns < shape[1] + 0.1 and abs(columns - round(columns)) < 0.1 else 0


def fits_degrees(source: rasterio.DatasetReader, step: float) -> bool:
    """Whether warping an open raster to degrees keeps its ground in one piece, and its pixels about as large.

    Where the ground crosses 180° or holds a pole its parts would be at the two ends of a grid in degrees; near a pole,
    pixels of degrees are many times as high as wide, and as those of the file.
    step : height of a pixel after the warp, degrees
    """
    lon, lat = _sampled(source.crs, source.transform, source.shape)
    if crosses_180(lon):
        return False
    east, south = (_sampled(source.crs, source.transform, source.shape, *by) for by in ((1, 0), (0, 1)))
    across, down = (geo.great_circle_m(lon, lat, *next_) for next_ in (east, south))
    side = np.sqrt(across * down)
    side = side[np.isfinite(side) & (side > 0)]
    return not len(side) or 0.5 <= step * math.radians(1) * geo.EARTH_RADIUS_M / np.median(side) <= 2


def crosses_180(lon: np.ndarray) -> bool:
    """Whether neighbours of (rows, cols) longitudes, NaN where there is none, lie on both sides of 180°.

    So do those of a raster that holds a pole.
    """
    steps = np.concatenate([np.abs(np.diff(lon, axis=axis)).ravel() for axis in (0, 1)])
    return bool((steps > 180).any() or (np.abs(lon) > 180 + _ROUNDING).any())


def degrees_of(crs: str, transform: rasterio.Affine, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """West, south, east, north of a raster in degrees; -180 and 180 where it crosses 180°."""
    lon, lat = _sampled(crs, transform, shape, edges=True)
    if crosses_180(lon):
        lon = np.array([-180.0, 180.0])
    south, north = float(np.nanmin(lat)), float(np.nanmax(lat))
    poles = [of_places(crs, transform, shape, [0.0], [pole])[0][0] >= 0 for pole in (-90.0, 90.0)]
    return float(np.nanmin(lon)), -90.0 if poles[0] else south, float(np.nanmax(lon)), 90.0 if poles[1] else north


def places_on(crs: str, transform: rasterio.Affine, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Degrees (lon, lat), (n,) each, of pixels all over a raster that show a place."""
    lon, lat = (degrees.ravel() for degrees in _sampled(crs, transform, shape))
    return lon[np.isfinite(lon)], lat[np.isfinite(lon)]


def _sampled(crs, transform, shape, right=0, down=0, edges=False):
    """Degrees of pixels all over a raster, (rows, cols) each: their centres, or those of pixels further on.

    NaN where a pixel shows no place: in the corners of a map of the world.
    edges : whether corners of the raster are looked at rather than the centres of its outermost pixels
    """
    ends = (0, 1) if edges else (0.5, 0.5)
    rows, cols = (np.linspace(ends[0], side - 1 + ends[1], _SAMPLED) for side in shape)
    col, row = np.meshgrid(cols + right, rows + down)
    x, y = transform @ (col, row)
    to_degrees, to_map = _transformers(crs)
    lon, lat = to_degrees.transform(x, y)
    again = to_map.transform(lon, lat)
    step = math.sqrt(abs(transform.determinant))
    shown = np.hypot(again[0] - x, again[1] - y) < step  # NaN and inf are not
    if full_turn(crs):
        shown |= (np.abs(lat) <= 90) & np.isfinite(lon)
    return np.where(shown, lon, np.nan), np.where(shown, lat, np.nan)


def _inside(transform, shape, x, y):
    known = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(known, x, 0), np.where(known, y, 0)
    a, b, c, d, e, f = (~transform)[:6]  # rasterio's own rowcol rounds at the borders of pixels as its version does
    col, row = np.floor(a * x + b * y + c), np.floor(d * x + e * y + f)
    inside = known & (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
    return np.where(inside, row, -1).astype(np.int64), np.where(inside, col, -1).astype(np.int64)


def _projected(crs, lon, lat):
    if _parsed(crs) == CRS.from_epsg(4326):
        return lon, lat
    return _transformers(crs)[1].transform(lon, lat)


@lru_cache(maxsize=16)
def _parsed(crs):
    return CRS.from_user_input(crs)


@lru_cache(maxsize=16)
def _transformers(crs):
    """From a CRS to degrees, and back."""
    text = _parsed(crs).to_wkt()
    return Transformer.from_crs(text, 4326, always_xy=True), Transformer.from_crs(4326, text, always_xy=True)
