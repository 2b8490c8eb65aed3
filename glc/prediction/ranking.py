"""Scores in order: each survey's positive ones from the best down, of which every decoder takes the first few."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from glc.errors import DataError


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
        running = np.concatenate([[0], np.cumsum(self.values > threshold)])
        return running[self.indptr[1:]] - running[self.indptr[:-1]]

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
        out = np.zeros((stop - start, width))
        mask = np.arange(width) < lengths[:, None]
        index = self.indptr[start:stop, None] + np.arange(width)
        out[mask] = self.values[index[mask]]
        return out

    def take(self, sizes: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
        """Boolean CSR of the first `sizes` species of each survey, best first in each row (unsorted indices)."""
        sizes = np.minimum(sizes, self.lengths)
        place = np.arange(len(self.columns)) - np.repeat(self.indptr[:-1], self.lengths)
        keep = place < np.repeat(sizes, self.lengths)
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        return sparse.csr_matrix((np.ones(int(keep.sum()), bool), self.columns[keep], indptr), shape=shape)


def rank(matrix: sparse.csr_matrix, actual: sparse.csr_matrix | None = None, rows: int = 1_024) -> Ranked:
    """Ranked positive scores of a CSR `matrix` (n, m), ties broken by column; with labels where `actual` is given."""
    matrix = matrix.tocsr()
    columns, values, hits, lengths = [], [], [], []
    for start in range(0, matrix.shape[0], rows):
        dense = matrix[start : start + rows].toarray()
        order = np.argsort(-dense, axis=1, kind="stable")
        ranked = np.take_along_axis(dense, order, axis=1)
        kept = ranked > 0
        columns.append(order[kept].astype(np.int32))
        values.append(ranked[kept])
        lengths.append(kept.sum(axis=1))
        if actual is not None:
            hits.append(np.take_along_axis(actual[start : start + rows].toarray(), order, axis=1)[kept])
    indptr = np.concatenate([[0], *lengths]).cumsum()
    return Ranked(
        indptr,
        np.concatenate(columns),
        np.concatenate(values),
        None if actual is None else np.concatenate(hits),
        None if actual is None else np.asarray(actual.sum(axis=1)).ravel(),
    )
