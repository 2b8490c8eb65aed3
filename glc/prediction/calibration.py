"""Scores to probabilities of presence: one isotonic curve, from counts that can be added up over surveys.

Positive floats are in the order of their bits, and the first bits of a float, its exponent and a few of its mantissa,
are a bin of the same relative width everywhere. Counts in such bins are all that the curve needs; whoever leaves out a
fold adds up those of the others.
"""

from pathlib import Path
from typing import Any

import numpy as np

_FINE, _COARSE = 15, 19
"""Bits of a score (float32) that a bin drops: 256 bins from a score to its double, and 16."""
_LEAST = 2.0**-31
"""Scores below share the lowest coarse bin; they are no probability that would add anything."""
_COARSE_BINS = 32 << (23 - _COARSE)
"""From `_LEAST` to 2."""
_FIRST = int(np.float32(_LEAST).view(np.uint32)) >> _COARSE
_TOP = 1e-5
"""Share of the highest scores that are taken together at least."""
_PAIRS = 200_000
"""Scores that are counted at once: they stay in the processor's cache."""

KEYS = frozenset({"pairs", "hits", "species_squared", "bins_by_species", "bins_by_bins"})
"""What `statistics` has."""


def statistics(scores: np.ndarray, hits: np.ndarray, indptr: np.ndarray, actual: np.ndarray) -> dict[str, np.ndarray]:
    """Sums over surveys from which `curve` and `spread` follow.

    scores : (p,) positive; hits : (p,) bool, whether the survey holds the species; both by survey, as `indptr` (n + 1,)
    actual : (n,) species that each survey holds
    """
    bits = np.asarray(scores, np.float32).view(np.uint32)
    pairs = np.zeros(1 << (31 - _FINE), np.int64)
    in_bin = np.zeros((len(actual), _COARSE_BINS))
    step = max(1, _PAIRS * len(actual) // max(len(bits), 1))
    for start in range(0, len(actual), step):
        ends = indptr[start : start + step + 1]
        of_rows = bits[ends[0] : ends[-1]]
        counted = np.bincount((of_rows >> np.uint32(_FINE)).view(np.int32))
        pairs[: len(counted)] += counted
        coarse = np.maximum((of_rows >> np.uint32(_COARSE)).view(np.int32), _FIRST) - _FIRST
        np.minimum(coarse, _COARSE_BINS - 1, out=coarse)
        coarse += np.repeat(np.arange(len(ends) - 1, dtype=np.int32) * _COARSE_BINS, np.diff(ends))
        own = in_bin[start : start + step]
        own += np.bincount(coarse, minlength=own.size).reshape(own.shape)
    actual = np.asarray(actual, float)
    return {
        "pairs": pairs,
        "hits": np.bincount(bits[np.asarray(hits, bool)] >> np.uint32(_FINE), minlength=len(pairs)),
        # of whole numbers, so that no order of adding them up makes a difference
        "species_squared": np.asarray(actual @ actual),
        "bins_by_species": in_bin.T @ actual,
        "bins_by_bins": in_bin.T @ in_bin,
    }


def bins(statistics: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, ascending, and how many pairs of survey and species have them, in all and with the species present."""
    used = np.flatnonzero(statistics["pairs"])
    return _centre(used), statistics["pairs"][used], statistics["hits"][used]


def curve(statistics: dict[str, np.ndarray], most: int) -> tuple[np.ndarray, np.ndarray]:
    """Knots (x, y) of the isotonic curve from score to share that is present, x ascending.

    most : knots, in geometric steps from the highest scores down: that is where sets are decided
    """
    from sklearn.isotonic import IsotonicRegression

    scores, pairs, hits = (each[::-1] for each in bins(statistics))
    share = np.cumsum(pairs) / pairs.sum()
    step = np.searchsorted(np.geomspace(_TOP, 1, most)[:-1], share)
    first = np.flatnonzero(np.diff(step, prepend=-1))
    total, hits, pairs = (np.add.reduceat(each, first)[::-1] for each in (scores * pairs, hits, pairs))
    fitted = IsotonicRegression(y_min=0, y_max=1).fit_transform(total / pairs, hits / pairs, sample_weight=pairs)
    return total / pairs, fitted


def spread(statistics: dict[str, np.ndarray], curve: tuple[np.ndarray, np.ndarray]) -> float:
    """How unevenly rich surveys are beyond independent presences: coefficient of variation of a common factor.

    The variance of a survey's richness is that of independent presences + (spread x mean)^2, where the mean is the sum
    of its probabilities p. Sums of p and p^2 over surveys follow from how many scores of each bin a survey has.
    """
    scores, pairs, _ = bins(statistics)
    p = np.interp(scores, *curve)
    # the mean probability of a coarse bin
    coarse = np.clip((scores.astype(np.float32).view(np.uint32) >> _COARSE).astype(int) - _FIRST, 0, _COARSE_BINS - 1)
    count, total = np.bincount(coarse, pairs, _COARSE_BINS), np.bincount(coarse, pairs * p, _COARSE_BINS)
    mean = total / np.maximum(count, 1)
    squared = float(mean @ statistics["bins_by_bins"] @ mean)
    around = float(statistics["species_squared"]) - 2 * float(statistics["bins_by_species"] @ mean) + squared
    excess = around - float(pairs @ (p * (1 - p)))
    return float(np.sqrt(np.clip(excess / squared, 0, 1))) if squared > 0 else 0.0


def _centre(bins: np.ndarray) -> np.ndarray:
    """The score in the middle of each of the fine `bins`."""
    return ((bins.astype(np.uint32) << np.uint32(_FINE)) + np.uint32(1 << (_FINE - 1))).view(np.float32).astype(float)


def save(by_group: dict[int, dict[str, np.ndarray]], path: Path) -> None:
    """Write the `statistics` of groups of surveys to the file `path` (.npz); other sums with them are left out."""
    arrays: dict[str, Any] = {f"{name} {group}": own[name] for group, own in by_group.items() for name in sorted(KEYS)}
    np.savez_compressed(path, groups=np.array(list(by_group)), **arrays)


def read(path: Path) -> dict[int, dict[str, np.ndarray]]:
    """The `statistics` of each group that `save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return {group: {name: arrays[f"{name} {group}"] for name in KEYS} for group in arrays["groups"].tolist()}
