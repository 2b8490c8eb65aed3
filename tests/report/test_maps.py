from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PathCollection

from glc.report import maps


def draw(lon, lat, values, limits=None):
    return maps.surveys("a map", lon, lat, values, "F1", limits or maps.colour_limits(values))


def drawn_axes(lon, lat, values, limits):
    """The axes of a map after its layout, without the step to SVG."""
    figure = maps.surveys.__wrapped__(lon, lat, values, "F1", limits)
    figure.draw_without_rendering()
    return figure.axes[0]


@pytest.mark.parametrize("latitude", [0, 45, -60])
@pytest.mark.parametrize("height", [0.1, 5, 20])
def test_a_degree_east_is_as_long_as_the_cosine_of_the_latitude_says(latitude, height):
    ax = drawn_axes([3, 9], [latitude - height / 2, latitude + height / 2], [0, 1], (0, 1))
    origin, east, north = ax.transData.transform([(3, latitude), (3.1, latitude), (3, latitude + 0.1)])
    assert east[0] > origin[0]
    assert north[1] > origin[1]
    assert (east - origin)[0] / (north - origin)[1] == pytest.approx(np.cos(np.radians(latitude)), rel=1e-6)


def test_each_survey_is_at_its_place_in_its_colour():
    rng = np.random.default_rng(2)
    lon, lat, values = rng.uniform(0, 9, 40), rng.uniform(40, 50, 40), rng.uniform(0, 0.5, 40)
    ax = drawn_axes(lon, lat, values, (0, 0.4))
    (points,) = (drawn for drawn in ax.collections if isinstance(drawn, PathCollection))
    ours = np.column_stack([lon, lat, matplotlib.colormaps["viridis"](np.minimum(values / 0.4, 1))])
    theirs = np.column_stack([points.get_offsets(), points.get_facecolors()])
    np.testing.assert_allclose(theirs[np.argsort(theirs[:, 0])], ours[np.argsort(ours[:, 0])])
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    assert west < lon.min() < lon.max() < east
    assert south < lat.min() < lat.max() < north


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_one_survey_and_equal_values(value):
    for count in (1, 5):
        svg = draw([3.2] * count, [43.9] * count, [value] * count)
        assert "nan" not in svg
        assert "°E" in svg
        assert "°N" in svg


def test_points_are_one_raster_however_many():
    rng = np.random.default_rng(1)
    svg = draw(rng.uniform(-10, 30, 50_000), rng.uniform(35, 70, 50_000), rng.random(50_000))
    assert svg.count("<image") == 2  # the points and the colour bar
    assert svg.count("<use") < 100
    assert len(svg) < 3_000_000


def test_colours_end_at_the_98_percent_quantile():
    assert maps.colour_limits(np.append(np.arange(101), np.nan)) == (0, 98)
    assert maps.colour_limits([0, 0, 0]) == (0, 1)
    assert maps.colour_limits([0] * 99 + [0.4]) == (0, 0.4)
    assert maps.colour_limits([np.nan]) == (0, 1)


@pytest.mark.parametrize("bounds", [(-70.4, -70, -40, -30), (-75.5, -67, -55, -18), (166, 179, -47, -34)])
def test_labels_of_meridians_do_not_run_into_each_other(bounds):
    west, south, east, north = bounds[0], bounds[2], bounds[1], bounds[3]
    figure = maps.surveys.__wrapped__([west, east], [south, north], [0, 1], "F1", (0, 1), (west, south, east, north))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    labels = [label.get_window_extent() for degree, label in ticks if west <= degree <= east]
    assert labels
    assert all(left.x1 < right.x0 for left, right in pairwise(labels))


def test_the_coast_lies_under_the_points():
    """Corsica's coast is drawn with the surveys: the raster inside the SVG is larger than of the same place at sea."""
    svg = maps.surveys("map", [8.6, 9.5], [41.5, 42.9], [0.1, 0.2], "F1", (0, 1))
    sea = maps.surveys("map", [-40.6, -39.5], [41.5, 42.9], [0.1, 0.2], "F1", (0, 1))
    assert len(svg) > len(sea) + 5_000


def test_coasts_are_drawn_where_the_extent_is_wider_than_the_globe():
    svg = maps.surveys("map", [-180, 180], [-60, 70], [0.1, 0.2], "F1", (0, 1))
    assert svg.startswith("<svg")
