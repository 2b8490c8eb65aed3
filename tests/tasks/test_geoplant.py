"""The virtual world in GeoPlant's layout: three tests, each predicted and each scored where it has labels."""

import json
from pathlib import Path

import pandas as pd
import pytest

from glc import storage
from glc.tasks import Submission, Surveys, Tabular
from tests.tasks.pipeline import run

TESTS = {"iid": 40, "ood": 30, "glc25": 30}


@pytest.fixture(scope="module")
def task(empty_root):
    task = Submission(root=empty_root, dataset="virtual:geoplant-tiny", experiment="votes+validation.run=2")
    run(task)
    return task


def product(task, kind, end):
    return Path(task.root) / kind / task.subject / f"{task.settings.name}{end}"


def truth_of(task, test):
    """Labels of a test as the files have them: (surveyId, speciesId)."""
    folder = task.clone(Surveys).source / "PresenceAbsenceSurveys"
    return pd.read_csv(folder / {"iid": "PA_metadata_test_iid.csv", "ood": "test_labels.csv"}[test])


def test_votes_are_scored_on_the_tests_with_labels(task):
    measured = json.loads(product(task, "metrics", ".json").read_text())
    assert [name for name in measured if name.startswith("test")] == ["test_iid", "test_ood"]
    for test in ("iid", "ood"):
        submitted = pd.read_csv(product(task, "submissions", f"-{test}.csv")).set_index("surveyId")["predictions"]
        actual = truth_of(task, test).groupby("surveyId")["speciesId"].agg(lambda ids: set(map(int, ids)))
        assert set(actual.index) == set(submitted.index)
        f1 = []
        for survey, species in actual.items():
            predicted = set(map(int, submitted[survey].split()))
            f1.append(2 * len(predicted & species) / (len(predicted) + len(species)))
        assert measured[f"test_{test}"]["sample_f1"] == pytest.approx(sum(f1) / len(f1))
        assert measured[f"test_{test}"]["surveys"] == TESTS[test]


def test_each_test_has_its_file_though_ids_clash(task):
    submitted = {test: pd.read_csv(product(task, "submissions", f"-{test}.csv")) for test in TESTS}
    assert {test: len(frame) for test, frame in submitted.items()} == TESTS
    assert not product(task, "submissions", ".csv").exists()
    same = set(submitted["iid"]["surveyId"]) & set(submitted["ood"]["surveyId"])
    assert len(same) == 5
    lists = [submitted[test].set_index("surveyId").loc[sorted(same), "predictions"] for test in ("iid", "ood")]
    assert (lists[0] != lists[1]).any()  # they are other places


def test_the_report_tells_the_tests_apart(task):
    page = (product(task, "reports", "") / "index.html").read_text()
    assert "Test iid F1" in page
    assert "Difference, test ood" not in page  # votes is compared with nothing
    assert '<th class="n">Test ood</th>' in page
    assert "30 test glc25 surveys, coloured by predicted richness" in page


def test_labels_of_the_tests_are_in_no_table(task):
    table = storage.read_table(task.clone(Surveys).folder / "surveys", "surveys").to_pandas()
    lengths = table.groupby("dataset")["species"].agg(lambda lists: lists.str.len().sum())
    assert lengths[["pa_test_iid", "pa_test_ood", "pa_test_glc25"]].tolist() == [0, 0, 0]
    assert lengths["pa_train"] > 0


def test_alphaearth_is_read_from_parquet(task):
    table = Tabular(root=task.root, dataset=task.dataset, covariates=("alphaearth", "bioclim"))
    run(table)
    frame = pd.read_parquet(table.folder / "tabular")
    assert frame.groupby("dataset").size().to_dict() == {
        "pa_train": 360, **{f"pa_test_{name}": count for name, count in TESTS.items()}
    }  # fmt: skip
    folder = task.clone(Surveys).source / "SatelliteData" / "AlphaEarth"
    for name in ("train", "test-ood"):
        known = pd.read_parquet(folder / f"PA-{name}-alphaearth.parquet").set_index("surveyId")
        mine = frame[frame["dataset"] == f"pa_{name.replace('-', '_')}"].set_index("surveyId")
        middle = known[(known["A00"] - known["A00"].mean()).abs() < known["A00"].std()].index
        assert mine.loc[middle, "alphaearth_a00"].to_numpy() == pytest.approx(known.loc[middle, "A00"].to_numpy())
        assert mine["alphaearth_a63"].isna().sum() == len(mine) - len(known)
