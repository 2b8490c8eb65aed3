"""Learning curves of several trainings in one figure: training and validation loss, and validation F1, by epoch."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from glc.errors import ConfigError, DataError
from glc.report.figures import PICTURE_WIDTH, Files, picture
from glc.report.palette import CATEGORIES, category
from glc.types import StrPath

_PANELS = {"train_loss": "training loss", "valid_loss": "validation loss", "valid_f1": "validation F1, top 25"}
_DASHES = ("-", "--", ":")  # as many trainings as there are colours and dashes can be told apart


def read(path):
    """``history.csv`` of a training: column -> (epoch,) float64, of epoch and the drawn measures."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such history; run the training first")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = ("epoch", *_PANELS)
    missing = [name for name in wanted if not rows or name not in rows[0]]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing or there are no rows; expected a training's history")
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in wanted}


def draw(groups: Mapping[str, Mapping[str, StrPath]], out: Files, title: str = "") -> None:
    """Draw the curves to `out` (as of `picture`): a row of panels for each group, a line for each training.

    groups : title of a group -> label -> path of a ``history.csv``
    """
    if not groups or not all(groups.values()):
        raise ConfigError(f"curves: found {groups}, expected at least one history in each group")
    lines = {name: {label: read(path) for label, path in group.items()} for name, group in groups.items()}
    entries = max(len(group) for group in groups.values())
    with picture(out, (2.2 * PICTURE_WIDTH, (2.6 + 0.09 * entries) * len(groups) + 0.4)) as figure:
        for part, (name, group) in zip(np.atleast_1d(figure.subfigures(len(groups), 1)), lines.items(), strict=True):
            axes = part.subplots(1, len(_PANELS))
            for ax, (column, heading) in zip(axes, _PANELS.items(), strict=True):
                _panel(ax, column, group)
                ax.set_title(f"{name}: {heading}" if ax is axes[0] else heading, loc="left")
            handles, labels = axes[0].get_legend_handles_labels()
            part.legend(handles, labels, loc="outside lower center", ncols=4)
        figure.set_label("; ".join(_in_words(name, group) for name, group in lines.items()))
        if title:
            figure.suptitle(title, fontsize=10)


def _in_words(name, group):
    """The best F1 of each training of a group."""
    return f"{name}: " + "; ".join(
        f"{label}, best validation F1 {np.nanmax(line['valid_f1'], initial=0):.3f} in {len(line['epoch'])} epochs"
        for label, line in group.items()
    )


def _panel(ax, column, group):
    for number, (label, line) in enumerate(group.items()):
        dash = _DASHES[number // len(CATEGORIES) % len(_DASHES)]
        there = np.isfinite(line[column])  # not every epoch is validated
        mark = "." if there.sum() == 1 else ""
        colour = category(number)
        ax.plot(line["epoch"][there] + 1, line[column][there], mark + dash, color=colour, linewidth=1.4, label=label)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.grid(axis="y")
    ax.tick_params(length=0)
    ax.set_xlabel("epoch")
