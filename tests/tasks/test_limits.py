"""Rows with a limit: what finished has scores, what did not says how far it came, and neither is run again."""

import json

import luigi
import pandas as pd
import pytest

from glc import storage
from glc.config import Variant
from glc.errors import ConfigError
from glc.tasks.limits import ROW, Limited, LimitedTable
from glc.tasks.tables import Row
from tests.tasks.pipeline import TINY, run

QUICK = Variant("frequency").changed(validation={"scheme": "random", "run": 1})
ENDLESS = Variant("xgboost").changed(
    model={"trees": 200_000, "sources": ["train", "po"]}, validation={"scheme": "random", "run": 1}
)


class Both(LimitedTable):
    """A row that finishes, and one that does not."""

    title = "Rows with a limit"

    def rows(self):
        return [Row("quick", QUICK, ".3"), Row("endless", ENDLESS, "out of memory", setting="bins")]


def fill(task, facts, **metrics):
    """What a `Limited` leaves, without running it."""
    with storage.atomic_directory(task.folder, task="Limited") as out:
        whole = {"minutes": task.minutes, "memory_gb": task.memory_gb, "seconds": 9.0, "peak memory MB": 77} | facts
        (out / ROW).write_text(json.dumps(whole))
        if metrics:
            (out / "metrics.json").write_text(json.dumps(metrics))


def test_a_row_that_was_stopped_says_so_with_the_share_it_finished(root, tmp_path):
    luigi.task_register.Register.clear_instance_cache()
    table = Both(root=root, dataset=TINY, minutes=7)
    tasks = table.requires()
    scores = {"sample_f1": 0.25, "sample_f1_low": 0.2, "sample_f1_high": 0.3, "micro_f1": 0.2, "mean_set": 25.0}
    fill(tasks["quick"], {"ended": "finished", "share": 1.0, "at": ""}, valid=scores, scheme="random", stop="next")
    fill(tasks["endless"], {"ended": "time", "share": 0.125, "at": "0 of 2 fits, xgboost rounds 5 of 20"})
    table.write(tmp_path)
    frame = pd.read_csv(tmp_path / "table.csv").set_index("model")
    assert frame["ended"].tolist() == ["finished", "> 7 min"]
    assert frame["share finished"].tolist() == [1.0, 0.125]
    assert frame.loc["endless", "at"] == "0 of 2 fits, xgboost rounds 5 of 20"
    assert frame.loc["quick", "validation F1"] == 0.25
    assert pd.isna(frame.loc["endless", "validation F1"])
    assert frame.loc["endless", "setting"] == "bins"
    assert "random split: optimistic" in (tmp_path / "table.md").read_text()


def test_what_has_no_limit_here_is_refused():
    with pytest.raises(ConfigError, match="found 'geolocation', expected a classical model"):
        Limited(dataset=TINY, experiment="geolocation").check()
    with pytest.raises(ConfigError, match="limit: found 0, expected a number above 0"):
        Limited(dataset=TINY, experiment="frequency", minutes=0)


@pytest.mark.slow
def test_one_row_finishes_and_one_is_stopped_cleanly(root):
    quick = Limited(root=root, dataset=TINY, experiment=QUICK, minutes=10)
    run(quick)
    assert json.loads((quick.folder / ROW).read_text())["ended"] == "finished"
    minutes = 0.25
    while True:  # a busy machine: as long as it takes to begin
        endless = Limited(root=root, dataset=TINY, experiment=ENDLESS, minutes=minutes)
        run(endless)
        facts = json.loads((endless.folder / ROW).read_text())
        if facts["at"].startswith("0 of 2 fits, xgboost rounds"):
            break
        minutes *= 2
    assert facts["ended"] == "time"
    assert 0 < facts["share"] < 0.5
    assert not (endless.folder / "metrics.json").exists()
    store = endless.folder.parent
    assert not list(store.glob(".*.partial"))
    assert len(list(store.glob("ClassicalScores-*"))) == 1, "those of the row that finished"
    assert run(endless) == [], "a row that was stopped is not tried again"
