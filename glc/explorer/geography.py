"""Where the cells of a map are: degrees of its corners, and coasts and borders in cells."""

import math
from collections.abc import Sequence

import numpy as np

from glc import basemap, geo
from glc.maps.grid import Grid
from glc.types import Facts

_FEWEST, _MOST = 8, 128
_EXACT = 0.02
"""Share of a cell by which degrees between the nodes of a lattice may be off."""
_AROUND = 0.6
"""Share of the map's width and height by which coasts go on around it."""
_TORN = 0.5
"""Share of the map's longer side that no edge of a coast has."""
Lines = list[list[float]]
"""Lines, each col, row, col, row, …"""


def stretch(grid: Grid) -> float:
    """How much higher than wide a cell is to be drawn."""
    width, height = grid.cell_size
    if not grid.geographic:
        return height / width
    middle = math.radians((grid.bounds[1] + grid.bounds[3]) / 2)
    return height / width / max(math.cos(middle), 0.05)


def lattice(grid: Grid) -> Facts:
    """Degrees at nodes, between which the page interpolates.

    returns : ``steps`` per axis; ``lon`` and ``lat`` of the (steps + 1) x (steps + 1) nodes, row by row, None where the
        projection has none. Longitudes have no jump at 180 degrees
    """
    steps = _FEWEST
    while steps < _MOST and _error(grid, steps) > _EXACT:
        steps *= 2
    lon, lat = _nodes(grid, steps)
    return {"steps": steps, "lon": _plain(lon), "lat": _plain(lat)}


def _nodes(grid, steps):
    col, row = np.meshgrid(np.linspace(0, grid.shape[1], steps + 1), np.linspace(0, grid.shape[0], steps + 1))
    return _degrees(grid, col.ravel(), row.ravel())


def _degrees(grid, col, row):
    lon, lat = grid.unproject(*(grid.transform @ (col, row)))
    west, _, east, _ = grid.degrees
    middle = (west + east) / 2
    finite = np.isfinite(lon + lat)
    lon = np.where(finite, (np.where(finite, lon, 0) - middle + 180) % 360 - 180 + middle, np.nan)
    return lon, np.where(finite, lat, np.nan)


def _error(grid, steps):
    """The largest error in the middle between nodes, as a share of a cell."""
    middle = np.linspace(0, 1, steps, endpoint=False) + 0.5 / steps
    col, row = (part.ravel() for part in np.meshgrid(middle * grid.shape[1], middle * grid.shape[0]))
    lon, lat = _degrees(grid, col, row)
    nodes = [values.reshape(steps + 1, steps + 1) for values in _nodes(grid, steps)]
    between = [(v[:-1, :-1] + v[1:, :-1] + v[:-1, 1:] + v[1:, 1:]).ravel() / 4 for v in nodes]
    off_m = geo.great_circle_m(lon, lat, *between)
    return float(np.nanmax(off_m, initial=0)) / grid.cell_m


def _plain(values):
    return [round(float(value), 6) if math.isfinite(value) else None for value in values]


def cells(grid: Grid, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (float, from the corner of the first cell) of degrees; NaN or inf where there are none."""
    x, y = grid.project(lon, lat)
    col, row = ~grid.transform @ (x, y)
    return np.asarray(col), np.asarray(row)


def outline(grid: Grid) -> dict[str, Lines]:
    """Coasts and borders on the map and somewhat around it, in cells: 'coast' and 'border' -> lines."""
    west, south, east, north = grid.degrees
    wider, higher = _AROUND * (east - west), _AROUND * (north - south)
    middle = (west + east) / 2
    west, east = max(west - wider, middle - 180), min(east + wider, middle + 180)
    south, north = max(south - higher, -90.0), min(north + higher, 90.0)
    lines = basemap.world().outline((west, south, east, north))
    return {kind: [piece for line in lines[kind] for piece in _drawable(grid, line)] for kind in ("coast", "border")}


def _drawable(grid, line: np.ndarray) -> Sequence[list[float]]:
    """The pieces of a line in degrees that the projection shows near the map."""
    points = np.column_stack(cells(grid, line[:, 0], line[:, 1]))
    size = np.array([grid.shape[1], grid.shape[0]])
    # what a projection tears apart comes back from far away
    near = (np.isfinite(points) & (points > -size) & (points < 2 * size)).all(axis=1)
    far = np.abs(np.diff(np.where(near[:, None], points, 0), axis=0)).max(axis=1) > _TORN * size.max()
    cuts = np.flatnonzero((near[:-1] != near[1:]) | far) + 1
    pieces = [piece for piece, shown in zip(np.split(points, cuts), np.split(near, cuts), strict=True) if shown[0]]
    return [np.round(piece, 2).ravel().tolist() for piece in pieces if len(piece) > 1]
