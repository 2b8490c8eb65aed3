"""A table of scores block by block, compared with the same table in memory."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from glc import scores as score_tables
from glc import threads
from glc.errors import DataError
from glc.prediction import blocks, ranking


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A table of several row groups, with ties and rows of different length; its scores; labels."""
    monkeypatch.setattr(score_tables, "_GROUP_ROWS", 16)
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 6, (70, 30)).astype(np.float32) / 5
    dense[:, 3] += 0.1
    held = score_tables.Scores(
        np.arange(70) * 3, np.repeat([0, 1], 35).astype(np.int32), np.arange(30, dtype=np.int32) * 2,
        sparse.csr_matrix(dense),
    )  # fmt: skip
    score_tables.write(held, tmp_path / "scores")
    return tmp_path / "scores", held, sparse.csr_matrix(rng.random((70, 30)) < 0.3)


def same(found, wanted):
    for name in ("indptr", "columns", "values", "hits", "actual"):
        assert_array_equal(getattr(found, name), getattr(wanted, name))


@pytest.mark.parametrize("cores", [1, 3])
def test_blocks_are_the_ranking_in_the_order_of_the_table(written, cores, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: cores)
    folder, held, actual = written
    table = blocks.Table(folder)
    found = list(table.each(lambda block: block, actual=actual))
    assert [block.rows for block in found] == [slice(at, min(at + 16, 70)) for at in range(0, 70, 16)]
    for block in found:
        same(block.ranked, ranking.rank(held.matrix[block.rows], actual[block.rows]))
        assert_array_equal(block.surveys, held.surveys[block.rows])
        assert_array_equal(block.fold, held.fold[block.rows])


def test_some_rows_of_a_table(written):
    folder, held, actual = written
    rows = np.array([2, 3, 40, 41, 69])
    table = blocks.Table(folder, rows)
    assert_array_equal(table.surveys, held.surveys[rows])
    found = list(table.each(lambda block: block, actual=actual[rows]))
    assert [block.rows for block in found] == [slice(0, 2), slice(2, 4), slice(4, 5)], "other groups are not read"
    for block in found:
        same(block.ranked, ranking.rank(held.matrix[rows[block.rows]], actual[rows[block.rows]]))


def test_columns_of_a_wider_vocabulary(written):
    folder, held, _ = written
    wider = np.arange(70, dtype=np.int32)
    block = next(blocks.Table(folder).each(lambda block: block, species=wider))
    narrow = ranking.rank(held.matrix[block.rows])
    assert_array_equal(block.ranked.columns, held.species[narrow.columns])
    assert block.ranked.hits is None


def test_scores_in_memory_are_one_block(written):
    _, held, actual = written
    (block,) = blocks.Held(held.matrix, held.fold).each(lambda block: block, actual=actual)
    same(block.ranked, ranking.rank(held.matrix, actual))


def test_a_folder_without_a_table_is_named(tmp_path):
    with pytest.raises(DataError, match="no parquet file of a scores table"):
        blocks.Table(tmp_path / "nothing")
