"""Top-30 and adaptive top-30 accuracy of the runs of a table as bars (Deneu et al. 2020, Figure 1)."""

import textwrap

import numpy as np
import pandas as pd

from glc.errors import DataError
from glc.report.figures import PICTURE_WIDTH, Files, picture
from glc.report.palette import MODEL, OTHER

MEASURES = {"adaptive top-30": MODEL, "top-30": OTHER}
"""Column behind the name of the split -> colour."""


def draw(table: pd.DataFrame, out: Files, title: str = "") -> str:
    """Draw a bar of each measure for every run to `out` (as of `picture`), the best adaptive accuracy first.

    table : columns ``model``, and ``test top-30`` and ``test adaptive top-30``, or those of ``validation`` where the
        labels of the test are not known
    returns : the split whose accuracies are drawn
    A DataError tells that the table has neither.
    """
    table = table.dropna(axis=1, how="all")
    split = next((name for name in ("test", "validation") if f"{name} top-30" in table), "")
    if not split:
        raise DataError(f"runs: found columns {list(table)}, expected 'test top-30' or 'validation top-30'")
    table = table.sort_values(f"{split} adaptive top-30", ascending=False, kind="stable")
    places = np.arange(len(table))
    with picture(out, (1.6 * PICTURE_WIDTH, 1.3 + 0.62 * len(table))) as figure:
        ax = figure.add_subplot()
        ax.grid(axis="x")
        ax.tick_params(length=0)
        for shift, (measure, colour) in zip((-0.19, 0.19), MEASURES.items(), strict=True):
            bars = ax.barh(places + shift, table[f"{split} {measure}"], 0.36, color=colour, label=measure)
            ax.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
        ax.set_yticks(places, [textwrap.fill(label, 42) for label in table["model"]])
        ax.invert_yaxis()
        ax.margins(x=0.12)
        ax.set_xlabel(f"accuracy on the {split} occurrences")
        figure.legend(loc="outside lower center", ncols=2)
        figure.set_label("; ".join(_in_words(row, split) for _, row in table.iterrows()))
        if title:
            figure.suptitle(title, fontsize=10)
    return split


def _in_words(row, split):
    """The accuracies of a run."""
    return f"{row['model']}: " + ", ".join(f"{measure} {row[f'{split} {measure}']:.3f}" for measure in MEASURES)
