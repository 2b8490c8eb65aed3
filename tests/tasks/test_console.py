"""The console around a pipeline of a few quick tasks, run as a person runs it: in a pipe and on a terminal."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import luigi
import pytest

from glc import storage
from glc.errors import cause
from glc.tasks import Provenance, Surveys, VirtualPart
from glc.tasks.console.journal import Journal
from glc.tasks.console.screen import duration
from glc.tasks.console.stages import Stages, describe

COUNT = 4
TOY = """
import logging, os, sys, time
import luigi
import glc.tasks
from glc.progress import tqdm
from glc.tasks.console.task import ConsoleTask

class Part(ConsoleTask):
    root = luigi.Parameter(significant=False)
    dataset = luigi.Parameter(default="toy")
    number = luigi.IntParameter()
    fault = luigi.Parameter(default="", significant=False)

    def requires(self):
        return [self.clone(Part, number=self.number - 1)] if self.number else []

    def output(self):
        return luigi.LocalTarget(f"{self.root}/part-{self.number}")

    def run(self):
        print("CHATTER of python")
        os.write(2, b"CHATTER of java\\n")
        logging.getLogger("glc.toy").info("CHATTER of glc")
        self.status("warming up")
        for step in tqdm(range(10), desc="steps"):
            time.sleep(0.1 if self.fault == "slow" else 0)
        if self.fault == "raise" and self.number == 1:
            raise ValueError("the soil map is upside down")
        if self.fault == "warn":
            logging.getLogger("glc.toy").warning("3 rows are odd")
            self.notice("about 3 minutes and 40 MB")
        if self.fault in ("wait", "convert", "swallow") and self.number == 1:
            try:
                open(f"{self.root}/waiting", "w").close()
                time.sleep(60)
            except KeyboardInterrupt:
                if self.fault == "wait":
                    raise
                if self.fault == "convert":
                    raise SystemExit(1)  # as Lightning does
                return
            finally:
                open(f"{self.root}/cleaned", "w").close()
        with self.output().open("w") as file:
            file.write("done")

    def results(self):
        return ["the score is 0.5"] if self.number == 2 else []  # Top has it again, and it is printed once

class Top(Part):
    def requires(self):
        return [self.clone(Part, number=self.number - 1)]

    def results(self):
        return ["the score is 0.5", f"  submission {self.root}/part-{self.number}"]
"""


@pytest.fixture
def toy(tmp_path):
    """A folder with the module, and the start of its command line."""
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "luigi", "--module", "toy", "Top", "--number", str(COUNT - 1)]
    return tmp_path, [*command, "--root", str(tmp_path / "out")]


def piped(toy, *options, **env):
    folder, command = toy
    return subprocess.run(
        [*command, *options], cwd=folder, env=os.environ | env, capture_output=True, text=True, timeout=120
    )


def log(toy):
    """Text of the only log file."""
    (path,) = (toy[0] / "out" / "logs").iterdir()
    return path.read_text()


def on_terminal(toy, *options):
    """(what stands on a terminal after a run, all that was written to it)."""
    folder, command = toy
    pid, fd = pty.fork()
    if not pid:
        os.chdir(folder)
        os.environ["TERM"] = "xterm-256color"
        os.execv(command[0], [*command, *options])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    written = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # the end, on Linux
            break
        if not piece:
            break
        written += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, written.decode()[-2000:]
    return final_lines(written.decode()), written.decode()


def final_lines(text):
    """The lines that are left of text with cursor movements upwards and erased lines."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\n|\r)", text):
        if part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.startswith("\x1b[") and part.endswith("A"):
            row = max(0, row - int(part[2:-1]))
        elif part and not part.startswith("\x1b") and part != "\r":
            lines[row] += part
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_in_a_pipe_there_is_one_line_per_stage_then_the_results(toy, workers):
    done = piped(toy, "--workers", workers)
    assert done.returncode == 0, done.stderr
    first, *stages, where = done.stderr.splitlines()
    assert first == f"Top on toy: {COUNT} stages to run"
    assert [line.split("  ")[0] for line in stages] == [f"{n} of {COUNT}" for n in range(1, COUNT + 1)]
    assert [line.split("  ")[1].strip() for line in stages] == [
        "Part number 0",
        "Part number 1",
        "Part number 2",
        "Top number 3",
    ]
    assert all("done in" in line for line in stages)
    assert done.stdout.splitlines() == ["the score is 0.5", f"  submission {toy[0]}/out/part-3"]
    assert where.split()[0] == "log"
    assert Path(where.split()[1]).parent == toy[0] / "out" / "logs"


