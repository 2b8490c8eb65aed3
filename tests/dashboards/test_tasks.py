"""What runs after a finished experiment or table."""

import luigi
import pytest

from glc.dashboards.run import offline_runs
from glc.tasks import Model, Submission, WandbRun, WandbTable
from glc.tasks.machine import machine, training
from glc.tasks.table import TableTask
from tests.dashboards import offline
from tests.tasks.pipeline import build


@pytest.fixture
def settings():
    """Change a setting of the machine for a test."""
    content = luigi.configuration.get_config()
    before = dict(content.items("machine"))
    yield lambda key, value: content.set("machine", key, value)
    for key in dict(content.items("machine")):
        content.remove_option("machine", key)
    for key, value in before.items():
        content.set("machine", key, value)


class Plain(TableTask):
    """A table of two rows."""

    published_in = "DS@GT 2024"
    title = "A plain table"
    rows = luigi.IntParameter(default=2)
    origin = "plain"

    def requires(self):
        return []

    def write(self, out):
        (out / "table.csv").write_text("model,F1\n" + "a,0.5\n" * self.rows)
        (out / "table.md").write_text("| model | F1 |\n")


def test_a_table_is_followed_by_its_run_which_a_later_one_replaces(tmp_path, settings):
    assert build(Plain(root=str(tmp_path))) == (True, ["Plain"])
    assert offline_runs(tmp_path) == []
    settings("wandb_mode", "offline")
    done, families = build(Plain(root=str(tmp_path)))
    assert (done, families) == (True, ["WandbTable", "Plain"])
    (first,) = offline_runs(tmp_path)
    assert build(Plain(root=str(tmp_path))) == (True, [])
    assert build(Plain(root=str(tmp_path), rows=3))[0]
    (second,) = offline_runs(tmp_path)
    assert first.name.split("-")[3] == second.name.split("-")[3]  # its id
    found = offline.read(second)
    assert (found["run"].run_group, found["run"].job_type) == ("plain: DS@GT 2024", "table")
    assert (found["config"]["paper"], found["config"]["rows"]) == ("DS@GT 2024", "3")
    assert (found["summary"]["rows"], found["summary"]["tables/table/nrows"]) == (3, 3)
    assert found["artifacts"]["table"] == ["table.csv", "table.md"]


@pytest.mark.parametrize("product", [Submission, Model])
def test_logging_changes_no_identity(product, tmp_path, settings):
    def made():
        luigi.task_register.Register.clear_instance_cache()
        return product(root=str(tmp_path), dataset="virtual:tiny", experiment="votes")

    silent = made()
    assert silent.followers() == []
    settings("wandb_mode", "offline")
    (follower,) = made().followers()
    assert isinstance(follower, WandbRun)
    assert made().identity == silent.identity == follower.product
    settings("logger", "csv")
    assert made().followers() == []


def test_in_a_sweep_the_run_is_the_agents(tmp_path, settings, monkeypatch):
    def task():
        luigi.task_register.Register.clear_instance_cache()
        named = {"name": "t", "title": "", "table_subject": "d"}
        return WandbTable(root=str(tmp_path), table=str(tmp_path), **named)

    def mode():
        return training(str(tmp_path), "g", "n", {}, resume=tmp_path).wandb["mode"]

    settings("wandb_mode", "offline")
    before = task().identity
    assert mode() == machine().wandb_mode == "offline"
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    monkeypatch.setenv("WANDB_RUN_ID", "r")
    assert task().identity != before
    assert mode() == "disabled"
