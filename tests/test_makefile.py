"""What `make` would run: read with ``make -n``, so nothing is installed or computed."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glc import config
from glc.bench import stage
from glc.tasks import scheduler

CHECKOUT = Path(__file__).resolve().parents[1]
SETTINGS = ("VENV", "VIRTUAL_ENV", "PYTHON", "LUIGI_CONFIG_PATH")


def make(*words, folder=CHECKOUT, code=0, **env):
    """Output of ``make words`` in `folder`, free of the settings of the environment that runs the tests."""
    own = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    done = subprocess.run(
        ["make", "--no-print-directory", *words], cwd=folder, env=own | env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def planned(*words, **kwargs):
    """The last command line that ``make words`` would run."""
    text = make("-n", *words, **kwargs).replace("\\\n", " ")
    return text.strip().splitlines()[-1]


def targets():
    """Targets of the Makefile's own, without those of the experiments."""
    return re.findall(r"^([a-z][a-z0-9-]*):.*##", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)


@pytest.fixture
def copy(tmp_path):
    """A folder with the Makefile and the experiments, to change."""
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(CHECKOUT / name, tmp_path)
    shutil.copytree(CHECKOUT / "conf", tmp_path / "conf")
    (tmp_path / "deploy").mkdir()
    shutil.copy(CHECKOUT / "deploy/install.sh", tmp_path / "deploy")
    return tmp_path


@pytest.mark.parametrize("name", config.experiment_names())
def test_every_experiment_has_a_target(name):
    if config.is_of_encoder(name):
        assert planned(name, "GLOBE=some/folder").endswith(f"bin/glc run {name} --imagery 'some/folder'")
        return
    command = planned(name, "DATASET=some/folder")
    assert command.endswith(f"bin/glc run {name} --dataset 'some/folder'")


def test_a_new_experiment_has_a_target_by_itself(copy):
    (copy / "conf/experiments/brand-new.toml").write_text('description = "Quite new."\nmodel = "votes"\n')
    assert "glc run brand-new " in planned("brand-new", folder=copy)


@pytest.mark.parametrize("name", ["test", "report", "dsgt-table1"])
def test_an_experiment_that_would_hide_a_target_is_refused(copy, name):
    (copy / f"conf/experiments/{name}.toml").write_text('model = "votes"\n')
    told = make("help", folder=copy, code=2)
    assert f"conf/experiments/{name}.toml has the name of a target" in told
    assert "rename the file" in told


def test_help_is_the_default_and_lists_all_targets():
    text = make()
    assert text == make("help")
    listed = re.findall(r"^  ([a-z][a-z0-9-]*(?:, [a-z][a-z0-9-]*)*)  +\S", text, re.MULTILINE)
    assert sorted(name for names in listed for name in names.split(", ")) == sorted(targets())


def test_help_fits_a_terminal():
    lines = make("help").splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", targets())
def test_every_target_plans_its_commands(name):
    assert make("-n", name).strip()


def test_no_target_is_taken_for_a_file(copy):
    for name, command in (("test", "-m pytest"), ("votes", "glc run votes")):
        (copy / name).mkdir()
        assert command in planned(name, folder=copy)


def test_the_root_of_the_settings_holds_unless_one_is_given():
    assert "--root" not in planned("submission", ROOT="/from/the/environment")
    assert planned("submission", "ROOT=a/relative one").endswith("--root 'a/relative one'")
    assert planned("demo", "ROOT=rel").endswith("--dataset virtual:small --root 'rel'")


def test_a_submission_is_a_run_of_glc():
    command = planned("submission", "EXPERIMENT=my.toml", "DATASET=d", "ROOT=r", "IMAGERY=i", "ARGS=--workers 2")
    assert command.endswith("bin/glc run 'my.toml' --dataset 'd' --root 'r' --workers 2 --imagery-folder 'i'")


@pytest.mark.parametrize("task", ["evaluate", "report"])
def test_a_product_takes_experiment_dataset_root_and_more(task):
    command = planned(task, "EXPERIMENT=my.toml", "DATASET=d", "ROOT=r", "ARGS=--workers 2")
    assert command.endswith(f"glc.tasks {task.title()} --experiment 'my.toml' --dataset 'd' --root 'r' --workers 2")


def test_defaults_are_those_of_the_tasks():
    from glc.tasks import Submission

    default = Submission()
    assert f"glc run '{default.experiment}' --dataset '{default.dataset}'" in planned("submission")


def test_the_demo_is_an_experiment_with_imagery_and_neighbours():
    name = re.search(r"glc run ([a-z-]+) --dataset virtual:small", planned("demo")).group(1)
    members = [config.load(member) for member in config.load(name).model.options["members"]]
    assert any(member.model.name == "votes" for member in members)
    assert any(wanted.tiles for member in members for wanted in member.inputs)


