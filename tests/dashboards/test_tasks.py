"""What runs after a finished experiment or table."""

import multiprocessing
import socket

import luigi
import pytest

from glc import storage
from glc.dashboards import panels, run
from glc.dashboards.run import offline_runs
from glc.tasks import Fit, Model, Submission, WandbRun, WandbTable, attempts
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


@pytest.fixture
def server(monkeypatch):
    """Has W&B talk to a port of this machine where nobody listens."""
    monkeypatch.setattr(run, "_unreachable", False)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
    monkeypatch.setattr(run, "LONGEST_START", 2.0)
    return lambda key: monkeypatch.setenv("WANDB_API_KEY", key)


@pytest.mark.parametrize("key", ["short", pytest.param("0" * 40, marks=pytest.mark.slow)])
def test_where_wandb_cannot_be_used_online_the_run_waits_for_its_upload(tmp_path, settings, server, caplog, key):
    settings("wandb_mode", "online")
    server(key)
    table = Plain(root=str(tmp_path))
    assert build(table) == (True, ["WandbTable", "Plain"])
    (folder,) = offline_runs(tmp_path)
    (follower,) = table.followers()
    assert follower.results() == [
        f"warning: W&B did not take run {folder.name.split('-')[3]}, which is in {folder}",
        "  upload it with: glc wandb sync",
    ]
    assert caplog.text.count("W&B cannot be used online") == 1
    assert build(Plain(root=str(tmp_path))) == (True, [])


def test_a_run_that_cannot_be_written_is_a_warning_and_tried_again_by_the_next_command(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(attempts, "_shared", bytearray(64))
    settings("wandb_mode", "offline")
    (tmp_path / "wandb").touch()  # no folder can be made there
    table = Plain(root=str(tmp_path))
    assert build(table)[0]
    (follower,) = table.followers()
    assert follower.complete()
    assert not storage.exists(follower.folder)
    first, remedy = follower.results()
    assert first.startswith("warning: there is no run at W&B (error: ")
    assert "glc wandb sync" in remedy
    assert table.complete()
    monkeypatch.setattr(attempts, "_shared", bytearray(64))  # as of another command
    (tmp_path / "wandb").unlink()
    assert not table.complete()
    assert build(Plain(root=str(tmp_path))) == (True, ["WandbTable", "Plain"])
    assert offline_runs(tmp_path)


def test_attempts_are_known_to_forked_processes(monkeypatch):
    assert not attempts.has_failed("0123456789ab")
    context = multiprocessing.get_context("fork")
    child = context.Process(target=attempts.note, args=("0123456789ab",))
    child.start()
    child.join()
    assert attempts.has_failed("0123456789ab")
    assert not attempts.has_failed("0123456789ac")


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


@pytest.mark.parametrize(("experiment", "paper"), [("geolocation-table2", "DS@GT 2024"), ("best", "ours")])
def test_trainings_are_in_the_group_of_their_experiment(tmp_path, experiment, paper):
    names = {"root": str(tmp_path), "dataset": "virtual:tiny", "experiment": experiment}
    run_of_experiment, fold = WandbRun(**names), Fit(**names, fold=1)
    assert run_of_experiment.group == fold.group == f"virtual-tiny: {paper}"
    assert [fold.shown()[key] for key in panels.GROUPS] == ["virtual-tiny", paper]


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
