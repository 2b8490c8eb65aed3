"""Rankings compared with a plain loop over each survey's sorted scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc.prediction import ranking


def example(n=40, m=15, seed=0):
    """Scores with many ties and zeros, and a survey without any; labels."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (n, m)) / 4 * (rng.random((n, m)) < 0.6)
    scores[3] = 0
    return scores, rng.random((n, m)) < 0.3


def by_hand(scores):
    """Columns of the positive scores, the best first and the lower column first among equals."""
    return [[c for c in sorted(range(len(row)), key=lambda c: (-row[c], c)) if row[c] > 0] for row in scores]


@pytest.fixture(params=[1_024, 7, 1], ids=lambda rows: f"{rows} rows at once")
def ranked(request):
    scores, actual = example()
    return ranking.rank(sparse.csr_matrix(scores), sparse.csr_matrix(actual), rows=request.param)


def test_positive_scores_fall_and_ties_go_by_column(ranked):
    scores, actual = example()
    for i, columns in enumerate(by_hand(scores)):
        entry = slice(ranked.indptr[i], ranked.indptr[i + 1])
        assert list(ranked.columns[entry]) == columns
        assert_array_equal(ranked.values[entry], scores[i, columns])
        assert_array_equal(ranked.hits[entry], actual[i, columns])
    assert_array_equal(ranked.lengths, [len(columns) for columns in by_hand(scores)])
    assert_array_equal(ranked.actual, actual.sum(axis=1))


def test_labels_are_optional():
    ranked = ranking.rank(sparse.csr_matrix(example()[0]))
    assert ranked.hits is None
    assert ranked.actual is None
    assert ranked.rows(np.array([1, 2])).hits is None


def test_rows_are_the_ranking_of_those_surveys(ranked):
    scores, actual = example()
    chosen = np.array([5, 3, 39, 5])
    part = ranked.rows(chosen)
    again = ranking.rank(sparse.csr_matrix(scores[chosen]), sparse.csr_matrix(actual[chosen]))
    for name in ("indptr", "columns", "values", "hits", "actual"):
        assert_array_equal(getattr(part, name), getattr(again, name))


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.6, 1.0])
def test_above_counts_scores_greater_than_the_threshold(ranked, threshold):
    assert_array_equal(ranked.above(threshold), (example()[0] > threshold).sum(axis=1))


def test_hits_among_the_first_species(ranked):
    scores, actual = example()
    sizes = np.random.default_rng(1).integers(0, 20, (2, len(scores)))
    expected = [[actual[i, columns[: size[i]]].sum() for i, columns in enumerate(by_hand(scores))] for size in sizes]
    assert_array_equal(ranked.hits_among(sizes), expected)
    assert_array_equal(ranked.hits_among(sizes[0]), expected[0])


def test_a_block_is_padded_with_zeros(ranked):
    scores, _ = example()
    block = ranked.block(2, 6, 8)
    assert block.dtype == np.float64
    assert_allclose(block, -np.sort(-scores[2:6], axis=1)[:, :8])


def test_take_keeps_the_first_species_best_first(ranked):
    scores, _ = example()
    sizes = np.arange(len(scores)) % 6
    taken = ranked.take(sizes, scores.shape)
    assert taken.shape == scores.shape
    assert taken.dtype == bool
    for i, columns in enumerate(by_hand(scores)):
        assert list(taken.indices[taken.indptr[i] : taken.indptr[i + 1]]) == columns[: sizes[i]]


def test_scores_of_either_precision_and_in_any_order_are_ranked_alike():
    scores = example()[0]
    scores[0, :3] = [np.nan, -0.0, -1]  # none of them is a positive score
    single, double = (ranking.rank(sparse.csr_matrix(scores.astype(kind))) for kind in (np.float32, np.float64))
    for name in ("indptr", "columns", "values"):
        assert_array_equal(getattr(single, name), getattr(double, name))
    matrix = sparse.csr_matrix(scores.astype(np.float32))
    backwards = [np.arange(*pair)[::-1] for pair in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)]
    order = np.concatenate(backwards)
    shuffled = sparse.csr_matrix((matrix.data[order], matrix.indices[order], matrix.indptr), matrix.shape)
    assert_array_equal(ranking.rank(shuffled).columns, single.columns)


@pytest.mark.parametrize("listed", [1, 4, 30])
def test_the_best_hold_the_set_whether_or_not_it_is_a_prefix(ranked, listed):
    scores, _ = example()
    sizes = np.minimum(np.arange(len(scores)) % 6, ranked.lengths)
    prefix = ranked.take(sizes, scores.shape)
    corrected = prefix.tolil()
    corrected[3, 7] = corrected[5, 14] = True  # row 3 has no score at all
    for sets in (prefix, corrected.tocsr()):
        row, column, score, member = ranking.best(ranked, sets, listed)
        for i, columns in enumerate(by_hand(scores)):
            inside = set(sets[i].indices)
            wanted = [c for place, c in enumerate(columns) if place < listed or c in inside]
            wanted += sorted(inside - set(columns))
            assert column[row == i].tolist() == wanted
            assert_array_equal(score[row == i], scores[i, wanted])
            assert member[row == i].tolist() == [c in inside for c in wanted]


def test_the_head_of_a_ranking_has_the_best_of_each_survey(ranked):
    sizes = np.arange(len(ranked.lengths)) % 4
    head = ranked.head(sizes)
    assert_array_equal(head.lengths, np.minimum(sizes, ranked.lengths))
    for start, stop, first in zip(head.indptr, head.indptr[1:], ranked.indptr, strict=False):
        for name in ("columns", "values", "hits"):
            assert_array_equal(getattr(head, name)[start:stop], getattr(ranked, name)[first : first + stop - start])
    assert_array_equal(head.actual, ranked.actual)
