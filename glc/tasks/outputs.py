"""What tasks leave, as Luigi targets; damaged outputs are reported or, with ``--repair``, removed and made again.

Where ROOT is in an object store (`glc.objectstore`), a target exists when the store has it.
"""

import logging
import shutil
from pathlib import Path

import luigi

from glc import objectstore, storage
from glc.errors import DamagedError
from glc.tasks.machine import machine

log = logging.getLogger(__name__)


def sound(folder: Path, *, digests: bool = True) -> bool:
    """Whether `folder` is a finished output that is still what was written.

    digests : also compare the content of files up to `storage.LARGE`; otherwise only the sizes
    A damaged one raises a DamagedError. With ``--repair`` the content of all files is compared, and a damaged output is
    removed, with a warning. An output that only an object store has is downloaded first, and so is one whose local copy
    is damaged or not the store's.
    """
    mirror = objectstore.opened(folder)
    if mirror is not None and not _brought(mirror, folder):
        return False
    if not storage.is_local(folder):
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


def _brought(mirror: objectstore.Mirror, folder: Path) -> bool:
    """Whether what the store has of an output is here now, or it has nothing; False where that was damaged."""
    try:
        if not mirror.holds(folder):
            return True
        try:
            if mirror.same(folder):
                storage.check(folder, digests=machine().repair, largest=None)
                mirror.used(folder)
                return True
        except DamagedError as error:
            log.warning("%s; downloading it again", error.cause)
            storage.remove(folder)
        mirror.fetch(folder)
        return True
    except objectstore.StoredDamageError as error:
        if not machine().repair:
            raise
        log.warning("%s; removed %s, which is made again", error.cause, error.url)
        mirror.remove(folder)
        if storage.is_local(folder):
            storage.remove(folder)
        return False


class Output(luigi.Target):
    """A finished output directory (`glc.storage`), as a Luigi target."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def exists(self) -> bool:
        mirror = objectstore.opened(self.path)
        if mirror is None:
            return sound(self.path, digests=False)
        try:
            return mirror.holds(self.path) or (mirror.read_only and storage.is_local(self.path))
        except objectstore.StoredDamageError:
            return sound(self.path)  # raises it, or removes the output (--repair)

    def __repr__(self) -> str:
        return f"Output({self.path})"


class Published(luigi.Target):
    """A copy at a stable place; it exists when it equals the product it was copied from."""

    def __init__(self, path: str | Path, source: str | Path) -> None:
        self.path, self.source = Path(path), Path(source)

    def exists(self) -> bool:
        mirror = objectstore.opened(self.path)
        if mirror is not None:
            facts = mirror.manifest(self.source.parent)
            file = None if facts is None else facts["contents"].get(self.source.name)
            published = file is not None and mirror.record(self.path) == file["sha256"]
            return published or (mirror.read_only and self.here())
        return self.here()

    def here(self) -> bool:
        """Whether it is on this disk and equals the product, which is there too."""
        if not (self.path.is_file() and storage.is_local(self.source.parent)):
            return False
        return storage.check_file(self.source) == storage.file_digest(self.path)

    def publish(self) -> None:
        """Copy the product to its stable place, whole or not at all; a damaged one is an error."""
        storage.check_file(self.source)
        with storage.atomic_file(self.path) as copy:
            shutil.copyfile(self.source, copy)

    def upload(self) -> None:
        """Copy it to the stable place in the object store, if there is one and it has another."""
        _upload(self, self.source.parent)


class PublishedFolder(luigi.Target):
    """A copy of an output directory at a stable place, with its manifest; it exists when that is the output's."""

    def __init__(self, path: str | Path, source: str | Path) -> None:
        self.path, self.source = Path(path), Path(source)

    def exists(self) -> bool:
        mirror = objectstore.opened(self.path)
        if mirror is not None:
            return mirror.holds(self.source) and mirror.record(self.path) == mirror.digest(self.source)
        return self.here()

    def here(self) -> bool:
        """Whether it is on this disk and equals the output, which is there too."""
        if not (storage.is_local(self.path) and storage.is_local(self.source)):
            return False
        same = (self.path / storage.MANIFEST).read_bytes() == (self.source / storage.MANIFEST).read_bytes()
        return same and sound(self.path, digests=False)

    def publish(self) -> None:
        """Copy the output to its stable place, whole or not at all; a damaged one is an error."""
        storage.check(self.source)
        with storage.replaced(self.path) as copy:
            shutil.copytree(self.source, copy, dirs_exist_ok=True)

    def upload(self) -> None:
        """Copy it to the stable place in the object store, if there is one and it has another."""
        _upload(self, self.source)


def _upload(target: Published | PublishedFolder, source: Path) -> None:
    mirror = objectstore.opened(target.path)
    if mirror is not None and not mirror.read_only and not target.exists():
        mirror.publish_product(target.path, source)
