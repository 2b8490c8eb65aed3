"""Scores in order: each survey's positive ones from the best down, of which every decoder takes the first few."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from glc import threads
from glc.best_first import best_first, rectangle
from glc.errors import DataError

_ENTRIES = 200_000
"""Scores sorted at once."""


@dataclass(frozen=True)
class Ranked:
    """Scores of each survey sorted downwards: CSR-like `indptr` (n + 1,), `columns` and `values` (nnz,).

    hits : (nnz,) bool, whether the survey holds the species, and actual : (n,) how many species it holds; both None
        where labels are not known
    """

    indptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    hits: np.ndarray | None = None
    actual: np.ndarray | None = None

    @property
    def lengths(self) -> np.ndarray:
        """How many positive scores each survey has, (n,)."""
        return np.diff(self.indptr)

    def rows(self, chosen: np.ndarray) -> "Ranked":
        """The ranking of the surveys at the row numbers `chosen`."""
        lengths = self.lengths[chosen]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        entry = np.arange(indptr[-1]) + np.repeat(self.indptr[chosen] - indptr[:-1], lengths)
        return Ranked(
            indptr,
            self.columns[entry],
            self.values[entry],
            None if self.hits is None else self.hits[entry],
            None if self.actual is None else self.actual[chosen],
        )

    def above(self, threshold: float) -> np.ndarray:
        """How many scores of each survey are above `threshold`, (n,)."""
        first, last = self.indptr[:-1].copy(), self.indptr[1:].copy()
        while (open_rows := np.flatnonzero(first < last)).size:  # all rows are searched at once, halving what is left
            middle = (first[open_rows] + last[open_rows]) // 2
            higher = self.values[middle] > threshold
            first[open_rows[higher]] = middle[higher] + 1
            last[open_rows[~higher]] = middle[~higher]
        return first - self.indptr[:-1]

    def head(self, sizes: np.ndarray) -> "Ranked":
        """The ranking of each survey's best `sizes` species, (n,)."""
        sizes = np.minimum(sizes, self.lengths)
        row, place = _places(sizes)
        entry = self.indptr[row] + place
        return Ranked(
            np.concatenate([[0], np.cumsum(sizes)]),
            self.columns[entry],
            self.values[entry],
            None if self.hits is None else self.hits[entry],
            self.actual,
        )

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """`hits` and `actual`; a DataError where labels are not known."""
        if self.hits is None or self.actual is None:
            raise DataError("found a ranking without labels, expected one of validation surveys; give `rank` theirs")
        return self.hits, self.actual

    def hits_among(self, sizes: np.ndarray) -> np.ndarray:
        """How many of the first `sizes` species of each survey it holds; sizes and result (..., n)."""
        running = np.concatenate([[0], np.cumsum(self.labels()[0])])
        return running[self.indptr[:-1] + np.minimum(sizes, self.lengths)] - running[self.indptr[:-1]]

    def block(self, start: int, stop: int, width: int) -> np.ndarray:
        """Values of the surveys start..stop, their best `width`, padded with zeros: (stop - start, width) float64."""
        lengths = np.minimum(self.lengths[start:stop], width)
        if (self.lengths[start:stop] == width).all():
            return self.values[self.indptr[start] : self.indptr[stop]].reshape(-1, width).astype(np.float64)
        out = np.zeros((stop - start, width))
        mask = np.arange(width) < lengths[:, None]
        index = self.indptr[start:stop, None] + np.arange(width)
        out[mask] = self.values[index[mask]]
        return out

    def take(self, sizes: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
        """Boolean CSR of the first `sizes` species of each survey, best first in each row (unsorted indices)."""
        sizes = np.minimum(sizes, self.lengths)
        row, place = _places(sizes)
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        columns = self.columns[self.indptr[row] + place]
        return sparse.csr_matrix((np.ones(len(columns), bool), columns, indptr), shape=shape)


def rank(matrix: sparse.csr_matrix, actual: sparse.csr_matrix | None = None, rows: int | None = None) -> Ranked:
    """Ranked positive scores of a CSR `matrix` (n, m), ties broken by column; with labels where `actual` is given.

    rows : sorted at once; None: as many as the processor's cache holds
    """
    matrix = matrix.tocsr()
    rows = rows or max(1, _ENTRIES // max(int(np.diff(matrix.indptr).max(initial=0)), 1))
    calls = [(matrix, actual, slice(start, start + rows)) for start in range(0, matrix.shape[0], rows)]
    done = list(threads.in_order(_rank_rows, calls, min(threads.cores(), max(len(calls), 1))))
    return Ranked(
        np.concatenate([[0], *(lengths for lengths, _, _, _ in done)]).cumsum(),
        np.concatenate([columns for _, columns, _, _ in done]),
        np.concatenate([values for _, _, values, _ in done]),
        None if actual is None else np.concatenate([hits for _, _, _, hits in done if hits is not None]),
        None if actual is None else np.asarray(actual.sum(axis=1)).ravel(),
    )


def _rank_rows(
    matrix: sparse.csr_matrix, actual: sparse.csr_matrix | None, rows: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """How many positive scores each of the `rows` has, (n,), their columns and values in order, and which are held."""
    bounds = matrix.indptr[rows.start : rows.stop + 1]
    indices, scores = matrix.indices[bounds[0] : bounds[-1]], matrix.data[bounds[0] : bounds[-1]]
    sort = best_first if matrix.dtype == np.float32 else _sorted_of_any_type
    order, ranked = sort(indices, scores, np.diff(bounds))
    kept = ranked > 0
    lengths = kept.sum(axis=1)
    every = lengths.sum() == kept.size
    columns = order.ravel() if every else order[kept]
    hits = None
    if actual is not None:
        labels = actual[rows].toarray()
        hits = labels[np.repeat(np.arange(len(labels)), lengths), columns]
    return lengths, columns, ranked.ravel() if every else ranked[kept], hits


def _sorted_of_any_type(columns: np.ndarray, scores: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    columns, scores = rectangle(columns, lengths, 0), rectangle(scores, lengths, 0)
    order = np.lexsort((columns, -scores), axis=1)
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(scores, order, axis=1)


def best(
    ranked: Ranked, sets: sparse.csr_matrix | None, listed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The best species of each survey and those of its set, best first, ties by column.

    sets : boolean (n, m), None where nothing is decided
    listed : positive scores taken per survey; species of the set are taken with any score, also without one
    returns : row, column, score, whether it is in the set: four arrays with an entry per species taken
    """
    count = len(ranked.lengths)
    sizes = np.zeros(count, int) if sets is None else np.diff(sets.indptr)
    taken = np.minimum(np.maximum(sizes, listed), ranked.lengths)
    row, place = _places(taken)
    entry = ranked.indptr[row] + place
    member = place < sizes[row]
    column, score = ranked.columns[entry], ranked.values[entry]
    if sets is None or np.array_equal(column[member], sets.indices):
        return row, column, score, member
    # a correction has added species that are not the next best ones, or have no score
    inside = sets.astype(bool).toarray()
    every, place = _places(ranked.lengths)
    member = inside[every, ranked.columns]
    keep = (place < listed) | member
    inside[every, ranked.columns] = False
    more, added = np.nonzero(inside)
    row, column = np.concatenate([every[keep], more]), np.concatenate([ranked.columns[keep], added])
    score = np.concatenate([ranked.values[keep], np.zeros(len(more), ranked.values.dtype)])
    member = np.concatenate([member[keep], np.ones(len(more), bool)])
    order = np.argsort(row, kind="stable")
    return row[order], column[order], score[order], member[order]


def _places(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row of each entry, and its place in the row, for rows with `lengths` entries."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
