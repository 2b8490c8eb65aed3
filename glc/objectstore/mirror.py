"""A local folder of outputs and its counterpart in an object store."""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from glc import __version__, scratch, storage
from glc.errors import DamagedError, DataError
from glc.objectstore import lease
from glc.objectstore.store import Store, StoredDamageError, StoreError
from glc.types import Facts

log = logging.getLogger(__name__)
RECORDS = ".published"
MARK = ".glc"
"""File at the top of a root, written to learn early whether the store takes files."""
_LEASE, _MERGED = ".lease", ".merged"
_OUTPUTS = ("store", "datasets")
"""Folders of a root with outputs."""


class _Manifest(NamedTuple):
    text: bytes
    facts: Facts


class _File(NamedTuple):
    """A file of an output: its name in the store's folder, its place on this disk, its size and sha256."""

    name: str
    local: Path
    bytes: int
    sha256: str


class Mirror:
    """Outputs below a local folder, which are finished when the store has them.

    root : the local folder
    store : its counterpart
    `read_only` is set where the store takes no files and none is needed: what is made is kept here alone.
    """

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store
        self.read_only = self._marked = False
        self._manifests: dict[str, _Manifest] = {}
        self._records: dict[str, Facts] = {}

    def check_writable(self) -> None:
        """Raise a StoreError unless the store takes files, of which the first marks the top of the root."""
        if not self._marked:
            self.store.write(MARK, json.dumps({"glc": __version__}).encode())
            self._marked = True

    def covers(self, folder: Path) -> bool:
        """Whether an output may be there: three levels below the root, such as ``store/<dataset>/<task>``."""
        return folder.is_relative_to(self.root) and len(folder.relative_to(self.root).parts) > 2

    def holds(self, folder: Path) -> bool:
        """Whether the store has this output; a StoredDamageError tells of a manifest that is not what was written."""
        return self._manifest(folder) is not None

    def manifest(self, folder: Path) -> Facts | None:
        """The store's manifest of an output; None where there is none."""
        manifest = self._manifest(folder)
        return None if manifest is None else manifest.facts

    def same(self, folder: Path) -> bool:
        """Whether the local copy of an output is the one in the store, by their manifests."""
        manifest, path = self._manifest(folder), folder / storage.MANIFEST
        return manifest is not None and path.is_file() and path.read_bytes() == manifest.text

    def digest(self, folder: Path) -> str:
        """sha256 of the store's manifest of an output; empty where there is none."""
        manifest = self._manifest(folder)
        return "" if manifest is None else hashlib.sha256(manifest.text).hexdigest()

    def used(self, folder: Path) -> None:
        """Note that a local copy was used now: what was not used for longest is removed first."""
        path = folder / storage.MANIFEST
        os.utime(path, (time.time(), path.stat().st_mtime))

    def lease(
        self, folder: Path, finished: Callable[[], bool], waiting: Callable[[str], object]
    ) -> AbstractContextManager[None]:
        """Hold the right to make an output, see `glc.objectstore.lease.held`."""
        return lease.held(self.store, f"{self._name(folder)}/{_LEASE}", finished, waiting)

    def fetch(self, folder: Path) -> None:
        """Have the store's output in `folder`: downloaded, compared with its manifest, then renamed.

        A StoredDamageError tells of a file that is missing or not what was written.
        """
        with scratch.locked(folder.with_name(f".{folder.name}.fetch{scratch.LOCK}")):
            if self.same(folder) and _whole(folder):
                return  # by another process meanwhile
            manifest = self._manifest(folder)
            if manifest is None:
                raise DataError(
                    f"{self.store.place(self._name(folder))}: not a finished output ({storage.MANIFEST} is missing); "
                    "run the task that makes it"
                )
            log.info("downloading %s", self.store.place(self._name(folder)))
            with scratch.folder(folder.parent, folder.name) as out:
                self._download(folder, manifest, out)
                (out / storage.MANIFEST).write_bytes(manifest.text)
                out.chmod(0o755)
                scratch.flush(out)
                if folder.exists():
                    storage.remove(folder)
                os.replace(out, folder)
                scratch.flush_entry(folder.parent)
            storage.note_sound(folder, manifest.facts["contents"])

    def publish(self, folder: Path) -> None:
        """Upload a finished output, its manifest last; what an interrupted upload has left is not uploaded again.

        If another machine finished first, its output is kept, and takes the place of the local one.
        """
        self.check_writable()
        facts, text = storage.manifest(folder), (folder / storage.MANIFEST).read_bytes()
        base = self.base(folder, facts)
        files = files_of(folder, facts)
        there = self.store.sizes(base)
        for file in files:
            if there.get(file.name) != file.bytes:
                self.store.upload(file.local, f"{base}/{file.name}")
        there = self.store.sizes(base) if files else {}
        for file in files:
            if there.get(file.name) != file.bytes:
                raise StoreError(
                    f"{self.store.place(base)}/{file.name}: found {there.get(file.name, 0):,} bytes after the upload, "
                    f"expected {file.bytes:,}; run the same command again"
                )
        name = self._name(folder)
        if self.store.write_new(f"{name}/{storage.MANIFEST}", text):
            self._manifests[name] = _Manifest(text, facts)
            return
        if not self.same(folder):
            log.info("another machine finished %s first; its output is used", self.store.place(name))
            self.fetch(folder)

    def remove(self, path: Path) -> bool:
        """Remove an output, or a product at its stable place, from the store; returns whether there was anything."""
        name = self._name(path)
        self._manifests.pop(name, None)
        self._records.pop(name, None)
        self.store.remove(f"{name}/{storage.MANIFEST}")
        self.store.remove(f"{RECORDS}/{name}")
        folder = self.store.remove_folder(name)
        file = self.store.read(name) is not None
        if file:
            self.store.remove(name)
        return folder or file

    def record(self, path: Path) -> str:
        """sha256 of the published file, or of the manifest of the published folder, at a stable place; empty: none."""
        name = self._name(path)
        if name not in self._records:
            facts = self.record_of(name)
            if facts is None:
                return ""
            self._records[name] = facts
        return str(self._records[name]["sha256"])

    def publish_product(self, path: Path, source: Path) -> None:
        """Upload a product to its stable place.

        path : a file, or a folder with a manifest
        source : folder of the output that it is a copy of
        """
        name = self._name(path)
        self.store.remove(f"{RECORDS}/{name}")
        if path.is_dir():
            self._publish_folder(path)
        else:
            self.store.upload(path, name)
        digest = storage.file_digest(path / storage.MANIFEST if path.is_dir() else path)
        facts: Facts = {"sha256": digest, "output": self._name(source)}
        self.store.write(f"{RECORDS}/{name}", json.dumps(facts).encode())
        self._records[name] = facts

    def refresh(self, kind: str) -> None:
        """Have the products of one kind that other machines published, such as ``metrics``, at their stable places."""
        for name in self.store.sizes(f"{RECORDS}/{kind}"):
            record = self.record_of(f"{kind}/{name}")
            path = self.root / kind / name
            if record is None or (path.is_file() and storage.file_digest(path) == record["sha256"]):
                continue
            folder = self.root / str(record["output"])
            facts = self.manifest(folder)
            if facts is None:  # removed since (glc clean)
                continue
            if not (self.same(folder) and _whole(folder)):
                self.fetch(folder)
            for part, file in facts["contents"].items():
                if file["sha256"] == record["sha256"]:
                    with storage.atomic_file(path) as copy:
                        shutil.copyfile(folder / part, copy)
                    break

    def _publish_folder(self, path: Path) -> None:
        """Replace a folder at its stable place, for people and other programs: glc reads the output itself."""
        name = self._name(path)
        manifest = f"{name}/{storage.MANIFEST}"
        before = self.store.read(manifest)
        self.store.remove(manifest)
        contents = storage.manifest(path)["contents"]
        for part in contents:
            self.store.upload(path / part, f"{name}/{part}")
        for part in _named_by(before) - set(contents):
            self.store.remove(f"{name}/{part}")
        text = (path / storage.MANIFEST).read_bytes()
        self.store.write(manifest, text)
        self._manifests[name] = _Manifest(text, storage.manifest(path))

    def record_of(self, name: str) -> Facts | None:
        """What is recorded of a product at its stable place: ``sha256``, and the ``output`` that it is a copy of."""
        path = f"{RECORDS}/{name}"
        if not storage.is_below(name):
            raise self._refused(path, name)
        content = self.store.read(path)
        try:
            facts = json.loads(content) if content else None
        except ValueError:
            return None  # the product is published again
        if not (isinstance(facts, dict) and {"sha256", "output"} <= facts.keys()):
            return None
        output = facts["output"]
        if not storage.is_below(output) or output.split("/")[0] not in _OUTPUTS or output.count("/") < 2:
            raise self._refused(path, output)
        return facts

    def _manifest(self, folder: Path) -> _Manifest | None:
        """Remembered once it is there: a finished output never changes."""
        name = self._name(folder)
        if name not in self._manifests:
            path = f"{name}/{storage.MANIFEST}"
            text = self.store.read(path)
            if text is None:
                return None
            try:
                facts = storage.parse_manifest(text, folder, self.store.place(path))
            except DamagedError as error:
                actual, expected = error.args[2:4]
                raise StoredDamageError(
                    folder, self.store.place(name), self.store.place(path), actual, expected
                ) from None
            self._manifests[name] = _Manifest(text, facts)
        return self._manifests[name]

    def _download(self, folder: Path, manifest: _Manifest, out: Path) -> None:
        base = self.base(folder, manifest.facts)
        with scratch.folder(folder.parent, f"{folder.name}-merged") as merged:
            for file in files_of(out, manifest.facts, merged):
                path = f"{base}/{file.name}"
                here = self.store.download(path, file.local)
                size = file.local.stat().st_size if here else 0
                actual, expected = f"{size:,} bytes" if here else "no such file", f"{file.bytes:,} bytes"
                if here and size == file.bytes:
                    digest = storage.file_digest(file.local)
                    actual, expected = f"sha256 {digest[:12]}…", f"{file.sha256[:12]}…"
                    if digest == file.sha256:
                        continue
                url = self.store.place(self._name(folder))
                raise StoredDamageError(folder, url, self.store.place(path), actual, expected)
            if "merged" in manifest.facts:
                with storage.merged_into(storage.merged_folder(folder, manifest.facts)) as into:
                    for entry in merged.iterdir():
                        os.replace(entry, into / entry.name)

    def base(self, folder: Path, facts: Facts) -> str:
        """Folder of an output's files in the store; those of a product's folder are its output's."""
        name = self._name(folder)
        if not name.startswith(("store/", "datasets/")):
            name = f"store/{name.split('/')[1]}/{facts['task']}-{facts['identity']}"
        contents = [facts["contents"], facts.get("merged", {}).get("contents")]
        return f"{name}/{hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]}"

    def _name(self, path: Path) -> str:
        name = Path(path).relative_to(self.root).as_posix()
        if not storage.is_below(name):
            raise self._refused(name, name)
        return name

    def _refused(self, path: str, name: object) -> StoreError:
        """Of a name that leads out of the root: what it has would be written elsewhere on this machine."""
        return StoreError(
            f"{self.store.place(path)}: found the name {name!r}, expected one below the root; glc did not write it: "
            "find out who may write to this store, then remove the file"
        )


def files_of(folder: Path, facts: Facts, merged: Path | None = None) -> list[_File]:
    """The files of an output.

    merged : where those are that were merged into another folder; by default that folder
    """
    files = [
        _File(name, folder / name, file["bytes"], file["sha256"]) for name, file in sorted(facts["contents"].items())
    ]
    if "merged" in facts:
        into = merged or storage.merged_folder(folder, facts)
        files += [
            _File(f"{_MERGED}/{name}", into / name, file["bytes"], file["sha256"])
            for name, file in sorted(facts["merged"]["contents"].items())
        ]
    return files


def _whole(folder: Path) -> bool:
    """Whether a local copy's files have the sizes that its manifest says."""
    try:
        storage.check(folder, digests=False)
    except DamagedError:
        return False
    return True


def _named_by(text: bytes | None) -> set[str]:
    """Paths of the files that a manifest names; empty where it cannot be read."""
    try:
        facts = json.loads(text or b"{}")
        return set(facts.get("contents", {}))
    except (ValueError, AttributeError):
        return set()
