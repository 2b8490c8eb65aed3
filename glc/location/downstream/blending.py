"""The blend: which sources predict a target best together (Caruana et al. 2004), and an honest figure of the choice."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd

from glc.location.downstream import intervals, validation
from glc.location.downstream.heads import Prediction
from glc.location.downstream.problems import Problem
from glc.location.downstream.sources import Source

Chosen = TypedDict("Chosen", {"mean of": dict[str, int], "not asked": dict[str, str]})
"""What predicts a target: source -> weight; and source -> why it was not asked."""


@dataclass(frozen=True)
class Blend:
    """The best mean of several sources, for each target.

    scores : frame of all rows, the blend among them, with ``low`` and ``high`` of pooled scores, the 95 % interval of
        their mean over the seeds (`glc.location.downstream.intervals`)
    differences : frame of the paired differences of all rows from `compared` ones
    chosen : target -> weights of the sources, and why others were not asked
    held_out : frame of the labelled coordinates, each fold predicted by the sources that the other folds choose
    query : target -> Prediction of the coordinates without labels
    """

    scores: pd.DataFrame
    differences: pd.DataFrame
    chosen: dict[str, Chosen]
    held_out: pd.DataFrame
    query: dict[str, Prediction]


def blend_all(
    problem: Problem,
    rows: dict[str, tuple[Source, dict[str, str]]],
    folders: dict[str, Path],
    column: str,
    compared: Sequence[str],
    progress: Callable[[str], None],
) -> Blend:
    """Choose for each target of `problem` which sources predict it together.

    rows : label -> (source, paths); a raster, and a source that may know the target, is never asked
    folders : label -> output of the row: ``scores.csv``, ``held_out`` and ``query``
    column : folds that choose, all of which are held out in turn. The blend's scores of other such folds are those of
        what they would choose themselves
    compared : labels of rows that all rows are compared with
    progress : takes the title of the target whose turn it is
    """
    scores = [validation.read_scores(folder).assign(row=label) for label, folder in folders.items()]
    sums = [validation.read_sums(folder).assign(row=label) for label, folder in folders.items()]
    judged = [name for name, numbers in problem.folds.items() if set(numbers) == set(problem.places[name])]
    held = problem.places[["lon", "lat"]].copy()
    chosen, query = {}, {}
    for target in problem.targets:
        progress(target.title)
        fills = {label: row for label, row in rows.items() if row[0].kind != "raster"}
        reasons = {label: validation.knows(*row, target) for label, row in fills.items()}
        may = {label: folders[label] for label, reason in reasons.items() if not reason}
        truth = problem.places[target.name].to_numpy()
        for name in judged:
            candidates = _loaded(may, name, target)
            mean = held_out(target, truth, candidates, problem.places[name].to_numpy())
            scores.append(validation.pooled_scores(problem, target, mean, name).assign(row="blend"))
            sums.append(intervals.sums(problem, target, mean, name).assign(row="blend"))
            if name == column:
                held[target.name] = mean.best
                weights = choose(target, truth, candidates)
        chosen[target.name] = {
            "mean of": dict(weights),
            "not asked": {label: reason for label, reason in reasons.items() if reason},
        }
        asked = {label: validation.load(may[label] / "query", target.name) for label in weights}
        query[target.name] = weighted(asked, weights)
    bounds, differences = intervals.intervals(pd.concat(sums, ignore_index=True), compared)
    bounds = bounds.drop(columns="score").assign(fold=validation.POOLED)
    table = pd.concat(scores, ignore_index=True).merge(bounds, "left", on=["row", *intervals.OF, "fold"])
    return Blend(table, differences, chosen, held, query)


def _loaded(folders, column, target):
    """label -> Prediction of a Target on the folds `column`, of the rows that were asked for it."""
    loaded = {label: validation.load(folder / "held_out" / column, target.name) for label, folder in folders.items()}
    return {label: prediction for label, prediction in loaded.items() if prediction is not None}


def choose(target, truth, candidates, most=10):
    """Forward selection of sources whose mean predicts `target` best: Counter of labels.

    candidates : label -> Prediction of the held-out places, of which truth (n,) is known
    A source may be picked again, which raises its weight; at most `most` picks, and none that does not gain.
    """
    if target.kind == "class":
        known = np.array([value is not None for value in truth])
        classes = np.unique(np.concatenate([candidate.classes for candidate in candidates.values()]))
        values = {label: candidate.over(classes).values[known] for label, candidate in candidates.items()}
        codes = pd.Index(classes).get_indexer(truth[known])  # -1, never right, for a class that no source knows

        def score(mean):
            return (mean.argmax(axis=1) == codes).mean()
    else:
        truth = truth.astype(np.float64)
        values = {label: candidate.values for label, candidate in candidates.items()}

        def score(mean):
            return -np.square(truth - mean).mean()

    picked, total, best = Counter(), 0, -np.inf
    for _ in range(most):
        gains = {label: score((total + predicted) / (picked.total() + 1)) for label, predicted in values.items()}
        label = max(gains, key=gains.get)
        if gains[label] <= best:
            break
        best, total = gains[label], total + values[label]
        picked[label] += 1
    return picked


def weighted(predictions, weights):
    """Mean of predictions by label, weighted by a Counter of labels."""
    return Prediction.mean(predictions[label] for label in weights.elements())


def held_out(target, truth, candidates, fold):
    """The blend's Prediction of each fold by the sources that the other folds choose.

    fold : (n,) fold of each place
    So the weights are not chosen by the labels that judge them, as those of `choose` on all folds would be.
    """
    parts, rows = [], []
    for number in np.unique(fold):
        asked = fold == number
        weights = choose(
            target, truth[~asked], {label: candidate.at(~asked) for label, candidate in candidates.items()}
        )
        parts.append(weighted({label: candidate.at(asked) for label, candidate in candidates.items()}, weights))
        rows.append(np.flatnonzero(asked))
    return Prediction.join(parts, rows, len(fold))
