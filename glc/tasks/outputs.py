"""What tasks leave, as Luigi targets; damaged outputs are reported or, with ``--repair``, removed and made again."""

import logging
import shutil
from pathlib import Path

import luigi

from glc import storage
from glc.errors import DamagedError
from glc.tasks.machine import machine

log = logging.getLogger(__name__)


def sound(folder: Path, *, digests: bool = True) -> bool:
    """Whether `folder` is a finished output that is still what was written.

    digests : also compare the content of files up to `storage.LARGE`; otherwise only the sizes
    A damaged one raises a DamagedError. With ``--repair`` the content of all files is compared, and a damaged output is
    removed, with a warning.
    """
    if not storage.exists(folder):
        return False
    repair = machine().repair
    try:
        storage.check(folder, digests=digests or repair, largest=None if repair else storage.LARGE)
    except DamagedError as error:
        if not repair:
            raise
        log.warning("%s; removed %s, which is made again", error.cause, error.folder)
        storage.remove(folder)
        return False
    return True


class Output(luigi.Target):
    """A finished output directory (`glc.storage`), as a Luigi target."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def exists(self) -> bool:
        return sound(self.path, digests=False)

    def __repr__(self) -> str:
        return f"Output({self.path})"


class Published(luigi.Target):
    """A copy at a stable place; it exists when it equals the product it was copied from."""

    def __init__(self, path: str | Path, source: str | Path) -> None:
        self.path, self.source = Path(path), Path(source)

    def exists(self) -> bool:
        if not (self.path.is_file() and storage.exists(self.source.parent)):
            return False
        return storage.check_file(self.source) == storage.file_digest(self.path)

    def publish(self) -> None:
        """Copy the product to its stable place, whole or not at all; a damaged one is an error."""
        storage.check_file(self.source)
        with storage.atomic_file(self.path) as copy:
            shutil.copyfile(self.source, copy)


class PublishedFolder(luigi.Target):
    """A copy of an output directory at a stable place, with its manifest; it exists when that is the output's."""

    def __init__(self, path: str | Path, source: str | Path) -> None:
        self.path, self.source = Path(path), Path(source)

    def exists(self) -> bool:
        if not (storage.exists(self.path) and storage.exists(self.source)):
            return False
        same = (self.path / storage.MANIFEST).read_bytes() == (self.source / storage.MANIFEST).read_bytes()
        return same and sound(self.path, digests=False)

    def publish(self) -> None:
        """Copy the output to its stable place, whole or not at all; a damaged one is an error."""
        storage.check(self.source)
        with storage.replaced(self.path) as copy:
            shutil.copytree(self.source, copy, dirs_exist_ok=True)
