"""Maps of surveys coloured by a value: points on degrees, equally long east and north at the mean latitude."""

from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from glc import basemap
from glc.report.figures import INK, WIDTH, drawn

PALETTE = "viridis"
_LEAST_SPAN = 0.2  # degrees shown around a single survey


@drawn
def surveys(lon, lat, values, label, limits):
    """Surveys at degrees `lon`, `lat` coloured by `values`, arrays (n,) with n at least 1, over coasts and borders.

    limits : (low, high) of the colours; what lies beyond has the colour of the end, which the colour bar points out
    Coasts and points are one raster inside the SVG, so that 100,000 of them do not weigh on the page.
    """
    lon, lat, values = (np.asarray(x, float) for x in (lon, lat, values))
    stretch = 1 / max(np.cos(np.radians((lat.min() + lat.max()) / 2)), 0.05)
    (west, east), (south, north) = extent(lon), extent(lat)
    shape = stretch * (north - south) / (east - west)
    figure = Figure(
        figsize=(WIDTH, float(np.clip(0.74 * WIDTH * shape + 0.5, 2.2, 7.5))), layout="constrained", dpi=200
    )
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
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
    figure.colorbar(points, ax=ax, label=label, extend=extend, shrink=0.85, aspect=28, pad=0.02)
    return figure


def frame_degrees(ax: Axes, bounds: tuple[float, float, float, float]) -> None:
    """Show `bounds`, degrees (west, south, east, north), on `ax`, as long east as north at the mean latitude."""
    west, south, east, north = bounds
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)
    ax.set_aspect(1 / max(np.cos(np.radians((south + north) / 2)), 0.05))
    ax.grid()
    for axis, ends in ((ax.xaxis, "EW"), (ax.yaxis, "NS")):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _, ends=ends: degrees(value, ends)))
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
    shades = {"border": "#8a9097", "coast": INK} if above else {"border": "#cfd3d8", "coast": "#868d95"}
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


def degrees(value, ends):
    """An axis label such as 4°E or 43.5°N; `ends` are the letters of positive and negative degrees."""
    value = round(value, 6)
    return f"{abs(value):g}°{ends[value < 0] if value else ''}"


def extent(values):
    """(low, high) of an axis around `values`, with a margin; never of no length."""
    low, high = values.min(), values.max()
    middle, span = (low + high) / 2, max(1.06 * (high - low), _LEAST_SPAN)
    return middle - span / 2, middle + span / 2
