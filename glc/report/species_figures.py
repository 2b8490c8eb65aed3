"""Figures of species and their sets: F1 by frequency, probabilities, sizes of sets."""

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from glc.evaluation.species import CLASSES
from glc.report.figures import axes, drawn, plain_numbers, top
from glc.report.palette import AXIS, BORDER, INK, MAP, MODEL, PREDICTED, PRESENT, VALIDATION

WHAT = {"predicted": PREDICTED, "present": PRESENT}
"""Colours of species sets."""


@drawn
def by_sites(sites, auc):
    """Area under the ROC curve of each species by the number of its sites.

    sites, auc : (n,) with n at least 1
    """
    figure, ax = axes()
    ax.set_facecolor(MAP)
    ax.grid(axis="y", color=BORDER, linewidth=0.5)
    ax.axhline(0.5, color=INK, linewidth=1, linestyle="--")
    ax.scatter(sites, auc, s=np.clip(4_000 / len(sites), 4, 24), color=MODEL, linewidths=0, alpha=0.5, rasterized=True)
    ax.set_xscale("log")
    plain_numbers(ax.xaxis)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("sites with the species, all folds")
    ax.set_ylabel("AUC, mean of the folds")
    return figure


@drawn
def by_frequency(table):
    """F1 of each species by the number of training surveys with it, and the means of `glc.evaluation.species.CLASSES`.

    table : frame surveys, f1, with at least one row; species of no training survey are drawn at 0.5
    """
    figure, ax = axes(3.6)
    ax.set_facecolor(MAP)
    ax.grid(axis="y", color=BORDER, linewidth=0.5)
    surveys, f1 = np.maximum(table["surveys"].to_numpy(float), 0.5), table["f1"].to_numpy(float)
    size = np.clip(4_000 / len(table), 3, 20)
    ax.scatter(surveys, f1, s=size, color=MODEL, linewidths=0, alpha=0.4, rasterized=True)
    bounds = [(low, np.inf if high is None else high) for low, high in CLASSES]
    inside = [(surveys >= low) & (surveys < high + 1) for low, high in bounds if high]
    middles = [(np.exp(np.log(surveys[rows]).mean()), f1[rows].mean()) for rows in inside if rows.any()]
    if middles:
        ax.plot(*zip(*middles, strict=True), "o-", color=VALIDATION, markersize=6, label="mean of the class")
    ax.set_xscale("log")
    plain_numbers(ax.xaxis)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("training surveys with the species")
    ax.set_ylabel("F1 of the species")
    return figure


@drawn
def reliability(bins):
    """Share of pairs that are present by predicted probability; bins : frame probability, rate."""
    figure, ax = axes(3.6)
    ax.grid(axis="x")
    limit = min(1.02, top([*bins["probability"], *bins["rate"]]))
    ax.plot([0, limit], [0, limit], "--", color=AXIS, linewidth=1.1, label="as often as predicted")
    ax.plot(bins["probability"], bins["rate"], "o-", color=VALIDATION, linewidth=1.6, markersize=5, label="validation")
    ax.set_xlim(0, limit)
    ax.set_ylim(0, limit)
    ax.set_xlabel("predicted probability")
    ax.set_ylabel("share present")
    ax.legend(loc="upper left")
    return figure


@drawn
def calibration(points):
    """Presence rate by score on validation, with the diagonal where the scores may be probabilities (at most 1).

    points : (score, rate) in order of the score, which is never below 0
    """
    figure, ax = axes(3.6)
    x, y = np.array(points, float).T
    ax.grid(axis="x")
    probable = x.max() <= 1
    limit = min(top([*x, *y]), 1.02)
    if probable:
        ax.plot([0, limit], [0, limit], "--", color=AXIS, linewidth=1.1, label="score = presence rate")
    ax.plot(x, y, "-", color=VALIDATION, linewidth=1.6, marker=".", markersize=4, label="calibration curve")
    ax.set_xlim(0, limit if probable else top(x))
    ax.set_ylim(0, limit if probable else top(y))
    ax.set_xlabel("score of the model")
    ax.set_ylabel("presence rate on validation")
    ax.legend(loc="upper left")
    return figure


@drawn
def set_sizes(series, limit):
    """Distribution of species per survey: a colour for each of predicted and present, a dash for each split.

    series : (predicted or present, split in words) -> counts of species; `limit` and more share the last bar
    """
    figure, ax = axes(3.6)
    width = max(1, int(np.ceil((limit + 1) / 40)))
    edges = np.arange(0, limit + width + 1, width) - 0.5
    splits = list(dict.fromkeys(split for _, split in series))
    for (what, split), sizes in series.items():
        share = np.histogram(np.minimum(sizes, limit), edges)[0] / len(sizes)
        dash = ("-", "--", ":", "-.")[splits.index(split) % 4]
        ax.stairs(share, edges, color=WHAT[what], linestyle=dash, linewidth=1.6, label=f"{what}, {split}")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    ax.set_xlabel("species per survey")
    ax.set_ylabel("share of surveys")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
