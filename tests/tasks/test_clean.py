"""What Clean removes, on outputs that stand in for a finished run."""

from pathlib import Path

import pytest

from glc import storage
from glc.errors import ConfigError
from glc.tasks import Clean, Submission, preflight
from glc.tasks.clean import _all_below, _collect
from tests.tasks.pipeline import TINY

EXPERIMENT = "frequency+validation.run=2+compare_with=[]"


@pytest.fixture
def finished(tmp_path):
    """Every task of an experiment, by family, with a folder and its published files."""
    top = Submission(root=str(tmp_path), dataset=TINY, experiment=EXPERIMENT)
    needs = {}
    _collect(top, needs)
    for task in needs:
        with storage.atomic_directory(task.folder, task=task.task_family, identity=task.identity, parameters={}) as out:
            for target in task.published():
                (out / target.source.name).write_text("x")
        for target in task.published():
            target.publish()
    return {task.task_family: task for task in needs}


def clean(root, **options):
    task = Clean(root=str(root), dataset=TINY, experiment=EXPERIMENT, **options)
    task.run()
    return task


def left(finished):
    return {family for family, task in finished.items() if task.folder.exists()}


def test_only_the_submission_goes_by_default(finished, tmp_path):
    task = clean(tmp_path)
    assert set(finished) - left(finished) == {"Submission"}
    paths = [finished["Submission"].folder, *(target.path for target in finished["Submission"].published())]
    assert sorted(task.removed) == sorted(paths)
    assert task.results() == [f"removed {path}" for path in task.removed]


def test_what_was_made_from_a_task_goes_when_asked(finished, tmp_path):
    clean(tmp_path, task="Predictions")
    assert set(finished) - left(finished) == {"Predictions"}
    clean(tmp_path, task="Predictions", downstream=True)
    assert set(finished) - left(finished) == {"Predictions", "Evaluate", "Applicability", "Report", "Submission"}
    for family in ("Evaluate", "Report", "Submission"):
        assert not any(target.path.exists() for target in finished[family].published())


def test_a_second_time_there_is_nothing_to_remove(finished, tmp_path):
    clean(tmp_path)
    again = clean(tmp_path)
    assert again.removed == []
    assert "nothing to remove: Submission of frequency" in again.results()[0]


def test_a_task_that_the_experiment_does_not_have_is_refused(finished, tmp_path):
    with pytest.raises(ConfigError, match=r"--task Predictons: no such task.*did you mean 'Predictions'"):
        clean(tmp_path, task="Predictons")
    assert left(finished) == set(finished)


def test_everything_below_a_task_is_what_it_is_made_from(finished):
    needs = {}
    _collect(finished["Submission"], needs)
    below = {task.task_family for task in _all_below(finished["Predictions"], needs)}
    assert below == {"ClassicalScores", "Folds", "Surveys", "VirtualPart"}
    assert {task.task_family for task in _all_below(finished["Submission"], needs)} == set(finished) - {"Submission"}


def test_nothing_outside_the_folder_of_outputs_is_named(finished, tmp_path):
    for task in finished.values():
        for path in (task.folder, *(target.path for target in task.published())):
            assert Path(path).is_relative_to(tmp_path)


def test_what_a_run_that_was_broken_off_has_left_goes_too(finished, tmp_path):
    parts = finished["ClassicalScores"].parts_folder()
    parts.mkdir()
    task = clean(tmp_path, task="ClassicalScores")
    assert not parts.exists()
    assert parts in task.removed


def test_an_interrupted_removal_leaves_nothing_that_looks_like_an_output(finished, tmp_path, monkeypatch):
    folder = finished["ClassicalScores"].folder

    def killed(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(storage.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        clean(tmp_path, task="ClassicalScores")
    assert folder.is_dir()
    assert not storage.exists(folder)


def test_a_root_that_cannot_be_written_is_refused_before_anything_is_removed(finished, tmp_path, monkeypatch):
    def read_only(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(preflight.tempfile, "TemporaryFile", read_only)
    with pytest.raises(ConfigError, match=rf"--root {tmp_path} .*cannot be written \(Read-only file system\)"):
        clean(tmp_path)
    assert left(finished) == set(finished)
