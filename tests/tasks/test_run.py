"""`glc.tasks.run` in Python code: lines per stage, results in folders, errors as they were, the process as before."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import luigi
import pytest

from glc.errors import DataError
from glc.tasks import run
from glc.tasks.console.task import ConsoleTask


class Step(ConsoleTask):
    """A task that prints in every way, writes a file, and may fail."""

    root = luigi.Parameter(significant=False)
    number = luigi.IntParameter()
    fault = luigi.BoolParameter(significant=False)

    def requires(self):
        return [self.clone(Step, number=self.number - 1)] if self.number else []

    def output(self):
        return luigi.LocalTarget(f"{self.root}/step-{self.number}")

    def run(self):
        print("CHATTER of python")
        os.write(2, b"CHATTER of java\n")
        logging.getLogger("lightning").warning("CHATTER of lightning")
        if self.fault and self.number == 0:
            raise DataError("soil.tif: has no CRS")
        with self.output().open("w") as file:
            file.write("done")


def test_the_task_and_what_it_needs_are_made_once(tmp_path, capsys):
    task = run(Step(root=str(tmp_path), number=1))
    assert isinstance(task, Step)
    assert task.output().exists()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Step: 2 stages to run"
    assert [line.split("  ")[0] for line in lines[1:]] == ["1 of 2", "2 of 2"]
    run(task)
    assert capsys.readouterr().out == ""


def test_the_error_of_a_task_is_raised_as_it_is(tmp_path):
    with pytest.raises(DataError, match="has no CRS"):
        run(Step(root=str(tmp_path), number=2, fault=True))
    assert not (tmp_path / "step-1").exists()
    assert run(Step(root=str(tmp_path), number=0)).output().exists()


def test_streams_and_logging_are_as_before(tmp_path):
    handlers, streams = list(logging.getLogger().handlers), (sys.stdout, sys.stderr)
    level = logging.getLogger("luigi").level
    run(Step(root=str(tmp_path), number=0))
    assert (sys.stdout, sys.stderr) == streams
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger("luigi").level == level


def test_what_libraries_print_goes_to_the_log_and_later_output_to_the_screen(tmp_path):
    code = "\n".join(
        [
            "import os",
            "from glc.tasks import run",
            "from tests.tasks.test_run import Step",
            f"run(Step(root={str(tmp_path)!r}, number=1))",
            "print('python after', flush=True)",
            "os.write(1, b'descriptor after\\n'); os.write(2, b'error after\\n')",
        ]
    )
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True)
    *stages, python, descriptor = done.stdout.splitlines()
    assert stages[0] == "Step: 2 stages to run"
    assert len(stages) == 3
    assert (python, descriptor) == ("python after", "descriptor after")
    assert "error after" in done.stderr
    assert "CHATTER" not in done.stdout + done.stderr
    (log,) = (tmp_path / "logs").glob("*.log")
    text = log.read_text()
    assert all(f"CHATTER of {name}" in text for name in ("python", "java", "lightning"))
