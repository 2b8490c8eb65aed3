"""Species lists as boolean matrices over a vocabulary, and back."""

from typing import Literal

import numpy as np
import pyarrow as pa
from scipy import sparse

from glc.errors import DataError


def vocabulary(*lists: pa.ChunkedArray | pa.ListArray) -> np.ndarray:
    """Sorted distinct species ids (int32) of pyarrow list columns."""
    return np.unique(np.concatenate([np.zeros(0, np.int32), *(_flat(column)[1] for column in lists)]))


def to_matrix(
    lists: pa.ChunkedArray | pa.ListArray, species: np.ndarray, unknown: Literal["error", "drop"] = "error"
) -> sparse.csr_matrix:
    """Boolean CSR (n, m) of a pyarrow list column over the sorted ids `species`.

    unknown : ``"error"`` raises on a species that `species` lacks, ``"drop"`` leaves it out
    """
    indptr, values = _flat(lists)
    columns = np.searchsorted(species, values)
    known = columns < len(species)
    known[known] = species[columns[known]] == values[known]
    if not known.all():
        if unknown == "error":
            raise DataError(
                f"species {values[~known][0]} is not among the {len(species)} known species; "
                "build the vocabulary from all label lists in use"
            )
        rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))[known]
        columns = columns[known]
    else:
        rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    matrix = sparse.csr_matrix(
        (np.ones(len(columns), bool), (rows, columns)), shape=(len(indptr) - 1, len(species)), dtype=bool
    )
    matrix.sum_duplicates()
    return matrix


def to_lists(matrix: sparse.csr_matrix, species: np.ndarray) -> pa.ListArray:
    """pyarrow list<int32> of the species ids in each row of a CSR matrix, in the order stored."""
    matrix = matrix.tocsr()
    return pa.ListArray.from_arrays(
        pa.array(matrix.indptr.astype(np.int32)), pa.array(np.asarray(species)[matrix.indices].astype(np.int32))
    )


def widen(matrix: sparse.csr_matrix, species: np.ndarray, wider: np.ndarray) -> sparse.csr_matrix:
    """The same CSR rows over the vocabulary `wider`, which must hold every id of `species`."""
    matrix = matrix.tocsr()
    columns = np.searchsorted(wider, species).astype(matrix.indices.dtype)  # another type would be copied twice
    return sparse.csr_matrix((matrix.data, columns[matrix.indices], matrix.indptr), shape=(matrix.shape[0], len(wider)))


def _flat(lists):
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), lists.flatten().to_numpy(zero_copy_only=False)
