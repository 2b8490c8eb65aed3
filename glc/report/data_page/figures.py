"""The figures of a dataset's page: places, species, features by group, degrees of a graph."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from glc import geo
from glc.report.figures import PICTURE_WIDTH, WIDTH, axes, drawn, plain_numbers
from glc.report.maps import coastline, extent, frame_degrees
from glc.report.palette import AXIS, CATEGORIES, INK, MAP, MODEL, OTHER, PRESENCE_ONLY, TEST, TRAINING

_PARTS = {
    "presence-only": (PRESENCE_ONLY, 2),
    "presence-absence, training": (TRAINING, 3),
    "presence-absence, test": (TEST, 4),
}
_OTHERS = CATEGORIES[:3]


def colours(names: list[str]) -> dict[str, tuple[str, int]]:
    """Name of a part -> its colour and how far up it is drawn; presence-only ones are pale where others lie on them."""
    if len(names) == 1:
        return {names[0]: (TRAINING, 3)}
    others = iter(_OTHERS)
    return {name: _PARTS.get(name) or (next(others, AXIS), 2) for name in names}


@drawn
def places(groups):
    """Places of each of `groups`, name -> (n, 2) degrees, over each other on coasts and borders."""
    everything = np.concatenate(list(groups.values()))
    (west, east), (south, north) = extent(everything[:, 0]), extent(everything[:, 1])
    stretch = 1 / max(np.cos(np.radians((south + north) / 2)), 0.05)
    height = float(np.clip(0.86 * WIDTH * stretch * (north - south) / (east - west) + 0.7, 2.4, 7.5))
    figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=200)
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    coastline(ax, (west, south, east, north), above=True)
    _scatter(ax, groups)
    frame_degrees(ax, (west, south, east, north))
    shades = [colour for colour, _ in colours(list(groups)).values()]
    marks = [Line2D([], [], marker="o", linestyle="", markersize=5, color=colour) for colour in shades]
    labels = [f"{name} ({len(own):,})" for name, own in groups.items()]
    figure.legend(marks, labels, loc="outside lower center", ncols=1)
    return figure


def _scatter(ax, groups, project=None):
    for name, (colour, level) in colours(list(groups)).items():
        own = groups[name]
        x, y = own.T if project is None else project(*own.T)
        size = float(np.clip(6_000 / len(own), 0.5 if level == 2 else 1.8, 14))
        ax.scatter(
            x, y, s=size, color=colour, linewidths=0, rasterized=True, zorder=level, label=f"{name} ({len(own):,})"
        )


@drawn
def area(groups):
    """The area of GeoLifeCLEF 2024 as a polygon in EPSG:3035 with the coasts around it, and the places in it."""
    west, south, east, north = geo.EUROPE
    step = np.linspace(0, 1, 60)
    lon = np.concatenate(
        [west + (east - west) * step, np.full(60, east), east + (west - east) * step, np.full(60, west)]
    )
    lat = np.concatenate(
        [np.full(60, south), south + (north - south) * step, np.full(60, north), north + (south - north) * step]
    )
    x, y = geo.project(lon, lat)
    figure = Figure(figsize=(WIDTH, 5.0), layout="constrained", dpi=200)
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    ax.set_facecolor(MAP)
    coastline(ax, (west - 14, south - 6, east + 20, north + 6), crs=3035)
    _scatter(ax, groups, geo.project)
    ax.plot(x, y, color=INK, linewidth=1.4, zorder=5)
    (left, right), (low, high) = extent(x), extent(y)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return figure


@drawn
def ranked(counts):
    """Counts in falling order on two logarithmic axes; counts : name -> (species,)."""
    figure, ax = axes(3.4)
    for name, (colour, _) in colours(list(counts)).items():
        own = counts[name]
        ax.plot(np.arange(1, len(own) + 1), own, color=colour, linewidth=1.6, label=name,
                marker="." if len(own) < 3 else "")  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        plain_numbers(axis)
    ax.grid(axis="x")
    ax.set_xlabel("rank of the species")
    ax.set_ylabel("surveys that have it")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@drawn
def sizes(counts):
    """Distributions of species per survey, a panel each; counts : name -> number of species -> surveys."""
    figure = Figure(figsize=(WIDTH, 0.5 + 1.55 * len(counts)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(counts), 1, squeeze=False)[:, 0]
    for ax, (name, (colour, _)) in zip(panels, colours(list(counts)).items(), strict=True):
        own, heights = (np.array(list(part)) for part in (counts[name], counts[name].values()))
        order = np.argsort(own)
        limit = own[order][np.searchsorted(np.cumsum(heights[order]), 0.995 * heights.sum())]
        width = max(1, -(-(limit + 1) // 40))
        edges = np.arange(0, limit + width + 1, width) - 0.5
        ax.hist(np.minimum(own, limit), edges, weights=heights / heights.sum(), color=colour)
        ax.set_title(name, loc="left")
        ax.set_xlim(edges[0], edges[-1])
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        ax.grid(axis="y")
        ax.tick_params(length=0)
    panels[-1].set_xlabel("species per survey")
    figure.supylabel("share of surveys")
    return figure


@drawn
def correlations(panels, names):
    """Correlation matrices side by side; panels : title -> frame (feature, feature); names : the features in order."""
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    side = (PICTURE_WIDTH - 2.0) / columns
    figure = Figure(figsize=(PICTURE_WIDTH, rows * (side + 0.45) + 0.5), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax in grid.ravel()[len(panels) :]:
        ax.set_axis_off()
    numbers = [str(number) for number in range(1, len(names) + 1)]
    labels = [f"{shorten(name, 22)}  {number}" for name, number in zip(names, numbers, strict=True)]
    size = 7.5 if columns == 1 else 6.5
    for place, (ax, (title, values)) in enumerate(zip(grid.ravel(), panels.items(), strict=False)):
        image = ax.imshow(np.ma.masked_invalid(values.to_numpy(float)), cmap="RdBu_r", vmin=-1, vmax=1)
        ax.set_facecolor(AXIS)  # white is no correlation
        ax.set_title(shorten(title, 30), fontsize=8)
        ax.set_xticks(range(len(names)), numbers, fontsize=size)
        first = place % columns == 0
        ax.set_yticks(range(len(names)), labels if first else numbers, fontsize=size)
        ax.tick_params(length=0)
    bar = figure.colorbar(image, ax=grid, location="bottom", shrink=0.5, aspect=30, pad=0.02, label="correlation")
    bar.outline.set_visible(False)
    return figure


@drawn
def boxes(features):
    """Box plots of features by group; features : name -> group -> (n,) values. Whiskers reach 5 and 95 %."""
    columns = 2 if len(features) > 1 else 1
    rows = -(-len(features) // columns)
    groups = list(next(iter(features.values())))
    figure = Figure(figsize=(PICTURE_WIDTH, rows * (0.55 + 0.2 * len(groups))), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax in grid.ravel()[len(features) :]:
        ax.set_axis_off()
    for place, (ax, (name, values)) in enumerate(zip(grid.ravel(), features.items(), strict=False)):
        ax.boxplot(
            [values[group] for group in groups], orientation="horizontal", widths=0.6, whis=(5, 95), showfliers=False,
            patch_artist=True, boxprops={"facecolor": "none", "edgecolor": MODEL, "linewidth": 0.8},
            medianprops={"color": OTHER, "linewidth": 1.4}, whiskerprops={"color": MODEL, "linewidth": 0.8},
            capprops={"color": MODEL, "linewidth": 0.8},
        )  # fmt: skip
        ax.set_title(shorten(name, 28), fontsize=8)
        ax.set_yticks(
            range(1, len(groups) + 1), [shorten(group, 18) for group in groups] if place % columns == 0 else []
        )
        ax.invert_yaxis()
        whole = all((own == np.round(own)).all() for own in values.values())
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=whole))
        ax.tick_params(length=0, labelsize=7)
        ax.grid(axis="x")
    return figure


@drawn
def degrees(values):
    """Histograms of degrees above those of their roots; values : name -> (node,) positive degrees."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1)
    for ax, transform, label in ((upper, np.asarray, "degree, km"), (lower, np.sqrt, "root of the degree")):
        top = max(float(transform(own).max()) for own in values.values())
        most = max(map(len, values.values()))
        edges = np.linspace(0, top, int(np.clip(2 * np.sqrt(most), 8, 40)) + 1)
        for name, (colour, _) in colours(list(values)).items():
            share = np.histogram(transform(values[name]), edges)[0] / len(values[name])
            ax.stairs(share, edges, color=colour, linewidth=1.5, label=name if ax is upper else None)
        ax.set_xlim(0, top)
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.set_xlabel(label)
        ax.set_ylabel("share of nodes")
        ax.grid(axis="y")
        ax.tick_params(length=0)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@drawn
def radii(km):
    """Histogram of the radii of clusters, km, with the published 10 km."""
    figure, ax = axes(3.0)
    edges = np.histogram_bin_edges(km, bins=min(40, max(8, len(km) // 4)), range=(0, max(12.0, float(km.max()))))
    ax.hist(km, edges, color=MODEL)
    ax.axvline(10, color=OTHER, linewidth=1.2, linestyle="--", label="10 km (Tighnari)")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(0, edges[-1])
    ax.set_xlabel("radius of the cluster, km")
    ax.set_ylabel("clusters")
    figure.legend(loc="outside lower center")
    return figure


def shorten(text: str, width: int) -> str:
    """A text of at most `width` letters; a longer one lacks its middle."""
    text = str(text)
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - half - 1]}…{text[-half:]}"
