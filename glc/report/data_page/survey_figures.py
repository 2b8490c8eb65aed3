"""The figures of one survey: images side by side, bands over time, a line and its DCT, years folded."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glc.report.figures import PICTURE_WIDTH, axes, drawn
from glc.report.palette import INK, MODEL, OTHER
from glc.report.series import BAND_COLOURS, approximate

TERMS, FEWER = 64, 16
"""Coefficients of a series that the paper keeps, and fewer."""


def rgb(pixels: np.ndarray) -> np.ndarray:
    """Bands (row, col, 3) as colours from 0 to 1: bytes as they are, others between their 2 and 98 % quantiles."""
    if pixels.dtype == np.uint8:
        return pixels / 255
    low, high = np.quantile(pixels, (0.02, 0.98))
    return np.clip((pixels - low) / (high - low if high > low else 1), 0, 1)


@drawn
def panels_of(panels, columns):
    """Images in a grid; panels : (title, (row, col) values or (row, col, 3) colours, how they are coloured).

    how : None of colours, 'classes', the name of a colour map, or (colour map, lowest, highest)
    """
    count = -(-len(panels) // columns)
    side = PICTURE_WIDTH / max(columns, 2)
    figure = Figure(figsize=(columns * side, count * (side + 0.42)), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    grid = figure.subplots(count, columns, squeeze=False).ravel()
    for ax in grid:
        ax.set_axis_off()
    for ax, (title, values, how) in zip(grid, panels, strict=False):
        ax.set_title(title, fontsize=8 if columns < 4 else 7)
        if how is None:
            ax.imshow(values, interpolation="nearest")
        elif how == "classes":
            known = ~np.ma.getmaskarray(values)
            numbers = np.ma.masked_all(values.shape)
            numbers[known] = np.unique(np.ma.getdata(values)[known], return_inverse=True)[1] % 20
            ax.imshow(numbers, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
        else:
            cmap, low, high = how if isinstance(how, tuple) else (how, values.min(), values.max())
            ax.imshow(values, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    return figure


@drawn
def bands_over_time(time, named):
    """Lines of `named`, name -> values over `time`, years."""
    figure, ax = axes(2.9)
    for name, line in named.items():
        ax.plot(time, line, color=BAND_COLOURS[name], linewidth=1, label=name)
    ax.set_ylabel("value of the series")
    _years(ax)
    ax.set_xlim(time[0], time[-1])  # a series that ends early does so visibly
    figure.legend(loc="outside lower center", ncols=6, handlelength=1.2, columnspacing=1.2)
    return figure


@drawn
def band_and_terms(time, values, name, label):
    """A line and its approximations by few coefficients; values : (time,), NaN where missing."""
    figure, ax = axes(3.1)
    ax.plot(time, values, ".", color=INK, markersize=3, label=name)
    gaps = np.isnan(values)
    if gaps.any():
        ax.plot(time[gaps], np.zeros(gaps.sum()), "x", color=INK, markersize=3.5, label="missing, taken for 0")
    for count, colour in ((TERMS, MODEL), (FEWER, OTHER)):
        if count <= len(values):
            near = approximate(values, count)
            error = float(np.sqrt(np.mean((near - np.nan_to_num(values)) ** 2)))
            text = f"{count} of {len(values)} terms, RMSE {error:.3g}"
            ax.plot(time, near, color=colour, linewidth=1, label=text)
    ax.set_ylabel(name)
    _years(ax, label)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@drawn
def folded(named, first, ticks, label):
    """Each of `named` (season, year) as an image, `ticks` a letter per season."""
    rows = -(-len(named) // 2)
    figure = Figure(figsize=(PICTURE_WIDTH, 0.5 + rows * 1.35), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 2, squeeze=False)
    for ax in grid.ravel()[len(named) :]:
        ax.set_axis_off()
    for number, (ax, (name, values)) in enumerate(zip(grid.ravel(), named.items(), strict=False)):
        years = values.shape[1]
        ax.imshow(values, aspect="auto", interpolation="nearest", extent=(first, first + years, len(ticks), 0))
        known = values[np.isfinite(values)]
        ax.set_title(
            f"{name}: {known.min():.4g} to {known.max():.4g}" if len(known) else f"{name}: missing", fontsize=8
        )
        ax.set_yticks(
            np.arange(len(ticks)) + 0.5,
            ticks if number % 2 == 0 else [""] * len(ticks),
            fontsize=7 if len(ticks) < 6 else 5.5,
        )
        if number % 2 == 0:
            ax.set_ylabel(label)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.tick_params(length=0)
    return figure


def _years(ax: Axes, label: str = "year") -> None:
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    ax.set_xlabel(label)
