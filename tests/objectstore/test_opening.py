"""What is wrong with a root in an object store is said when it is opened; the cache keeps to its bound."""

import importlib.util
import os

import fsspec
import pytest

from glc.errors import ConfigError
from glc.objectstore import StoreError, cache, opening
from glc.objectstore.store import Store

SOURCE = "--root (make: ROOT=)"


@pytest.fixture
def opened(monkeypatch, files, tmp_path):
    """Opens a root in memory."""
    monkeypatch.setitem(opening.EXTRAS, "memory", ("fsspec", "memory"))
    monkeypatch.setattr(opening, "_opened", {})
    monkeypatch.setattr(opening.storage, "mirrors", {})

    def start(url="memory://bucket/runs", gigabytes=1.0, name="cache"):
        return opening.local_root(url, tmp_path / name, gigabytes, SOURCE)

    yield start
    while opening._held:
        os.close(opening._held.pop())


def test_a_root_is_a_folder_of_the_cache_and_back(opened, tmp_path):
    root = opened("memory://bucket/runs/")
    assert root == tmp_path / "cache" / "memory" / "bucket" / "runs"
    assert opening.url_of(root, tmp_path / "cache") == "memory://bucket/runs"
    assert opening.url_of(tmp_path / "cache", tmp_path / "cache") == ""
    assert opening.url_of(tmp_path / "other", tmp_path / "cache") == ""
    assert opening.opened(root / "store" / "tiny").store.url == "memory://bucket/runs"
    assert opening.opened(tmp_path) is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("az://bucket", r"found 'az://bucket', expected a folder, or a URL that begins with one of: s3://, gs://"),
        ("s3://", "found 's3://', expected s3://BUCKET/FOLDER"),
        ("gs:///runs", "expected gs://BUCKET/FOLDER"),
        ("s3://bucket/../other", "expected s3://BUCKET/FOLDER"),
        ("s3://bucket/runs?versionId=1", "expected s3://BUCKET/FOLDER"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(tmp_path, url, message):
    with pytest.raises(ConfigError, match=rf"^--root \(make: ROOT=\): .*{message}"):
        opening.local_root(url, tmp_path, 1.0, SOURCE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("scheme", "package", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs")])
def test_the_extra_that_is_missing_is_named(tmp_path, monkeypatch, scheme, package, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"package {package} is not installed; try: pip install -e '.\[{extra}\]'"):
        opening.local_root(f"{scheme}://bucket", tmp_path, 1.0, SOURCE)


class Refusing(fsspec.get_filesystem_class("memory")):
    """A store that refuses to be written to."""

    error: Exception = OSError()

    def pipe_file(self, path, value, mode="overwrite", **options):
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError("The specified bucket does not exist"), "found no bucket 'bucket', expected one; .*s3 mb"),
        (PermissionError("Forbidden"), r"access is denied \(Forbidden\), expected credentials .*AWS_ACCESS_KEY_ID"),
        (type("NoCredentialsError", (Exception,), {})("Unable to locate"), "found no usable credentials .*AWS_PROFILE"),
        (ConnectionError("cannot\nconnect"), r"writing .glc failed \(ConnectionError: cannot connect\).*run the same"),
    ],
)
def test_a_store_that_refuses_is_one_line(error, message):
    files = Refusing(skip_instance_cache=True)
    files.error = error
    with pytest.raises(StoreError, match=f"^s3://bucket/runs: {message}") as raised:
        Store("s3://bucket/runs", lambda: files).write(".glc", b"")
    assert "\n" not in str(raised.value)


def _finished(mirror, output, names):
    """Outputs, used in this order."""
    folders = [output(mirror, name=name) for name in names]
    for second, folder in enumerate(folders):
        mirror.publish(folder)
        os.utime(folder / "_SUCCESS", (second, (folder / "_SUCCESS").stat().st_mtime))
    return folders


@pytest.fixture
def lock(tmp_path):
    number = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield number
    os.close(number)


def test_what_was_not_used_for_longest_leaves_the_cache_first(machine, output, lock):
    mirror = machine("here")
    folders = _finished(mirror, output, ("Task-1", "Task-2", "Task-3"))
    unfinished = output(mirror, name="Task-4")  # its upload was interrupted
    os.utime(unfinished / "_SUCCESS", (0, 0))
    mirror.used(folders[0])
    size = sum(path.stat().st_size for path in folders[0].rglob("*") if path.is_file())
    assert cache.trim(mirror, lock, 100 * size) == []
    assert cache.trim(mirror, lock, int(2.5 * size)) == folders[1:]
    assert folders[0].is_dir()
    assert unfinished.is_dir()


def test_nothing_leaves_a_cache_that_another_run_uses(opened, machine, output, tmp_path):
    root = opened()
    mirror = machine("here")
    _finished(mirror, output, ("Task-1",))
    other = os.open(root / cache.LOCK, os.O_RDWR)
    assert cache.trim(mirror, other, 0) == []
    os.close(other)
