"""Sweeps: every parameter is an option of the experiment, and an agent's command is understood."""

import os
import queue
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner
from wandb.wandb_agent import Agent

from glc import config
from glc.cli.commands import app
from glc.dashboards import panels, sweep
from glc.dashboards.run import offline_runs
from glc.dashboards.sweep import Sweep
from glc.errors import ConfigError
from tasks import dsgt_2024
from tests.command_line import of_glc
from tests.dashboards import offline

TEXT = """
method: grid
metric: { name: valid/sample_f1, goal: maximize }
command: [glc, run, geolocation, "${args_no_hyphens}"]
parameters:
  "+train.weight_decay": { values: [0.1, 1] }
"""


@pytest.mark.parametrize("name", sweep.names())
def test_a_sweep_is_of_real_options_and_a_logged_metric(name):
    read = Sweep.read(name)
    assert read.values["metric"]["name"] in panels.metrics()
    variants = list(read.variants())
    assert len(set(variants)) == len(variants)
    for variant in (variants[0], variants[-1]):
        changes = [f"+{part}" for part in str(variant).split("+")[1:]]
        assert of_glc("run", [read.experiment, *changes, "--dataset", "virtual:tiny"]) == ""


def test_the_sweep_of_table_2_has_its_rows():
    ours = {str(config.load(variant)) for variant in Sweep.read("dsgt-table2").variants()}
    rows = dsgt_2024.Table2(dataset="virtual:tiny").rows()
    left_out = ("class weights", "sigmoidF1 micro", "authors' code")
    theirs = {row.experiment for row in rows if not any(words in row.label for words in left_out)}
    settings = [(item.model, item.train) for item in map(config.load, theirs)]
    found = [(item.model, item.train) for item in map(config.load, Sweep.read("dsgt-table2").variants())]
    assert len(ours) == len(found) == len(settings)
    assert all(item in settings for item in found)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("+train.weight_decay", "+train.weight_decays", "weight_decays"),
        ("+train.weight_decay", "train.weight_decay", "expected a change"),
        ("values: [0.1, 1]", "values: [-1]", "weight_decay = -1"),
        ("values: [0.1, 1]", "mu: 1", "expected values, value, or min and max"),
        ("run, geolocation,", "show, geolocation,", "command: found"),
        ('"${args_no_hyphens}"', "x", "command: found"),
        ("parameters:", "parametres:", "parameters: found None"),
        ("method: grid", "method: [", "not YAML"),
    ],
)
def test_a_sweep_that_cannot_run_is_refused(tmp_path, old, new, words):
    path = tmp_path / "own.yaml"
    path.write_text(TEXT)
    assert Sweep.read(str(path)).experiment == "geolocation"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=words) as refused:
        Sweep.read(str(path))
    assert str(path) in str(refused.value)


def test_an_unknown_sweep_is_named():
    with pytest.raises(ConfigError, match=r"tighnary: no such file.*did you mean 'tighnari'"):
        Sweep.read("tighnary")


class Server:
    """In place of W&B's server, of which an agent here asks nothing."""

    def settings(self, key):
        return ""


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """Starts what an agent of W&B would start for some values; its exit code and what it printed."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):  # which the agent sets, and a test must not leave
        monkeypatch.setenv(name, "")
    path = tmp_path / "own.yaml"
    path.write_text(TEXT)

    def start(options, capfd):
        agent = Agent(Server(), queue.Queue(), sweep_id="sweep1")
        agent._sweep_command = Sweep.read(str(path)).with_options(options)["command"]
        values = {"+train.weight_decay": {"value": 0.1}}
        agent._command_run({"run_id": "run1", "args": values, "type": "run", "program": None})
        code = agent._run_processes["run1"].wait()
        return code, "".join(capfd.readouterr())

    return start


def test_what_an_agent_starts_is_understood(agent, tmp_path, capfd):
    options = [
        "--dataset",
        "virtual:tiny",
        "--root",
        str(tmp_path),
        "--dry-run",
        "--",
        "--machine-wandb-mode",
        "online",
    ]
    code, text = agent(options, capfd)
    assert code == 0, text
    assert "Submission" in text


@pytest.mark.slow
def test_what_an_agent_starts_ends_with_the_run_that_the_agent_named(agent, tmp_path, capfd):
    options = ["--dataset", "virtual:tiny", "--root", str(tmp_path)]
    code, text = agent([*options, "--", "--machine-wandb-mode", "online"], capfd)
    assert code == 0, text
    assert "upload it with: glc wandb sync" in text
    (folder,) = offline_runs(tmp_path)
    assert folder.name.endswith("-run1")
    found = offline.read(folder)
    assert found["run"].sweep_id == "sweep1"
    assert found["summary"]["valid/sample_f1"] > 0


@pytest.fixture
def without_key(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


def test_commands_say_what_they_would_send():
    shown = CliRunner().invoke(app, ["wandb", "sweep", "tighnari", "--dataset", "virtual:tiny", "--dry-run"])
    assert shown.exit_code == 0
    assert "- --machine-wandb-mode\n- online" in shown.output
    shown = CliRunner().invoke(app, ["wandb", "dashboard", "--dry-run"]).output
    assert all(section in shown for section in panels.SECTIONS)


@pytest.mark.parametrize("words", [["sweep", "tighnari"], ["dashboard"]])
def test_commands_that_need_a_key_say_so(words, without_key):
    refused = CliRunner().invoke(app, ["wandb", *words]).exception
    assert isinstance(refused, ConfigError)
    assert "wandb login" in str(refused)


def test_only_runs_that_wait_need_a_key(tmp_path, without_key):
    assert "no run waits" in CliRunner().invoke(app, ["wandb", "sync", "--root", str(tmp_path)]).output
    folder = tmp_path / "wandb/offline-run-20260101_000000-abc"
    folder.mkdir(parents=True)
    (folder / "run-abc.wandb").touch()
    refused = CliRunner().invoke(app, ["wandb", "sync", "--root", str(tmp_path)]).exception
    assert isinstance(refused, ConfigError)
    assert str(refused).startswith(f"1 runs in {tmp_path / 'wandb'} wait")
