"""The area under the ROC curve of each species in each fold, from blocks of a table of scores.

The area follows from the ranks of the presences among the scores of a fold's surveys. Of a fold's scores only a whole
number each is kept, the species before the bits of the score (positive floats are in the order of their bits), and of
two folds at most where the table comes by folds: sorted, they rank all species at once, while the blocks of the next
fold are read.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from scipy import sparse

from glc.prediction.blocks import Block

Keys: TypeAlias = list[tuple[int, int, np.ndarray, np.ndarray]]
"""Of each fold of a block: its number, how many surveys, and the keys of all scores and of the presences."""
_SHIFT = np.uint64(32)


@dataclass
class _Fold:
    """What is gathered of a fold.

    row : its number among the folds; rank : (m,) int32, number of each species that is somewhere and not everywhere, -1
        of the others
    present : (k,) surveys with each of these; surveys : in all; left : surveys that have not come yet
    keys, presences : of species and score, of all and of the presences alone
    """

    row: int
    rank: np.ndarray
    present: np.ndarray
    surveys: int
    left: int
    keys: list[np.ndarray] = field(default_factory=list)
    presences: list[np.ndarray] = field(default_factory=list)


class Areas:
    """Gathers the areas of all folds: `keys` of each block, in any thread, then `add` in one.

    folds : (f,) ascending; areas : (f, m), NaN of a species that is nowhere or everywhere in a fold, and of a fold
        whose surveys have not all come
    """

    def __init__(self, actual: sparse.csr_matrix, fold: np.ndarray) -> None:
        """Know the labels (n, m) boolean CSR and the fold (n,) of all surveys of a table."""
        self.folds = np.unique(fold)
        self._areas = np.full((len(self.folds), actual.shape[1]), np.nan)
        self._sorting: tuple[_Fold, Future[np.ndarray]] | None = None
        self._pool = ThreadPoolExecutor(1)
        self._fold, self._of = fold, {}
        for row, number in enumerate(self.folds.tolist()):
            own = fold == number
            count, surveys = np.asarray(actual[own].sum(axis=0, dtype=np.int64)).ravel(), int(own.sum())
            chosen = np.flatnonzero((count > 0) & (count < surveys))
            rank = np.full(actual.shape[1], -1, np.int32)
            rank[chosen] = np.arange(len(chosen), dtype=np.int32)
            self._of[number] = _Fold(row, rank, count[chosen], surveys, surveys)

    def keys(self, block: Block) -> Keys:
        """The `Keys` of a block with labels."""
        own, keys = self._fold[block.rows], []
        for number in np.unique(own).tolist():
            inside = np.flatnonzero(own == number)
            ranked = block.ranked if len(inside) == len(own) else block.ranked.rows(inside)
            species = self._of[number].rank[ranked.columns]
            known = species >= 0
            every = known.all()
            key = (species if every else species[known]).astype(np.uint64)
            key <<= _SHIFT
            values = np.asarray(ranked.values, np.float32).view(np.uint32)
            key |= values if every else values[known]
            hits = ranked.labels()[0]
            keys.append((number, len(inside), key, key[hits if every else hits[known]]))
        return keys

    @property
    def areas(self) -> np.ndarray:
        """The areas of the folds whose surveys have all come."""
        self._wait()
        return self._areas

    def _wait(self) -> None:
        """Until the keys of the last fold are sorted: those of two folds at most are in memory."""
        if self._sorting is not None:
            fold, sorting = self._sorting
            self._areas[fold.row, fold.rank >= 0] = sorting.result()
            self._sorting = None

    def add(self, of_block: Keys) -> None:
        """Take the `keys` of a block; the areas of a fold are there once all its surveys have come."""
        for number, surveys, keys, presences in of_block:
            fold = self._of[number]
            fold.keys.append(keys)
            fold.presences.append(presences)
            fold.left -= surveys
            if not fold.left:
                self._wait()
                self._sorting = fold, self._pool.submit(_areas, fold)


def _areas(fold: _Fold) -> np.ndarray:
    """The areas (k,) of the species of a fold; surveys whose score was not kept share the lowest ranks."""
    keys, presences = np.concatenate(fold.keys), np.concatenate(fold.presences)
    fold.keys.clear()
    fold.presences.clear()
    keys.sort()
    k = len(fold.present)
    first = np.searchsorted(keys, np.arange(k + 1, dtype=np.uint64) << _SHIFT)
    unscored = fold.surveys - np.diff(first)
    species = (presences >> _SHIFT).astype(np.int64)
    low, high = np.searchsorted(keys, presences), np.searchsorted(keys, presences, side="right")
    rank = unscored[species] + (low + high + 1) / 2 - first[species]
    missed = fold.present - np.bincount(species, minlength=k)
    total = np.bincount(species, rank, minlength=k) + missed * (unscored + 1) / 2
    return (total - fold.present * (fold.present + 1) / 2) / (fold.present * (fold.surveys - fold.present))
