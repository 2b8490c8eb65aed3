"""The blend of sources: what it picks, and that its figures are not those of its own choice."""

import numpy as np

from glc.location.downstream import blending, problems
from glc.location.downstream.heads import Prediction

COUNTRY, VALUE = problems.LOCATION_TARGETS[:2]


def test_the_blend_takes_sources_that_help_and_no_others():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=500)
    noise = rng.normal(size=500)
    candidates = {"up": Prediction(truth + noise), "down": Prediction(truth - noise), "bad": Prediction(5 * noise)}
    weights = blending.choose(VALUE, truth, candidates)
    assert weights == {"up": 1, "down": 1}
    np.testing.assert_allclose(blending.weighted(candidates, weights).values, truth)
    classes = np.array(["a", "b"], object)
    label = np.where(truth > 0, "a", "b").astype(object)
    label[:9] = None
    good = Prediction(np.column_stack([truth > 0, truth <= 0]).astype(np.float32), classes)
    bad = Prediction(np.full((500, 1), 1, np.float32), classes[:1])
    assert blending.choose(COUNTRY, label, {"bad": bad, "good": good}) == {"good": 1}


def test_each_fold_is_blended_by_the_choice_of_the_others():
    truth = np.arange(8.0)
    fold = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    right_in = {number: Prediction(np.where(fold == number, truth, -100.0)) for number in (0, 1)}
    found = blending.held_out(VALUE, truth, {"zero": right_in[0], "one": right_in[1]}, fold)
    # what was right on the other fold is wrong on this one
    np.testing.assert_array_equal(found.values, np.full(8, -100.0))


def test_classes_are_blended_though_a_fold_lacks_some():
    label = np.array(["a", "b", "a", None, "b", "c"], object)
    fold = np.array([0, 0, 0, 1, 1, 1])
    classes = np.array(["a", "b", "c"], object)
    shares = np.eye(3, dtype=np.float32)[[0, 1, 0, 0, 1, 2]]
    wrong = Prediction(np.roll(shares, 1, axis=1), classes)
    found = blending.held_out(COUNTRY, label, {"right": Prediction(shares, classes), "wrong": wrong}, fold)
    assert found.best.tolist() == ["a", "b", "a", "a", "b", "c"]
