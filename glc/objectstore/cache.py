"""The bound of a local cache: outputs that were not used for longest go, if the store has them."""

import fcntl
import logging
from pathlib import Path

from glc import storage
from glc.errors import GlcError
from glc.objectstore.mirror import Mirror

log = logging.getLogger(__name__)
LOCK = ".in-use"
"""File in the local root; every run that uses the cache holds a shared lock on it."""


def trim(mirror: Mirror, lock: int, most: int) -> list[Path]:
    """Remove outputs until those that are left have at most `most` bytes; returns the folders that went.

    lock : an open file; while another run holds it nothing is removed
    What the store does not have stays: an upload that was interrupted goes on from it.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return []
    except OSError:
        pass  # a file system without locks
    sizes = {path.parent: _size(path.parent) for path in mirror.root.glob(f"store/*/[!.]*/{storage.MANIFEST}")}
    total, removed = sum(sizes.values()), []
    for folder in sorted(sizes, key=lambda folder: (folder / storage.MANIFEST).stat().st_atime):
        if total <= most:
            break
        try:
            if not mirror.same(folder):
                continue
        except GlcError as error:
            log.warning("%s; the local copy stays", error)
            continue
        storage.remove(folder)
        total -= sizes[folder]
        removed.append(folder)
    if removed:
        log.info("removed from the cache: %s", ", ".join(map(str, removed)))
    return removed


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
