"""Intervals of pooled scores: exact scores, known spreads, and differences that are paired."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from glc.evaluation import evaluate
from glc.location.downstream import intervals, problems, validation
from glc.location.downstream.heads import Prediction
from tests.location import places

COUNTRY, VALUE, *_, CLASS = problems.LOCATION_TARGETS


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("location")
    places.write_location(folder)
    return problems.location(folder, 2)


def predictions(problem, seed):
    """A value with noise, and shares of classes that are mostly right, of all places."""
    rng = np.random.default_rng(seed)
    n = len(problem.places)
    value = problem.places[VALUE.name].to_numpy(np.float64) + rng.normal(0, 500, n)
    classes = np.array(sorted({label for label in problem.places[CLASS.name] if label}), object)
    shares = rng.random((n, len(classes))).astype(np.float32)
    for i, label in enumerate(problem.places[CLASS.name]):
        shares[i, classes == label] += rng.random() < 0.6
    return {VALUE: Prediction(value), CLASS: Prediction(shares, classes)}


def table(problem, column, rows):
    """Sums of all rows: label -> seeds."""
    return pd.concat(
        [
            intervals.sums(problem, target, prediction, column, seed).assign(row=label)
            for label, seeds in rows.items()
            for seed in seeds
            for target, prediction in predictions(problem, seed).items()
        ],
        ignore_index=True,
    )


@pytest.mark.parametrize("column", ["fold_block10", "fold_random", "fold_knndm"])
def test_sums_over_blocks_give_the_scores_of_validation(problem, column):
    scores, _ = intervals.intervals(table(problem, column, {"a": [1], "b": [2, 3]}), [])
    score = scores.set_index(["row", "target", "measure"])["score"]
    for row, seeds in {"a": [1], "b": [2, 3]}.items():
        for target in (VALUE, CLASS):
            expected = pd.concat(
                [
                    validation.pooled_scores(problem, target, predictions(problem, seed)[target], column)
                    for seed in seeds
                ]
            )
            for measure, mean in expected.groupby("measure")["score"].mean().items():
                assert score[row, target.name, measure] == pytest.approx(mean, abs=1e-12)


def test_the_interval_of_accuracy_is_that_of_the_bootstrap_of_evaluation(problem):
    scores, _ = intervals.intervals(table(problem, "fold_knndm", {"a": [1]}), [])
    row = scores.set_index(["target", "measure"]).loc[(CLASS.name, "accuracy")]
    truth = problem.places[CLASS.name].to_numpy()
    known = np.array([label is not None for label in truth])
    hit = (predictions(problem, 1)[CLASS].best == truth)[known].astype(float)
    low, high = evaluate.bootstrap(hit, problem.blocks[known])
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-12)


def test_r2_of_each_draw_is_that_of_the_drawn_places(problem):
    sums = intervals.sums(problem, VALUE, predictions(problem, 1)[VALUE], "fold_knndm").assign(row="a")
    scores, _ = intervals.intervals(sums, [], resamples=300)
    blocks, index = np.unique(problem.blocks, return_inverse=True)
    truth, predicted = problem.places[VALUE.name].to_numpy(np.float64), predictions(problem, 1)[VALUE].values
    r2 = []
    for draw in np.random.default_rng(0).integers(len(blocks), size=(300, len(blocks))):
        rows = np.concatenate([np.flatnonzero(index == block) for block in draw])
        r2.append(validation.measures(VALUE, truth[rows], Prediction(predicted[rows]))["R²"])
    assert (scores["low"][0], scores["high"][0]) == pytest.approx(np.quantile(r2, [0.025, 0.975]), abs=1e-9)


def test_differences_are_paired_and_leave_out_who_was_not_asked(problem):
    sums = table(problem, "fold_knndm", {"a": [1], "b": [2], "same": [1]})
    only = sums[(sums["row"] != "b") | (sums["target"] == VALUE.name)]
    scores, differences = intervals.intervals(only, ["b", "a"])
    gain = differences.set_index(["row", "compared with", "target", "measure"])
    own = gain.loc[("same", "a", CLASS.name, "accuracy")]
    assert (own[["difference", "low", "high"]] == 0).all()
    assert not ((differences["compared with"] == "b") & (differences["target"] == CLASS.name)).any()
    score = scores.set_index(["row", "target", "measure"])["score"]
    both = gain.loc[("a", "b", VALUE.name, "R²")]
    assert both["difference"] == pytest.approx(score["a", VALUE.name, "R²"] - score["b", VALUE.name, "R²"])
    assert both["low"] < both["difference"] < both["high"]
    back = gain.loc[("b", "a", VALUE.name, "R²")]
    assert (back["low"], back["high"]) == pytest.approx((-both["high"], -both["low"]))


def test_a_single_block_has_no_interval(problem):
    at = problem.places.assign(lon=5.0, lat=5.0)
    one = replace(problem, places=at)
    scores, _ = intervals.intervals(table(one, "fold_block10", {"a": [1]}), [])
    assert scores[["low", "high"]].isna().all(axis=None)
    assert scores["score"].notna().all()


def test_cross_validation_keeps_the_sums_of_all_seeds_and_folds(problem):
    from glc.location.downstream.sources import Source

    result = validation.cross_validate(problem, Source("nearest"), {})
    scores, _ = intervals.intervals(result.sums.assign(row="a"), [])
    pooled = result.scores[result.scores["fold"] == validation.POOLED]
    both = pooled.merge(scores, on=["target", "measure", "folds"], suffixes=("", "_again"))
    assert len(both) == len(pooled) == len(scores)
    np.testing.assert_allclose(both["score"], both["score_again"], atol=1e-12)
