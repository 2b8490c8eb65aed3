"""The whole way on the tiny virtual world, with a real local Spark and real Petastorm."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import luigi
import pytest

from glc import storage
from glc.config import paths
from glc.errors import ConfigError, DataError
from glc.tasks import Clean, Evaluate, Folds, Surveys, machine, preflight, surveys
from glc.tasks.scores import Predictions
from glc.tasks.training import Examples, Fit
from tests.tasks.pipeline import NET, TINY, adopt, build, run, submission


def test_from_the_survey_tables_to_a_submission_and_not_twice(root, drawn):
    """The tables are there: `Surveys` made them in the fixture of `root`."""
    task = submission(root)
    assert task.clone(Surveys).complete()
    families = set(run(task))
    assert {"Folds", "Examples", "Fit", "FoldScores", "Predictions", "Submission"} <= families
    assert "Surveys" not in families
    name = task.settings.name
    lines = (Path(root) / "submissions" / "virtual-tiny" / f"{name}.csv").read_text().splitlines()
    assert lines[0] == "surveyId,predictions"
    assert len(lines) == 1 + 60
    metrics = json.loads((Path(root) / "metrics" / "virtual-tiny" / f"{name}.json").read_text())
    assert 0 < metrics["valid"]["sample_f1"] < 1
    assert 0 < metrics["test"]["sample_f1"] < 1
    page = (Path(root) / "reports" / "virtual-tiny" / name / "index.html").read_text()
    assert f"{metrics['valid']['sample_f1']:.3f}" in page
    assert "end of the area of applicability" in page
    assert task.complete()
    assert run(submission(root)) == []


def test_the_truth_of_the_test_is_never_read_before_evaluation(root):
    """Other truth changes the metrics and no score, set or report input before them."""
    folder = Path(root) / "datasets" / "virtual-tiny"
    copy = Path(root) / "copied"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("truth", ".parts"))
    task = submission(root, "frequency+validation.run=2+validation.count=4", str(copy))
    adopt(task.clone(Surveys), Surveys(root=root, dataset=TINY))  # of equal files, made without the truth's folder
    run(task)
    first = (Path(root) / "submissions" / "copied" / f"{task.settings.name}.csv").read_bytes()
    assert "test" not in json.loads((Path(root) / "metrics" / "copied" / f"{task.settings.name}.json").read_text())
    shutil.copytree(folder / "truth", copy / "truth")
    luigi.task_register.Register.clear_instance_cache()
    task = submission(root, "frequency+validation.run=2+validation.count=4", str(copy))
    assert not task.complete()
    assert not {"Surveys", "Folds", "ClassicalScores", "Predictions"} & set(run(task))
    assert (Path(root) / "submissions" / "copied" / f"{task.settings.name}.csv").read_bytes() == first
    assert "test" in json.loads((Path(root) / "metrics" / "copied" / f"{task.settings.name}.json").read_text())


def test_a_changed_parameter_reruns_only_what_depends_on_it(root):
    run(submission(root))
    other = submission(root, NET + "+decode.name=top_k")
    assert not other.complete()
    families = set(run(other))
    assert "Predictions" in families
    assert not {"Surveys", "Folds", "Examples", "Fit", "FoldScores", "NetScores"} & families


@pytest.mark.slow
def test_a_run_that_breaks_off_resumes_where_it_was(root, monkeypatch):
    experiment = NET + "+train.seed=5"
    task = submission(root, experiment)
    second = task.clone(Fit, fold=1)
    monkeypatch.setattr(Fit, "write", _break_off_in_fold_1(Fit.write))
    done, families = build(task)
    assert not done
    assert "Fit" in families
    first = task.clone(Fit, fold=0)
    assert storage.exists(first.folder)
    assert not second.folder.exists()
    assert not list(second.folder.parent.glob(f".{second.folder.name}*")), "a half-written output was left"
    kept = storage.manifest(first.folder)["contents"]
    stamp = (first.folder / "_SUCCESS").stat().st_mtime_ns
    monkeypatch.undo()
    assert run(submission(root, experiment)).count("Fit") == 1
    assert storage.manifest(first.folder)["contents"] == kept
    assert (first.folder / "_SUCCESS").stat().st_mtime_ns == stamp


def _break_off_in_fold_1(write):
    def broken(self, out):
        if self.fold == 1:
            (out / "half-written").write_text("x")
            raise RuntimeError("the machine went away")
        return write(self, out)

    return broken


def test_clean_removes_what_is_named_and_what_was_made_from_it(root):
    experiment = "frequency+validation.run=2+validation.count=4+decode.k=7"
    task = submission(root, experiment)
    run(task)
    evaluate, predictions = task.clone(Evaluate), task.clone(Predictions)
    run(Clean(root=root, dataset=TINY, experiment=experiment, task="Evaluate"))
    assert not evaluate.complete()
    assert predictions.complete()
    run(task)
    luigi.task_register.Register.clear_instance_cache()
    run(Clean(root=root, dataset=TINY, experiment=experiment, task="Predictions", downstream=True))
    assert not predictions.complete()
    assert not task.complete()
    assert not (Path(root) / "reports" / "virtual-tiny" / task.settings.name / "index.html").exists()
    assert task.clone(Folds).complete()


def test_identity_follows_bytes_not_names(root, tmp_path):
    one = Surveys(root=root, dataset=TINY)
    assert one.identity == Surveys(root=str(tmp_path), dataset=TINY).identity
    assert Folds(root=root, dataset=TINY).identity == Folds(root=root, dataset=TINY, validation={"run": 7}).identity
    assert Folds(root=root, dataset=TINY).identity != Folds(root=root, dataset=TINY, validation={"seed": 7}).identity


def test_bad_names_are_refused_before_anything_runs(root, tmp_path):
    with pytest.raises(ConfigError, match="unknown experiment 'vots'"):
        submission(root, "vots")
    with pytest.raises(ConfigError, match=r"unknown size 'smal'.*did you mean 'small'"):
        submission(root, dataset="virtual:smal")
    with pytest.raises(DataError, match=str(tmp_path)):
        submission(root, dataset=str(tmp_path))
    with pytest.raises(ConfigError, match="unknown key 'sheme'"):
        Folds(root=root, dataset=TINY, validation={"sheme": "random"})


@pytest.mark.slow
def test_the_command_line_fails_with_the_cause_on_its_last_line(root, tmp_path):
    """What goes wrong in a task, or before any has run, ends in its exit code and leaves nothing half-written."""

    def ask(*arguments):
        command = [sys.executable, "-m", "luigi", "--module", "glc.tasks", *arguments, "--root", root]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)

    before = {path for path in Path(root).rglob("*") if "logs" not in path.parts}
    done = ask("Folds", "--dataset", TINY, "--validation", '{"count": 5000}')
    assert done.returncode == 30, done.stderr[-2000:]
    last = done.stderr[done.stderr.rindex("FAILED Folds: ConfigError:") :].strip()
    assert len(last.splitlines()) < 10
    assert "validation.count: found 5000 folds" in last
    assert {path for path in Path(root).rglob("*") if "logs" not in path.parts} == before
    header = "lon,lat,year,surveyId"
    (tmp_path / "GLC24_PA_metadata_train.csv").write_text(f"{header},speciesId\n5,45,2020,1,3\n")
    (tmp_path / "GLC24_PA_metadata_test.csv").write_text(f"{header}\n5,45,2020,2\n")
    done = ask("Submission", "--experiment", "tile-cnn", "--dataset", str(tmp_path))
    assert done.returncode == 40, done.stderr[-2000:]
    (last,) = done.stderr.splitlines()
    assert "no file of covariate 'sentinel2'" in last
    assert "IMAGERY=, --imagery-folder" in last


def test_one_validation_block_is_refused_before_anything_is_trained(root):
    task = Examples(root=root, dataset=TINY, experiment="geolocation+validation.run=1")
    build(task.clone(Folds))
    with pytest.raises(DataError, match=r"set validation.run to 2 or more"):
        task.read_surveys()
    assert len(task.clone(experiment="geolocation+validation.run=2").read_surveys().places)


@pytest.mark.slow
def test_defaults_hold_in_any_folder_and_a_named_configuration_wins(tmp_path):
    code = (
        "import luigi, glc.tasks; from glc.tasks.machine import machine; from glc.tasks import Submission;"
        "print(Submission().root, luigi.configuration.get_config().getboolean('core', 'local_scheduler'))"
    )

    def ask(**more):
        import os

        environment = {k: v for k, v in os.environ.items() if k != "LUIGI_CONFIG_PATH"} | more
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert ask() == [str(paths.CHECKOUT / "out"), "True"]
    assert ask(LUIGI_CONFIG_PATH=str(paths.CHECKOUT / "conf" / "luigi-vm.cfg"))[1] == "False"


def test_machine_settings_are_documented_in_the_configuration():
    text = (paths.CHECKOUT / "conf" / "luigi.cfg").read_text()
    for name, _ in machine.machine.get_params():
        assert f"\n{name} = " in text, name


@pytest.mark.slow
def test_the_last_lines_say_where_the_results_are_whatever_process_made_them(root):
    experiment = "frequency+decode.k=9+validation.count=4+validation.run=2"
    command = [sys.executable, "-m", "luigi", "--module", "glc.tasks", "Submission", "--experiment", experiment]
    command += ["--dataset", TINY, "--root", root, "--workers", "2"]
    for _ in ("made", "found"):
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        lines = done.stdout.strip().splitlines()[-4:]
        assert lines[0].startswith(f"{experiment} on virtual-tiny: validation F1 ")
        for line, kind in zip(lines[1:], ("submissions", "metrics", "reports"), strict=True):
            path = Path(unquote(line.split(maxsplit=1)[1].removeprefix("file://")))
            assert path.is_file()
            assert kind in path.parts


def test_one_fold_of_one_block_is_refused_before_anything_runs(root, monkeypatch):
    task = submission(root, "votes+validation.run=1+validation.count=4")
    build(task.clone(Folds))
    preflight.check(task)
    data = task.read_surveys()
    one_block = replace(data, places=data.places.assign(block=0))
    monkeypatch.setattr(surveys, "read_survey_data", lambda *folders: one_block)
    with pytest.raises(DataError, match="one validation block cannot be cross-fitted"):
        preflight.check(task)
