"""Maps of surveys coloured by a value: points on degrees, equally long east and north at the mean latitude."""

from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from glc import basemap, geo
from glc.report.figures import WIDTH, drawn
from glc.report.palette import BORDER, COAST, INK, MAP

PALETTE = "viridis"
LEFT, RIGHT, BOTTOM = 0.72, 0.9, 0.35
"""Inches around a map for its axes and its scale."""
LEAST_HIGH, MOST_HIGH = 0.45, 1.1
"""Height of a map by its width."""
_LABEL = 0.7
"""Inches for the label of a meridian and the space up to the next."""
_LEAST_SPAN = 0.2  # degrees shown around a single survey


@drawn
def surveys(lon, lat, values, label, limits, bounds=None):
    """Surveys at degrees `lon`, `lat` coloured by `values`, arrays (n,) with n at least 1, over coasts and borders.

    bounds : degrees (west, south, east, north) that are shown; None: those of the surveys
    limits : (low, high) of the colours; what lies beyond has the colour of the end, which the colour bar points out
    Coasts and points are one raster inside the SVG, so that 100,000 of them do not weigh on the page.
    """
    lon, lat, values = (np.asarray(x, float) for x in (lon, lat, values))
    west, south, east, north = bounds or bounds_of(lon, lat)
    stretch = 1 / max(np.cos(np.radians((south + north) / 2)), 0.05)
    shape = stretch * (north - south) / (east - west)
    # placed by hand, so that maps of the same extent are equally large, however long the labels of their scales are
    across = WIDTH - LEFT - RIGHT
    height = float(np.clip(across * shape, 1.2, 7.0)) + BOTTOM + 0.1
    figure = Figure(figsize=(WIDTH, height), dpi=200)
    FigureCanvasAgg(figure)
    inside = (LEFT / WIDTH, BOTTOM / height, across / WIDTH, 1 - (BOTTOM + 0.1) / height)
    ax = figure.add_axes(inside)
    # dense places hide points below others: a fixed shuffle favours neither high values nor low ones
    order = np.random.default_rng(0).permutation(len(lon))
    coastline(ax, (west, south, east, north))
    points = ax.scatter(
        lon[order],
        lat[order],
        c=values[order],
        s=np.clip(9_000 / len(lon), 2, 24),
        cmap=PALETTE,
        vmin=limits[0],
        vmax=limits[1],
        linewidths=0,
        rasterized=True,
    )
    frame_degrees(ax, (west, south, east, north))
    below, above = values.min() < limits[0], values.max() > limits[1]
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max"}.get((below, above), "both")
    scale = figure.add_axes((1 - (RIGHT - 0.12) / WIDTH, inside[1], 0.12 / WIDTH, inside[3]))
    figure.colorbar(points, cax=scale, label=label, extend=extend)
    return figure


def bounds_of(lon: ArrayLike, lat: ArrayLike) -> tuple[float, float, float, float]:
    """Degrees (west, south, east, north) of a map of the places `lon`, `lat`, with a margin.

    A map that would be much wider or higher than others is made less so, with more of its surroundings.
    """
    (west, east), (south, north) = extent(np.asarray(lon, float)), extent(np.asarray(lat, float))
    stretch = 1 / max(np.cos(np.radians((south + north) / 2)), 0.05)
    width, height = east - west, (north - south) * stretch
    wider = max(0.0, height / MOST_HIGH - width) / 2
    higher = max(0.0, width * LEAST_HIGH - height) / 2 / stretch
    return (
        float(max(west - wider, -180.0) if wider else west),
        float(max(south - higher, -90.0)),
        float(min(east + wider, 180.0) if wider else east),
        float(min(north + higher, 90.0)),
    )


def in_words(bounds: tuple[float, float, float, float]) -> str:
    """The extent of a map as text: ``-1.0 to 8.2 degrees east, 42.0 to 47.1 degrees north``."""
    west, south, east, north = bounds
    return f"{west:.1f} to {east:.1f} degrees east, {south:.1f} to {north:.1f} degrees north"


def frame_degrees(ax: Axes, bounds: tuple[float, float, float, float]) -> None:
    """Show `bounds`, degrees (west, south, east, north), on `ax`, as long east as north at the mean latitude."""
    west, south, east, north = bounds
    ax.set_facecolor(MAP)
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)
    stretch = 1 / max(np.cos(np.radians((south + north) / 2)), 0.05)
    ax.set_aspect(stretch)
    ax.grid(color=BORDER, linewidth=0.5)  # on the ground of the map, which is light on dark pages too
    room = ax.get_window_extent()
    across = min(room.width, room.height * (east - west) / (north - south) / stretch) / ax.figure.dpi
    # labels of a narrow map of a tall area would run into each other
    bins = int(np.clip(across / _LABEL, 1, 5))
    for axis, ends, most in ((ax.xaxis, "EW", bins), (ax.yaxis, "NS", 5)):
        axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], min_n_ticks=min(most, 2)))
        axis.set_major_formatter(FuncFormatter(lambda value, _, ends=ends: geo.degree_label(value, ends)))
    ax.tick_params(length=3)


def coastline(
    ax: Axes, bounds: tuple[float, float, float, float], crs: int = 4326, borders: bool = True, above: bool = False
) -> None:
    """Draw the coasts, and the borders of countries, within `bounds` on `ax`.

    bounds : degrees (west, south, east, north)
    crs : EPSG code of the axes
    borders : whether those between countries are drawn
    above : whether they lie above points and lines, darker, where dense points along a coast would hide it
    """
    west, south, east, north = bounds
    if east - west > 360:  # a margin around the globe
        west, east = -180, 180
    lines = _outline((west, south, east, north), crs, borders)
    shades = {"border": COAST, "coast": INK} if above else {"border": BORDER, "coast": COAST}
    zorder = 5 if above else 0.7
    for kind, colour in shades.items():
        # above the grid, so that it is one raster with the points: a detailed coast weighs as much as they would
        ax.add_collection(LineCollection(lines[kind], colors=colour, linewidths=0.7, zorder=zorder, rasterized=True))


@lru_cache(maxsize=4)
def _outline(bounds, crs, borders):
    """Lines that are only read: the maps of a page show the same area."""
    return basemap.world().outline(bounds, crs, borders)


def colour_limits(values):
    """(low, high) of the colours: from 0 to the 98 % quantile of the finite `values`, never of no length."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    high = float(np.quantile(values, 0.98)) if len(values) else 0.0
    high = high or float(values.max(initial=0))
    return 0.0, high if high > 0 else 1.0


def extent(values):
    """(low, high) of an axis around `values`, with a margin; never of no length."""
    low, high = values.min(), values.max()
    middle, span = (low + high) / 2, max(1.06 * (high - low), _LEAST_SPAN)
    return middle - span / 2, middle + span / 2
