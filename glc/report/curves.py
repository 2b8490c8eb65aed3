"""Pretraining curves of several variants in one figure: each term of the loss has its own axis.

The terms differ by orders of magnitude, which is why their plain sum lets one drown the other; one axis for both would
show only that one.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from glc.errors import ConfigError, DataError
from glc.report.figures import PICTURE_WIDTH, Files, picture, plain_numbers
from glc.report.palette import INK, category
from glc.types import StrPath

_PANELS = (
    ("triplet", "triplet term", ("train_triplet", "valid_triplet")),
    ("satisfied", "nearer the neighbour", ("train_satisfied", "valid_satisfied")),
    ("species", "species term", ("train_species", "valid_species")),
    ("weights", "weight of species / triplet", ()),
)
_WIDE = 20  # values that span more than this factor are drawn on a logarithmic axis


def read(path):
    """``history.csv`` of a pretraining: column -> (epoch,) float64, NaN where a variant has no such measure."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such history; run the pretraining first")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = {"epoch", *(column for *_, columns in _PANELS for column in columns), "weight_triplet", "weight_species"}
    missing = sorted(wanted - set(rows[0] if rows else ()))
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing or there are no rows; expected a tile2vec history")
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in sorted(wanted)}


def draw(histories: Mapping[str, StrPath], out: Files, title: str = "") -> dict[str, bool]:
    """Draw the curves to `out` (as of `picture`), a colour for each variant.

    histories : label -> path of a ``history.csv``. Held-out pairs are solid, training dashed. A panel without any
    value, such as the species term of variants that have none, is left out.
    returns : dict of panel -> whether its axis is logarithmic
    """
    if not histories:
        raise ConfigError("curves: found no history, expected at least one")
    lines = {label: read(path) for label, path in histories.items()}
    panels = [panel for panel in _PANELS if _values(lines.values(), panel).size]
    rows = -(-len(panels) // 2)
    with picture(out, (1.6 * PICTURE_WIDTH, 2.6 * rows + 0.7)) as figure:
        scales = {}
        for number, panel in enumerate(panels, 1):
            ax = figure.add_subplot(rows, 2, number)
            scales[panel[0]] = _panel(ax, panel, lines)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        for dash, name in (("-", "held out"), ("--", "training")):
            handles += figure.axes[0].plot([], [], dash, color=INK, linewidth=1.2)
            labels.append(name)
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        figure.set_label("; ".join(
            f"{label}: triplet term {line['valid_triplet'][-1]:.3f}, {line['valid_satisfied'][-1]:.0%} nearer the "
            f"neighbour, held out, after {len(line['epoch'])} epochs"
            for label, line in lines.items()
        ))  # fmt: skip
        if title:
            figure.suptitle(title, fontsize=10)
    return scales


def _panel(ax, panel, lines):
    name, title, columns = panel
    for number, (label, line) in enumerate(lines.items()):
        colour = category(number)
        epoch = line["epoch"] + 1
        mark = "." if len(epoch) == 1 else ""
        if name == "weights":
            ax.plot(epoch, line["weight_species"] / line["weight_triplet"], f"{mark}-", color=colour, linewidth=1.6)
            continue
        ax.plot(epoch, line[columns[0]], f"{mark}--", color=colour, linewidth=1.1)
        ax.plot(epoch, line[columns[1]], f"{mark}-", color=colour, linewidth=1.6, label=label)
    values = _values(lines.values(), panel)
    wide = bool(name != "satisfied" and values.min() > 0 and values.max() > _WIDE * values.min())
    if wide:
        ax.set_yscale("log")
        plain_numbers(ax.yaxis)
    if name == "satisfied":
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.grid(axis="y")
    ax.tick_params(length=0)
    ax.set_xlabel("epoch")
    ax.set_title(title, loc="left")
    return wide


def _values(lines, panel):
    """All finite values that a panel shows."""
    name, _, columns = panel
    if name == "weights":
        values = [line["weight_species"] / line["weight_triplet"] for line in lines]
    else:
        values = [line[column] for line in lines for column in columns]
    values = np.concatenate(values)
    return values[np.isfinite(values)]
