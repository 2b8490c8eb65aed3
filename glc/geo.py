"""Places and distances: projections, great-circle metres, spatial blocks.

Axis order is always (lon, lat) in degrees and (easting, northing) in metres, as separate arrays. Distances between
surveys are great-circle metres, never distances on a projection: EPSG:3035 is off by up to 6 % inside the contest's
polygon and by 20 % and more in the USA.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

EARTH_RADIUS_M = 6_371_000.0
"""Mean radius of the sphere on which distances are measured."""

# GeoLifeCLEF 2024's area (Miyaguchi et al. 2024, Figure 1), degrees
EUROPE = (-32.26344, 26.63842, 35.58677, 72.18392)


def project(lon: ArrayLike, lat: ArrayLike, crs: int = 3035) -> tuple[np.ndarray, np.ndarray]:
    """Project degrees to metres of EPSG:`crs`: two float64 arrays (easting, northing), inf where undefined."""
    easting, northing = _transformer(int(crs)).transform(np.asarray(lon, float), np.asarray(lat, float))
    return np.asarray(easting), np.asarray(northing)


def degrees(easting: ArrayLike, northing: ArrayLike, crs: int) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `project`: longitude and latitude of metres of EPSG:`crs`, two float64 arrays."""
    lon, lat = _transformer(int(crs)).transform(
        np.asarray(easting, float), np.asarray(northing, float), direction="INVERSE"
    )
    return np.asarray(lon), np.asarray(lat)


@lru_cache(maxsize=8)
def _transformer(crs):
    from pyproj import Transformer

    return Transformer.from_crs(4326, crs, always_xy=True)


AREAS = (
    (3035, (-35.58, 24.6, 44.83, 84.73)),
    (5070, (-128.0, 22.0, -63.0, 52.0)),
    (2193, (160.0, -55.0, 190.0, -25.0)),
    (3577, (105.0, -50.0, 160.0, -5.0)),
    (6931, (-180.0, 50.0, 360.0, 90.0)),
    (6932, (-180.0, -90.0, 360.0, -50.0)),
)
"""(EPSG code, bounds in degrees, east beyond 180 where it is across that meridian): Europe, the contiguous USA, New
Zealand with the Chathams, Australia, the Arctic, the Antarctic."""
_GLOBE = 6933  # EASE-Grid 2.0: cylindrical, of equal areas, torn at 180°
_PACIFIC, _PACIFIC_EAST = 8859, 330.0  # Equal Earth of Asia and the Pacific: of equal areas, torn at 330° (30° W)
_UTM_WIDTH, _UTM_LAT = 9.0, 84.0


def degree_label(value: float, ends: str) -> str:
    """Degrees as on an axis, 4°E or 43.5°N; `ends` are the letters of positive and of negative ones."""
    value = round(float(value), 6)
    if ends == "EW" and abs(value) > 180:  # of a map across 180°
        value = (value + 180) % 360 - 180
    return f"{abs(value):g}°{ends[value < 0] if value else ''}"


