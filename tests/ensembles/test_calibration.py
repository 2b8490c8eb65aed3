import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from glc.ensembles import calibration
from glc.errors import DataError


def made(n=200_000, seed=0):
    """Scores that are a power of the chance, which must come back."""
    rng = np.random.default_rng(seed)
    chance = np.exp(rng.uniform(np.log(0.005), np.log(0.8), n))
    return (chance**2).astype(np.float32), chance, rng.random(n) < chance


def test_chances_come_back_from_scores_in_their_order():
    scores, _, held = made()
    curve = calibration.fit(scores, held, np.ones(len(held)), 40)
    asked = np.geomspace(0.05, 0.7, 50)
    found = expit(curve(asked**2))
    assert_allclose(found, asked, rtol=0.1)
    assert (np.diff(found) > 0).all()


def test_weighted_pairs_count_as_often_as_they_stand_for():
    scores, _, held = made(n=20_000)
    weight = np.random.default_rng(1).integers(1, 4, len(held))
    some = calibration.fit(scores, held, weight.astype(float), 20)
    every = calibration.fit(np.repeat(scores, weight), np.repeat(held, weight), np.ones(weight.sum()), 20)
    assert_allclose(some(scores), every(scores), atol=1e-4)


def test_missing_scores_have_their_own_rate_above_or_below_the_lowest():
    scores, chance, held = made()
    hidden = np.where(chance > 0.1, scores, 0)
    curve = calibration.fit(hidden, held, np.ones(len(held)), 40)
    assert expit(curve(np.zeros(1)))[0] == pytest.approx(held[hidden == 0].mean(), rel=1e-3)
    none = calibration.fit(scores, held, np.ones(len(held)), 40)
    assert none.missing == pytest.approx(none.y[0])


def test_a_member_without_scores_is_refused():
    with pytest.raises(DataError, match="no positive score"):
        calibration.fit(np.zeros(3, np.float32), np.array([True, False, False]), np.ones(3), 10)