def test_the_central_scheduler_is_that_of_the_vm_settings():
    assert planned("votes", "SCHEDULER=central").startswith("LUIGI_CONFIG_PATH=conf/luigi-vm.cfg ")
    assert "LUIGI_CONFIG_PATH" not in planned("votes")
    vm = (CHECKOUT / "conf/luigi-vm.cfg").read_text()
    assert re.search(r"^local_scheduler = false$", vm, re.MULTILINE)
    port = re.search(r"^default_scheduler_port = (\d+)$", vm, re.MULTILINE).group(1)
    assert planned("scheduler", "ARGS=--port 9000").endswith("python -m glc.tasks.scheduler --port 9000")
    assert int(port) == scheduler.PORT
    assert "expected local or central" in make("SCHEDULER=remote", code=2)


@pytest.mark.parametrize("table", ["1", "2"])
def test_the_tables_of_a_paper_are_its_tasks(table):
    from tasks import dsgt_2024

    family = getattr(dsgt_2024, f"Table{table}").get_task_family()
    assert f"--module tasks.dsgt_2024 {family} --dataset 'd'" in planned(f"dsgt-table{table}", "DATASET=d")


@pytest.mark.parametrize("name", ["Table1", "Table2", "Table3", "LossCurves"])
def test_the_tables_of_tighnari_take_a_preset(name):
    from tasks import tighnari_2024

    family = getattr(tighnari_2024, name).get_task_family()
    target = f"tighnari-{'curves' if name == 'LossCurves' else name.lower()}"
    assert f"--module tasks.tighnari_2024 {family} --preset 'cpu' --dataset 'd'" in planned(target, "DATASET=d")
    assert f"{family} --preset 'gpu' " in planned(target, "PRESET=gpu")


@pytest.mark.parametrize("paper", ["dsgt", "tighnari", "inria", "location"])
def test_a_paper_has_a_target_that_ends_with_its_page(paper):
    year = 2020 if paper == "inria" else 2024
    module = importlib.import_module(f"tasks.{paper}_{year}")
    command = planned(f"paper-{paper}", "ROOT=r", "ARGS=--tables 1")
    assert f"--module tasks.{paper}_{year} {module.Paper.get_task_family()} " in command
    assert command.endswith("--root 'r' --tables 1")
    assert ("--preset 'gpu'" in planned(f"paper-{paper}", "PRESET=gpu")) == (paper in ("tighnari", "inria"))
    default = "virtual:glc20-tiny" if paper == "inria" else "virtual:tiny"
    assert f"--dataset '{default}'" in command
    assert "--dataset 'd'" in planned(f"paper-{paper}", "DATASET=d")


def test_all_finished_experiments_are_compared():
    assert planned("compare", "DATASET=d").endswith("--module glc.tasks Compare --dataset 'd'")


def test_the_environment_is_made_once(copy):
    for target, extras in (("venv", " dev"), ("demo", ""), ("votes", "")):
        assert f"deploy/install.sh '.venv'{extras}\n" in make("-n", target, folder=copy)
    assert "/active/bin/python -m pytest" in planned("test", VIRTUAL_ENV="/active")
    assert "given/bin/python -m pytest" in planned("test", "VENV=given", VIRTUAL_ENV="/active")
    (copy / ".venv").mkdir()
    (copy / ".venv/.glc-installed").touch()
    assert "install.sh" not in make("-n", "venv", folder=copy)
    made = (copy / ".venv/.glc-installed").stat().st_mtime
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(copy / name, (made + 10, made + 10))
        assert "install.sh" in make("-n", "venv", folder=copy)
        os.utime(copy / name, (made - 10, made - 10))


def test_another_python_is_refused_before_an_environment_is_made(copy):
    fake = copy / "python3.10"
    pretend = "import sys; sys.version_info = (3, 10, 0); exec(sys.argv[1])"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    fake.chmod(0o755)
    assert "is Python 3.10, expected 3.11 to 3.13 with venv; try: make PYTHON=" in make(
        "venv", f"PYTHON={fake}", folder=copy, code=2
    )
    assert not (copy / ".venv").exists()


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/true", "/bin/cat"])
def test_what_is_no_python_is_refused_with_the_remedy(copy, python):
    text = make("venv", f"PYTHON={python}", folder=copy, code=2)
    assert f"PYTHON={python} is no working Python, expected 3.11 to 3.13 with venv; try: make PYTHON=" in text
    assert not (copy / ".venv").exists()


@pytest.mark.parametrize("options", [(), ("-n",)])
def test_an_unknown_target_is_answered_with_the_nearest(options):
    text = make(*options, "vote", code=2)
    assert "no target or experiment 'vote'; did you mean votes? make help lists" in text
    assert "No rule" not in text
    assert "no target or experiment 'zzzzzz'. make help lists" in make(*options, "zzzzzz", code=2)


def test_every_stage_of_the_bench_has_a_target():
    assert planned("bench", "ARGS=--runs 1").endswith("python -m glc.bench --runs 1")
    for name in stage.names():
        assert planned(f"bench-{name}", "ROOT=here").endswith(f"python -m glc.bench {name} --root 'here'")
