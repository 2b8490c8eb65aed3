"""Finished experiments are read from ROOT alone."""

import math

import numpy as np
import pytest

from glc import results, storage
from glc.errors import DataError
from tests import finished

LONG = "votes+model.prior=" + "1" * 130


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    data = finished.data_of()
    finished.add(root, "few", data, k=2)
    finished.add(root, "many", data, k=6)
    finished.add(root, LONG, data, k=3)
    return root


def test_finished_experiments_are_listed_best_first(root):
    known = results.finished(root)
    assert {result.name for result in known} == {"few", "many", LONG}
    scores = [result.score for result in known]
    assert scores == sorted(scores, reverse=True)
    assert results.finished(root, "another") == []


def test_a_result_knows_the_outputs_that_it_was_made_from(root):
    (result,) = [result for result in results.finished(root) if result.name == "few"]
    assert result.folder.name == "Evaluate-few"
    assert {step.task for step in result.steps} == {"Evaluate", "Predictions", "ClassicalScores", "Folds", "Surveys"}
    assert result.folds.identity == "0"
    assert result.step("Neighbours") is None
    data = finished.data_of()
    read = result.data()
    assert np.array_equal(read.species, data.species)
    assert np.array_equal(read.places["fold"], data.places["fold"])
    ids, sets = result.predictions("valid", data.species)
    assert set(np.asarray(sets.sum(axis=1)).ravel()) == {2}
    assert len(ids) == len(data.valid(0)) + len(data.valid(1))


def test_costs_are_apart_from_those_of_the_dataset(root):
    result = results.finished(root)[0]
    own, shared = result.costs(preparation=False), result.costs(preparation=True)
    assert (own.seconds, own.cpu_seconds, own.peak_memory_mb, own.removed) == (180, 270, 512, ())  # three steps
    assert (shared.seconds, shared.cpu_seconds) == (120, 180)


def test_what_was_made_before_processor_time_was_measured_has_none():
    total = results.costs([{"seconds": 1.0, "peak_memory_mb": 5}, {"seconds": 2.0, "cpu_seconds": 3.0,
                                                                   "peak_memory_mb": 4}])  # fmt: skip
    assert (total.seconds, total.peak_memory_mb) == (3, 5)
    assert math.isnan(total.cpu_seconds)


def test_an_evaluation_that_was_removed_or_edited_is_named(tmp_path):
    data = finished.data_of()
    folder = finished.add(tmp_path, "votes", data)
    path = tmp_path / "metrics" / finished.DATASET / "votes.json"
    path.write_text(path.read_text().replace("0.", "1.", 1))
    with pytest.raises(DataError, match=r"votes.json: was edited.*glc run 'votes'"):
        _ = results.finished(tmp_path)[0].folder
    storage.remove(folder)
    with pytest.raises(DataError, match="has been removed"):
        _ = results.finished(tmp_path)[0].folder
