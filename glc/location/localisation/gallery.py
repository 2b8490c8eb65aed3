"""Places even by area to choose among: a spiral over the Earth or its land, and discs around places."""

import numpy as np
from scipy.spatial import cKDTree

from glc import geo
from glc.errors import ConfigError
from glc.location.pretraining.sampling import fibonacci

_GOLDEN = np.pi * (3 - np.sqrt(5))
_MOST_SPIRAL = 20_000_000


def spiral(n, land=None):
    """`n` places of a Fibonacci spiral, even by area: (lon, lat) degrees, over the sphere or, with `land`, on land.

    land : function of lon, lat (m,) to (m,) boolean; the spiral is made as dense as it takes
    """
    if land is None:
        return fibonacci(n)
    total = n
    while total <= max(_MOST_SPIRAL, n):
        lon, lat = fibonacci(total)
        kept = np.flatnonzero(land(lon, lat))
        if n <= len(kept) <= 1.02 * n + 10:
            # a few are left out, spread along the spiral, which runs from pole to pole
            kept = kept[np.arange(n) * len(kept) // n]
            return lon[kept], lat[kept]
        total = int(total * min(1.01 * n / max(len(kept), 1), 10)) + 1
    raise ConfigError(
        f"gallery: found {len(kept):,} of {len(lon):,} places over the Earth on land, expected {n:,}; lower --gallery"
    )


def spacing_km(lon, lat):
    """Median great-circle km from a place of a gallery to the nearest other one."""
    points = geo.unit_sphere(lon, lat)
    return float(np.median(geo.arc(cKDTree(points).query(points, [2])[0])) / 1000)


def disc(lon, lat, radius_km, points, turn):
    """`points` even by area on a disc around each place: lon, lat degrees, of the places' shape and one axis more.

    turn : turns the disc by so many radians, that rounds do not try the same directions
    """
    j = np.arange(points)
    angle = 1000 * radius_km * np.sqrt((j + 0.5) / points) / geo.EARTH_RADIUS_M
    bearing = _GOLDEN * j + turn
    lon, lat = (np.radians(np.asarray(x, float))[..., None] for x in (lon, lat))
    height = np.sin(lat) * np.cos(angle) + np.cos(lat) * np.sin(angle) * np.cos(bearing)
    east = np.sin(bearing) * np.sin(angle) * np.cos(lat)
    lon = lon + np.arctan2(east, np.cos(angle) - np.sin(lat) * height)
    return np.remainder(np.degrees(lon) + 180, 360) - 180, np.degrees(np.arcsin(np.clip(height, -1, 1)))
