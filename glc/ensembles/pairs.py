"""Pairs (survey, species) that a stack learns from, drawn so that few stand for all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from glc.ensembles.fit_options import FitOptions


@dataclass(frozen=True)
class Pairs:
    """Pairs (survey, species) to learn from, p of them.

    scores : (p, K) float32 of the members, 0 where a member has none; column : (p,) of the species; fold : (p,) of the
    survey; weight : (p,) pairs that each represents; held : (p,) bool, whether the survey holds the species
    """

    scores: np.ndarray
    column: np.ndarray
    fold: np.ndarray
    weight: np.ndarray
    held: np.ndarray

    def where(self, mask: np.ndarray) -> "Pairs":
        """The pairs of `mask`."""
        return Pairs(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    @staticmethod
    def join(parts: Iterable["Pairs"]) -> "Pairs":
        """One Pairs of several."""
        parts = list(parts)
        return Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in Pairs.__dataclass_fields__))


def sample(
    matrices: Sequence[sparse.csr_matrix],
    actual: sparse.csr_matrix,
    fold: int,
    options: FitOptions,
    rng: np.random.Generator,
) -> Pairs:
    """Pairs of the surveys of one fold: `matrices`, the members' scores (n, m) CSR; `actual` (n, m) boolean CSR."""
    n, m = actual.shape
    total = total_share(matrices)
    held = actual.toarray()
    best = min(options.best, m)
    chosen = held.copy()
    np.put_along_axis(chosen, np.argpartition(-total, best - 1, axis=1)[:, :best], True, axis=1)
    # columns are drawn without regard to the labels, and count only where they hit one of the others: each of these
    # then represents m / sampled pairs on average
    drawn = np.sort(rng.integers(m, size=(n, options.sampled)), axis=1)
    row = np.repeat(np.arange(n), options.sampled)
    other = ~chosen[row, drawn.ravel()]
    rows = np.concatenate([np.nonzero(chosen)[0], row[other]])
    columns = np.concatenate([np.nonzero(chosen)[1], drawn.ravel()[other]])
    weight = np.where(np.arange(len(rows)) < chosen.sum(), 1.0, m / options.sampled)
    values = np.stack([matrix.toarray()[rows, columns] for matrix in matrices], axis=1).astype(np.float32)
    return Pairs(values, columns, np.full(len(rows), fold), weight, held[rows, columns])


def total_share(matrices: Sequence[sparse.csr_matrix]) -> np.ndarray:
    """Sum (n, m) of the members' scores, each survey's divided by their sum."""
    total = _shares(matrices[0]).toarray()
    for matrix in matrices[1:]:  # of many scores sparse sums take longer
        total += _shares(matrix).toarray()
    return total


def _shares(matrix):
    """Rows of a CSR matrix divided by their sums."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.diags((1 / np.where(total > 0, total, 1)).astype(np.float32)) @ matrix
