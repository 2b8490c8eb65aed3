"""``glc estimate`` and the figures of a dry run."""

import dataclasses

import pytest
from typer.testing import CliRunner

from glc import storage, world
from glc.cli import costs as run_costs
from glc.cli import plan
from glc.cli.commands import app
from glc.costs import curves, machine
from glc.costs.curves import Curve
from glc.errors import ConfigError
from glc.tasks import Folds, Surveys


def glc(*words):
    """What ``glc words`` prints."""
    result = CliRunner().invoke(app, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def known(monkeypatch):
    """Replace the curves: each task of the kinds takes what the curve says."""

    def replace(**by_quantity):
        costs = curves.read()
        of_quantity = {name: Curve(value, (), 1.0) for name, value in by_quantity.items()}
        of_kind = {
            kind: {name: Curve(of_quantity[name].start, (0.0,) * len(own.rates), 1.0) for name, own in by_name.items()}
            for kind, by_name in costs.curves.items()
        }
        monkeypatch.setattr(curves, "read", lambda: dataclasses.replace(costs, curves=of_kind))
        monkeypatch.setattr(machine, "calibration", lambda: costs.calibration)

    return replace


def line_of(text, stage):
    """Words of the line of a stage."""
    return next(line.split() for line in text.splitlines() if line.startswith(stage))


def test_every_stage_has_a_line_and_the_total_is_their_sum(tmp_path, known):
    known(seconds=60.0, memory_mb=1024.0, bytes=2**30)
    text = glc("estimate", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path), "--speed", "1")
    assert line_of(text, "Surveys") == ["Surveys", "1", "1.0", "1.0", "1.00"]
    assert line_of(text, "total") == ["total", "10", "10.0", "1.0", "10.00"]
    assert "warning" not in text
    tiny = world.SIZES["tiny"]
    assert f"about {tiny.n_pa:,} training surveys ({tiny.n_pa_rows:,} rows)" in text
    assert not list(tmp_path.iterdir())


def test_a_faster_machine_needs_less_time(tmp_path, known):
    known(seconds=60.0, memory_mb=1024.0, bytes=0)
    text = glc("estimate", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path), "--speed", "2")
    assert line_of(text, "total")[2] == "5.0"


def test_machines_of_nearly_the_same_speed_count_as_equal(tmp_path, known, monkeypatch):
    known(seconds=60.0, memory_mb=1024.0, bytes=0)
    words = ("estimate", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path))
    calibration = curves.read().calibration
    for slower, minutes in ((1.2, "10.0"), (3, "30.0")):
        monkeypatch.setattr(machine, "calibration", lambda slower=slower: slower * calibration)
        assert line_of(glc(*words), "total")[2] == minutes


def test_what_is_finished_costs_nothing(tmp_path, known):
    known(seconds=60.0, memory_mb=1024.0, bytes=0)
    folds = Folds(root=str(tmp_path), dataset="virtual:tiny")
    with storage.atomic_directory(folds.folder) as out:
        (out / "part").write_text("")
    words = ("votes", "--dataset", "virtual:tiny", "--root", str(tmp_path))
    text = glc("estimate", *words, "--speed", "1")
    assert line_of(text, "total")[:3] == ["total", "9", "9.0"]
    assert "1 of 10 tasks are finished" in text
    dry = glc("run", *words, "--dry-run")
    assert next(line for line in dry.splitlines() if "Folds" in line).split()[-1] == "finished"
    assert next(line for line in dry.splitlines() if "Surveys" in line).split()[-3:] == ["1.0", "1.0", "0.00"]
    assert "about 9.0 minutes, 1.0 GB of memory" in dry


def test_what_does_not_fit_is_named_with_a_remedy(tmp_path, known):
    known(seconds=1.0, memory_mb=1024.0 * 10_000, bytes=2**60)
    text = glc("estimate", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path / "new"))
    assert "takes about 10000.0 GB, memory_gb is 4; use a machine with more than" in text
    assert f"{tmp_path} has" in text
    known(seconds=1.0, memory_mb=1024.0 * 4.5, bytes=0)
    text = glc("estimate", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path))
    assert "memory_gb is 4; raise [machine] memory_gb" in text


def test_a_task_that_was_never_measured_is_named(tmp_path, monkeypatch):
    costs = curves.read()
    fewer = {kind: own for kind, own in costs.curves.items() if kind != "Report"}
    monkeypatch.setattr(curves, "read", lambda: dataclasses.replace(costs, curves=fewer))
    text = glc("estimate", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path))
    assert line_of(text, "Report") == ["Report", "1", "?", "?", "?"]
    assert "not measured yet, so not in the total: Report" in text


def test_a_stage_that_one_dataset_has_measured_is_uncertain(tmp_path, monkeypatch):
    costs = curves.read()
    by_two = [each for each in costs.measurements if each.kind == "Surveys"][:2]
    points = (*by_two, next(each for each in costs.measurements if each.kind == "Folds"))
    monkeypatch.setattr(curves, "read", lambda: dataclasses.replace(costs, measurements=points))
    text = glc("estimate", "votes", "--dataset", "virtual:tiny", "--root", str(tmp_path))
    (line,) = [line for line in text.splitlines() if line.startswith("uncertain")]
    assert " Folds" in line
    assert "Surveys" not in line


def test_an_encoder_has_no_dataset_to_estimate_by(tmp_path):
    with pytest.raises(ConfigError, match="glc run location --dry-run"):
        glc("estimate", "location", "--root", str(tmp_path))


def test_a_dataset_in_a_folder_is_counted_until_its_tables_say_it(tmp_path):
    data = tmp_path / "data"
    world.write(world.SIZES["tiny"], data, parts=("metadata",))
    options = {"experiment": "votes", "dataset": str(data), "root": str(tmp_path / "out")}
    _, tasks = plan.planned("Submission", options)
    assert run_costs.Estimates(tasks, 1.0).sizes.training_surveys == world.SIZES["tiny"].n_pa
    surveys = Surveys(root=options["root"], dataset=str(data))
    counts = {name: {"occurrences": 77, "surveys": 7} for name in ("pa_train", "pa_test")}
    facts = {"train": "pa_train", "test": "pa_test", "datasets": counts, "species": {"number": 5}}
    with storage.atomic_directory(surveys.folder, **facts):
        pass
    _, tasks = plan.planned("Submission", options)
    assert run_costs.Estimates(tasks, 1.0).sizes.training_surveys == 7
