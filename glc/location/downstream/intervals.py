"""Intervals of pooled scores and of their differences: a bootstrap over whole blocks, the same draws for all rows.

Places of one block are alike, so that whole blocks are drawn again, as `glc.evaluation.evaluate.bootstrap` does. A
score is put together from sums over blocks, and a difference of two rows is that of their scores in the same draw.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from glc.location.downstream.heads import Prediction
from glc.location.downstream.problems import Problem, Target

RESAMPLES = 2_000
SUMS = ["places", "total", "squares", "errors"]
COLUMNS = ["target", "measure", "folds", "seed", "block", *SUMS]
OF = ["target", "measure", "folds"]
"""What one score belongs to."""


def sums(problem: Problem, target: Target, prediction: Prediction, column: str, seed: int = 0) -> pd.DataFrame:
    """What pooled scores of one target are made of, a frame of `COLUMNS` with a row per measure and block.

    prediction : of all places; those of ``problem.folds[column]`` count, except those whose class is missing
    returns : ``places`` that count; ``errors``, the wrong ones, or squared errors; of values also ``total`` and
        ``squares``, sums of what they and their squares differ from the mean of all
    """
    truth = problem.places[target.name].to_numpy()
    used = np.isin(problem.places[column], problem.folds[column])
    if target.kind == "class":
        used &= np.array([label is not None for label in truth])
    blocks, index = np.unique(problem.blocks[used], return_inverse=True)
    truth = truth[used]
    if target.kind == "value":
        truth = truth.astype(np.float64)
        centred = truth - truth.mean() if len(truth) else truth  # about 0, so that little cancels
        parts = {"R²": (centred, np.square(centred), np.square(truth - prediction.at(used).values))}
    else:
        hit = prediction.at(used).top(5) == truth[:, None]
        none = np.zeros(len(truth))
        parts = {"accuracy": (none, none, ~hit[:, 0]), "top-5 accuracy": (none, none, ~hit.any(axis=1))}
    frames = [
        pd.DataFrame({"target": target.name, "measure": measure, "folds": column, "seed": seed, "block": blocks})
        for measure in parts
    ]
    for frame, columns in zip(frames, parts.values(), strict=True):
        for name, values in zip(SUMS, (np.ones(len(truth)), *columns), strict=True):
            frame[name] = np.bincount(index, values, minlength=len(blocks))
    return pd.concat(frames, ignore_index=True)


def intervals(
    table: pd.DataFrame, others: Iterable[str], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """95 % intervals of all pooled scores, means over the seeds, and of their differences from some rows.

    table : frame of `COLUMNS` and ``row``
    others : rows that all are compared with; one that was not asked for a target is left out there
    returns : a frame of row, target, measure, folds, score, low and high; and one of row, compared with, target,
        measure, folds, difference, low and high. Where a single block holds all places, low and high are NaN
    """
    scores, differences = [], []
    for key, part in table.groupby(OF, sort=False):
        facts = dict(zip(OF, key, strict=True))
        drawn = _drawn(part, resamples, seed)
        for row, (score, draws) in drawn.items():
            low, high = _bounds(draws)
            scores.append({"row": row, **facts, "score": score, "low": low, "high": high})
        for other in others:
            for row in drawn if other in drawn else ():
                if row != other:
                    low, high = _bounds(drawn[row][1] - drawn[other][1])
                    gain = {"difference": drawn[row][0] - drawn[other][0], "low": low, "high": high}
                    differences.append({"row": row, "compared with": other, **facts, **gain})
    return (
        pd.DataFrame(scores, columns=["row", *OF, "score", "low", "high"]),
        pd.DataFrame(differences, columns=["row", "compared with", *OF, "difference", "low", "high"]),
    )


def _drawn(part, resamples, seed):
    """row -> (score, scores (resamples,) of drawn blocks), each the mean over the row's seeds; `part`: of one score."""
    blocks, index = np.unique(part["block"], return_inverse=True)
    rows, row = np.unique(part["row"], return_inverse=True)
    seeds, run = np.unique(part["seed"], return_inverse=True)
    of_block = np.zeros((len(SUMS), len(blocks), len(rows) * len(seeds)))
    of_block[:, index, row * len(seeds) + run] = part[SUMS].to_numpy().T
    rng = np.random.default_rng(seed)
    draw = rng.integers(len(blocks), size=(resamples, len(blocks)))
    times = np.stack([np.bincount(drawing, minlength=len(blocks)) for drawing in draw]).astype(np.float64)
    value = part["measure"].iloc[0] == "R²"
    once, again = _scores(of_block.sum(axis=1), value), _scores(times @ of_block, value)
    if len(blocks) < 2:
        again[:] = np.nan
    known = np.unique(row * len(seeds) + run)
    drawn = {}
    for label in pd.unique(part["row"]):
        own = known[known // len(seeds) == np.searchsorted(rows, label)]
        drawn[label] = float(once[own].mean()), again[:, own].mean(axis=1)
    return drawn


def _scores(parts, value):
    """1 - errors / (places, or the squares about the mean), NaN of nothing; `parts` are sums in the order of `SUMS`."""
    places, total, squares, errors = parts
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - errors / (squares - np.square(total) / places if value else places)


def _bounds(draws):
    draws = draws[np.isfinite(draws)]
    low, high = np.quantile(draws, [0.025, 0.975]) if len(draws) else (np.nan, np.nan)
    return float(low), float(high)
