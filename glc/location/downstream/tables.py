"""Scores of downstream tasks as tables: one row per source, one column per target."""

from collections.abc import Mapping

import pandas as pd

from glc.location.downstream.blending import Chosen
from glc.location.downstream.problems import CHOOSING, INTERVAL_M, Problem
from glc.location.downstream.validation import POOLED


def table(scores: pd.DataFrame, problem: Problem, column: str) -> pd.DataFrame:
    """Scores of all held-out places of the folds `column`: a frame of text, one row per source.

    scores : frame of `glc.location.downstream.blending.Blend.scores`
    A cell is the mean ± the standard deviation over seeds, and the 95 % interval of the mean by blocks.
    A source has one figure without a spread where it draws nothing, and none for a target that it was not asked.
    """
    part = scores[(scores["folds"] == column) & (scores["fold"] == POOLED)]
    statistics = part.groupby(["row", "target", "measure"], sort=False).agg(
        mean=("score", "mean"),
        std=("score", "std"),
        count=("score", "size"),
        low=("low", "first"),
        high=("high", "first"),
    )
    lines = {label: {"row": label} for label in part["row"].unique()}
    for target in problem.targets:
        for measure in _measures(target, problem):
            head = f"{target.title}, {measure}"
            for label, line in lines.items():
                key = (label, target.name, measure)
                line[head] = _text(*statistics.loc[key]) if key in statistics.index else ""
    return pd.DataFrame(list(lines.values()))


def differences(table: pd.DataFrame, problem: Problem, column: str, other: str) -> pd.DataFrame:
    """Differences of all rows from the row `other` on the folds `column`, with intervals: a frame of text.

    table : frame of `glc.location.downstream.blending.Blend.differences`
    """
    part = table[(table["folds"] == column) & (table["compared with"] == other)]
    known = part.set_index(["row", "target", "measure"])
    lines = []
    for label in part["row"].unique():
        lines.append({"row": label})
        for target in problem.targets:
            for measure in _measures(target, problem):
                key = (label, target.name, measure)
                gain = known.loc[key] if key in known.index else None
                text = "" if gain is None else f"{gain['difference']:+.3f}{_interval(gain['low'], gain['high'], '+')}"
                lines[-1][f"{target.title}, {measure}"] = text
    return pd.DataFrame(lines)


def remarks(scores: pd.DataFrame, problem: Problem, column: str) -> list[str]:
    """What the table of the folds `column` does not show, a list of sentences."""
    part = scores[(scores["folds"] == column) & (scores["fold"] != "blend")]
    folds = sorted(part.loc[part["fold"] != POOLED, "fold"].unique())
    pooled = part[part["fold"] == POOLED]
    sentences = [
        f"{int(pooled['places'].max()):,} places, held out in {len(folds)} fold{'s' if len(folds) > 1 else ''}; mean ± "
        "standard deviation over seeds of the head, of all held-out places together, and 95 % interval of the mean: a "
        f"bootstrap over blocks of {INTERVAL_M[problem.name] / 1000:,.0f} km."
    ]
    sentences += [distances(problem)] if column == CHOOSING else []
    for target in problem.targets:
        unseen = pooled.loc[pooled["target"] == target.name, "unseen"].max()
        if unseen > 0:
            sentences.append(f"{unseen:.1%} of them have a {target.title} that their training folds lack.")
    missing = {target.title: int(problem.places[target.name].isna().sum()) for target in problem.targets}
    sentences += [
        f"{count:,} places have no {title} and do not count there." for title, count in missing.items() if count
    ]
    return sentences


def distances(problem: Problem) -> str:
    """How far apart the folds that choose are, compared with the places to predict, a sentence."""
    folds = problem.matched
    cells = f"Cells of {folds.size_m / 1000:,.1f} km" if folds.size_m else "Places one by one"
    return (
        f"{cells}: to the next place of another fold it is {folds.median_m / 1000:,.1f} km in the median, from a place "
        f"to predict to the next labelled one {folds.wanted_median_m / 1000:,.1f} km."
    )


def chosen(weights: Mapping[str, Mapping[str, Chosen]]) -> pd.DataFrame:
    """What predicts the places without labels, a frame: target, the sources with their weights, and those not asked.

    weights : benchmark -> target -> {mean of: source -> weight, not asked: source -> reason}
    """
    lines = []
    for benchmark in weights.values():
        for target, choice in benchmark.items():
            mean = ", ".join(f"{count} × {label}" for label, count in choice["mean of"].items())
            without = "; ".join(f"{label}: {reason}" for label, reason in choice["not asked"].items())
            lines.append({"target": target, "mean of": mean, "not asked, as they may know the target": without})
    return pd.DataFrame(lines)


def _measures(target, problem):
    if target.kind == "value":
        return ["R²"]
    return ["accuracy", "top-5 accuracy"] if problem.name == "habitats" else ["accuracy"]


def _text(mean, spread, count, low, high):
    return (f"{mean:.3f}" if count < 2 else f"{mean:.3f} ± {spread:.3f}") + _interval(low, high)


def _interval(low, high, sign=""):
    return "" if low != low else f" [{low:{sign}.3f}, {high:{sign}.3f}]"
