"""Finished outputs as measurements."""

from pathlib import Path

import pytest

from glc import storage
from glc.costs import curves, fit
from glc.costs.runs import Outputs
from glc.errors import DataError

COUNTS = {"occurrences": 1_000, "surveys": 100}
SURVEYS = {
    "train": "pa_train",
    "test": "pa_test",
    "datasets": {"pa_train": COUNTS, "pa_test": {"occurrences": 20, "surveys": 20}},
    "species": {"number": 10},
}


def output(root, task, dataset, inputs=(), seconds=10.0, parameters=None, **facts):
    """A finished output of a task; returns its folder."""
    folder = root / "store" / Path(dataset.replace(":", "-")).name / f"{task}-0"
    needed = [{"task": other.name[:-2], "identity": "0", "folder": str(other.relative_to(root))} for other in inputs]
    facts |= {"seconds": seconds, "cpu_seconds": 3 * seconds, "peak_memory_mb": 500, "published": {}}
    settings = {"dataset": dataset} | (parameters or {})
    with storage.atomic_directory(folder, task=task, identity="0", inputs=needed, parameters=settings, **facts) as out:
        (out / "part").write_bytes(b"0" * 1_000)
    return folder


def run(root, dataset, seconds=10.0):
    """A finished run of three tasks."""
    surveys = output(root, "Surveys", dataset, seconds=seconds, **SURVEYS)
    folds = output(root, "Folds", dataset, [surveys], parameters={"count": 10}, seconds=seconds)
    output(root, "Submission", dataset, [surveys, folds], parameters={"experiment": "votes"}, seconds=seconds)


def test_an_output_is_measured_by_the_sizes_of_its_surveys(tmp_path):
    run(tmp_path, "virtual:a")
    measured = {each.kind: each for each in Outputs(tmp_path, "wall").measurements()}
    assert measured["Surveys"].terms == (1_020,)
    assert measured["Folds"].terms == (100,)
    assert measured["Submission"].terms == (1_020, 20)
    assert (measured["Folds"].seconds, measured["Folds"].memory_mb, measured["Folds"].bytes) == (10, 500, 1_000)
    assert measured["Folds"].dataset == "virtual-a"


def test_a_training_is_measured_by_the_passes_that_it_took_and_judged_by_those_that_were_planned(tmp_path):
    surveys = output(tmp_path, "Surveys", "virtual:a", **SURVEYS)
    folds = output(tmp_path, "Folds", "virtual:a", [surveys], parameters={"count": 10})
    settings = {
        "model": {"name": "geolocation"},
        "train": {"max_epochs": 100, "patience": 6},
        "po": {"use": "none"},
        "inputs": [],
    }
    fitted = output(tmp_path, "Fit", "virtual:a", [surveys, folds], parameters=settings, epochs=7, rows=79)
    output(tmp_path, "Submission", "virtual:a", [surveys, fitted], parameters={"experiment": "geolocation"})
    outputs = Outputs(tmp_path, "wall")
    measured = {each.kind: each for each in outputs.measurements()}
    assert measured["Fit geolocation"].terms == (7 * 79, 7 * 79 * 10)
    (whole,) = outputs.runs()
    planned = {each.kind: each for each in whole.measurements}
    assert planned["Fit geolocation"].terms == (27 * 80, 27 * 80 * 10)


def test_the_clock_may_be_that_of_the_processor(tmp_path):
    run(tmp_path, "virtual:a")
    assert {each.seconds for each in Outputs(tmp_path, "processor").measurements()} == {30}


def test_the_command_fits_and_judges_each_dataset_by_the_others(tmp_path, capsys):
    run(tmp_path, "virtual:a", seconds=10)
    run(tmp_path, "/data/b", seconds=20)
    run(tmp_path, "/data/c", seconds=20)
    fit.main([str(tmp_path), "--out", str(tmp_path / "curves.json")])
    costs = curves.read(tmp_path / "curves.json")
    assert set(costs.curves) == {"Surveys", "Folds", "Submission"}
    assert {each.dataset for each in costs.measurements} == {"virtual-a", "b", "c"}
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    words = next(line.split() for line in lines if line.startswith("votes on virtual-a"))
    assert words[3:6] == ["30", "60", "2.00"]
    words = next(line.split() for line in lines if line.startswith("votes on b"))
    assert words[3:6] == ["60", "40", "0.67"]


def test_outputs_that_do_not_say_what_they_took_are_left_out_and_counted(tmp_path, capsys):
    run(tmp_path, "virtual:a")
    facts = {"task": "Folds", "identity": "0", "parameters": {"dataset": "/data/b"}, "seconds": 1, "cpu_seconds": 1}
    with storage.atomic_directory(tmp_path / "store" / "b" / "Folds-0", **facts):
        pass
    fit.main([str(tmp_path), "--out", str(tmp_path / "curves.json")])
    assert {each.dataset for each in curves.read(tmp_path / "curves.json").measurements} == {"virtual-a"}
    assert "do not say what they took: 1 outputs" in capsys.readouterr().err


def test_a_folder_without_runs_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="glc run votes"):
        fit.main([str(tmp_path)])
