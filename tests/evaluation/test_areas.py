"""Areas under the ROC curve from blocks of a table, compared with scikit-learn's of every species and fold."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import roc_auc_score

from glc.evaluation import metrics
from glc.evaluation.areas import Areas
from glc.prediction.blocks import Block, labelled
from glc.prediction.ranking import rank


@pytest.fixture(scope="module")
def surveys():
    """Scores with ties, most of them not kept, labels and folds of 120 surveys; a species nowhere, one everywhere."""
    rng = np.random.default_rng(0)
    scores = (rng.random((120, 12)) * 4).round() / 4 * (rng.random((120, 12)) < 0.5)
    actual = rng.random((120, 12)) < 0.2 + 0.3 * scores
    actual[:, 3], actual[:, 4] = False, True
    assert ((scores == 0) & actual).sum() > 50, "presences without a score"
    return sparse.csr_matrix(scores.astype(np.float32)), sparse.csr_matrix(actual), np.repeat([0, 2, 5], [30, 50, 40])


@pytest.mark.parametrize("by_fold", [True, False], ids=["fold after fold", "folds mixed"])
@pytest.mark.parametrize("step", [7, 1_000])
def test_areas_are_those_of_scikit_learn_in_each_fold(surveys, by_fold, step):
    scores, actual, fold = surveys
    order = np.arange(120) if by_fold else np.random.default_rng(1).permutation(120)
    scores, actual, fold = scores[order], actual[order], fold[order]
    areas = Areas(actual, fold)
    for start in range(0, 120, step):
        rows = slice(start, min(start + step, 120))
        areas.add(areas.keys(Block(rows, np.arange(120)[rows], fold[rows], labelled(rank(scores[rows]), actual, rows))))
    assert_array_equal(areas.folds, [0, 2, 5])
    for row, number in enumerate(areas.folds):
        own = fold == number
        wanted = [
            roc_auc_score(actual[own].toarray()[:, s], scores[own].toarray()[:, s]) if s not in (3, 4) else np.nan
            for s in range(12)
        ]
        assert_allclose(areas.areas[row], wanted, rtol=1e-12)
        assert_array_equal(areas.areas[row], metrics.species_auc(scores[own], actual[own]))


def test_a_fold_whose_surveys_have_not_all_come_has_no_areas(surveys):
    scores, actual, fold = surveys
    areas = Areas(actual, fold)
    rows = slice(0, 60)
    areas.add(areas.keys(Block(rows, np.arange(60), fold[rows], labelled(rank(scores[rows]), actual, rows))))
    assert np.isfinite(areas.areas[0]).any()
    assert np.isnan(areas.areas[1:]).all()
