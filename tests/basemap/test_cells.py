"""Countries by cell: the same as by areas, with fewer comparisons."""

import numpy as np
import pytest
import shapely
from numpy.testing import assert_array_equal

from glc import basemap
from glc.basemap.cells import STEP, Cells

TRIANGLE = shapely.segmentize(shapely.Polygon([(10, 40), (30, 60), (30, 40)]), 0.25)
EDGES = np.column_stack([shapely.get_coordinates(TRIANGLE)[:-1], shapely.get_coordinates(TRIANGLE)[1:]])


@pytest.fixture
def asked():
    """Numbers of places that were compared with the triangle."""
    return []


@pytest.fixture
def cells(asked):
    def inside(lon, lat):
        asked.append(len(lon))
        return shapely.intersects_xy(TRIANGLE, lon, lat).astype(int)

    return Cells(EDGES, inside)


def test_places_have_what_comparing_each_gives(cells, asked):
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(5, 35, 50_000), rng.uniform(35, 65, 50_000)
    grid = np.meshgrid(np.arange(100, 320) * STEP, np.arange(400, 620) * STEP)  # corners of cells, and the vertices
    lon, lat = (np.concatenate([own, more.ravel()]) for own, more in zip((lon, lat), grid, strict=True))
    assert_array_equal(cells.at(lon, lat), shapely.intersects_xy(TRIANGLE, lon, lat))
    again = len(asked)
    cells.at(np.full(1_000, 28.05), np.full(1_000, 45.05))  # far from the edges, in a cell that is known
    assert asked[again:] == [0]


def test_the_corners_of_the_globe_are_in_a_cell(cells):
    assert_array_equal(cells.at(np.array([-180.0, 180, 180, 0]), np.array([-90.0, 90, -90, 0])), np.zeros(4))


def test_many_places_are_in_the_countries_in_which_each_is_alone():
    world = basemap.world()
    rng = np.random.default_rng(1)
    middle = rng.choice(shapely.get_coordinates(np.array(world.country, object)), 3_000)  # along coasts and borders
    near = (middle[:, None] + rng.normal(0, 0.02, (len(middle), 4, 2))).reshape(-1, 2)
    lon, lat = np.concatenate(
        [middle, near, rng.uniform([-180, -90], [180, 90], (5_000, 2)), [[181, 0], [-539.5, 64]]]
    ).T
    lat = np.clip(lat, -90, 90)
    assert len(lon) > 10_000
    wrapped = np.where(np.abs(lon) > 180, (lon + 180) % 360 - 180, lon)
    assert_array_equal(world.country_at(lon, lat), world._country_at(wrapped, lat))
    plain = np.zeros(len(lon), bool)
    for area in world.country:
        shapely.prepare(area)
        plain |= shapely.intersects_xy(area, wrapped, lat)
    assert_array_equal(world.is_land(lon, lat), plain)
    assert 0.2 < plain.mean() < 0.9
    assert not world.is_land([np.nan, 2.0], [48.0, np.inf]).any()