@pytest.mark.slow
def test_a_long_run_fits_on_a_page_and_counts_every_stage(toy):
    folder, command = toy
    command[command.index("--number") + 1] = "89"
    done = piped((folder, command))
    assert done.returncode == 0, done.stderr
    first, *stages, _ = done.stderr.splitlines()
    assert first == "Top on toy: 90 stages to run"
    assert len(stages) == 30
    assert [int(line.split()[0]) for line in stages] == list(range(3, 91, 3))
    assert all(line.endswith(", and 2 more before it") for line in stages)


@pytest.mark.slow
def test_a_failure_in_a_long_run_has_its_own_line(toy):
    folder, command = toy
    command[command.index("--number") + 1] = "89"
    done = piped((folder, command), "--fault", "raise")
    assert done.returncode == 30, done.stderr
    _, before, failure, *_ = done.stderr.splitlines()
    assert re.fullmatch(r" 1 of 90  Part number 0 +toy +done in \d+ s", before)
    assert re.fullmatch(r" 2 of 90  Part number 1 +toy +failed after \d+ s", failure)


@pytest.mark.slow
def test_everything_else_is_in_the_log(toy):
    done = piped(toy)
    text = log(toy)
    for chatter in ("CHATTER of python", "CHATTER of java", "CHATTER of glc", "Luigi Execution Summary"):
        assert chatter in text
        assert chatter not in done.stdout + done.stderr


@pytest.mark.slow
def test_verbose_shows_the_log_too(toy):
    done = piped(toy, "--machine-verbose")
    for chatter in ("CHATTER of python", "CHATTER of java", "CHATTER of glc", "Luigi Execution Summary"):
        assert chatter in done.stdout + done.stderr
    assert f"4 of {COUNT}" in done.stderr
    assert "CHATTER of glc" in log(toy)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_failure_ends_with_its_cause_and_the_log(toy, workers):
    done = piped(toy, "--fault", "raise", "--workers", workers)
    assert done.returncode == 30, done.stderr
    where, last = done.stderr.splitlines()[-2:]
    assert last.startswith("FAILED Part number 1: unexpected ValueError: the soil map is upside down; a fault of glc")
    assert "Traceback" not in done.stderr
    assert "Traceback" in Path(where.split()[1]).read_text()
    assert done.stdout == ""


@pytest.mark.slow
def test_debug_shows_the_traceback_of_a_failure(toy):
    done = piped(toy, "--fault", "raise", DEBUG="1")
    assert done.returncode == 30, done.stderr
    failed, _, rest = done.stderr.partition("FAILED Part number 1: ")[2].partition("\n")
    assert failed.startswith("unexpected ValueError: the soil map is upside down; a fault of glc")
    assert rest.startswith("Traceback")


def test_a_second_run_repeats_only_the_results(toy):
    first, second = piped(toy), piped(toy)
    assert [line.split()[0] for line in second.stderr.splitlines()] == ["log"]
    assert second.stdout == first.stdout


@pytest.mark.slow
def test_warnings_and_notices_are_shown_once(toy):
    done = piped(toy, "--fault", "warn")
    assert done.stderr.count("warning: 3 rows are odd") == 1
    assert done.stderr.splitlines().count("about 3 minutes and 40 MB") == 1


def test_on_a_terminal_one_table_is_redrawn_in_place(toy):
    lines, written = on_terminal(toy, "--fault", "slow")
    text = "\n".join(lines)
    assert lines[0].startswith(f"Top on toy · {COUNT} of {COUNT} stages")
    for name in ("Part number 0", "Part number 1", "Part number 2", "Top number 3"):
        assert text.count(name) == 1
    assert text.count("done") == COUNT
    assert "CHATTER" not in written
    assert "━" in written  # a bar inside a stage
    assert "steps" in written
    assert "warming up" in written or "waiting" in written
    assert "the score is 0.5" in text
    assert len([line for line in lines if line]) == 2 + COUNT + 3


