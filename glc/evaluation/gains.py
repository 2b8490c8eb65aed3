"""What an addition to a model brings: its gain, compared with the spread between training seeds."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from glc.types import Facts

VISIBLE = 5e-5
"""Differences of F1 below this are not seen at the four digits of a table, so they are called none."""


def effect(
    own: Sequence[Mapping[str, pd.Series]], other: Sequence[Mapping[str, pd.Series]] | None, split: str
) -> Facts:
    """What a row scores on a split, and gains over another: dict of F1, spread, gain, gain spread and verdict.

    own, other : for each seed, dict of split -> F1 of its surveys, a pandas Series by surveyId. A gain is measured on
        the surveys that both have; without `other` (None) or the split there is none.
    Spreads are standard deviations over the seeds (n - 1), NaN of one seed.
    """
    summary = {"F1": math.nan, "spread": math.nan, "gain": math.nan, "gain spread": math.nan, "verdict": ""}
    if split not in own[0]:
        return summary
    summary["F1"], summary["spread"] = moments([run[split].mean() for run in own])
    if other is None or split not in other[0]:
        return summary
    differences = []
    for run, other_run in zip(own, other, strict=True):
        both = run[split].index.intersection(other_run[split].index)
        if not len(both):
            return summary
        differences.append(run[split][both].mean() - other_run[split][both].mean())
    summary["gain"], summary["gain spread"] = moments(differences)
    return summary | {"verdict": verdict(differences)}


def verdict(differences: Sequence[float]) -> str:
    """helps, harms, within noise (whether Student's 95 % interval of the mean leaves out 0), or no difference."""
    from scipy import stats

    mean, spread = moments(differences)
    if max(map(abs, differences)) < VISIBLE:
        return "no difference"
    if len(differences) < 2:
        return "one seed"
    half = stats.t.ppf(0.975, len(differences) - 1) * spread / math.sqrt(len(differences))
    if abs(mean) <= half:
        return "within noise"
    return "helps" if mean > 0 else "harms"


def moments(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n - 1; NaN of one value)."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
