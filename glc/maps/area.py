"""Places all over the area of a map."""

import math

import numpy as np

from glc import geo
from glc.maps import grid as grids
from glc.maps.cover import Cover, CoverOptions

MOST = 20_000
"""Cells of an area: as many as `glc.etl.knndm` compares."""
_FINEST_M, _FIRST_M = 1000.0, 20_000.0


def places(lon: np.ndarray, lat: np.ndarray, crs: int, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """Centres of a regular grid over the land that a map of some surveys covers by default.

    lon, lat : (n,) degrees of the training surveys, whose bounds are those of the map
    crs : EPSG code of the map, metric
    most : cells of the grid, of which those on land count; none is smaller than 1 km
    returns : lon and lat in degrees, (m,) each; a DataError where no centre is on land
    """
    bounds = geo.bounds(lon, lat)
    left, bottom, right, top = grids.of_bounds(bounds, f"EPSG:{crs}", _FIRST_M, "area of the training surveys").bounds
    side = max(math.sqrt((right - left) * (top - bottom) / most), _FINEST_M)
    grid = grids.of_bounds(bounds, f"EPSG:{crs}", side, "area of the training surveys")
    return grid.centre(*np.nonzero(Cover(grid, CoverOptions()).all()))
