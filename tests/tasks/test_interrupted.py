"""Real runs that are sent real signals: what is left, how they end, and how they continue."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glc import storage
from glc.tasks import Fit
from tests.tasks.pipeline import TINY

NET = "geolocation+validation.run=2+validation.count=4+train.max_epochs={}+train.patience={}"
LONG = NET.format(100_000, 100_000)
SHORT = NET.format(60, 60)
LAST = "Interrupted. Finished stages are kept; the same command continues from there."
# the commands as they are, but checkpoints are written at every epoch's end
LUIGI = "from glc.training import resume; resume.LEAST_SECONDS, resume.SHARE = 0.0, 1e9; import luigi.cmdline, sys; "
LUIGI += "sys.argv[0] = 'luigi'; luigi.cmdline.luigi_run(sys.argv[1:])"
GLC = "from glc.training import resume; resume.LEAST_SECONDS, resume.SHARE = 0.0, 1e9; from glc.cli import main; main()"
pytestmark = pytest.mark.slow


def start(program, *words):
    """A run in a new process group."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def fit_words(root, experiment, fold=0):
    words = ["--module", "glc.tasks", "Fit", "--experiment", experiment, "--fold", str(fold), "--dataset", TINY]
    return [*words, "--root", root, "--machine-wandb-mode", "disabled"]


def glc_words(root, experiment):
    return ["run", experiment, "--dataset", TINY, "--root", root, "--", "--machine-wandb-mode", "disabled"]


def until(condition, run, seconds=120):
    """Wait until `condition` holds while `run` goes on."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def checkpoints(root):
    return sorted(Path(root).glob("store/*/.Fit-*-parts/*.ckpt"))


def scratch(root):
    """Entries that a finished run does not leave, except checkpoints."""
    entries = [path for path in Path(root).glob("store/*/*") if not path.name.endswith("-parts")]
    return [path for path in entries if path.name.startswith(".") or not storage.exists(path)]


def over(run):
    """Whether no process of the run's group is left, Java included."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("program", "words", "number", "code"),
    [
        (GLC, glc_words, signal.SIGINT, 130),
        (LUIGI, fit_words, signal.SIGINT, 130),
        (LUIGI, fit_words, signal.SIGTERM, 143),
    ],
)
def test_a_signal_in_a_fit_ends_the_run_within_seconds(root, tmp_path, program, words, number, code):
    root = shutil.copytree(root, tmp_path / "out").as_posix()
    run = start(program, *words(root, LONG))
    until(lambda: checkpoints(root), run)
    began = time.monotonic()
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert run.returncode == code
    assert err.splitlines()[-1] == LAST
    assert "Traceback" not in out + err
    assert "FAILED" not in err
    assert over(run)
    assert scratch(root) == []
    assert len(checkpoints(root)) == 1  # of one fold: no other was started
    assert not list(Path(root).glob("store/*/Fit-*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fit_that_was_killed_goes_on_and_ends_with_the_same_bytes(root, tmp_path, number):
    whole, killed = (shutil.copytree(root, tmp_path / name).as_posix() for name in ("whole", "killed"))
    done = start(LUIGI, *fit_words(whole, SHORT))
    assert done.wait(timeout=120) == 0, done.communicate()
    run = start(LUIGI, *fit_words(killed, SHORT))
    until(lambda: any(int(path.stem) >= 3 for path in checkpoints(killed)), run)
    os.killpg(run.pid, number)
    run.wait(timeout=60)
    epochs = int(checkpoints(killed)[-1].stem)
    again = start(LUIGI, *fit_words(killed, SHORT))
    assert again.wait(timeout=120) == 0, again.communicate()
    tasks = [Fit(root=folder, dataset=TINY, experiment=SHORT, fold=0) for folder in (whole, killed)]
    models = [(task.folder / "model.ckpt").read_bytes() for task in tasks]
    assert models[0] == models[1]
    histories = [(task.folder / "history.csv").read_text().splitlines() for task in tasks]
    without_seconds = [[row.rpartition(",")[0] for row in history] for history in histories]
    assert without_seconds[0] == without_seconds[1]
    facts = [storage.manifest(task.folder) for task in tasks]
    for name in ("valid_f1", "best_epoch", "epochs", "learning_rate", "rows"):
        assert facts[0][name] == facts[1][name]
    assert 3 <= epochs < 60
    assert not tasks[1].parts_folder().exists()


def test_sigterm_while_spark_works_stops_java_and_leaves_no_scratch(tmp_path):
    root = (tmp_path / "out").as_posix()
    run = start(GLC, "run", "votes", "--dataset", TINY, "--root", root)

    def reading():
        return list(Path(root).glob("store/*/.Surveys-*/*"))

    until(reading, run)
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 143, err
    assert err.splitlines()[-1] == LAST
    assert "Traceback" not in err
    assert over(run)
    assert scratch(root) == []
