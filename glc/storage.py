"""Where tables live and how they are written: whole or not at all.

Every path of a table goes through this module, so that object stores can follow (there the manifest is written last).
An output directory carries its data, then ``_SUCCESS``: a JSON manifest with row counts, columns, parameters,
versions, and the checksum and size of each file (`contents`). A directory without ``_SUCCESS`` is a leftover, never an
output.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import __version__, schema
from glc.errors import DataError
from glc.types import JSON, Facts, StrPath

MANIFEST = "_SUCCESS"
Filters = list[tuple[str, str, object]]
"""Rows to read, as pyarrow has them: (column, operator, value), all of which must hold."""
_VERSIONS = ("numpy", "pandas", "pyarrow", "pyspark", "torch", "pytorch-lightning", "petastorm", "scipy")


def exists(folder: StrPath) -> bool:
    """Whether `folder` is a finished output."""
    return (Path(folder) / MANIFEST).is_file()


def manifest(folder: StrPath) -> Facts:
    """The manifest of a finished output, a dict."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder}: not a finished output ({MANIFEST} is missing); run the task that makes it")
    return json.loads(path.read_text())


@contextlib.contextmanager
def atomic_directory(folder: StrPath, **facts: JSON) -> Iterator[Path]:
    """Write an output directory next to its final place, then rename it with its manifest.

    Yields a temporary Path; `facts` and whatever the caller adds to the yielded path's ``facts.json`` through
    `note` go into the manifest. On an error nothing is left behind.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield scratch
        noted = scratch / _NOTES
        if noted.exists():
            facts |= json.loads(noted.read_text())
            noted.unlink()
        facts |= {
            "glc": __version__,
            "versions": _versions(),
            "contents": {
                str(path.relative_to(scratch)): {"bytes": path.stat().st_size, "sha256": file_digest(path)}
                for path in sorted(scratch.rglob("*"))
                if path.is_file()
            },
        }
        (scratch / MANIFEST).write_text(json.dumps(facts, indent=1, default=str) + "\n")
        scratch.chmod(0o755)
        if folder.exists():  # a leftover without manifest, or another process that finished first
            if exists(folder):
                shutil.rmtree(scratch)
                return
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


_NOTES = ".facts.json"


def note(scratch: StrPath, **facts: JSON) -> None:
    """Add `facts` to the manifest of the output being written in `scratch`."""
    path = Path(scratch) / _NOTES
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | facts, default=str))


def check_space(folder: StrPath, size: int, what: str, remedy: str) -> None:
    """Raise a DataError when `what`, of `size` bytes, does not fit on the disk of the existing `folder`."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"{folder}: {what} needs {size / 2**30:,.1f} GB on disk, {free / 2**30:,.1f} GB are free; {remedy}"
        )


@contextlib.contextmanager
def merged_into(folder: StrPath) -> Iterator[Path]:
    """Yield a scratch folder; when the block ends its entries move into `folder`, replacing those of the same name."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        yield scratch
        for entry in sorted(scratch.iterdir()):
            place = folder / entry.name
            if place.is_dir():
                shutil.rmtree(place)
            os.replace(entry, place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(path: StrPath) -> Iterator[Path]:
    """Yield a temporary Path next to `path` that becomes `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def file_digest(path: StrPath) -> str:
    """sha256 of a file's bytes, remembered by path, size and modification time."""
    stat = os.stat(path)
    return _digest(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_table(table: pa.Table | pd.DataFrame, name: str, folder: StrPath, row_group_rows: int = 65_536) -> int:
    """Write a pyarrow table or pandas frame under the schema `name` as ``folder/part-0.parquet``; return its rows."""
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    table = schema.check(table, name, folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, Path(folder) / "part-0.parquet", row_group_size=row_group_rows, compression="zstd")
    return table.num_rows


def read_table(
    folder: StrPath, name: str, columns: Sequence[str] | None = None, filters: Filters | None = None
) -> pa.Table:
    """Read a table of schema `name` from `folder` (all its parquet files) as a pyarrow table.

    `columns` and `filters` are pyarrow's own; a DataError names the folder when there is nothing to read.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder}: no parquet file of a {name} table; run the task that makes it")
    table = pq.read_table(files, columns=columns, filters=filters, schema=None)
    wanted = schema.TABLES[name]
    missing = [column for column in (columns or wanted.names) if column not in table.column_names]
    if missing:
        raise DataError(f"{folder}: column {missing[0]!r} is missing from a {name} table; found {table.column_names}")
    return table


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    versions = {}
    for name in _VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
