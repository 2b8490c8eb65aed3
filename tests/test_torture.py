"""The tool that kills runs: what it compares, and that what it runs is there."""

import json

import pandas as pd
import pytest

from glc import config
from tests import torture


@pytest.mark.parametrize("label", torture.RUNS)
def test_the_runs_are_experiments_of_two_folds(label):
    experiment = config.load(torture.RUNS[label])
    assert experiment.validation.run == 2
    assert not experiment.compare_with


def finished(folder, f1=0.5, seconds=1.0, row=3):
    """A root with one table and its metrics."""
    store = folder / "store" / "virtual-tiny" / "Fit-0a"
    store.mkdir(parents=True)
    pd.DataFrame({"surveyId": [1, row]}).to_parquet(store / "part-0.parquet", compression="zstd")
    pd.DataFrame({"epoch": [0], "valid_f1": [f1], "seconds": [seconds]}).to_csv(store / "history.csv", index=False)
    (store / "_SUCCESS").write_text(json.dumps({"seconds": seconds, "rows": 2, "contents": {"a": {"bytes": seconds}}}))
    (folder / "metrics" / "virtual-tiny").mkdir(parents=True)
    (folder / "metrics" / "virtual-tiny" / "votes.json").write_text(json.dumps({"f1": f1}))
    return folder


def test_roots_differ_in_what_they_hold_and_not_in_the_time_it_took(tmp_path):
    one = finished(tmp_path / "one")
    assert torture.differences(one, finished(tmp_path / "slow", seconds=2.0)) == []
    assert torture.differences(one, finished(tmp_path / "other", f1=0.4)) == [
        "not equal: metrics/virtual-tiny/votes.json",
        "not equal: store/virtual-tiny/Fit-0a/history.csv",
    ]
    assert torture.differences(one, finished(tmp_path / "row", row=4)) == [
        "not equal: store/virtual-tiny/Fit-0a/part-0.parquet"
    ]
    more = finished(tmp_path / "more")
    (more / "submissions").mkdir()
    (more / "submissions" / "x.csv").write_text("")
    assert torture.differences(one, more) == ["only in one of the roots: submissions/x.csv"]


def test_scratch_tells_what_is_at_work_and_is_not_to_be_left(tmp_path):
    root = finished(tmp_path / "root")
    assert torture.at_work(root) == set()
    assert torture.leftovers(root) == []
    (root / "store" / "virtual-tiny" / ".Fit-1b-x7.partial").mkdir()
    (root / "datasets" / "virtual-tiny" / ".parts" / ".metadata-2c-y.partial").mkdir(parents=True)
    assert torture.at_work(root) == {"Fit", "VirtualPart"}
    assert set(torture.stages_of(root)) == {"VirtualPart", "Fit"}
    assert len(torture.leftovers(root)) == 2
    assert torture.done("Fit", root)
    assert not torture.done("Tiles", root)
    assert not torture.done("VirtualPart", root)
