"""A dataset with a few defects goes through to its submission, and nothing of it is lost in silence."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from glc.tasks import Submission
from tests.tasks.pipeline import run

HUGE = "1234567890123456789012345"


@pytest.fixture(scope="module")
def done(root, tmp_path_factory):
    """(finished submission, ids of the test file) of a copy of virtual:tiny with test surveys that cannot be used."""
    folder = tmp_path_factory.mktemp("data") / "dirty"
    folder.mkdir()
    for path in (Path(root) / "datasets" / "virtual-tiny").rglob("*.csv"):
        if "metadata" in path.name:
            shutil.copy(path, folder / path.name)
    (test,) = folder.glob("*PA*test.csv")
    with open(test, newline="") as file:
        header, *rows = csv.reader(file)
    rows[3][header.index("lon")] = ""
    rows[5][header.index("surveyId")] = HUGE
    rows[7][header.index("surveyId")] = f"00{rows[7][header.index('surveyId')]}"
    with open(test, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (occurrences,) = folder.glob("*P[0O]*train.csv")
    fields = len(occurrences.read_text().splitlines()[0].split(","))
    with open(occurrences, "ab") as file:
        file.write(b"\xceLE-DE-FRANCE" + b"," * fields + b"\n")
    task = Submission(root=root, dataset=str(folder), experiment="frequency+validation.run=2+validation.count=4")
    run(task)
    return task, [row[header.index("surveyId")] for row in rows]


@pytest.mark.slow
def test_the_submission_has_every_survey_of_the_test_file_under_its_own_id(done):
    task, ids = done
    with open(task.stable("submissions", ".csv"), newline="") as file:
        lines = {row["surveyId"]: row["predictions"] for row in csv.DictReader(file)}
    assert sorted(lines) == sorted(ids)
    assert HUGE in lines
    assert len(lines[HUGE].split()) == 25
    assert lines[HUGE] == lines[ids[3]]


def test_surveys_without_a_prediction_of_their_own_are_named_in_lines_metrics_and_report(done):
    task, ids = done
    assert f"2 test surveys cannot be used and got the most frequent species: {ids[3]}, {HUGE}" in str(task.results())
    assert json.loads(task.stable("metrics", ".json").read_text())["unscored"] == [ids[3], HUGE]
    page = (task.stable("reports") / "index.html").read_text()
    assert "2 test surveys could not be used." in page
    assert HUGE in page


def test_a_line_that_is_not_utf_8_is_shown_in_the_report(done):
    page = (done[0].stable("reports") / "index.html").read_text()
    assert "ÎLE-DE-FRANCE" in page
    assert "Read as windows-1252, because the file is not UTF-8" in page
