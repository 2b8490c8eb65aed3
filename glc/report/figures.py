"""The report's figures as inline SVG text, byte-identical for identical data and without any reference outside.

Drawn through matplotlib's objects (no pyplot, no global state left changed). Text stays text and takes the page's
font; colours are those of `glc.report.palette`, and follow the page's light or dark look. Grounds are transparent.
"""

import contextlib
import functools
import io
import os
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib import style
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatter, MaxNLocator, PercentFormatter

from glc import storage
from glc.errors import ConfigError
from glc.report import palette
from glc.report.palette import AXIS, BASELINE, GRID, GROUND, INK, MODEL, TEST, VALIDATION
from glc.report.svg import UNDATED, inline
from glc.types import StrPath

SPLITS = {"valid": (VALIDATION, "o", "validation"), "test": (TEST, "D", "test")}
WIDTH = 4.8
"""Inches of a figure: on a phone, 358 pixels wide inside the page, it keeps its size."""
STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "axes.edgecolor": AXIS,
    "axes.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "legend.handlelength": 1.4,
    "legend.columnspacing": 1.2,
    "svg.fonttype": "none",
    "svg.hashsalt": "glc",
    "image.composite_image": False,
}

Files: TypeAlias = StrPath | Sequence[StrPath]
"""Where a picture is written: one file, or one per format."""
PICTURE_WIDTH = 5.4
"""Inches that the sizes of picture files are made of."""
SMALL = dict.fromkeys(
    ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 9
)
"""Text of picture files, which no phone makes narrower."""


def drawn(draw):
    """Decorator: a function (..., returning a Figure) becomes one of (alt, ...) that returns the figure's SVG text.

    alt : what the figure shows, for readers who cannot see it
    """

    @functools.wraps(draw)
    def wrapped(alt, *args, **kwargs):
        with style.context(["default", STYLE]):  # not what the user's own matplotlibrc says
            return _inline(draw(*args, **kwargs), alt)

    return wrapped


@contextlib.contextmanager
def picture(out: Files, size: tuple[float, float]) -> Iterator[Figure]:
    """A Figure of `size` inches to draw on, in the report's style; it is written to `out` when the block ends.

    out : .png, .svg or .pdf, or several of them, as of `for_page`
    What the figure shows, with its values, is said by its label (`set_label`), or else by the titles in it: pages
    have it as the alternative text. Another suffix is a ConfigError before anything is drawn.
    """
    paths = [Path(path) for path in ([out] if isinstance(out, str | os.PathLike) else out)]
    with style.context(["default", STYLE, SMALL]):  # not what the user's own matplotlibrc says
        figure = Figure(figsize=size, layout="constrained", facecolor=GROUND)
        known = FigureCanvasAgg(figure).get_supported_filetypes()
        for path in paths:
            if path.suffix[1:] not in known:
                raise ConfigError(f"{path}: found no picture's suffix, expected .png, .svg or .pdf")
        yield figure
        for path in paths:
            facts = UNDATED | {"Description": _shows(figure)} if path.suffix == ".svg" else None
            with storage.atomic_file(path) as scratch:
                figure.savefig(scratch, format=path.suffix[1:], dpi=150, metadata=facts)


def _shows(figure):
    """What a figure says that it shows, or else all its titles."""
    titles = [figure.get_suptitle(), *(ax.get_title(loc) for ax in figure.axes for loc in ("left", "center"))]
    return figure.get_label() or "; ".join(filter(None, titles))


def for_page(path: Path) -> list[Path]:
    """The files of a picture that a page shows too: `path`, and next to it the SVG that goes inside the page."""
    return [path, path.with_suffix(".svg")]


def axes(height=3.3):
    """A Figure of the report's width with one set of axes and a horizontal grid: (Figure, Axes)."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    made = figure.add_subplot()
    made.grid(axis="y")
    made.tick_params(length=0)
    return figure, made


def plain_numbers(axis: Axis) -> None:
    """Write plain numbers at a logarithmic Axis: matplotlib's own are formulae, which this style does not parse."""
    axis.set_major_formatter(_PlainLog(labelOnlyBase=True))
    axis.set_minor_formatter(_PlainLog(labelOnlyBase=False))


class _PlainLog(LogFormatter):
    def __call__(self, x, pos=None):
        return f"{x:g}" if super().__call__(x, pos) else ""  # empty where labels would be too many


@drawn
def scores(rows, measure="F1, mean over surveys"):
    """A measure, F1 averaged over surveys, of the experiment (first row) and of the baselines, a bar each.

    measure : what the axis is called
    rows : (label, valid, low, high, test) from top to bottom; low and high bound the 95% interval; test may be None
    """
    figure, ax = axes(0.9 + 0.42 * len(rows))
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x")
    labels, valid, low, high, test = zip(*rows, strict=True)
    y = np.arange(len(rows))
    ax.barh(y, valid, 0.62, color=[VALIDATION] + [BASELINE] * (len(rows) - 1))
    bounds = np.array([[v if b is None else b for v, b in zip(valid, side, strict=True)] for side in (low, high)])
    ax.errorbar(
        valid, y - 0.1, xerr=np.abs(bounds - np.array(valid)), fmt="none", ecolor=INK, elinewidth=1.2, capsize=3
    )
    known = [(value, at + 0.2) for value, at in zip(test, y, strict=True) if value is not None]
    if known:
        ax.plot(*zip(*known, strict=True), "D", color=TEST, markeredgecolor=GROUND, markersize=6.5)
    # the changes behind an experiment's name can be long; the table beside the figure has them in full
    ax.set_yticks(y, [textwrap.shorten(label.replace("+", " +"), 30, placeholder=" …") for label in labels])
    ax.invert_yaxis()
    ax.set_xlim(0, top([*valid, *bounds[1], *(v for v, _ in known)]))
    ax.set_xlabel(measure)
    keys = [(Patch(color=VALIDATION), "validation")]
    keys += [(Patch(color=BASELINE), "validation, baselines")] if len(rows) > 1 else []
    keys += [(Line2D([], [], linestyle="", marker="D", color=TEST), "test")] if known else []
    figure.legend(*zip(*keys, strict=True), loc="outside lower center", ncols=3)
    return figure


