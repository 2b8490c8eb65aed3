"""Folders that are there only while something is written, locks between processes, and writes that survive a power cut.

Scratch folders and lock files are hidden (``.<name>-XXXXXXXX.partial``, ``.<name>.lock``) and held by a lock of the
kernel (flock), which ends with the process that took it, however it ends. So `remove_abandoned` can tell what a killed
run has left from what a run is writing now, where a process id would not do: ids are given again, and each container
counts its own. A file system without such locks loses nothing: there leftovers stay, and two runs do the same work.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from glc.types import StrPath

PARTIAL, LOCK = ".partial", ".lock"
MANY = 64
"""Files of an output; of more than that each own fsync (0.4 ms here) costs more than one sync of everything."""
_LONGEST = 100
"""Bytes of a name that are repeated in the scratch folder's, so that it fits wherever the name itself does."""


@contextlib.contextmanager
def folder(parent: StrPath, name: str) -> Iterator[Path]:
    """Yield a new folder in `parent` for what becomes `name`; what is left of it when the block ends is removed."""
    path, lock = _locked_folder(Path(parent), name)
    process = os.getpid()
    try:
        yield path
    finally:
        if os.getpid() == process:  # not in one that was forked meanwhile
            shutil.rmtree(path, ignore_errors=True)
            _release(lock)


@contextlib.contextmanager
def locked(path: StrPath, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, so that no other process or thread is in such a block; it is removed at the end.

    waiting : called once, before this one waits for another holder
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except BaseException:
                os.close(lock)
                raise
        except OSError:
            pass  # a file system without locks
        if _is_at(lock, path):
            break
        os.close(lock)  # the other holder removed it
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _release(lock)


def remove_abandoned(parent: StrPath, name: str = "") -> list[Path]:
    """Remove the scratch folders and lock files in `parent` whose process is gone; returns their paths.

    name : only those of what is called so
    """
    removed = []
    for path in sorted(Path(parent).glob(f".{name}*")):
        if path.suffix not in (PARTIAL, LOCK):
            continue
        with contextlib.suppress(OSError):  # held, another user's, gone meanwhile, or on a file system without locks
            lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid != os.getuid() or not _is_at(lock, path):
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
                removed.append(path)
            finally:
                _release(lock)
    return removed


def flush(path: StrPath) -> None:
    """Have a file, or a folder with everything below, on the disk.

    Without it a power cut can leave the new name with empty files: the rename may be on the disk before the content.
    """
    path = Path(path)
    below = sorted(path.rglob("*")) if path.is_dir() else []
    if len(below) > MANY:
        os.sync()
        return
    for each in [*below, path]:
        if each.is_file() or each.is_dir():
            flush_entry(each)


def flush_entry(path: StrPath) -> None:
    """Have a file's content, or the names in a folder, on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _locked_folder(parent: Path, name: str) -> tuple[Path, int | None]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=f".{name[:_LONGEST]}-", suffix=PARTIAL, dir=parent))
        lock = None
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.is_dir():
            return path, lock
        _release(lock)  # `remove_abandoned` of another process came before the lock


def _is_at(lock: int, path: Path) -> bool:
    """Whether the open file is still the one called `path`."""
    try:
        return os.path.samestat(os.fstat(lock), os.lstat(path))
    except FileNotFoundError:
        return False


def _release(lock: int | None) -> None:
    """Let go of a lock; closing alone would leave it to processes that were forked meanwhile."""
    if lock is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)
