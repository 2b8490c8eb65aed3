"""A store in memory, and outputs to put there."""

from pathlib import Path

import fsspec
import pytest

from glc import storage
from glc.objectstore import Mirror, Store


@pytest.fixture
def files():
    """The file system, as one machine sees it."""
    system = fsspec.filesystem("memory", skip_instance_cache=True)
    yield system
    system.store.clear()


@pytest.fixture
def store(files):
    return Store("memory://bucket/runs", lambda: files)


@pytest.fixture
def machine(store, tmp_path, monkeypatch):
    """Makes the mirror of a machine's cache."""

    def make(name):
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        mirror = Mirror(root, store)
        monkeypatch.setitem(storage.mirrors, root, mirror)
        return mirror

    return make


@pytest.fixture
def output():
    """Writes an output with two files."""

    def write(mirror, text="first", name="Task-0123", **facts):
        folder = mirror.root / "store" / "tiny" / name
        task, identity = name.split("-")
        with storage.atomic_directory(folder, task=task, identity=identity, **facts) as out:
            (out / "a.txt").write_text(text)
            (out / "inner").mkdir()
            (out / "inner" / "b.txt").write_text(f"{text} b")
        return folder

    return write


def content(folder: Path) -> dict[str, str]:
    """Path -> text of the files of a folder, the manifest included."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
