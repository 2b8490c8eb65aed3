"""How well scores tell presences from absences, species by species: AUC, AUC of precision-recall-gain, correlation.

Of presences alone, among sites that need not be absences: the continuous Boyce index.

All take ``scores`` (site, species) and ``actual`` (site, species), true where present, and return (species,) float64,
NaN for a species that is present at all sites or at none: nothing can be ranked there.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata


def auc(scores: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Area under the ROC curve: the chance that a presence outscores an absence, ties counting a half."""
    actual = np.asarray(actual, bool)
    positive = actual.sum(axis=0)
    negative = len(actual) - positive
    wins = (rankdata(scores, axis=0) * actual).sum(axis=0) - positive * (positive + 1) / 2
    return _where_defined(wins, positive, negative)


def placements(scores: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Share of the other sites that each presence of one species outscores, ties counting a half; their mean is `auc`.

    scores : (site,) of the species
    present : (site,) bool, with at least one true and one false
    returns : (presences,) float64
    """
    others = np.sort(scores[~present])
    own = scores[present]
    return (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / (2 * len(others))


WINDOWS, WIDTH = 101, 0.1
"""Windows of the continuous Boyce index, evenly placed, and the width of each as a share of the range of scores."""


def boyce(scores: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Continuous Boyce index (Hirzel et al. 2006, section 2.3): from -1 to 1, 0 for scores that say nothing.

    A window moves over the range of a species' scores. In each, the share of the presences (P) is divided by the share
    of all sites (E); the index is the rank correlation of P / E with the window's place. Windows without a site are
    left out. It is NaN where all scores are equal, or P / E is the same in all windows.
    """
    scores, actual = np.asarray(scores, np.float64), np.asarray(actual, bool)
    return np.array([_boyce(column, present) for column, present in zip(scores.T, actual.T, strict=True)])


def _boyce(scores, present):
    if not 0 < present.sum() < len(present):
        return np.nan
    inside, expected = moving_windows(scores, scores[present])
    return float(rank_correlation(inside.mean(axis=0) / expected))


def moving_windows(scores: np.ndarray, presences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The windows of the continuous Boyce index that hold a site; both ends belong to a window.

    scores : (site,) of one species
    presences : (p,) of the scores, those at its presences
    returns : (inside, expected): (p, window) bool, whether a presence is in a window, and (window,) the share of all
        sites in it; no window where all scores are equal
    """
    low, high = scores.min(), scores.max()
    if not low < high:
        return np.zeros((len(presences), 0), bool), np.zeros(0)
    width = WIDTH * (high - low)
    starts, ends = np.linspace(low, high - width, WINDOWS), np.linspace(low + width, high, WINDOWS)
    ordered = np.sort(scores)
    count = np.searchsorted(ordered, ends, "right") - np.searchsorted(ordered, starts, "left")
    held = count > 0
    inside = (presences[:, None] >= starts[held]) & (presences[:, None] <= ends[held])
    return inside, count[held] / len(scores)


def rank_correlation(ratios: np.ndarray) -> np.ndarray:
    """Spearman's correlation of values with their place in the last axis, ties having their mean rank.

    ratios : (..., window)
    returns : (...), NaN where all values are equal or there are fewer than two
    """
    count = ratios.shape[-1]
    if count < 2:
        return np.full(ratios.shape[:-1], np.nan)
    ranks = rankdata(ratios, axis=-1) - (count + 1) / 2
    place = np.arange(count) - (count - 1) / 2
    spread = np.sqrt((ranks**2).sum(axis=-1) * (place**2).sum())
    total = (ranks * place).sum(axis=-1)
    return np.divide(total, spread, out=np.full(np.shape(total), np.nan), where=spread > 0)


def correlation(scores, actual):
    """Point-biserial correlation of scores with presence (COR of Elith et al. 2020); 0 for constant scores."""
    scores, actual = np.asarray(scores, np.float64), np.asarray(actual, np.float64)
    s, a = scores - scores.mean(axis=0), actual - actual.mean(axis=0)
    spread = np.sqrt((s**2).sum(axis=0) * (a**2).sum(axis=0))
    positive = actual.sum(axis=0)
    coefficient = np.divide((s * a).sum(axis=0), spread, out=np.zeros(scores.shape[1]), where=spread > 0)
    return np.where((positive > 0) & (positive < len(actual)), coefficient, np.nan)


def prg_auc(scores, actual):
    """Area under the precision-recall-gain curve (Flach and Kull 2015), as the R package prg takes it.

    1 is perfect and 0 is chance; below chance it may fall far below -1. Points of a tie are joined, the curve begins
    where it crosses recall gain 0, and parts of negative precision gain count.
    """
    scores, actual = np.asarray(scores), np.asarray(actual, bool)
    return np.array([_prg_auc(column, truth) for column, truth in zip(scores.T, actual.T, strict=True)])


def _prg_auc(scores, actual):
    positive = actual.sum()
    negative = len(actual) - positive
    if positive == 0 or negative == 0:
        return np.nan
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    true = np.append(0, np.cumsum(actual[order])[last]).astype(np.float64)
    false = np.append(0, last + 1) - true
    # recall gain is not below 0 from TP = n_pos^2 / n on; between two points TP and FP are linear, and so is the curve
    start = positive**2 / len(actual)
    first = np.flatnonzero(true >= start)[0]
    share = (start - true[first - 1]) / (true[first] - true[first - 1])
    true = np.append(start, true[first:])
    false = np.append(false[first - 1] + share * (false[first] - false[first - 1]), false[first:])
    odds = positive / negative
    precision_gain = 1 - odds * false / true
    recall_gain = 1 - odds * (positive - true) / true
    return (np.diff(recall_gain) * (precision_gain[1:] + precision_gain[:-1]) / 2).sum()


def paired_interval(
    difference: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Bootstrap interval over species of the mean of a difference (species,): (mean, low, high)."""
    difference = np.asarray(difference, np.float64)
    difference = difference[~np.isnan(difference)]
    drawn = np.random.default_rng(seed).choice(difference, (draws, len(difference))).mean(axis=1)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return difference.mean(), low, high


def _where_defined(wins, positive, negative):
    pairs = positive * negative
    return np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