def bounds(lon: ArrayLike, lat: ArrayLike) -> tuple[float, float, float, float]:
    """West, south, east, north of places in degrees; east is beyond 180 where they lie on both sides of 180°."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    west, east = across_180((lon.min(), lon.max()), (np.min(lon % 360), np.max(lon % 360)))
    return west, float(lat.min()), east, float(lat.max())


def across_180(range_: tuple[float, float], turned: tuple[float, float]) -> tuple[float, float]:
    """West and east of longitudes: across 180°, east beyond it, where that is shorter and at most half round.

    range_ : lowest and highest longitude, -180 to 180; turned : those of the same ones from 0 to 360
    """
    (west, east), width = map(float, range_), turned[1] - turned[0]
    if west < 0 <= east and width < min(east - west, 180):
        return float(turned[0]), float(turned[1])
    return west, east


def suitable_crs(west: float, south: float, east: float, north: float) -> int:
    """EPSG code of a metric projection for data within these bounds in degrees.

    The projection of Europe or of the contiguous USA where these hold the bounds; else the UTM zone of the centre, if
    the bounds are at most 9 degrees wide and high; else that of a continent or pole; else one of the globe. East is
    beyond 180 for data on both sides of 180° (`bounds`), which no projection that is chosen for them tears apart.
    """

    def within(bounds: tuple[float, float, float, float]) -> bool:
        return bounds[0] <= west and bounds[1] <= south and east <= bounds[2] and north <= bounds[3]

    home = next((crs for crs, bounds in AREAS[:2] if within(bounds)), None)
    if home:
        return home
    if max(east - west, north - south) <= _UTM_WIDTH and max(abs(south), abs(north)) <= _UTM_LAT:
        return utm_zone((west + east) / 2, (south + north) / 2)
    globe = _PACIFIC if 180 < east <= _PACIFIC_EAST else _GLOBE
    return next((crs for crs, bounds in AREAS if within(bounds)), globe)


def utm_zone(lon: float, lat: float) -> int:
    """EPSG code of the UTM zone of a place in degrees; a longitude may be beyond 180."""
    zone = min(int(((lon - 360 if lon > 180 else lon) + 180) // 6), 59) + 1
    return (32_600 if lat >= 0 else 32_700) + zone


def unit_sphere(lon: ArrayLike, lat: ArrayLike) -> np.ndarray:
    """(n, 3) float64 points on the unit sphere for degrees `lon`, `lat`."""
    lon, lat = np.radians(np.asarray(lon, float)), np.radians(np.asarray(lat, float))
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def chord(distance_m: ArrayLike) -> np.ndarray:
    """Straight-line length on the unit sphere of a great-circle distance in metres (at most half round)."""
    angle = np.minimum(np.asarray(distance_m, float) / EARTH_RADIUS_M, np.pi)
    return 2 * np.sin(angle / 2)


def arc(chord_length: ArrayLike) -> np.ndarray:
    """Great-circle metres that belong to a chord of the unit sphere: the inverse of `chord`."""
    return 2 * EARTH_RADIUS_M * np.arcsin(np.clip(np.asarray(chord_length, float) / 2, 0, 1))


def great_circle_m(lon1: ArrayLike, lat1: ArrayLike, lon2: ArrayLike, lat2: ArrayLike) -> np.ndarray:
    """Great-circle distance in metres between places in degrees, elementwise (haversine, stable for near places)."""
    lon1, lat1, lon2, lat2 = (np.radians(np.asarray(x, float)) for x in (lon1, lat1, lon2, lat2))
    h = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(h, 0, 1)))


def block_ids(easting: ArrayLike, northing: ArrayLike, size_m: float, crs: ArrayLike = 3035) -> np.ndarray:
    """int64 id of the `size_m` square (of EPSG:`crs`, edges at multiples of `size_m`) that holds each place.

    Squares of different CRSs never share an id. `crs` is one code or an array of them.
    """
    column = np.floor(np.asarray(easting, float) / size_m).astype(np.int64) + 2**23
    row = np.floor(np.asarray(northing, float) / size_m).astype(np.int64) + 2**23
    return (np.asarray(crs, np.int64) << 48) | (row << 24) | column


def cell_ids(lon: ArrayLike, lat: ArrayLike, size_m: float) -> np.ndarray:
    """int64 id of the cell, about `size_m` high and wide anywhere on Earth, that holds each place in degrees.

    Bands of latitude of equal height, each divided along its middle into equally wide cells: no projection of the whole
    Earth keeps both its squares and its poles, and here no cell ends at the date line in a sliver.
    """
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    half = np.pi * EARTH_RADIUS_M
    bands = max(round(half / size_m), 1)
    middle = (np.arange(bands) + 0.5) / bands * np.pi - np.pi / 2
    columns = np.maximum(np.rint(2 * half * np.cos(middle) / size_m), 1).astype(np.int64)
    band = np.minimum(((lat + 90) / 180 * bands).astype(np.int64), bands - 1)
    column = np.floor((lon + 180) / 360 % 1 * columns[band]).astype(np.int64)
    return (np.cumsum(columns) - columns)[band] + column