@drawn
def by_distance(labels, series):
    """Mean F1 with its 95% interval in bins of distance to the nearest training survey.

    labels : text of each bin; series : split -> list, a (count, mean, low, high) or None for each bin
    """
    figure, ax = axes()
    highest = []
    for number, (split, points) in enumerate(series.items()):
        colour, marker, name = SPLITS.get(split) or (palette.category(number), "D", split.replace("_", " "))
        x = np.array([i for i, point in enumerate(points) if point]) + 0.16 * (number - (len(series) - 1) / 2)
        _, mean, low, high = np.array([point for point in points if point], float).T
        error = np.nan_to_num(np.abs([mean - low, high - mean]))
        ax.errorbar(x, mean, error, color=colour, fmt=marker, markersize=6, elinewidth=1.2, capsize=3, label=name)
        highest += [*mean, *(mean + error[1])]
    ax.set_xticks(range(len(labels)), labels)
    if len(labels) > 6:
        ax.tick_params(axis="x", labelrotation=30)
    ax.set_xlim(-0.5, len(labels) - 0.5)
    ax.set_ylim(0, top(highest))
    ax.set_xlabel("distance to the nearest training survey, km")
    ax.set_ylabel("F1, mean over surveys")
    if len(series) > 1:
        figure.legend(loc="outside lower center", ncols=2)
    return figure


@drawn
def recall(rows):
    """Share of the true neighbours that a table holds, by radius; rows : (label, recall 0 to 1 or None)."""
    figure, ax = axes(2.8)
    labels, shares = zip(*rows, strict=True)
    x = np.arange(len(rows))
    ax.bar(x, [share or 0 for share in shares], 0.55, color=MODEL)
    for at, share in zip(x, shares, strict=True):
        text = "no pairs" if share is None else f"{share:.1%}" if share >= 0.1 else f"{share:.2%}"
        ax.annotate(text, (at, share or 0), (0, 3), textcoords="offset points", ha="center")
    ax.set_xticks(x, labels)
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_ylim(0, 1.1)
    ax.set_yticks(np.linspace(0, 1, 6))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("radius")
    ax.set_ylabel("recall against exact search")
    return figure


@drawn
def learning(histories, measures, best, label):
    """Curves by epoch, a colour for each fold.

    histories : fold -> frame with epoch and `measures`; measures : columns, the last one solid, others dashed;
    best : fold -> best epoch, marked on the solid curve; label : of the y axis
    """
    figure, ax = axes()
    for number, (fold, frame) in enumerate(histories.items()):
        colour = palette.category(number)
        for column in measures[:-1]:
            ax.plot(frame["epoch"], frame[column], "--", color=colour, linewidth=1.1)
        solid = frame.dropna(subset=measures[-1])  # not every epoch is validated
        marker = "." if len(solid) == 1 else ""
        ax.plot(solid["epoch"], solid[measures[-1]], f"{marker}-", color=colour, linewidth=1.6, label=f"fold {fold}")
        at = frame[frame["epoch"] == best[fold]]
        ax.plot(at["epoch"], at[measures[-1]], "o", color=colour, markeredgecolor=GROUND, markersize=8)
    if len(measures) > 1:
        ax.plot([], [], "--", color=INK, linewidth=1.1, label="training")
        ax.plot([], [], "-", color=INK, linewidth=1.6, label="early stopping")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel(label)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


@drawn
def heat(grid):
    """F1 on validation by k and threshold of `threshold_top_k` (Tighnari, Figure 11), its best pair marked.

    grid : dict of k and threshold, ascending, and f1 (k, threshold)
    """
    figure, ax = axes(3.6)
    ax.grid(visible=False)
    k, threshold, f1 = (np.array(grid[name], float) for name in ("k", "threshold", "f1"))
    shown = ax.pcolormesh(threshold, k, f1, shading="nearest", cmap="viridis", rasterized=True)
    row, column = np.unravel_index(f1.argmax(), f1.shape)
    best = f"k {k[row]:g}, threshold {threshold[column]:g}: {f1.max():.4f}"
    ax.plot(threshold[column], k[row], "o", color=GROUND, markeredgecolor=INK, markersize=7, label=best)
    ax.set_xlabel("threshold")
    ax.set_ylabel("k")
    figure.colorbar(shown, label="F1 on validation", aspect=28, pad=0.02)
    figure.legend(loc="outside lower center")
    return figure


def top(values):
    """Upper end of an axis from 0 that holds `values`, never of no length."""
    largest = np.nanmax(np.asarray(values, float), initial=0)
    return 1.08 * largest if largest > 0 else 1.0


def _inline(figure, alt):
    """A figure as `inline` text."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=UNDATED)
    return inline(buffer.getvalue(), alt)
