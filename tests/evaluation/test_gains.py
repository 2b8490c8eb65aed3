"""Gains beside the spread of seeds."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glc.evaluation.gains import effect, moments, verdict


def f1(*values, first=0):
    """F1 by survey of one seed's validation."""
    return {"valid": pd.Series(values, index=np.arange(first, first + len(values)), dtype=float)}


def test_the_verdict_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    said = set()
    for _ in range(200):
        differences = rng.normal(rng.choice([-0.02, 0, 0.02]), 0.01, 3).tolist()
        found = verdict(differences)
        test = stats.ttest_1samp(differences, 0)
        wanted = ("helps" if test.statistic > 0 else "harms") if test.pvalue < 0.05 else "within noise"
        assert found == wanted
        said.add(found)
    assert said == {"helps", "harms", "within noise"}
    assert verdict([0.0, 0.0, 0.0]) == "no difference"
    assert verdict([0.1]) == "one seed"


def test_gains_are_of_pairs_and_on_common_surveys():
    own = [f1(0.5, 0.7), f1(0.6, 0.8), f1(0.4, 0.6)]
    other = [f1(0.1, 0.2, 0.6), f1(0.1, 0.3, 0.7), f1(0.1, 0.1, 0.5)]  # the last two are surveys 1 and 2
    other = [{"valid": one["valid"].set_axis([9, 0, 1])} for one in other]
    found = effect(own, other, "valid")
    assert found["F1"] == pytest.approx(0.6)
    assert found["spread"] == pytest.approx(0.1)
    differences = [0.6 - 0.4, 0.7 - 0.5, 0.5 - 0.3]
    assert found["gain"] == pytest.approx(0.2)
    assert found["gain spread"] == pytest.approx(np.std(differences, ddof=1), abs=1e-12)
    assert found["verdict"] == "helps"


def test_without_another_or_a_split_there_is_no_gain():
    alone = effect([f1(0.5), f1(0.7)], None, "valid")
    assert alone["F1"] == pytest.approx(0.6)
    assert math.isnan(alone["gain"])
    assert alone["verdict"] == ""
    unknown = effect([f1(0.5)], [f1(0.5)], "test")
    assert math.isnan(unknown["F1"])
    assert math.isnan(unknown["gain"])
    apart = effect([f1(0.5)], [f1(0.5, first=7)], "valid")
    assert math.isnan(apart["gain"])
    assert apart["verdict"] == ""


def test_moments_of_one_value_have_no_spread():
    assert moments([2.0, 4.0, 9.0]) == (5.0, pytest.approx(np.std([2, 4, 9], ddof=1)))
    assert moments([2.0])[0] == 2
    assert math.isnan(moments([2.0])[1])


def test_a_gain_that_no_digit_shows_is_none():
    assert verdict([1e-5, 1e-5, 1.1e-5]) == "no difference"
    assert verdict([1e-3, 1e-3, 1.1e-3]) == "helps"
