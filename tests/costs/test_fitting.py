"""The fit of curves finds what made the measurements, and says what lies beyond them."""

import itertools

import pytest

from glc.costs import curves, fit, fitting, runs
from glc.costs.curves import Costs, Curve, Measurement
from glc.errors import ConfigError, DataError


def measured(seconds, sizes=(1e3, 1e4, 1e5, 1e6), kind="Surveys"):
    """Measurements of datasets a, b, c … of these sizes, with `seconds` as a function of them."""
    names = itertools.chain("abcdefg")
    return [Measurement(next(names), kind, (size,), seconds(size), 700 + size / 1e3, 50 * size) for size in sizes]


def test_a_start_and_a_rate_are_found():
    curve = fitting.fit(measured(lambda size: 5 + 2e-4 * size), "seconds")
    assert curve.power == 1
    assert curve.start == pytest.approx(5, rel=1e-6)
    assert curve.at([1e7]) == pytest.approx(2_005, rel=1e-6)


def test_a_power_is_found_where_it_is_clear():
    curve = fitting.fit(measured(lambda size: 1 + 1e-3 * size**0.8), "seconds")
    assert curve.power == pytest.approx(0.8)
    assert curve.at([1e7]) == pytest.approx(1 + 1e-3 * 1e7**0.8, rel=0.02)


def test_noise_does_not_bend_a_curve():
    noise = iter((1.1, 0.9, 1.1, 0.95))
    assert fitting.fit(measured(lambda size: next(noise) * (5 + 2e-4 * size)), "seconds").power == 1


def test_one_dataset_is_scaled():
    curve = fitting.fit(measured(lambda size: 60, sizes=[1e5]), "seconds")
    assert curve.at([1e5]) == pytest.approx(60)
    assert curve.at([2e5]) == pytest.approx(119.5)


def test_nothing_in_a_curve_is_negative():
    curve = fitting.fit(measured(lambda size: 100 - size / 1e5), "seconds")
    assert curve.start >= 0
    assert all(rate >= 0 for rate in curve.rates)


def test_a_run_is_judged_by_curves_of_other_datasets():
    own = Measurement("z", "Surveys", (1e5,), 100.0, 900.0, 1.0)
    of_others = measured(lambda size: 2e-4 * size)
    judgement = runs.judge(runs.Run("z", "votes", (own,)), [*of_others, own])
    assert judgement.measured_s == 100
    assert judgement.estimated_s == pytest.approx(20, rel=0.05)
    assert judgement.left_out == ()


def test_one_other_dataset_is_not_enough_to_judge_by():
    own = Measurement("z", "Surveys", (1e5,), 100.0, 900.0, 1.0)
    assert runs.judge(runs.Run("z", "votes", (own,)), [*measured(lambda size: 1, sizes=[1e3]), own]) is None


def test_measurements_of_folds_are_one():
    pair = [Measurement("a", "Fit net", (1.0,), seconds, mb, 8.0) for seconds, mb in ((10.0, 5.0), (20.0, 7.0))]
    assert runs.mean(pair) == [Measurement("a", "Fit net", (1.0,), 15.0, 7.0, 8)]


def test_a_file_of_curves_is_read_as_it_was_written(tmp_path):
    points = measured(lambda size: 5 + 2e-4 * size)
    costs = Costs({"cores": 2}, 0.05, "wall", "abc", "2026-01-01", fitting.fit_all(points), tuple(points))
    curves.write(costs, tmp_path / "curves.json")
    assert curves.read(tmp_path / "curves.json") == costs


def test_a_damaged_file_says_how_to_make_it(tmp_path):
    (tmp_path / "curves.json").write_text("{}")
    with pytest.raises(DataError, match=r"python -m glc\.costs\.fit"):
        curves.read(tmp_path / "curves.json")


def test_the_curves_of_the_package_can_be_read_and_rise():
    costs = curves.read()
    assert {"Surveys", "ClassicalScores votes", "Fit geolocation"} <= set(costs.curves)
    for by_name in costs.curves.values():
        assert set(by_name) == set(curves.QUANTITIES)
        assert all(curve.start >= 0 and min(curve.rates) >= 0 for curve in by_name.values())
    assert Curve(1.0, (2.0, 0.5), 1.0).at([3.0, 4.0]) == 9.0


def test_tasks_that_were_not_measured_again_are_kept_at_the_speed_of_this_machine():
    earlier = (*measured(lambda _: 10), *measured(lambda _: 20, kind="Fit"))
    known = Costs({}, 0.004, "wall", "", "2026-01-01", {}, earlier)
    again = measured(lambda _: 3)
    kept = fit.others(known, again, calibration=0.003, clock="wall")
    assert {(each.kind, each.seconds) for each in kept} == {("Fit", 15)}
    assert [each.terms for each in kept] == [each.terms for each in earlier[4:]]
    with pytest.raises(ConfigError, match="clock 'wall', expected 'processor'"):
        fit.others(known, again, calibration=0.003, clock="processor")
