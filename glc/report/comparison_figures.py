"""Figures of the comparison of experiments."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from glc.report.figures import axes, drawn
from glc.report.palette import AXIS, BASELINE, GROUND, INK, TEST, VALIDATION

MOST = 8
"""Experiments that are drawn; the tables have all of them."""
_LONGEST = 26


@drawn
def scores(rows: Sequence[tuple[str, float, float, float, float | None, bool]], measure: str) -> Figure:
    """Scores with their intervals, a line per experiment.

    rows : (name, validation, low, high, test or None, whether it is a baseline) from top to bottom
    measure : what the axis is called
    """
    figure, ax = _rows([row[0] for row in rows])
    for y, (_, value, low, high, test, baseline) in enumerate(rows):
        colour = BASELINE if baseline else VALIDATION
        ax.errorbar(value, y, xerr=_error(value, low, high), fmt="o", color=colour, ecolor=colour, capsize=3)
        if test is not None and test == test:
            ax.plot(test, y + 0.22, "D", color=TEST, markeredgecolor=GROUND, markersize=6)
    ax.set_xlabel(measure)
    keys = [(_dot(VALIDATION, "o"), "validation, 95% interval")]
    keys += [(_dot(BASELINE, "o"), "best baseline")] if any(row[5] for row in rows) else []
    keys += [(_dot(TEST, "D"), "test")] if any(row[4] is not None and row[4] == row[4] for row in rows) else []
    figure.legend(*zip(*keys, strict=True), loc="outside lower center", ncols=2)
    return figure


@drawn
def differences(rows: Sequence[tuple[str, float, float, float]], measure: str) -> Figure:
    """Differences with their intervals, a line per experiment, and a line at none.

    rows : (name, difference, low, high) from top to bottom; measure : what the axis is called
    """
    figure, ax = _rows([row[0] for row in rows])
    ax.axvline(0, color=INK, linewidth=1)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    for y, (_, value, low, high) in enumerate(rows):
        clear = low > 0 or high < 0
        face = VALIDATION if clear else GROUND
        ax.errorbar(value, y, xerr=_error(value, low, high), fmt="o", color=VALIDATION, markerfacecolor=face, capsize=3)
    ax.set_xlabel(measure)
    keys = [(_dot(VALIDATION, "o"), "clear"), (_dot(VALIDATION, "o", GROUND), "interval holds 0")]
    figure.legend(*zip(*keys, strict=True), loc="outside lower center", ncols=2)
    return figure


@drawn
def by_bins(
    labels: Sequence[str], series: Mapping[str, Sequence[tuple[float, float, float]]], colours: Mapping[str, str],
    axis: str, measure: str,
) -> Figure:  # fmt: skip
    """Scores in bins that follow each other, a line per experiment.

    series : name -> (value, low, high) of each bin; colours : of each name
    axis, measure : what the axes are called
    """
    figure, ax = axes(3.6)
    for number, (name, points) in enumerate(series.items()):
        value, low, high = np.array(points, float).T
        x = np.arange(len(labels)) + 0.6 * ((number + 0.5) / len(series) - 0.5)
        ax.errorbar(
            x, value, np.vstack([value - low, high - value]).clip(0), fmt="o-", color=colours[name], markersize=4,
            linewidth=1.1, elinewidth=1, capsize=2, label=short(name),
        )  # fmt: skip
    ax.set_xticks(range(len(labels)), labels)
    if len(labels) > 6 or max(map(len, labels)) > 7:
        ax.tick_params(axis="x", labelrotation=40)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(axis)
    ax.set_ylabel(measure)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@drawn
def by_names(
    labels: Sequence[str], series: Mapping[str, Sequence[tuple[float, float, float]]], colours: Mapping[str, str],
    measure: str,
) -> Figure:  # fmt: skip
    """Scores by name, a row each, a point per experiment; parameters as in `by_bins`."""
    figure, ax = axes(1.3 + len(labels) * max(0.34, 0.13 * len(series)) + 0.22 * ((len(series) + 1) // 2))
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x")
    for number, (name, points) in enumerate(series.items()):
        value, low, high = np.array(points, float).T
        y = np.arange(len(labels)) + 0.7 * ((number + 0.5) / len(series) - 0.5)
        ax.errorbar(
            value, y, xerr=np.vstack([value - low, high - value]).clip(0), fmt="o", color=colours[name],
            markersize=4, elinewidth=1, capsize=2, label=short(name),
        )  # fmt: skip
    for edge in np.arange(len(labels) - 1) + 0.5:
        ax.axhline(edge, color=AXIS, linewidth=0.3)
    ax.set_yticks(range(len(labels)), [short(label) for label in labels])
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.set_xlabel(measure)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _rows(names: Sequence[str]) -> tuple[Figure, Axes]:
    figure, ax = axes(1.1 + 0.42 * len(names))
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x")
    ax.set_yticks(range(len(names)), [short(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    return figure, ax


def short(name: str) -> str:
    """A name that fits: start and end of what can be long; the tables have it in full."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


def _error(value: float, low: float, high: float) -> list[list[float]] | None:
    return None if low is None or low != low else [[max(0.0, value - low)], [max(0.0, high - value)]]


def _dot(colour: str, marker: str, face: str = "") -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=colour, markerfacecolor=face or colour)
