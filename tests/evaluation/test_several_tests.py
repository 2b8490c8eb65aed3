"""A dataset with several tests: each is measured by its own labels, though ids clash."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from glc import config, submission
from glc.classical import run
from glc.classical.frequency import Frequency
from glc.errors import DataError
from glc.evaluation import baselines, evaluate
from glc.prediction import sets
from tests.helpers import survey_data


@pytest.fixture
def data():
    """Tests iid, ood and glc25 of 4 surveys each; the ids of iid are also ood's."""
    data = survey_data(n_train=90, n_test=12)
    places = data.places.copy()
    names = np.repeat(["pa_test_glc25", "pa_test_iid", "pa_test_ood"], 4)
    places.loc[: len(names) - 1, "dataset"] = names
    places.loc[:11, "surveyId"] = [100, 101, 102, 103, 200, 201, 202, 203, 200, 201, 202, 203]
    return dataclasses.replace(data, places=places)


@pytest.fixture
def measured(data, tmp_path):
    """Metrics for a truth."""
    for name in ("scores", "predictions", "out"):
        (tmp_path / name).mkdir()
    model = Frequency(Frequency.Options())
    run.write(model, data, tmp_path / "scores", folds=[0, 1], keep=100, progress=lambda *_: None)
    sets.write(tmp_path / "scores", data, tmp_path / "predictions", config.Choice("top_k", {"k": 4}))

    def of(truth):
        return evaluate.write(tmp_path / "predictions", tmp_path / "scores", data, tmp_path / "out", truth=truth)

    return of


def truth_of(dataset, ids, species):
    return pd.DataFrame({"dataset": dataset, "surveyId": ids, "speciesId": species})


def test_every_test_has_its_surveys(data):
    assert {name: at.tolist() for name, at in data.tests.items()} == {
        "test_glc25": [0, 1, 2, 3], "test_iid": [4, 5, 6, 7], "test_ood": [8, 9, 10, 11]
    }  # fmt: skip
    assert len(data.test) == 12
    assert list(survey_data(held_out=True).tests) == ["test"]


def test_each_test_is_measured_by_its_own_labels(data, measured, tmp_path):
    predicted = sets.read(tmp_path / "predictions" / "test", data.species)[2]
    hit = data.species[predicted[0].indices[0]]
    iid = truth_of("pa_test_iid", [200, 201, 202, 203], hit)
    elsewhere = truth_of(None, [200, 201, 202, 203], 9_999)  # of the other test with these ids
    result = measured(pd.concat([iid, elsewhere], ignore_index=True))
    assert evaluate.tests(result) == ["test_iid", "test_ood"]
    assert result["test_iid"]["sample_f1"] == pytest.approx(2 * 1 / (4 + 1))
    assert result["test_ood"]["sample_f1"] == 0
    frame = pd.read_parquet(tmp_path / "out" / "surveys.parquet")
    assert frame[frame["split"] == "test_glc25"]["f1"].isna().all()
    assert (frame[frame["split"] == "test_iid"]["f1"] > 0).all()


def test_labels_that_may_be_of_two_tests_are_refused(measured):
    with pytest.raises(DataError, match="survey 200, which is in two of test_glc25, test_iid, test_ood"):
        measured(truth_of(None, [200], 5))
    with pytest.raises(DataError, match="names none of its surveys"):
        measured(truth_of("pa_test_iid", [100], 5))


def test_baselines_know_the_tests_with_labels(data, tmp_path):
    rows = baselines.write(data, tmp_path, [0], truth_of("pa_test_iid", [200, 201, 202, 203], 9_999))
    assert {(row["test_iid"], row["test_ood"], row["test_glc25"]) for row in rows} == {(0.0, None, None)}


def test_the_titles_of_splits_are_words():
    names = {"valid": {}, "test_ood": {}, "scheme": "block"}
    assert [evaluate.title(name) for name in evaluate.splits(names)] == ["validation", "test ood"]


def test_a_submission_of_a_test_expects_its_surveys_alone(data):
    wanted = submission.expected(["201", "200", "999"], data, "test_ood")
    assert wanted.surveys == ["201", "200", ""]
    assert submission.expected(["100"], data, "test_ood").surveys == [""]


def test_a_submission_expects_the_text_of_ids_that_are_text():
    data = survey_data()
    names = {survey: f"plot {survey}" for survey in data.places["surveyId"]}
    first = int(data.places["surveyId"][data.test[0]])
    wanted = submission.expected([f"plot {first}", "plot unread"], data, names=names)
    assert wanted.surveys == [str(first), ""]
    held = survey_data(held_out=True)
    ids = submission.expected([], held, names={survey: f"plot {survey}" for survey in held.places["surveyId"]}).ids
    assert all(name.startswith("plot ") for name in ids)
    assert len(ids) == len(held.test)
