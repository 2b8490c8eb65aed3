"""Commands with limits: what ends by itself, what is stopped, and that nothing of it runs on."""

import os
import sys
import time

import pytest

from glc import limits, memory
from glc.errors import GlcError

_GB = 2.0**30
# a child of its own, which would live on if only its parent were stopped
_SLOW = """
import pathlib, signal, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
def clean(*_):
    (folder / "cleaned").write_text("yes")
    sys.exit(143)
signal.signal(signal.SIGTERM, clean)
(folder / "child").write_text(str(child.pid))
time.sleep(600)
"""


def python(text, *arguments):
    return [sys.executable, "-c", text, *map(str, arguments)]


def gone(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"  # nobody has waited for it yet
    except FileNotFoundError:
        return True


def test_what_ends_by_itself_is_finished_and_its_output_is_kept(tmp_path):
    ended = limits.run(python("print('hello')"), tmp_path / "log", seconds=60, memory_bytes=4 * _GB)
    assert ended.how == "finished"
    assert (tmp_path / "log").read_text() == "hello\n"


def test_at_its_time_a_command_may_clean_up_and_all_its_processes_are_gone(tmp_path):
    seen = []

    def watch(elapsed):
        seen.append(elapsed)

    limit = 1.0
    while not (tmp_path / "child").is_file():  # a busy machine: as long as it takes to begin
        limit *= 2
        ended = limits.run(python(_SLOW, tmp_path), tmp_path / "log", seconds=limit, memory_bytes=4 * _GB, watch=watch)
    assert ended.how == "time"
    assert seen
    assert (tmp_path / "cleaned").read_text() == "yes"
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if gone(child):
            break
        time.sleep(0.05)
    assert gone(child)


def test_what_does_not_heed_the_signal_is_killed(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    ended = limits.run(python(deaf), tmp_path / "log", seconds=2, memory_bytes=4 * _GB, grace=0.2)
    assert ended.how == "time"


def test_too_much_memory_ends_a_command(tmp_path):
    greedy = "import time; block = bytearray(400 << 20); time.sleep(600)"
    ended = limits.run(python(greedy), tmp_path / "log", seconds=600, memory_bytes=0.2 * _GB)
    assert ended.how == "memory"
    assert ended.peak_bytes > 0.2 * _GB
    assert memory.resident(os.getpid()) > 0


def test_a_failure_is_an_error_with_the_last_lines(tmp_path):
    with pytest.raises(GlcError, match=r"ended with code 3, expected 0: .*no such thing"):
        limits.run(
            python("import sys; print('no such thing'); sys.exit(3)"),
            tmp_path / "log",
            seconds=60,
            memory_bytes=4 * _GB,
        )


def test_an_interrupt_of_ours_stops_the_command_too(tmp_path):
    def interrupt(elapsed):
        if (tmp_path / "child").is_file():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limits.run(python(_SLOW, tmp_path), tmp_path / "log", seconds=600, memory_bytes=4 * _GB, watch=interrupt)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if gone(child):
            break
        time.sleep(0.05)
    assert gone(child)
