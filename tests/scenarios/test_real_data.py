"""The main job on genuine files, where they are at hand (GLC_SHARED_DATA)."""

import json
from pathlib import Path

import pandas as pd
import pytest

from glc import storage
from glc.tasks import Submission
from tests.tasks.pipeline import run


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["frequency", "knn"])
def test_the_dirty_sample_of_2023_is_accounted_for_row_by_row(shared_data, tmp_path_factory, experiment):
    root = tmp_path_factory.getbasetemp() / "real"
    task = Submission(root=str(root), dataset=str(shared_data / "glc23_sample"), experiment=experiment)
    run(task)
    facts = storage.manifest(task.requires()["surveys"].folder)
    lines = {
        path.name: len([line for line in path.read_text().splitlines() if line.strip()]) - 1
        for path in (shared_data / "glc23_sample").glob("Presence*/*.csv")
    }
    assert {Path(file["file"]).name: file["rows"] for file in facts["files"]} == lines
    for file in facts["files"]:
        assert file["rows"] == file["kept"] + file["quarantined"]
    # the sample has no test: whole blocks are held out, and their surveys are what is submitted
    folds = storage.manifest(task.requires()["folds"].folder)
    assert folds["held_out"] > 0
    submitted = pd.read_csv(root / "submissions" / "glc23_sample" / f"{experiment}.csv")
    assert len(submitted) == folds["held_out"]
    metrics = json.loads((root / "metrics" / "glc23_sample" / f"{experiment}.json").read_text())
    assert metrics["test"]["surveys"] == folds["held_out"]


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "floor"), [("frequency", 0.055), ("votes", 0.105)])
def test_the_mediterranean_flora_ends_in_a_submission_that_learned(shared_data, tmp_path_factory, experiment, floor):
    """Scores of the whole validation, well below what was measured, so that only a broken pipeline falls under them."""
    root = tmp_path_factory.getbasetemp() / "real"
    run(Submission(root=str(root), dataset=str(shared_data / "medflora"), experiment=experiment))
    metrics = json.loads((root / "metrics" / "medflora" / f"{experiment}.json").read_text())
    assert metrics["valid"]["sample_f1"] > floor
    submitted = pd.read_csv(root / "submissions" / "medflora" / f"{experiment}.csv")
    test = pd.read_csv(shared_data / "medflora" / "PresenceAbsenceSurveys" / "GLC24-PA-metadata-test.csv")
    assert set(submitted["surveyId"]) == set(test["surveyId"])
