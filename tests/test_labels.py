import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from glc import labels
from glc.errors import DataError

LISTS = pa.array([[7, 3], [], None, [9]], pa.list_(pa.int32()))
SPECIES = np.array([3, 7, 9], np.int32)


def test_lists_and_matrices_are_each_other():
    matrix = labels.to_matrix(LISTS, SPECIES)
    assert matrix.toarray().astype(int).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert labels.to_lists(matrix.sorted_indices(), SPECIES).to_pylist() == [[3, 7], [], [], [9]]


def test_slices_and_chunks_of_lists_keep_their_rows():
    chunked = pa.chunked_array([LISTS.slice(3), LISTS.slice(0, 2)])
    assert labels.to_matrix(chunked, SPECIES).toarray().astype(int).tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert_array_equal(labels.vocabulary(chunked, pa.array([[1]], pa.list_(pa.int32()))), [1, 3, 7, 9])


def test_an_unknown_species_is_an_error_unless_dropped():
    with pytest.raises(DataError, match="species 9 is not among the 2 known"):
        labels.to_matrix(LISTS, SPECIES[:2])
    assert labels.to_matrix(LISTS, SPECIES[:2], unknown="drop").sum() == 2


def test_widening_keeps_the_values():
    matrix = labels.to_matrix(LISTS, SPECIES)
    wider = np.array([1, 3, 5, 7, 9], np.int32)
    wide = labels.widen(matrix, SPECIES, wider)
    assert wide.toarray().astype(int).tolist() == [[0, 1, 0, 1, 0], [0] * 5, [0] * 5, [0, 0, 0, 0, 1]]
