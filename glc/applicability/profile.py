"""The error profile: the score to expect of a prediction, by its dissimilarity and its distance to training data."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from glc.errors import DataError
from glc.types import Facts

DISSIMILARITY, DISTANCE = "dissimilarity", "distance"
_CHOICES = ((), (DISTANCE,), (DISSIMILARITY,), (DISSIMILARITY, DISTANCE))
_STEPS = (2, 4, 8, 16)
"""Numbers of quantile ranges per variable that are compared by cross-validation."""
_LEAST = 10
"""Validation surveys that must lie as far out as a place for the profile to say anything of it."""
_GROUPS = 5
_NEAREST_M = 1.0


@dataclass(frozen=True)
class ErrorProfile:
    """A score that never rises with dissimilarity nor with distance, and how far validation covers them.

    measure : what is expected, such as ``f1``
    best : expected score where both variables are at their first knot or below
    knots : variable -> (k,) float64, ascending; distances are the logarithm of metres
    drops : variable -> (k - 1,) float64, at least 0: how much the score falls from knot to knot
    reach_distance, reach_dissimilarity : (r,) float64 each, a staircase: of places at most as far as the former, those
        at most as dissimilar as the latter are covered
    parts : frame with the surveys behind each part: low and high of distance (metres) and of dissimilarity, surveys,
        blocks, observed and expected (means of the score)
    facts : plain values about the fit
    """

    measure: str
    best: float
    knots: dict[str, np.ndarray]
    drops: dict[str, np.ndarray]
    reach_distance: np.ndarray
    reach_dissimilarity: np.ndarray
    parts: pd.DataFrame
    facts: Facts

    def expected(self, dissimilarity: np.ndarray, distance_m: np.ndarray) -> np.ndarray:
        """Expected score, (n,) float64.

        dissimilarity : (n,), as of `Dissimilarity.index`
        distance_m : (n,) metres to the nearest training survey

        NaN where `covered` is false: validation says nothing of such places. Nearer and more similar than all of
        validation, it is the value at validation's own near end: a lower bound, because the score never rises with
        either variable.
        """
        score = self._score({DISSIMILARITY: np.asarray(dissimilarity, float), DISTANCE: log_distance(distance_m)})
        return np.where(self.covered(dissimilarity, distance_m), score, np.nan)

    def covered(self, dissimilarity: np.ndarray, distance_m: np.ndarray) -> np.ndarray:
        """Whether enough validation surveys were at least as dissimilar and at least as far, (n,) bool."""
        step = np.searchsorted(self.reach_distance, np.asarray(distance_m, float))
        limits = np.append(self.reach_dissimilarity, -np.inf)
        return np.asarray(dissimilarity, float) <= limits[step]  # false where NaN

    def _score(self, values: dict[str, np.ndarray]) -> np.ndarray:
        score = np.full(len(next(iter(values.values()))), self.best)
        for name, drops in self.drops.items():
            score -= _ramps(values[name], self.knots[name]) @ drops
        return np.clip(score, 0, None)


def fit(
    score: np.ndarray,
    dissimilarity: np.ndarray,
    distance_m: np.ndarray,
    blocks: np.ndarray,
    measure: str = "f1",
    variables: Sequence[str] = (DISSIMILARITY, DISTANCE),
) -> ErrorProfile:
    """The profile of validation surveys, each scored by a model that has not seen its block.

    score : (n,) of each survey, such as its F1; surveys where it is NaN are left out
    dissimilarity, distance_m : (n,) to the training surveys that this model did see
    blocks : (n,) int, the spatial block of each
    measure : what the score is
    variables : those that may enter

    The profile is ``best - a(dissimilarity) - b(log distance)``, where a and b are piecewise linear between quantiles
    and never fall: non-negative least squares. Which of the two variables enter, and with how many ranges, is what has
    the lowest squared error on held-out blocks; a constant is among the choices. Additive and not a free surface,
    because the two are correlated, so that most combinations of them have few surveys or none.
    """
    values = {DISSIMILARITY: np.asarray(dissimilarity, float), DISTANCE: log_distance(distance_m)}
    known = np.isfinite(score) & np.isfinite(values[DISSIMILARITY]) & np.isfinite(values[DISTANCE])
    score, blocks = np.asarray(score, float)[known], np.asarray(blocks)[known]
    values = {name: column[known] for name, column in values.items()}
    if not len(score):
        raise DataError(
            f"error profile: found no validation survey with {measure}, dissimilarity and distance, expected some"
        )
    losses = _losses(score, values, blocks, variables)
    names, steps = min(losses, key=lambda choice: losses[choice])  # the simplest of equals, which comes first
    knots, best, drops = _fit(score, values, names, steps)
    reach_distance, reach_dissimilarity = _reach(values[DISSIMILARITY], np.asarray(distance_m, float)[known])
    profile = ErrorProfile(
        measure,
        best,
        knots,
        drops,
        reach_distance,
        reach_dissimilarity,
        pd.DataFrame(),
        {
            "measure": measure,
            "surveys": len(score),
            "blocks": len(np.unique(blocks)),
            "left_out": int((~known).sum()),
            "variables": list(names),
            "steps": steps,
            "squared_error": losses[names, steps],
            "squared_error_of_constant": losses[(), 0],
            "nearest_m": float(np.min(np.asarray(distance_m, float)[known])),
            "farthest_m": float(reach_distance[-1]),
            "least_dissimilar": float(values[DISSIMILARITY].min()),
            "most_dissimilar": float(reach_dissimilarity[0]),
        },
    )
    return dataclasses.replace(profile, parts=_parts(profile, score, values, blocks))


def crossfitted(
    score: np.ndarray,
    dissimilarity: np.ndarray,
    distance_m: np.ndarray,
    blocks: np.ndarray,
    groups: np.ndarray,
    variables: Sequence[str] = (DISSIMILARITY, DISTANCE),
) -> np.ndarray:
    """What profiles that have not seen a survey's group expect of it, (n,) float64, NaN where they do not cover it.

    groups : (n,) int, such as folds; the other parameters are as of `fit`
    """
    expected = np.full(len(score), np.nan)
    for group in np.unique(groups):
        held_out = groups == group
        if held_out.all() or not np.isfinite(score[~held_out]).any():
            continue
        known = [values[~held_out] for values in (score, dissimilarity, distance_m, blocks)]
        profile = fit(*known, variables=variables)
        expected[held_out] = profile.expected(dissimilarity[held_out], distance_m[held_out])
    return expected


def log_distance(distance_m: np.ndarray) -> np.ndarray:
    """Natural logarithm of metres, of at least one metre."""
    return np.log(np.maximum(np.asarray(distance_m, float), _NEAREST_M))


def _losses(score, values, blocks, variables):
    """Choice (variables, steps) -> mean squared error on held-out blocks, simple choices first."""
    number = np.unique(blocks, return_inverse=True)[1].ravel()
    groups = np.random.default_rng(0).permutation(number.max() + 1)[number] % _GROUPS
    possible = [names for names in _CHOICES if set(names) <= set(variables)]
    choices = [(names, steps) for names in possible for steps in (_STEPS if names else (0,))]
    if len(np.unique(groups)) < 2:
        return {((), 0): float(((score - score.mean()) ** 2).mean())}
    losses = {}
    for names, steps in choices:
        design = _design(values, {name: _knots(values[name], steps) for name in names}, len(score))
        reduced = {group: _reduced(design[groups == group], score[groups == group]) for group in np.unique(groups)}
        total = 0.0
        for group in reduced:
            solution = _solve(np.vstack([rows for other, rows in reduced.items() if other != group]))
            expected = np.clip(design[groups == group] @ solution, 0, None)
            total += float(((score[groups == group] - expected) ** 2).sum())
        losses[names, steps] = total / len(score)
    return losses


def _fit(score, values, names, steps):
    """Knots and drops of each variable of `names`, and the score at the first knots."""
    knots = {name: _knots(values[name], steps) for name in names}
    solution = _solve(_reduced(_design(values, knots, len(score)), score))
    ends = np.cumsum([1, *(len(knots[name]) - 1 for name in names)])
    drops = {name: solution[start:end] for name, (start, end) in zip(names, pairwise(ends), strict=True)}
    return knots, float(solution[0]), drops


def _design(values, knots, count):
    """(n, 1 + ramps): what is multiplied by the score at the first knots and the drops."""
    return np.column_stack([np.ones(count), *(-_ramps(values[name], own) for name, own in knots.items())])


def _reduced(design, score):
    """The triangle of a QR decomposition: least squares over its few rows are those over all surveys."""
    return np.linalg.qr(np.column_stack([design, score]), mode="r")


def _solve(rows):
    """Non-negative least squares of `_reduced` rows, or of several stacked."""
    from scipy.optimize import nnls  # a prediction does not wait for what only a fit needs

    return nnls(rows[:, :-1], rows[:, -1], maxiter=100 * rows.shape[1])[0]


def _knots(values, steps):
    """Quantiles of `values`, different ones; the ends leave out the outermost hundredth, which would tilt the line."""
    return np.unique(np.quantile(values, np.linspace(0.01, 0.99, steps + 1)))


def _ramps(values, knots):
    """(n, k - 1): from 0 at a knot and below to 1 at the next and beyond."""
    if len(knots) < 2:
        return np.zeros((len(values), 0))
    ramps = (values[:, None] - knots[:-1]) / np.diff(knots)
    return np.nan_to_num(np.clip(ramps, 0, 1))


def _reach(dissimilarity, distance_m):
    """The staircase of what validation covers: distances, ascending, and the dissimilarity covered up to each.

    A place is covered where at least `_LEAST` surveys (a twentieth of few) are at least as far and as dissimilar.
    """
    least = max(1, min(_LEAST, len(distance_m) // 20))
    order = np.argsort(-distance_m, kind="stable")
    largest: list[float] = []  # the `least` largest dissimilarities of those farther out, ascending
    limits = np.empty(len(order))
    for place, row in enumerate(order):
        largest = sorted([*largest, dissimilarity[row]])[-least:]
        limits[place] = largest[0] if len(largest) == least else -np.inf
    distances, limits = distance_m[order][::-1], limits[::-1]
    # of equal distances the first holds them all
    first = np.unique(distances, return_index=True)[1]
    distances, limits = distances[first], limits[first]
    covered = limits > -np.inf
    return distances[covered], limits[covered]


def _parts(profile, score, values, blocks, count=4):
    """The surveys behind each part: quarters of distance by quarters of dissimilarity; see `ErrorProfile.parts`."""
    expected = profile._score(values)
    ends = {name: np.unique(np.quantile(column, np.linspace(0, 1, count + 1))) for name, column in values.items()}
    place = {
        name: np.clip(np.searchsorted(ends[name], column, side="right") - 1, 0, max(0, len(ends[name]) - 2))
        for name, column in values.items()
    }
    rows = []
    for far in np.unique(place[DISTANCE]):
        for unlike in np.unique(place[DISSIMILARITY]):
            inside = (place[DISTANCE] == far) & (place[DISSIMILARITY] == unlike)
            if not inside.any():
                continue
            row: dict[str, float] = {}
            for name, number in ((DISTANCE, far), (DISSIMILARITY, unlike)):
                low, high = ends[name][number], ends[name][min(number + 1, len(ends[name]) - 1)]
                low, high = (np.exp(low), np.exp(high)) if name == DISTANCE else (low, high)
                row |= {f"{name}_low": low, f"{name}_high": high}
            row |= {"surveys": inside.sum(), "blocks": len(np.unique(blocks[inside]))}
            rows.append(row | {"observed": score[inside].mean(), "expected": expected[inside].mean()})
    return pd.DataFrame(rows)
