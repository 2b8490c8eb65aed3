"""A picture of a map: species richness, where not to trust it, and a few species, over the coast with a scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from rasterio.enums import Resampling

from glc import basemap, geo
from glc.maps.grid import Grid
from glc.maps.styles import OUTSIDE, PALETTE
from glc.rasters.files import opened

_SEA, _LAND, _COAST, _BORDER, _INK, _LINES = "#dfe7ee", "#f4f2ed", "#3b4046", "#8a9097", "#1c2024", "#b9c2cb"
_STYLE = {"font.size": 9, "text.color": _INK, "text.parse_math": False, "hatch.linewidth": 0.5}
_PIXELS = 900
"""Cells along the longer side that a panel shows; more are read from overviews."""
_PANELS = 4
_WIDTH = 5.2
"""Inches of a panel."""
_MARGIN = 1.0
"""Inches of it that degrees and the scale of colours take."""
_LONGEST_NAME = 44


@dataclass(frozen=True)
class Panel:
    """One map of the picture.

    name : above it
    values : (rows, cols), NaN where there is none
    limits : values of the first and the last colour
    unit : of the values
    """

    name: str
    values: np.ndarray
    limits: tuple[float, float]
    unit: str


def write(out: Path, grid: Grid, species: Sequence[str], title: str, relative: bool) -> None:
    """Write ``preview.png`` from the GeoTIFFs of a map.

    out : folder of the map's files
    grid : of all of them
    species : names of the mapped ones, in the order of the bands; the first are shown
    title : above the picture
    relative : whether the values are a relative suitability; then there is no richness
    """
    panels = [] if relative else [_richness(out, grid)]
    shown = species[: _PANELS - len(panels)]
    values = [_probability(out, grid, band) for band in range(len(shown))]
    # one scale for all species, so that pictures can be compared
    limits, unit = (0.0, max(map(_high, values))), "relative suitability" if relative else "probability"
    for name, of_species in zip(shown, values, strict=True):
        panels.append(Panel(_short(f"species {name}" if name.isdecimal() else name), of_species, limits, unit))
    outside = _read(out / "applicability.tif", 2, grid, Resampling.nearest) == 0
    across = 2 if len(panels) > 1 else 1
    down = math.ceil(len(panels) / across)
    left, bottom, right, top = grid.bounds
    ratio = (top - bottom) / (right - left) * (_stretch(grid) if grid.geographic else 1)
    height = float(np.clip((_WIDTH - _MARGIN) * ratio, 2.0, 8.0))
    with style.context(["default", _STYLE], after_reset=True):
        figure = Figure(figsize=(across * _WIDTH, down * (height + 0.5) + 0.8), layout="constrained", dpi=160)
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=12, fontweight="bold")
        for number, panel in enumerate(panels, 1):
            axes = figure.add_subplot(down, across, number)
            _draw(axes, grid, panel, outside)
            axes.set_title(panel.name, fontsize=10, loc="left")
            colours = ScalarMappable(Normalize(*panel.limits), PALETTE)
            below, above = _beyond(panel)
            extend = {(False, False): "neither", (True, False): "min", (False, True): "max"}.get((below, above), "both")
            figure.colorbar(colours, ax=axes, label=panel.unit, extend=extend, shrink=0.9, aspect=22, pad=0.02)
        _legend(figure, outside)
        figure.savefig(out / "preview.png", metadata={"Software": None, "Title": title})


def _draw(axes, grid, panel, outside):
    left, bottom, right, top = grid.bounds
    axes.set_facecolor(_SEA)
    _basemap(axes, grid)
    extent = (left, right, bottom, top)
    low, high = panel.limits
    values = np.ma.masked_invalid(panel.values)
    axes.imshow(values, cmap=PALETTE, vmin=low, vmax=high, extent=extent, zorder=2, interpolation="nearest")
    if outside.any():
        rows, cols = outside.shape
        x = left + (np.arange(cols) + 0.5) * (right - left) / cols
        y = top - (np.arange(rows) + 0.5) * (top - bottom) / rows
        hatch = axes.contourf(
            x, y, outside.astype(float), levels=[0.5, 1.5], colors="none", hatches=["/////"], zorder=3
        )
        hatch.set_edgecolor(OUTSIDE)
        hatch.set_linewidth(0)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_aspect(_stretch(grid) if grid.geographic else 1)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(_BORDER)
    _scale_bar(axes, grid)


def _basemap(axes, grid):
    """Land, graticule, coasts and borders of countries."""
    west, south, east, north = grid.degrees
    project = grid.project
    lines = basemap.world().outline((west, south, east, north))
    for kind, colour, width in (("border", _BORDER, 0.5), ("coast", _COAST, 0.7)):
        drawn = [np.column_stack(project(*line.T)) for line in lines[kind]]
        axes.add_collection(LineCollection(drawn, colors=colour, linewidths=width, zorder=4))
    step = next(
        (step for step in (20, 10, 5, 2, 1, 0.5, 0.2, 0.1) if max(east - west, north - south) / step >= 3), 0.05
    )
    meridians = np.arange(math.ceil(west / step), math.floor(east / step) + 1) * step
    parallels = np.arange(math.ceil(south / step), math.floor(north / step) + 1) * step
    along = np.linspace(0, 1, 60)
    graticule = [np.column_stack(project(np.full(60, lon), south + along * (north - south))) for lon in meridians]
    graticule += [np.column_stack(project(west + along * (east - west), np.full(60, lat))) for lat in parallels]
    axes.add_collection(LineCollection(graticule, colors=_LINES, linewidths=0.4, linestyles=(0, (4, 3)), zorder=1.5))
    _label(axes, grid, meridians, parallels)


def _label(axes, grid, meridians, parallels):
    """Degrees where meridians leave the map at the bottom, and parallels at the left."""
    left, bottom, right, top = grid.bounds
    west, south, east, north = grid.degrees
    fine = np.linspace(0, 1, 400)
    for lon in meridians:
        x, y = grid.project(np.full(400, lon), south + fine * (north - south))
        place = np.interp(bottom, y, x)
        if left < place < right and y[0] <= bottom <= y[-1]:
            axes.annotate(geo.degree_label(lon, "EW"), (place, bottom), (0, -3), **_TICK, ha="center", va="top")
    for lat in parallels:
        x, y = grid.project(west + fine * (east - west), np.full(400, lat))
        place = np.interp(left, x, y)
        if bottom < place < top and x[0] <= left <= x[-1]:
            axes.annotate(geo.degree_label(lat, "NS"), (left, place), (-3, 0), **_TICK, ha="right", va="center")


_TICK = {"textcoords": "offset points", "fontsize": 7, "color": "#5a6169", "annotation_clip": False}


def _scale_bar(axes, grid):
    """A bar of a round number of kilometres, measured along the middle of the map."""
    left, bottom, right, top = grid.bounds
    middle = (left + right) / 2, (top + bottom) / 2
    ends = grid.unproject([middle[0] - grid.cell_size[0], middle[0] + grid.cell_size[0]], [middle[1]] * 2)
    unit_m = float(geo.great_circle_m(ends[0][0], ends[1][0], ends[0][1], ends[1][1])) / (2 * grid.cell_size[0])
    wanted = 0.25 * (right - left) * unit_m
    power = 10 ** math.floor(math.log10(wanted))
    length_m = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    length = length_m / unit_m / (right - left)
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    axes.add_patch(
        Rectangle((0.02, 0.02), length + 0.04, 0.1, transform=axes.transAxes, facecolor="white", alpha=0.8, zorder=5.5)
    )
    axes.plot(
        [0.04, 0.04 + length],
        [0.04, 0.04],
        transform=axes.transAxes,
        color=_INK,
        lw=2.5,
        zorder=6,
        solid_capstyle="butt",
    )
    axes.text(0.04 + length / 2, 0.055, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=8, zorder=6)


def _legend(figure, outside):
    entries = [Patch(facecolor=_SEA, edgecolor=_BORDER, linewidth=0.5, label="sea, or not predicted")]
    if outside.any():
        entries.append(
            Patch(
                facecolor="white", edgecolor=OUTSIDE, hatch="/////", linewidth=0.5, label="outside of what was learned"
            )
        )
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), frameon=False, fontsize=9)


def _richness(out, grid):
    """The expected number of species, or that of the decided set where it is not known.

    Its colours begin where the poorest cell in a hundred lies, as no cell has next to none; but they span a quarter of
    the numbers at least, so that what hardly differs looks alike.
    """
    name, values = "Expected number of species", _read(out / "richness.tif", 2, grid, Resampling.average)
    if not np.isfinite(values).any():
        name, values = "Species in the decided set", _read(out / "richness.tif", 1, grid, Resampling.average)
    finite = values[np.isfinite(values)]
    high = _high(values)
    low = min(float(np.quantile(finite, 0.01)), 0.75 * high) if len(finite) else 0.0
    return Panel(name, values, (low, high), "species")


def _beyond(panel):
    """Whether values lie below the first colour, and above the last."""
    finite = panel.values[np.isfinite(panel.values)]
    return bool((finite < panel.limits[0]).any()), bool((finite > panel.limits[1]).any())


def _probability(out, grid, band):
    files = sorted(out.glob("probability*.tif"))
    for path in files:
        with opened(path) as raster:
            count = raster.count
        if band < count:
            return _read(path, band + 1, grid, Resampling.average)
        band -= count
    raise IndexError(band)


def _read(path, band, grid, resampling):
    """Values of a band as floats, NaN without one, of at most `_PIXELS` along a side."""
    factor = max(1.0, max(grid.shape) / _PIXELS)
    shape = tuple(max(1, round(side / factor)) for side in grid.shape)
    with opened(path) as raster:
        values = raster.read(band, out_shape=shape, masked=True, resampling=resampling).astype(float)
        return values.filled(np.nan) * raster.scales[band - 1] + raster.offsets[band - 1]


def _high(values):
    """The end of the colours: what one cell in a hundred exceeds."""
    finite = values[np.isfinite(values)]
    high = float(np.quantile(finite, 0.99)) if len(finite) else 0.0
    return high or float(finite.max(initial=0)) or 1.0


def _stretch(grid):
    """How much longer a degree of latitude is than one of longitude, in the middle of a geographic grid."""
    return 1 / max(math.cos(math.radians((grid.bounds[1] + grid.bounds[3]) / 2)), 0.05)


def _short(name):
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