@pytest.mark.parametrize(
    ("number", "fault", "workers", "code"),
    [
        (signal.SIGINT, "swallow", "1", 130),
        pytest.param(signal.SIGINT, "convert", "1", 130, marks=pytest.mark.slow),
        (signal.SIGTERM, "wait", "1", 143),
        pytest.param(signal.SIGINT, "wait", "2", 130, marks=pytest.mark.slow),
        (signal.SIGTERM, "convert", "2", 143),
    ],
)
def test_a_signal_ends_the_run_at_once_and_the_task_cleans_up(toy, number, fault, workers, code):
    folder, command = toy
    run = subprocess.Popen(
        [*command, "--fault", fault, "--workers", workers],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (folder / "out" / "waiting").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert run.returncode == code
    assert out == ""
    assert err.splitlines()[-1] == "Interrupted. Finished stages are kept; the same command continues from there."
    assert "FAILED" not in err
    assert "Traceback" not in err
    # neither the task nor another after it has gone on, and what it had begun is gone
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["cleaned", "logs", "part-0", "waiting"]


def test_processes_that_a_run_forks_die_of_the_signals_that_it_catches(tmp_path):
    program = """
import multiprocessing, os, signal, time
from glc.tasks.console import signals
signals.catch()
codes = set()
for _ in range(20):
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(20)
    codes.add(child.exitcode)
print(codes == {-signal.SIGTERM}, signals.code())
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGTERM)  # the second does not break off the cleaning up
    print("cleaned", signals.code())
try:
    signals.check()
except KeyboardInterrupt:
    print("over")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["True 0", "cleaned 143", "over"], done.stderr


def test_a_mistyped_command_leaves_nothing_behind(toy):
    done = piped(toy, "--numbr", "1")
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: unknown option --numbr; did you mean '--number'?"]
    assert not (toy[0] / "out" / "logs").exists()


@pytest.mark.parametrize("damage", [False, True])
def test_a_command_that_only_reads_writes_nothing_below_its_root(tmp_path, damage):
    root, temporary = tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir()
    with storage.atomic_directory(root / "store" / "toy" / "Toy-1") as out:
        (out / "a.txt").write_text("a")
    if damage:
        (root / "store" / "toy" / "Toy-1" / "a.txt").write_text("b")
    before = sorted(root.rglob("*"))
    command = [sys.executable, "-m", "glc", "verify", "--root", str(root)]
    env = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == (30 if damage else 0), done.stderr
    assert sorted(root.rglob("*")) == before
    logs = list(temporary.glob("*.log"))  # Luigi has a folder there
    assert [f"  log        {path}" in done.stderr for path in logs] == [True] * damage, "only where something failed"


JAVA = """An error occurred while calling o123.parquet.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 2.0 failed
\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages(DAGScheduler.scala:2856)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.io.IOException: No space left on device
\tat java.base/java.io.FileOutputStream.writeBytes(Native Method)
\t... 9 more
"""


def test_an_error_of_java_is_its_innermost_cause():
    assert cause(RuntimeError(JAVA)) == (
        "RuntimeError: java.io.IOException: No space left on device (in Java; the log has the rest)"
    )
    assert cause(OSError("a\nb")) == "OSError: a\nb"


def test_a_mistyped_task_is_one_line_with_the_nearest_name():
    command = [sys.executable, "-m", "luigi", "--module", "glc.tasks", "Submision", "--experiment", "votes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: unknown task Submision; did you mean 'Submission'?"]


def test_a_settings_file_that_is_not_there_is_refused(toy):
    done = piped(toy, LUIGI_CONFIG_PATH="/no/such.cfg")
    assert done.returncode == 40
    assert done.stderr.splitlines()[-1].startswith("error: LUIGI_CONFIG_PATH=/no/such.cfg: no such file")
    assert "Traceback" not in done.stderr


def test_the_journal_crosses_processes():
    journal = Journal()
    journal.note("running", id="a")
    pid = os.fork()
    if not pid:
        journal.note("done", id="a")
        os._exit(0)
    os.waitpid(pid, 0)
    assert journal.read() == [{"kind": "running", "id": "a"}, {"kind": "done", "id": "a"}]
    assert journal.read() == []


def test_a_stage_is_named_by_what_was_set():
    facts = describe(Surveys(dataset="virtual:tiny", root="/elsewhere"))
    assert (facts["family"], facts["details"], facts["dataset"]) == ("Surveys", "", "virtual:tiny")

    class Cut(luigi.Task):
        covariate = luigi.Parameter()
        size = luigi.IntParameter(default=128)
        options = luigi.Parameter(default="")

    assert describe(Cut(covariate="soil", size=64, options='{"a": 1}'))["details"] == "covariate soil size 64"
    assert describe(Cut(covariate="soil"))["details"] == "covariate soil"

    class Trained(luigi.Task):
        fold = luigi.IntParameter(default=0)

    assert describe(Trained())["details"] == "fold 0"
    assert describe(Trained(fold=-1))["details"] == ""  # of no fold


def test_a_task_is_described_though_a_path_of_it_has_no_default(tmp_path):
    (tmp_path / "submission.csv").write_text("")
    path = str(tmp_path / "submission.csv")
    assert describe(Provenance(path=path))["family"] == "Provenance"


def test_stages_that_nobody_ran_are_told_when_none_failed(tmp_path):
    journal, stages = Journal(), Stages()
    task = Surveys(dataset="virtual:tiny", root=str(tmp_path))
    journal.note("waiting", **describe(task))
    stages.read(journal)
    assert stages.not_run.startswith("1 of the stages were not run: another run may be at them")
    journal.note("failure", text="FAILED Surveys: too blue")
    stages.read(journal)
    assert stages.not_run == ""
    stages.failures.clear()
    journal.note("running", **describe(task), at=0, pid=1)
    journal.note("done", id=task.task_id, at=1)
    stages.read(journal)
    assert stages.not_run == ""


@pytest.mark.slow
def test_a_product_is_traced_on_the_command_line(tmp_path):
    task = VirtualPart(dataset="virtual:tiny", root=str(tmp_path))
    (tmp_path / "store").mkdir()
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    command = [sys.executable, "-m", "glc", "provenance", str(task.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"VirtualPart {task.identity}" in done.stdout
    assert "the virtual world tiny, computed from its seed" in done.stdout
    done = subprocess.run(
        [*command[:-1], str(tmp_path / "submission.csv")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 40
    assert "no such file or folder; give a file that glc has made" in done.stderr


def test_what_waits_is_listed_behind_what_it_needs():
    journal, stages = Journal(), Stages()
    tasks = {size: Surveys(dataset=f"virtual:{size}") for size in ("tiny", "small", "glc20")}
    for task in tasks.values():
        journal.note("waiting", **describe(task))
    for later, sooner in (("tiny", "small"), ("small", "glc20"), ("tiny", "glc20")):
        journal.note("needs", id=tasks[later].task_id, other=tasks[sooner].task_id)
    stages.read(journal)
    assert [stage.dataset for stage in stages.waiting] == ["virtual:glc20", "virtual:small", "virtual:tiny"]


def test_the_time_left_follows_the_speed_of_the_bar():
    journal, stages = Journal(), Stages()
    task = Surveys(dataset="virtual:tiny")
    journal.note("waiting", **describe(task))
    journal.note("running", **describe(task), at=100.0, pid=1)
    journal.note("progress", id=task.task_id, what="rows", done=10, total=100, at=110.0)
    stages.read(journal)
    (stage,) = stages.order
    assert stage.left(now=111.0) is None  # nothing has moved yet
    journal.note("progress", id=task.task_id, what="rows", done=40, total=100, at=120.0)
    stages.read(journal)
    assert stage.left(now=120.0) == pytest.approx(60 * 10 / 30)
    journal.note("done", id=task.task_id, at=130.0)
    assert stages.read(journal) == [stage]
    assert stage.seconds(now=999.0) == 30


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.4, "3 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (4800, "1 h 20 min")]
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text
