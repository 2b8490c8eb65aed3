"""The command ``glc``: its lists and checks in this process, runs in processes of their own."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import luigi
import pytest
from typer.testing import CliRunner

from glc import config, results
from glc.cli import doctor, experiments, runs
from glc.cli.commands import app
from glc.config import paths
from glc.errors import ConfigError
from tests import finished


def glc(*words, code=0):
    """What ``glc words`` prints on standard output."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.stdout


def shell(*words, folder, code=0, **env):
    """(standard output, standard error) of ``glc words`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "glc", *words],
        cwd=folder,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_help_names_every_command():
    text = glc("--help")
    for command in ("run", "explore", "list", "show", "status", "compare", "clean", "verify", "provenance", "doctor"):
        assert f" {command} " in text


def test_help_imports_neither_torch_nor_spark_nor_luigi():
    code = (
        "import sys; from typer.testing import CliRunner; from glc.cli.commands import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print([name for name in ('torch', 'pyspark', 'luigi', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_the_list_has_every_experiment_once_with_its_description():
    lines = glc("list").splitlines()
    for name in config.experiment_names():
        (line,) = [line for line in lines if line.split("  ")[0] == name]
        assert config.read(name)["description"] in line


def test_the_list_is_by_paper_and_can_be_narrowed():
    papers = {experiments.listed(name).paper for name in config.experiment_names()}
    assert {experiments.OWN, "DS@GT 2024", "LIRMM / Inria 2020", "Liu et al. 2024", "Xiong 2024"} == papers
    assert experiments.listed("tighnari").paper == "Liu et al. 2024"
    text = glc("list", "inria")
    assert "inria-run4" in text
    assert "votes" not in text
    assert "no experiment or paper contains 'zzz'" in glc("list", "zzz")


def test_the_list_says_what_an_experiment_reads():
    assert experiments.listed("votes").needs == ()
    assert experiments.listed("tile-cnn").needs == ("sentinel2",)
    assert "[sentinel2]" in experiments.listed("tighnari").needs
    assert experiments.listed("geolocation-po").needs == ("presence-only records",)
    assert experiments.listed("geolocation-staged").needs == ("presence-only records",)
    assert set(experiments.listed("inria-run4").needs) > set(experiments.listed("inria-run1").needs)


def test_show_is_the_experiment_as_toml():
    values = tomllib.loads(glc("show", "geolocation-po"))
    experiment = config.load("geolocation-po")
    assert values["validation"]["run"] == experiment.validation.run
    assert values["po"]["use"] == "pseudo"
    assert values["model"]["name"] == "geolocation"
    assert values["train"]["loss"] == "bce"
    tiles = tomllib.loads(glc("show", "tile-cnn"))["inputs"]
    assert [entry["tiles"] for entry in tiles] == ["sentinel2"]


def test_show_marks_what_differs_from_the_base():
    lines = glc("show", "votes+validation.run=3+model.prior=500.0").splitlines()
    assert lines[1].startswith("# Different from votes: 2 of ")
    marked = [line for line in lines[2:] if "  # " in line]
    assert any(line.startswith("run = 3  # in votes: ") for line in marked)
    assert any(line.startswith("model = ") for line in marked)
    assert len(marked) == 2
    assert "run = 5  # default: 3" in glc("show", "geolocation")


def test_an_unknown_experiment_is_answered_with_the_names():
    result = CliRunner().invoke(app, ["show", "vots"])
    assert isinstance(result.exception, ConfigError)
    assert "did you mean 'votes'" in str(result.exception)


def test_status_shows_scores_with_intervals(tmp_path):
    valid = {"sample_f1": 0.5, "sample_f1_low": 0.4, "sample_f1_high": 0.6}
    known = {"scheme": "block", "stop": "next"}
    test = {"sample_f1": 0.25}
    finished.metrics(tmp_path, "virtual-tiny", 'votes+model.name="x"', known | {"valid": valid, "test": test})
    finished.metrics(tmp_path, "virtual-tiny", "knn", known | {"valid": valid | {"sample_f1": 0.55}})
    lines = glc("status", "--root", str(tmp_path)).splitlines()
    assert lines[0] == "virtual-tiny"
    assert lines[2].startswith("knn  ")
    assert "0.5500 [0.4000, 0.6000]" in lines[2]
    assert lines[3].startswith('votes+model.name="x"  ')
    assert "0.5000 [0.4000, 0.6000]  0.2500" in lines[3]
    assert {result.dataset for result in results.finished(tmp_path)} == {"virtual-tiny"}


def test_status_of_presence_only_records_alone_shows_the_auc_and_no_f1(tmp_path):
    known = {"relative": True, "scheme": "block", "stop": "next"}
    for name, valid in (("knn", {"auc": None}), ("votes", {"auc": 0.81, "auc_low": 0.79, "auc_high": 0.83})):
        finished.metrics(tmp_path, "records", name, known | {"valid": valid, "test": {"auc": 0.7}})
    lines = glc("status", "--root", str(tmp_path)).splitlines()
    assert "validation AUC" in lines[1]
    assert "F1" not in lines[1]
    assert lines[2].startswith("votes  ")
    assert "0.8100 [0.7900, 0.8300]  0.7000" in lines[2]
    assert lines[3].startswith("knn  ")


@pytest.mark.parametrize("edited", ['{"valid": {"sample_f1": 0.9999}, "scheme": "block"}', "no JSON", ""])
def test_status_shows_no_score_that_is_not_in_the_store(tmp_path, edited):
    known = {"scheme": "block", "stop": "next"}
    finished.metrics(tmp_path, "virtual-tiny", "knn", known | {"valid": {"sample_f1": 0.25}})
    path = finished.metrics(tmp_path, "virtual-tiny", "votes", known | {"valid": {"sample_f1": 0.5}})
    path.write_text(edited)
    text = " ".join(glc("status", "--root", str(tmp_path)).split())
    assert "0.2500" in text
    assert "0.9999" not in text
    assert "votes.json: was edited" in text
    assert "run the experiment again: glc run 'votes'" in text


def test_status_of_nothing_says_how_to_begin(tmp_path):
    assert "glc run votes --dataset virtual:tiny" in glc("status", "--root", str(tmp_path))


def test_a_dry_run_lists_the_tasks_and_runs_none(tmp_path):
    text = glc("run", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path / "out"), "--dry-run")
    rows = [line.split() for line in text.splitlines()[1:] if line.strip() and line.split()[0].isdigit()]
    tasks = [row[1] for row in rows[:-1]] if rows[-1][1] == "tasks:" else [row[1] for row in rows]
    assert tasks[0] == "VirtualPart"
    assert tasks[-1] == "Submission"
    assert tasks.index("Surveys") < tasks.index("Folds") < tasks.index("Predictions")
    assert "would run" in text
    assert "finished" not in text
    assert not (tmp_path / "out").exists()


def test_a_run_hands_repair_on_to_luigi(monkeypatch):
    handed = []
    monkeypatch.setattr(runs, "luigi", lambda task, options, more, verbose: handed.append(more))
    glc("run", "votes")
    glc("run", "votes", "--repair")
    assert ["--machine-repair" in more for more in handed] == [False, True]


@pytest.fixture
def machine():
    """Changes of the section [machine] for one test."""
    settings = luigi.configuration.get_config()
    before = dict(settings.items("machine"))
    yield lambda key, value: settings.set("machine", key, value)
    for key, value in before.items():
        settings.set("machine", key, value)


def test_doctor_is_content_with_a_machine_that_runs_the_tests(tmp_path):
    text = glc("doctor", "--dataset", "virtual:tiny", "--root", str(tmp_path))
    assert text.splitlines()[-1] == "ready"
    for what in ("Python", "Java", "memory", "disk", "GPU", "W&B", "dataset"):
        assert what in text


def test_doctor_finds_what_is_missing_and_says_what_to_do(tmp_path, machine, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr("sys.version_info", (3, 10, 1))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for key, value in (("wandb_mode", "online"), ("accelerator", "gpu"), ("memory_gb", "4")):
        machine(key, value)
    monkeypatch.setattr("glc.cli.doctor.of_machine", lambda: 4.5)
    found = {check.what: check for check in doctor.checks(str(tmp_path), str(tmp_path / "file" / "out"))}
    assert {what for what, check in found.items() if check.state == "missing"} == {
        "Python",
        "disk",
        "GPU",
        "W&B",
        "dataset",
    }
    assert found["memory"].state == "note"
    assert all(check.remedy for check in found.values() if check.state != "ok")
    assert "no dataset" in found["dataset"].remedy or "not a dataset" in found["dataset"].remedy
    assert glc("doctor", "--root", str(tmp_path), code=1).splitlines()[-1].endswith("missing")


def test_doctor_names_a_setting_that_cannot_be_used(machine):
    machine("wandb_mode", "offlin")
    text = glc("doctor", code=1)
    assert "settings not usable" in text
    assert "[machine] wandb_mode: found 'offlin'" in text
    assert "1 needed things are missing" in text


def test_an_unknown_experiment_ends_a_run_with_40_and_leaves_nothing(tmp_path):
    for more in ([], ["--dry-run"]):
        out, err = shell("run", "vots", "--root", "out", *more, folder=tmp_path, code=40)
        assert out == ""
        assert err.startswith("error: unknown experiment 'vots'")
        assert "frequency" in err
        assert "did you mean 'votes'" in err
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_wheel_holds_one_package_and_runs_from_an_empty_folder(tmp_path):
    """Built from a copy: a `build` folder that an earlier build left would put removed modules into the wheel."""
    source, site, empty = tmp_path / "source", tmp_path / "site", tmp_path / "empty"
    ignore = shutil.ignore_patterns("build", "out", "*.egg-info", "__pycache__")
    for name in ("glc", "conf", "tasks"):
        shutil.copytree(paths.CHECKOUT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(paths.CHECKOUT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source], check=True, timeout=300
    )
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True, timeout=300)
    assert {path.name for path in site.iterdir()} - {"bin"} == {"glc", *(p.name for p in site.glob("*.dist-info"))}
    assert (site / "glc" / "conf" / "luigi.cfg").is_file()
    assert (site / "glc" / "basemap" / "world.npz").is_file()
    for folder in ("page", "leaflet"):
        files = {path.name for path in (paths.CHECKOUT / "glc" / "explorer" / folder).iterdir()}
        assert {path.name for path in (site / "glc" / "explorer" / folder).iterdir()} == files
    assert {path.stem for path in (site / "glc" / "conf" / "experiments").glob("*.toml")} == set(
        config.experiment_names()
    )

    empty.mkdir()
    env = {"PYTHONPATH": str(site)}
    _, err = shell("run", "vots", folder=empty, code=40, **env)
    assert all(name in err for name in config.experiment_names())
    assert list(empty.iterdir()) == []
    out, err = shell("run", "frequency", "--dataset", "virtual:tiny", folder=empty, **env)
    submission = empty / "out" / "submissions" / "virtual-tiny" / "frequency.csv"
    assert str(submission) in out
    assert Path(submission).is_file()
    assert len((out + err).splitlines()) <= 30
    # the same through Luigi: local scheduler and exit codes are those of the wheel's luigi.cfg
    command = [sys.executable, "-m", "luigi", "--module", "glc.tasks", "Submission", "--dataset", "virtual:tiny"]
    done = subprocess.run(
        [*command, "--experiment", "frequency"],
        cwd=empty,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert str(submission) in done.stdout


def test_an_option_of_luigi_wins_over_the_one_that_glc_gives(monkeypatch):
    given = []
    monkeypatch.setattr("glc.tasks.console.run", given.extend)
    assert CliRunner().invoke(app, ["run", "votes", "--", "--workers", "0"]).exit_code == 0
    assert given[-2:] == ["--workers", "0"]
    assert given[:2] == ["Submission", "--experiment=votes"]


def test_explore_is_the_task_explorer(monkeypatch):
    given = []
    monkeypatch.setattr("glc.tasks.console.run", given.extend)
    words = ["explore", "votes", "--dataset", "virtual:tiny", "--map", "park", "--species", "3,Bellis perennis"]
    assert CliRunner().invoke(app, words).exit_code == 0
    expected = ["Explorer", "--experiment=votes", "--dataset=virtual:tiny", "--map=park", "--species=3,Bellis perennis"]
    assert given == expected


def test_an_experiment_of_the_location_encoder_is_trained_on_imagery_of_the_globe(monkeypatch):
    given = []
    monkeypatch.setattr("glc.tasks.console.run", given.extend)
    assert CliRunner().invoke(app, ["run", "location-patches"]).exit_code == 0
    assert given[:3] == ["PretrainLocation", "--experiment=location-patches", "--imagery=virtual:globe"]
    result = CliRunner().invoke(app, ["run", "location", "--dataset", "virtual:tiny"])
    assert "expected --imagery" in str(result.exception)
    text = glc("show", "location-published")
    assert "regression = 0.0  # in location-patches: 10.0" in text
