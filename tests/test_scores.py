import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import scores
from glc.errors import DataError


def some(n=5, m=12, fold=0, seed=0):
    rng = np.random.default_rng(seed)
    matrix = sparse.csr_matrix((rng.random((n, m)) * (rng.random((n, m)) < 0.6)).astype(np.float32))
    return scores.Scores(np.arange(n) * 2, np.full(n, fold, np.int32), np.arange(m, dtype=np.int32) * 5, matrix)


def test_scores_survive_the_disk_best_first(tmp_path):
    one = some()
    assert scores.write(one, tmp_path) == 5
    again = scores.read(tmp_path)
    assert_array_equal(again.surveys, one.surveys)
    assert_array_equal(again.species, one.species)
    assert_allclose(again.matrix.toarray(), one.matrix.toarray())
    import pyarrow.parquet as pq

    for values in pq.read_table(tmp_path / "part-0.parquet")["score"].to_pylist():
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_the_best_are_kept(form):
    dense = np.array([[0.1, 0.4, 0.3, 0.0], [0.2, 0.0, 0.0, 0.0]], np.float32)
    kept = scores.keep_best(form(dense), 2).toarray()
    assert_allclose(kept, [[0, 0.4, 0.3, 0], [0.2, 0, 0, 0]])


def _first_by_sorting(row, k):
    """The k best positive scores of a row, ties by column, one after the other."""
    order = sorted(range(len(row)), key=lambda column: (-row[column], column))
    return [column in order[:k] and row[column] > 0 for column in range(len(row))]


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_the_best_of_many_are_those_of_sorted_rows(share, monkeypatch):
    monkeypatch.setattr(scores, "_DENSE_ENTRIES", 500)
    rng = np.random.default_rng(0)
    dense = np.round(rng.normal(0.3, 1, (40, 60)), 1) * (rng.random((40, 60)) < share)
    for k in (1, 7, 59, 60, 80):
        wanted = np.array([_first_by_sorting(row, k) for row in dense])
        assert_array_equal(scores.top_k(sparse.csr_matrix(dense), k).toarray(), wanted)
        if share == 1:  # shorter rows are kept as they are
            kept = scores.keep_best(sparse.csr_matrix(dense), k).toarray()
            assert_array_equal(kept, np.where(wanted, dense, 0 if k < 60 else dense).astype(np.float32))


def test_parts_are_written_as_their_stack_to_the_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "_GROUP_ROWS", 4)
    parts = [some(n=n, seed=n, fold=n) for n in (5, 1, 9)]
    assert scores.write(scores.stack(parts), tmp_path / "whole") == 15
    assert scores.write_parts(iter(parts), tmp_path / "parts") == 15
    whole, made = ((tmp_path / name / "part-0.parquet").read_bytes() for name in ("whole", "parts"))
    assert whole == made


def test_folds_are_joined_and_models_averaged(tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        scores.write(some(fold=seed, seed=seed), _made(tmp_path / name / "valid"))
        scores.write(some(fold=-1, seed=seed), _made(tmp_path / name / "test"))
    scores.combine([tmp_path / "a", tmp_path / "b"], _made(tmp_path / "out"), keep=12)
    assert_array_equal(scores.read(tmp_path / "out" / "valid").fold, [1] * 5 + [2] * 5)
    wanted = (some(seed=1).matrix + some(seed=2).matrix).toarray() / 2
    assert_allclose(scores.read(tmp_path / "out" / "test").matrix.toarray(), wanted, rtol=1e-6)


def test_logits_are_averaged_with_a_floor_for_what_a_model_does_not_name(tmp_path):
    one, other = some(seed=1), some(seed=2)
    found = scores.mean_logits([one, other], 12).matrix.toarray()
    p, q = (
        np.where(part.matrix.toarray() > 0, part.matrix.toarray(), scores.FLOOR).astype(float) for part in (one, other)
    )
    odds = np.sqrt(p / (1 - p) * q / (1 - q))
    wanted = np.where((p > scores.FLOOR) | (q > scores.FLOOR), odds / (1 + odds), 0)
    assert_allclose(found, wanted, rtol=1e-4, atol=1e-9)
    assert_allclose(scores.mean_logits([one], 12).matrix.toarray(), one.matrix.toarray(), rtol=1e-4)


def test_of_cloned_nets_only_the_first_is_judged(tmp_path):
    parts = {("a", "valid"): 1, ("a", "test"): 2, ("b", "valid"): 3, ("b", "test"): 4, ("b", "first"): 5}
    for (name, split), seed in parts.items():
        scores.write(
            some(fold={"test": -1, "first": 0}.get(split, int(name == "b")), seed=seed), _made(tmp_path / name / split)
        )
    scores.combine([tmp_path / "a", tmp_path / "b"], _made(tmp_path / "out"), keep=12, cloned=True)
    valid, optimistic = (scores.read(tmp_path / "out" / split) for split in ("valid", "optimistic"))
    assert_allclose(valid.matrix.toarray(), some(seed=1).matrix.toarray())
    wanted = (some(seed=1).matrix + some(seed=5).matrix).toarray() / 2
    assert_allclose(optimistic.matrix.toarray(), wanted, rtol=1e-6)
    assert set(valid.fold) == set(optimistic.fold) == {0}


def test_scores_of_different_species_do_not_mix():
    with pytest.raises(DataError, match="different species"):
        scores.stack([some(m=12), some(m=11)])
    with pytest.raises(DataError, match="different surveys or species"):
        scores.mean([some(n=5), some(n=4)], 12)


def _made(folder):
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("share", [0.2, 0.9, 1.0])
def test_the_sum_of_several_scores_is_that_of_sparse_matrices_to_the_bit(share, monkeypatch):
    monkeypatch.setattr(scores, "_DENSE_ENTRIES", 40)  # blocks of a few rows
    rng = np.random.default_rng(3)
    parts = [
        sparse.csr_matrix((rng.random((11, 13)) * (rng.random((11, 13)) < share)).astype(np.float32)) for _ in "abc"
    ]
    wanted = (parts[0] + parts[1] + parts[2]) / np.float32(3)
    ids, fold, species = np.arange(11), np.zeros(11, np.int32), np.arange(13)
    mean = scores.mean([scores.Scores(ids, fold, species, part) for part in parts], 13).matrix
    assert mean.toarray().tobytes() == wanted.toarray().astype(np.float32).tobytes()
    assert mean.nnz == wanted.nnz


def test_a_dense_block_becomes_the_csr_of_scipy():
    rng = np.random.default_rng(0)
    for block in (
        rng.random((4, 5)),
        rng.random((4, 5)) * (rng.random((4, 5)) < 0.5),
        np.zeros((3, 2)),
        np.zeros((0, 2)),
    ):
        made, wanted = scores.from_dense(block.astype(np.float32)), sparse.csr_matrix(block.astype(np.float32))
        assert made.shape == wanted.shape
        for name in ("data", "indices", "indptr"):
            assert_array_equal(getattr(made, name), getattr(wanted, name))
            assert getattr(made, name).dtype == getattr(wanted, name).dtype
