"""The area under the ROC curve of each species in each fold, from blocks of a table of scores.

The area follows from the ranks of the presences among the scores of a fold's surveys. Of these only the bits are kept,
by species (positive floats are in the order of their bits), and of two folds at most where the table comes by folds:
the species of one are ranked while the blocks of the next are read.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from glc.prediction.blocks import Block


@dataclass(frozen=True)
class Keys:
    """Scores of some surveys of one fold, as bits.

    fold : its number; surveys : how many
    scores : (p,) uint32, by species; starts : (k + 1,) of each of the fold's ranked species
    presences : (h,) uint32, those of the species that a survey has; species : (h,) their ranked species
    """

    fold: int
    surveys: int
    scores: np.ndarray
    starts: np.ndarray
    presences: np.ndarray
    species: np.ndarray


@dataclass
class _Fold:
    """What is gathered of a fold.

    row : its number among the folds; rank : (m,) int32, number of each species that is somewhere and not everywhere, -1
        of the others
    present : (k,) surveys with each of these; surveys : in all; left : surveys that have not come yet
    keys : of the surveys that have come
    """

    row: int
    rank: np.ndarray
    present: np.ndarray
    surveys: int
    left: int
    keys: list[Keys] = field(default_factory=list)


class Areas:
    """Gathers the areas of all folds: `keys` of each block, in any thread, then `add` in one.

    folds : (f,) ascending; areas : (f, m), NaN of a species that is nowhere or everywhere in a fold, and of a fold
        whose surveys have not all come
    """

    def __init__(self, actual: sparse.csr_matrix, fold: np.ndarray) -> None:
        """Know the labels (n, m) boolean CSR and the fold (n,) of all surveys of a table."""
        self.folds = np.unique(fold)
        self._areas = np.full((len(self.folds), actual.shape[1]), np.nan)
        self._ranking: tuple[_Fold, Future[np.ndarray]] | None = None
        self._pool = ThreadPoolExecutor(1)
        self._fold, self._of = fold, {}
        for row, number in enumerate(self.folds.tolist()):
            own = fold == number
            count, surveys = np.asarray(actual[own].sum(axis=0, dtype=np.int64)).ravel(), int(own.sum())
            chosen = np.flatnonzero((count > 0) & (count < surveys))
            rank = np.full(actual.shape[1], -1, np.int32)
            rank[chosen] = np.arange(len(chosen), dtype=np.int32)
            self._of[number] = _Fold(row, rank, count[chosen], surveys, surveys)

    def keys(self, block: Block) -> list[Keys]:
        """The `Keys` of each fold in a block with labels."""
        own, keys = self._fold[block.rows], []
        for number in np.unique(own).tolist():
            inside = np.flatnonzero(own == number)
            ranked = block.ranked if len(inside) == len(own) else block.ranked.rows(inside)
            fold = self._of[number]
            species, scores = fold.rank[ranked.columns], np.asarray(ranked.values, np.float32).view(np.uint32)
            hits = ranked.labels()[0] & (species >= 0)
            presences, present = scores[hits], species[hits]
            known = species >= 0
            if not known.all():
                species, scores = species[known], scores[known]
            # numbers of 16 bits are sorted without comparing them
            short = species.astype(np.uint16) if len(fold.present) < 1 << 16 else species
            scores = scores[np.argsort(short, kind="stable")]
            starts = np.concatenate([[0], np.cumsum(np.bincount(species, minlength=len(fold.present)))])
            keys.append(Keys(number, len(inside), scores, starts, presences, present))
        return keys

    @property
    def areas(self) -> np.ndarray:
        """The areas of the folds whose surveys have all come."""
        self._wait()
        return self._areas

    def _wait(self) -> None:
        """Until the species of the last fold are ranked: the keys of two folds at most are in memory."""
        if self._ranking is not None:
            fold, ranking = self._ranking
            self._areas[fold.row, fold.rank >= 0] = ranking.result()
            self._ranking = None

    def add(self, of_block: list[Keys]) -> None:
        """Take the `keys` of a block; the areas of a fold are there once all its surveys have come."""
        for keys in of_block:
            fold = self._of[keys.fold]
            fold.keys.append(keys)
            fold.left -= keys.surveys
            if not fold.left:
                self._wait()
                self._ranking = fold, self._pool.submit(_areas, fold)


def _areas(fold: _Fold) -> np.ndarray:
    """The areas (k,) of the species of a fold; surveys whose score was not kept share the lowest ranks."""
    parts, k = fold.keys[:], len(fold.present)
    fold.keys.clear()
    species = np.concatenate([part.species for part in parts])
    order = np.argsort(species, kind="stable")
    presences = np.concatenate([part.presences for part in parts])[order]
    scored = np.bincount(species, minlength=k)
    ends, ranks = np.cumsum(scored), np.empty(k)
    for number in range(k):
        scores = np.concatenate([part.scores[part.starts[number] : part.starts[number + 1]] for part in parts])
        scores.sort()
        asked = presences[ends[number] - scored[number] : ends[number]]
        low, high = np.searchsorted(scores, asked), np.searchsorted(scores, asked, side="right")
        unscored, missed = fold.surveys - len(scores), fold.present[number] - scored[number]
        ranks[number] = (unscored + (low + high + 1) / 2).sum() + missed * (unscored + 1) / 2
    return (ranks - fold.present * (fold.present + 1) / 2) / (fold.present * (fold.surveys - fold.present))
