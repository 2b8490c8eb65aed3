"""Places all over the area of a map: on land, inside the bounds, evenly spread."""

import numpy as np
import pytest

from glc import basemap, geo
from glc.errors import DataError
from glc.maps import area

WEST, SOUTH, EAST, NORTH = 2.0, 41.5, 9.0, 44.5  # the Gulf of Lion and the land around it


@pytest.mark.parametrize("most", [500, 4_000])
def test_places_are_evenly_spread_over_the_land_of_the_bounds(most):
    lon, lat = area.places(np.array([WEST, EAST]), np.array([NORTH, SOUTH]), 3035, most)
    assert basemap.is_land(lon, lat).all()
    assert lon.min() > WEST - 1  # edges of a projected grid reach a little over bounds in degrees
    assert lat.max() < NORTH + 1
    assert 0.2 * most < len(lon) < most  # about half is sea
    metres = geo.great_circle_m(lon[:, None], lat[:, None], lon[None], lat[None])
    np.fill_diagonal(metres, np.inf)
    nearest = metres.min(axis=1)
    assert np.quantile(nearest, 0.99) < 1.2 * np.quantile(nearest, 0.01)


def test_no_cell_is_smaller_than_a_kilometre_and_the_sea_alone_is_refused():
    lon, _ = area.places(np.array([2.0, 2.03]), np.array([47.0, 47.02]), 3035)
    assert 4 <= len(lon) <= 30
    with pytest.raises(DataError, match="on land"):
        area.places(np.array([5.0, 6.0]), np.array([41.0, 41.5]), 3035)


def test_the_area_of_surveys_on_both_sides_of_180_degrees_is_across_it():
    ends = np.array([178.0, -179.5]), np.array([-19.0, -16.0])  # Fiji
    lon, _ = area.places(*ends, geo.suitable_crs(*geo.bounds(*ends)), 2_000)
    assert len(lon) > 100
    assert ((lon > 177) | (lon < -179)).all()
    assert (lon > 0).any()
    assert (lon < 0).any()
