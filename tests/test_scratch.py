"""Scratch folders and locks among processes: what lives is never touched, what is gone leaves nothing."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from glc import scratch

HOLDER = """
import sys, time
from pathlib import Path
from glc import scratch
with scratch.folder(sys.argv[1], "Task-1") as folder, scratch.locked(Path(sys.argv[1]) / ".Task-1.lock"):
    (folder / "half").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """(a process that writes into a scratch folder and holds a lock, the folder)."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    yield process, tmp_path / process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_living_process_writes_stays_and_what_a_killed_one_left_goes(holder, tmp_path):
    process, folder = holder
    assert scratch.remove_abandoned(tmp_path) == []
    assert (folder / "half").is_file()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert scratch.remove_abandoned(tmp_path) == [folder, tmp_path / ".Task-1.lock"]
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_holds_nobody_up(holder, tmp_path):
    process, _ = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    waited = []
    with scratch.locked(tmp_path / ".Task-1.lock", lambda: waited.append(True)):
        assert not waited


def test_what_is_not_scratch_stays(tmp_path):
    for name in (".venv", ".hidden.partial.txt", "made.partial", ".Tiles-1-parts"):
        (tmp_path / name).mkdir()
    assert scratch.remove_abandoned(tmp_path) == []
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".link.partial").symlink_to(tmp_path / "elsewhere")
    assert scratch.remove_abandoned(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 6


def test_only_one_thread_is_behind_a_lock_and_nothing_is_left_of_it(tmp_path):
    inside, most, waited = [], [], []

    def work():
        for _ in range(20):
            with scratch.locked(tmp_path / ".x.lock", lambda: waited.append(True)):
                inside.append(True)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)
    assert waited
    assert list(tmp_path.iterdir()) == []


def test_a_forked_process_that_ends_does_not_take_the_folder_along(tmp_path):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch.folder(tmp_path, "x"))
        child = os.fork()
        if not child:
            stack.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert folder.is_dir()
        assert scratch.remove_abandoned(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_names_of_any_length_that_a_file_can_have_fit(tmp_path):
    with scratch.folder(tmp_path, "x" * 255) as folder:
        assert folder.is_dir()


def test_everything_is_on_the_disk_before_the_rename(tmp_path, monkeypatch):
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda file: synced.add(os.readlink(f"/proc/self/fd/{file}")))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("x")
    scratch.flush(tmp_path)
    assert synced == {str(tmp_path), str(tmp_path / "sub"), str(tmp_path / "sub" / "file")}
    for number in range(scratch.MANY + 1):
        (tmp_path / str(number)).write_text("x")
    synced.clear()
    monkeypatch.setattr(os, "sync", lambda: synced.add("all"))
    scratch.flush(tmp_path)
    assert synced == {"all"}
