"""The survey tables of presence-only records alone, which Spark reads from their CSV."""

import luigi
import pytest

from glc import storage
from glc.surveys import read
from glc.tasks import Folds, Submission, Surveys
from tests.tasks import records
from tests.tasks.pipeline import run


@pytest.fixture(scope="module", autouse=True)
def _edition():
    luigi.task_register.Register.clear_instance_cache()
    with records.edition():
        yield
    luigi.task_register.Register.clear_instance_cache()


def test_the_surveys_say_that_they_are_alone(empty_root, tmp_path):
    dataset = records.write(tmp_path / "records", count=300).as_posix()
    task = Submission(root=empty_root, dataset=dataset, experiment="votes+validation.size_m=100_000")
    run(task.clone(Folds))
    folder = task.clone(Surveys).folder
    assert storage.manifest(folder)["presence_only"] is True
    assert read(folder, task.clone(Folds).folder).relative
    # the tables that other tests write without Spark are these
    other = tmp_path / "other"
    alike = records.survey_tables(other, dataset, task.clone(Submission, root=other.as_posix()))
    known = [storage.read_table(path / "surveys", "surveys").to_pandas() for path in (folder, alike.folder)]
    assert known[0].drop(columns="species").equals(known[1].drop(columns="species"))
    assert [[*row] for row in known[0]["species"]] == [[*row] for row in known[1]["species"]]
