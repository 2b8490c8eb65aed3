"""Degrees between nodes, and coasts, are where the projection has them."""

import numpy as np
import pytest

from glc import geo
from glc.explorer import geography
from glc.maps import grid as grids

PROJECTED = grids.of_bounds((1.0, 42.0, 7.0, 45.5), "EPSG:3035", 1000)
DEGREES = grids.of_bounds((1.0, 42.0, 7.0, 45.5), "EPSG:4326", 0.05)
PACIFIC = grids.of_bounds((165.0, -47.5, 180.0, -34.0), "EPSG:2193", 20_000)


def interpolated(grid, col, row):
    nodes = geography.lattice(grid)
    steps = nodes["steps"]
    x, y = col / grid.shape[1] * steps, row / grid.shape[0] * steps
    left, top = np.minimum(x.astype(int), steps - 1), np.minimum(y.astype(int), steps - 1)
    u, v = x - left, y - top
    for name in ("lon", "lat"):
        table = np.array(nodes[name], float).reshape(steps + 1, steps + 1)
        upper = table[top, left] * (1 - u) + table[top, left + 1] * u
        yield upper * (1 - v) + (table[top + 1, left] * (1 - u) + table[top + 1, left + 1] * u) * v


@pytest.mark.parametrize("grid", [PROJECTED, DEGREES, PACIFIC])
def test_degrees_between_nodes_are_off_by_a_small_share_of_a_cell(grid):
    rng = np.random.default_rng(0)
    row, col = rng.uniform(0, grid.shape[0], 500), rng.uniform(0, grid.shape[1], 500)
    lon, lat = interpolated(grid, col, row)
    expected = grid.unproject(*(grid.transform @ (col, row)))
    assert geo.great_circle_m(lon, lat, *expected).max() < 0.05 * grid.cell_m


def test_longitudes_do_not_jump_at_180_degrees():
    lon = np.array(geography.lattice(PACIFIC)["lon"], float).reshape(geography.lattice(PACIFIC)["steps"] + 1, -1)
    assert lon.max() > 180
    assert np.abs(np.diff(lon, axis=1)).max() < 10


def test_cells_of_degrees_are_drawn_as_high_as_they_are():
    assert geography.stretch(PROJECTED) == 1
    assert geography.stretch(DEGREES) == pytest.approx(1 / np.cos(np.radians(43.75)), rel=1e-3)


def test_a_coast_is_where_the_projection_has_it():
    lines = [np.array(line).reshape(-1, 2) for line in geography.outline(PROJECTED)["coast"]]
    points = np.concatenate(lines)
    col, row = geography.cells(PROJECTED, np.array([3.9]), np.array([43.55]))  # off Montpellier
    near_m = np.hypot(points[:, 0] - col, points[:, 1] - row).min() * PROJECTED.cell_m
    assert near_m < 10_000
    assert max(len(line) for line in lines) > 20


def test_a_line_that_the_projection_tears_apart_is_cut():
    grid = grids.of_bounds((-170.0, -60.0, 170.0, 70.0), "EPSG:3832", 400_000)  # centred at 150 degrees east
    lines = [line for kind in geography.outline(grid).values() for line in kind]
    steps = [np.abs(np.diff(np.array(line).reshape(-1, 2), axis=0)).max() for line in lines]
    assert len(lines) > 100
    assert max(steps) < 0.3 * max(grid.shape)
