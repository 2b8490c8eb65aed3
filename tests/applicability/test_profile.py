import numpy as np
import pytest

from glc.applicability import profile
from glc.errors import DataError


def world(count=4_000, seed=0, noise=0.15):
    """Surveys whose F1 falls with both variables, which are correlated as on real data."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=count)
    dissimilarity = np.exp(-2 + 0.5 * common + 0.5 * rng.normal(size=count))
    distance_m = np.exp(9 + 0.8 * common + 0.8 * rng.normal(size=count))
    score = truth(dissimilarity, distance_m) + rng.normal(size=count) * noise
    return score, dissimilarity, distance_m, rng.integers(count // 20, size=count)


def truth(dissimilarity, distance_m):
    """The F1 to expect."""
    return 0.6 - 0.5 * np.minimum(dissimilarity, 0.4) - 0.04 * np.log(distance_m / 1_000)


def test_profile_finds_how_the_score_falls():
    data = world()
    fitted = profile.fit(*data)
    assert fitted.facts["variables"] == ["dissimilarity", "distance"]
    dissimilarity, distance_m = data[1], data[2]
    expected = fitted.expected(dissimilarity, distance_m)
    inner = np.isfinite(expected) & (distance_m > np.quantile(distance_m, 0.02))
    assert inner.mean() > 0.9
    assert np.abs(expected - truth(dissimilarity, distance_m))[inner].mean() < 0.015
    assert fitted.facts["squared_error"] < 0.9 * fitted.facts["squared_error_of_constant"]


def test_profile_never_rises():
    fitted = profile.fit(*world(600, noise=0.4))
    ladder = np.linspace(0, 0.3, 200)
    assert (np.diff(fitted.expected(ladder, np.full(200, 3_000.0))) <= 1e-12).all()
    assert (np.diff(fitted.expected(np.full(200, 0.1), np.geomspace(1, 20_000, 200))) <= 1e-12).all()


def test_a_variable_that_says_nothing_stays_out():
    score, dissimilarity, distance_m, blocks = world()
    rng = np.random.default_rng(7)
    alone = profile.fit(score, rng.uniform(size=len(score)), distance_m, blocks)
    assert alone.facts["variables"] == ["distance"]
    constant = profile.fit(rng.normal(size=len(score)) + 3, dissimilarity, distance_m, blocks)
    assert constant.facts["squared_error"] == pytest.approx(constant.facts["squared_error_of_constant"], rel=2e-3)
    rising = profile.fit(dissimilarity, dissimilarity, 1 / distance_m, blocks)
    assert "dissimilarity" not in rising.drops or not rising.drops["dissimilarity"].any()


def test_nothing_is_said_beyond_what_validation_covers():
    score, dissimilarity, distance_m, blocks = world()
    fitted = profile.fit(score, dissimilarity, distance_m, blocks)
    assert np.isnan(fitted.expected(np.array([9.0, 0.1, 9.0, np.nan]), np.array([100.0, 1e7, 1e7, 1e3]))).all()
    rng = np.random.default_rng(8)
    places = np.exp(rng.uniform(-4, 1, 300)), np.exp(rng.uniform(5, 13, 300))
    as_far = [((dissimilarity >= d) & (distance_m >= m)).sum() for d, m in zip(*places, strict=True)]
    assert (fitted.covered(*places) == (np.array(as_far) >= 10)).all()
    assert 0.1 < fitted.covered(*places).mean() < 0.9


def test_nearer_than_all_of_validation_the_near_end_is_a_lower_bound():
    score, dissimilarity, distance_m, blocks = world()
    far = distance_m > 20_000  # block folds leave few surveys close to their training surveys
    fitted = profile.fit(score[far], dissimilarity[far], distance_m[far], blocks[far])
    assert fitted.facts["nearest_m"] > 20_000
    near = fitted.expected(np.array([0.1, 0.1]), np.array([0.0, 20_000.0]))
    assert near[0] == near[1]
    assert near[0] < truth(0.1, 1_000)


def test_parts_hold_every_survey_once():
    score, *others = world(900)
    score[:7] = np.nan
    fitted = profile.fit(score, *others)
    assert fitted.facts["left_out"] == 7
    assert fitted.parts["surveys"].sum() == fitted.facts["surveys"] == 893
    np.testing.assert_allclose((fitted.parts["observed"] * fitted.parts["surveys"]).sum(), np.nansum(score))


def test_crossfitted_expectations_do_not_depend_on_their_own_scores():
    score, dissimilarity, distance_m, blocks = world(800)
    groups = blocks % 4
    expected = profile.crossfitted(score, dissimilarity, distance_m, blocks, groups)
    changed = np.where(groups == 2, 0.9, score)
    again = profile.crossfitted(changed, dissimilarity, distance_m, blocks, groups)
    np.testing.assert_array_equal(again[groups == 2], expected[groups == 2])
    assert (again[groups == 1] != expected[groups == 1]).any()
    own = groups == 2
    np.testing.assert_allclose(np.nanmean(expected[own]), score[own].mean(), atol=0.05)


def test_few_surveys_give_a_profile_and_none_are_refused():
    one = profile.fit(np.array([0.3]), np.array([0.2]), np.array([500.0]), np.array([4]))
    np.testing.assert_allclose(one.expected(np.array([0.2, 0.1, 0.3]), np.array([500.0, 10, 500])), [0.3, 0.3, np.nan])
    with pytest.raises(DataError, match="found no validation survey with f1"):
        profile.fit(np.array([np.nan]), np.array([0.2]), np.array([500.0]), np.array([4]))
