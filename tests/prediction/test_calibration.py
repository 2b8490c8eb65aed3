"""The calibration from counts, compared with one from every pair of survey and species."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.isotonic import IsotonicRegression

from glc.prediction import calibration, ranking


@pytest.fixture(scope="module")
def ranked():
    """Scores over five orders of magnitude of 500 uneven surveys, with presences by a known chance."""
    rng = np.random.default_rng(0)
    scores = np.minimum(10 ** rng.uniform(-5, 0, (500, 300)), 0.999).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = 0
    chance = np.minimum(scores**1.3 * rng.gamma(4, 0.25, (500, 1)), 1)
    return ranking.rank(sparse.csr_matrix(scores), sparse.csr_matrix(rng.random(scores.shape) < chance))


def statistics(ranked):
    return calibration.statistics(ranked.values, ranked.hits, ranked.indptr, ranked.actual)


def test_the_curve_is_the_isotonic_regression_of_all_pairs(ranked):
    x, y = calibration.curve(statistics(ranked), 2_000)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) >= 0).all()
    every = IsotonicRegression(y_min=0, y_max=1).fit(ranked.values, ranked.hits)
    at = np.geomspace(1e-4, 0.9, 200)
    assert_allclose(np.interp(at, x, y), every.predict(at), rtol=0.15, atol=0.01)
    assert_allclose(np.interp(at, x, y).mean(), every.predict(at).mean(), rtol=2e-3)
    assert_allclose(np.interp(ranked.values, x, y).sum(), ranked.hits.sum(), rtol=1e-3)


def test_the_spread_is_that_of_the_sums_of_every_survey(ranked):
    found = statistics(ranked)
    curve = calibration.curve(found, 2_000)
    p = np.interp(ranked.values.astype(float), *curve)
    mean = np.add.reduceat(p, ranked.indptr[:-1])
    excess = np.mean((ranked.actual - mean) ** 2) - np.sum(p * (1 - p)) / len(mean)
    wanted = np.sqrt(excess / np.mean(mean**2))
    assert wanted > 0.3
    assert calibration.spread(found, curve) == pytest.approx(wanted, rel=5e-3)


def test_every_pair_is_counted_once_whatever_its_score():
    scores = np.array([3.0e38, 5.0, 1.0, 1.0, 1e-3, 1e-12, 1e-44], np.float32)
    hits = np.array([1, 0, 1, 0, 0, 1, 0], bool)
    found = calibration.statistics(scores, hits, np.array([0, 3, 7]), np.array([2, 1]))
    at, pairs, present = calibration.bins(found)
    assert pairs.tolist() == [1, 1, 1, 2, 1, 1]
    assert present.tolist() == [0, 1, 0, 1, 0, 1]
    assert_allclose(at[1:], [1e-12, 1e-3, 1, 5, 3.0e38], rtol=4e-3)
    assert found["bins_by_bins"].sum() == 3**2 + 4**2
    assert found["bins_by_species"].sum() == 3 * 2 + 4 * 1


def test_surveys_without_scores_have_no_spread():
    found = calibration.statistics(np.zeros(0), np.zeros(0, bool), np.array([0, 0]), np.array([0]))
    assert calibration.spread(found, (np.array([0.0]), np.array([0.0]))) == 0
