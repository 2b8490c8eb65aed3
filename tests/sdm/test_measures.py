import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from glc.sdm import measures


def data(n=200, species=5, ties=True, seed=0):
    rng = np.random.default_rng(seed)
    actual = rng.random((n, species)) < np.linspace(0.05, 0.7, species)
    scores = actual + rng.normal(0, 1, (n, species))
    return (np.round(scores, 1) if ties else scores), actual


def prg_by_hand(scores, actual):
    """The area threshold by threshold, after the definitions of Flach and Kull 2015 and the R package's crossing."""
    pos, n = actual.sum(), len(actual)
    neg = n - pos
    points = [(0, 0)]
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        points.append(((chosen & actual).sum(), (chosen & ~actual).sum()))

    def gains(tp, fp):
        return 1 - pos / neg * (pos - tp) / tp, 1 - pos / neg * fp / tp

    curve = []
    for (tp0, fp0), (tp, fp) in itertools.pairwise(points):
        before = -np.inf if tp0 == 0 else gains(tp0, fp0)[0]
        if tp == 0 or gains(tp, fp)[0] < 0:
            continue
        if not curve and before < 0 < gains(tp, fp)[0]:
            alpha = (pos * pos / n - tp0) / (tp - tp0)
            curve.append((0.0, gains(tp0 + alpha * (tp - tp0), fp0 + alpha * (fp - fp0))[1]))
        curve.append(gains(tp, fp))
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(curve))


@pytest.mark.parametrize("ties", [True, False])
def test_auc_is_that_of_scikit_learn(ties):
    scores, actual = data(ties=ties)
    wanted = [roc_auc_score(a, s) for a, s in zip(actual.T, scores.T, strict=True)]
    assert_allclose(measures.auc(scores, actual), wanted)


def test_correlation_is_pearsons():
    scores, actual = data()
    wanted = [np.corrcoef(a, s)[0, 1] for a, s in zip(actual.T, scores.T, strict=True)]
    assert_allclose(measures.correlation(scores, actual), wanted)


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_prg_auc_is_the_area_of_the_curve_by_hand(ties, sign):
    scores, actual = data(ties=ties)
    wanted = [prg_by_hand(sign * s, a) for a, s in zip(actual.T, scores.T, strict=True)]
    assert_allclose(measures.prg_auc(sign * scores, actual), wanted)


def test_prg_auc_of_known_cases():
    actual = np.array([1, 1, 0, 0], bool)[:, None]
    assert_allclose(measures.prg_auc(np.array([4.0, 3, 2, 1])[:, None], actual), 1)
    # one score for all: one point, recall gain 1 and precision gain 0, from (0, 0)
    assert_allclose(measures.prg_auc(np.ones((4, 1)), actual), 0, atol=1e-12)
    # TP, FP of (1, 0), (1, 1), (2, 1), (2, 2); gains (0, 1), (0, 0), (1, .5), (1, 0): half of 0 + .5
    assert_allclose(measures.prg_auc(np.array([4.0, 2, 3, 1])[:, None], actual), 0.75 - 0.5)


def test_a_species_that_is_everywhere_or_nowhere_has_no_figure():
    scores = np.random.default_rng(0).random((10, 2))
    actual = np.zeros((10, 2), bool)
    actual[:, 1] = True
    for measure in (measures.auc, measures.correlation, measures.prg_auc):
        assert np.isnan(measure(scores, actual)).all()


def test_the_interval_covers_the_mean_and_is_as_wide_as_the_standard_error_says():
    gap = np.random.default_rng(0).normal(0.1, 1, 400)
    mean, low, high = measures.paired_interval(gap)
    assert_allclose(mean, gap.mean())
    assert_allclose([mean - low, high - mean], 1.96 * gap.std() / 20, rtol=0.05)
    assert measures.paired_interval(np.append(gap, np.nan)) == (mean, low, high)


def test_placements_are_shares_of_other_sites_outscored_and_their_mean_is_the_auc():
    scores, present = np.array([1.0, 2, 2, 3, 4, 5]), np.array([False, False, True, False, True, False])
    # 2 outscores one of (1, 2, 3, 5) and ties with one; 4 outscores three
    assert_allclose(measures.placements(scores, present), [1.5 / 4, 3 / 4])
    scores, actual = data()
    means = [measures.placements(s, a).mean() for s, a in zip(scores.T, actual.T, strict=True)]
    assert_allclose(means, measures.auc(scores, actual))


def boyce_by_brute_force(scores, present, windows=101, width=0.1):
    """Window by window, site by site, with scipy's Spearman."""
    low, high = min(scores), max(scores)
    middles, ratios = [], []
    for i in range(windows):
        start = low + (high - low) * (1 - width) * i / (windows - 1)
        end = start + (high - low) * width
        inside = [start - 1e-9 <= s <= end + 1e-9 for s in scores]
        if any(inside):
            p = sum(i and here for i, here in zip(inside, present, strict=True)) / sum(present)
            middles.append((start + end) / 2)
            ratios.append(p / (sum(inside) / len(scores)))
    return spearmanr(middles, ratios).statistic


def test_boyce_index_by_hand():
    # ten sites at 0 and ten at 1: only the first and the last windows hold any. A window from 0 to 0.1 and those that
    # begin at 0.009, 0.018, ... differ in that the first alone holds the sites at 0, so two windows are left
    scores = np.repeat([0.0, 1.0], 10)
    present = np.zeros(20, bool)
    present[[0, 10, 11, 12]] = True  # P / E is 0.25 / 0.5 at 0 and 0.75 / 0.5 at 1
    inside, expected = measures.moving_windows(scores, scores[present])
    assert_allclose(expected, [0.5, 0.5])
    assert_allclose(inside.mean(axis=0) / expected, [0.5, 1.5])
    assert measures.boyce(scores[:, None], present[:, None])[0] == 1
    assert measures.boyce(-scores[:, None], present[:, None])[0] == -1


def test_boyce_index_of_three_windows_by_hand():
    # sites at 0, 0.5 and 1 only, so that windows around 0.5 all have the same ratio
    scores = np.repeat([0.0, 0.5, 1.0], 8)
    present = np.concatenate([np.arange(8) < count for count in (1, 4, 2)])  # P / E: 3/7, 12/7 (12 windows), 6/7
    ratios = measures.moving_windows(scores, scores[present])
    f = ratios[0].mean(axis=0) / ratios[1]
    count = len(f) - 2
    assert_allclose(f, [3 / 7, *[12 / 7] * count, 6 / 7])
    n = count + 2
    ranks = np.array([1, *[3 + (count - 1) / 2] * count, 2])
    wanted = np.corrcoef(ranks, np.arange(n))[0, 1]
    assert measures.boyce(scores[:, None], present[:, None])[0] == pytest.approx(wanted)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_boyce_index_is_that_of_brute_force(seed):
    scores, actual = data(ties=False, seed=seed)
    wanted = [boyce_by_brute_force(s, a) for s, a in zip(scores.T, actual.T, strict=True)]
    assert_allclose(measures.boyce(scores, actual), wanted, atol=1e-12)


def test_constant_scores_have_an_auc_of_a_half_and_no_boyce_index():
    actual = np.arange(20)[:, None] < 5
    assert measures.auc(np.full((20, 1), 0.3), actual)[0] == 0.5
    assert np.isnan(measures.boyce(np.full((20, 1), 0.3), actual)[0])
    assert np.isnan(measures.boyce(np.arange(20.0)[:, None], np.ones((20, 1), bool))[0])  # present everywhere
