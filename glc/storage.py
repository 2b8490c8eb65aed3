"""Where tables live and how they are written: whole or not at all.

Every path of a table goes through this module. An output directory carries its data, then ``_SUCCESS``: a JSON
manifest with row counts, columns, parameters, versions, the checksum and size of each file (`contents`), and its own
checksum. A directory without ``_SUCCESS`` is a leftover, never an output; one whose files are no longer what the
manifest says is damaged (`check`) and never read. Where ROOT is in an object store (`glc.objectstore`), an output may
be there alone: `exists` and `manifest` ask the store as well, `check` and `bring` download it.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import __version__, schema, scratch
from glc.errors import DamagedError, DataError
from glc.types import JSON, Facts, Keywords, StrPath

MANIFEST = "_SUCCESS"
Filters = list[tuple[str, str, object]]
"""Rows to read, as pyarrow has them: (column, operator, value), all of which must hold."""
Contents = Mapping[str, Mapping[str, JSON]]
"""Path of a file relative to its folder -> ``bytes`` and ``sha256``."""
LARGE = 64 * 2**20
"""Bytes of a file; larger ones are compared by their size alone when an output is opened."""
_CHECKSUM = "checksum"
_DRIVE = re.compile("[A-Za-z]:")
_ABOVE = ("..", "../..")
"""Where merged files may go: an output's folder is three or four levels below ROOT."""
_VERSIONS = (
    "luigi", "numpy", "pandas", "petastorm", "pyarrow", "pyspark", "pytorch-lightning", "rasterio", "scikit-learn",
    "scipy", "timm", "torch", "xgboost", "xgboost-cpu",
)  # fmt: skip
_sound: set[tuple[str, int, int, str]] = set()
"""Files that were compared with their checksum: path, size, modification time, sha256."""


class Mirror(Protocol):
    """What has the outputs below a local folder that are not there."""

    def covers(self, folder: Path) -> bool:
        """Whether an output may be there, by its place."""

    def holds(self, folder: Path) -> bool:
        """Whether it has this output."""

    def manifest(self, folder: Path) -> Facts | None:
        """Its manifest of an output; None where there is none."""

    def fetch(self, folder: Path) -> None:
        """Have its output in `folder`."""


mirrors: dict[Path, Mirror] = {}
"""Local folder of all outputs -> the object store that has them too."""


def is_local(folder: StrPath) -> bool:
    """Whether `folder` is a finished output on this disk."""
    return (Path(folder) / MANIFEST).is_file()


def bring(folder: StrPath) -> None:
    """Have a finished output on this disk if only the object store has it; otherwise nothing happens."""
    folder = Path(folder)
    mirror = _mirror_of(folder)
    if mirror is not None and not is_local(folder) and mirror.holds(folder):
        mirror.fetch(folder)


def exists(folder: StrPath) -> bool:
    """Whether `folder` is a finished output, here or in the object store; `check` says whether it is still whole."""
    folder = Path(folder)
    if is_local(folder):
        return True
    mirror = _mirror_of(folder)
    return mirror is not None and mirror.holds(folder)


def manifest(folder: StrPath) -> Facts:
    """The manifest of a finished output, a dict; a DamagedError tells of one that is not what was written."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        mirror = _mirror_of(path.parent)
        facts = None if mirror is None else mirror.manifest(path.parent)
        if facts is None:
            raise DataError(f"{folder}: not a finished output ({MANIFEST} is missing); run the task that makes it")
        return facts
    return parse_manifest(path.read_bytes(), folder, path)


def parse_manifest(text: bytes, folder: StrPath, path: StrPath) -> Facts:
    """The manifest in `text`; a DamagedError, for the output `folder` and the file `path`, says what is wrong."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(folder, path, f"{len(text):,} bytes that are no JSON ({error})", "JSON") from None
    if not isinstance(facts, dict) or _CHECKSUM not in facts or "contents" not in facts:
        raise DamagedError(folder, path, "a manifest without the key 'contents' or 'checksum'", "both")
    if facts[_CHECKSUM] != _checksum(facts):
        raise DamagedError(folder, path, "a manifest that was changed after it was written", "one like its checksum")
    # a manifest may be another machine's: its checksum is no proof that what it names is below its folder
    wrong = next(_wrong_names(facts), None)
    if wrong is not None:
        raise DamagedError(folder, path, f"the name {wrong!r}", "names of files below the folder, with their sizes")
    return facts


def is_below(name: object) -> bool:
    """Whether a name, of a manifest or of an object store, is a relative path that leads nowhere but down."""
    if not isinstance(name, str) or "\0" in name or "\\" in name or _DRIVE.match(name):
        return False
    return not {"", ".", ".."} & set(name.split("/"))


def merged_folder(folder: StrPath, facts: Facts) -> Path:
    """The folder above an output into which its merged files went; of a manifest that has ``merged``."""
    return Path(os.path.normpath(Path(folder) / facts["merged"]["into"]))


def _wrong_names(facts: Facts) -> Iterator[object]:
    """What a manifest names that is not below its folder, or comes without a size and sha256."""
    merged = facts.get("merged", {"into": "..", "contents": {}})
    if not isinstance(merged, dict) or merged.get("into") not in _ABOVE:
        yield merged["into"] if isinstance(merged, dict) and "into" in merged else merged
        return
    for files in (facts["contents"], merged.get("contents")):
        if not isinstance(files, dict):
            yield files
            continue
        for name, file in files.items():
            known = (
                isinstance(file, dict) and isinstance(file.get("bytes"), int) and isinstance(file.get("sha256"), str)
            )
            if not (known and is_below(name)):
                yield name
    published = facts.get("published", {})
    if not isinstance(published, dict):
        yield published
        return
    yield from (name for name in published if not is_below(name))


def check(folder: StrPath, *, digests: bool = True, largest: int | None = LARGE, within: StrPath | None = None) -> None:
    """Raise a DamagedError unless the files of a finished output are as its manifest says.

    digests : also compare their sha256, once per process and file; otherwise only their sizes
    largest : bytes of the largest file whose sha256 is compared; None: all
    within : a folder inside `folder`; only files there are looked at
    """
    folder = Path(folder)
    bring(folder)
    within = folder if within is None else Path(within)
    facts = manifest(folder)
    for name, file in facts["contents"].items():
        if within == folder or (folder / name).is_relative_to(within):
            _check_file(folder, folder / name, file, digests, largest)
    for path in sorted(within.rglob("*.parquet")):  # a reader would take it for a part of its table
        if str(path.relative_to(folder)) not in facts["contents"]:
            raise DamagedError(folder, path, "a file that the manifest does not name", "none")
    if within == folder and "merged" in facts:
        for name, file in facts["merged"]["contents"].items():
            _check_file(folder, merged_folder(folder, facts) / name, file, digests, largest)


def check_file(path: StrPath) -> str:
    """The sha256 of a file of a finished output; a DamagedError tells of one that is not as the manifest says."""
    path = Path(path)
    folder = output_of(path.parent)
    if folder is None:
        raise DataError(f"{path}: not in a finished output; run the task that makes it")
    file = manifest(folder)["contents"].get(str(path.relative_to(folder)))
    if file is None:
        raise DamagedError(folder, path, "a file that the manifest does not name", "none")
    _check_file(folder, path, file, True, None)
    return file["sha256"]


def output_of(folder: StrPath) -> Path | None:
    """The finished output that `folder` is, or is inside; None for a bare folder."""
    folder = Path(folder)
    for place in (folder, *folder.parents[:3]):
        path = place / MANIFEST
        if path.is_file() and path.stat().st_size:  # Spark leaves empty ones in the folders of its tables
            return place
    return None


def remove(folder: StrPath) -> None:
    """Remove an output, its manifest first: what is left of an interrupted removal is no output."""
    (Path(folder) / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def contents(folder: StrPath) -> dict[str, dict[str, JSON]]:
    """Size and sha256 of all files below `folder`, by their relative path."""
    return {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


@contextlib.contextmanager
def atomic_directory(folder: StrPath, **facts: JSON) -> Iterator[Path]:
    """Write an output directory next to its final place, then rename it with its manifest.

    Yields a temporary Path; `facts` and whatever the caller adds to the yielded path's ``facts.json`` through
    `note` go into the manifest. On an error nothing is left behind.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch.folder(folder.parent, folder.name) as out:
        yield out
        noted = out / _NOTES
        if noted.exists():
            facts |= json.loads(noted.read_text())
            noted.unlink()
        facts |= {"glc": __version__, "git": checkout(), "versions": _versions(), "contents": contents(out)}
        facts = json.loads(json.dumps(facts, default=str))
        text = json.dumps(facts | {_CHECKSUM: _checksum(facts)}, indent=1)
        (out / MANIFEST).write_text(text + "\n", encoding="utf-8")
        out.chmod(0o755)
        scratch.flush(out)
        if folder.exists():  # a leftover without manifest, or another process that finished first
            if is_local(folder):
                return
            shutil.rmtree(folder)
        os.replace(out, folder)
        scratch.flush_entry(folder.parent)
    note_sound(folder, facts["contents"])


def note_sound(folder: StrPath, files: Contents) -> None:
    """Remember that the files of an output have just been compared with their sha256."""
    for name, file in files.items():
        stat = os.stat(Path(folder) / name)
        _sound.add((str(Path(folder) / name), stat.st_size, stat.st_mtime_ns, str(file["sha256"])))


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
    """Yield a scratch folder; when the block ends its entries move into `folder`, replacing those of the same name.

    Files that are there already with the same content stay, and others are replaced one by one: whoever reads a folder
    that is written once more never finds a file missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch.folder(folder, "part") as out:
        yield out
        scratch.flush(out)
        for entry in sorted(out.iterdir()):
            wanted = [entry, *sorted(entry.rglob("*"))]
            for path in wanted:
                _move(path, folder / path.relative_to(out))
            names = {path.relative_to(out) for path in wanted}
            for path in sorted((folder / entry.name).rglob("*"), reverse=True):
                if path.relative_to(folder) not in names:
                    path.rmdir() if path.is_dir() else path.unlink()
        scratch.flush_entry(folder)


def _move(path: Path, place: Path) -> None:
    """Move a file to `place` unless the same is there; of a folder, make one."""
    if path.is_dir():
        if place.is_file():
            place.unlink()
        place.mkdir(exist_ok=True)
        return
    if place.is_dir():
        shutil.rmtree(place)
    same = place.is_file() and place.stat().st_size == path.stat().st_size and file_digest(place) == file_digest(path)
    if not same:
        os.replace(path, place)


@contextlib.contextmanager
def replaced(folder: StrPath) -> Iterator[Path]:
    """Yield a temporary folder, which takes the place of `folder` when the block ends without an error."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch.folder(folder.parent, folder.name) as out:
        yield out
        out.chmod(0o755)
        scratch.flush(out)
        if folder.exists():
            remove(folder)
        os.replace(out, folder)
        scratch.flush_entry(folder.parent)


@contextlib.contextmanager
def atomic_file(path: StrPath, within: StrPath | None = None) -> Iterator[Path]:
    """Yield a temporary Path of the same name, which becomes `path` when the block ends without an error.

    within : existing folder of the temporary file, on the same file system; None: that of `path`, in which a process
        that is killed leaves it
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch.folder(Path(within or path.parent), path.name) as out:
        yield out / path.name
        scratch.flush_entry(out / path.name)
        os.replace(out / path.name, path)
        scratch.flush_entry(path.parent)


def file_digest(path: StrPath) -> str:
    """sha256 of a file's bytes, remembered by path, size and modification time."""
    stat = os.stat(path)
    return _digest(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Stamp(NamedTuple):
    """What changes when a file below a folder comes, goes, or is written, also in place.

    bytes, files : of all files; modified_ns : of the one that was written last; digest : of names, sizes and times
    """

    bytes: int
    modified_ns: int
    files: int
    digest: str


def stamp(top: StrPath, *, deep: bool = True) -> Stamp:
    """The `Stamp` of a folder, wherever it lies; 0.6 s for 100,000 files that the system has in memory.

    deep : with the folders below it
    """
    digest, size, latest, files, pending = hashlib.sha256(), 0, 0, 0, [""]
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(top, below)) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
        digest.update(f"{below}\n".encode(errors="surrogateescape"))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending += [os.path.join(below, entry.name)] if deep else []
                continue
            try:
                facts = entry.stat()
            except FileNotFoundError:  # a link to nothing
                facts = entry.stat(follow_symlinks=False)
            line = f"{entry.name}\0{facts.st_size}\0{facts.st_mtime_ns}\n"
            digest.update(line.encode(errors="surrogateescape"))
            size, latest, files = size + facts.st_size, max(latest, facts.st_mtime_ns), files + 1
    return Stamp(size, latest, files, digest.hexdigest())


def raw_file(path: StrPath) -> Facts:
    """What a manifest says of a file from outside that was read."""
    path = Path(path).resolve()
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": file_digest(path)}


def write_table(table: pa.Table | pd.DataFrame, name: str, folder: StrPath, row_group_rows: int = 65_536) -> int:
    """Write a pyarrow table or pandas frame under the schema `name` as ``folder/part-0.parquet``; return its rows."""
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    table = schema.check(table, name, folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, Path(folder) / "part-0.parquet", row_group_size=row_group_rows, compression="zstd")
    return table.num_rows


def read_json(path: StrPath) -> JSON:
    """What a JSON file holds; a DataError names one that is none, or that is nested too deep to be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read as JSON ({error}), expected what glc wrote; copy the file again, or run the "
            "experiment again"
        ) from None


_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""Begin of a cell that a spreadsheet would run as a formula, and of one that `write_csv` has made harmless."""


def write_csv(frame: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a table that people open, in which no text is a formula to a spreadsheet; `read_csv` is its inverse.

    frame : cells and headers that a spreadsheet would take for a formula get an apostrophe in front; numbers none.
        Line ends within cells become line feeds, because a carriage return would not be quoted
    """

    def harmless(text: str) -> str:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text

    _of_texts(frame, harmless).to_csv(path, index=False, float_format=float_format)


def read_csv(path: Path, **options: Keywords) -> pd.DataFrame:
    """A table of `write_csv`; `options` are those of ``pandas.read_csv``."""
    frame = pd.read_csv(path, **options)
    return _of_texts(frame, lambda text: text[1:] if text.startswith("'") and _FORMULA.match(text) else text)


def _of_texts(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The frame with its texts changed, headers too."""

    def changed(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    texts = frame.select_dtypes(exclude=["number", "bool", "datetime", "datetimetz", "timedelta"])
    columns = {name: pd.Series(map(changed, values), frame.index, object) for name, values in texts.items()}
    return frame.assign(**columns).rename(columns=changed)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return len(text) == 1  # a dash, where there is nothing
    return True


def read_table(
    folder: StrPath, name: str, columns: Sequence[str] | None = None, filters: Filters | None = None
) -> pa.Table:
    """Read a table of schema `name` from `folder` (all its parquet files) as a pyarrow table.

    `columns` and `filters` are pyarrow's own; a DataError names the folder when there is nothing to read, and a
    DamagedError the file that is not what was written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        _bring_around(folder)
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder}: no parquet file of a {name} table; run the task that makes it")
    output = output_of(folder)
    if output is not None:
        check(output, within=folder)
    try:
        table = pq.read_table(files, columns=columns, filters=filters, schema=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedError(output or folder, _unreadable(files), str(error), f"a {name} table") from None
    wanted = schema.TABLES[name]
    missing = [column for column in (columns or wanted.names) if column not in table.column_names]
    if missing:
        raise DataError(f"{folder}: column {missing[0]!r} is missing from a {name} table; found {table.column_names}")
    return table


def _mirror_of(folder: Path) -> Mirror | None:
    return next((mirror for root, mirror in mirrors.items() if folder.is_relative_to(root)), None)


def _bring_around(folder: Path) -> None:
    """Have the output that `folder` is, or is inside, on this disk if only the object store has it."""
    mirror = _mirror_of(folder)
    for place in (folder, *folder.parents[:3]):
        if mirror is not None and mirror.covers(place) and mirror.holds(place):
            bring(place)
            return


def _unreadable(files: Sequence[Path]) -> Path:
    """The first file that is no parquet; the first of all if each is one."""
    for path in files:
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowInvalid):
            return path
    return files[0]


def _check_file(folder: Path, path: Path, file: Mapping[str, JSON], digests: bool, largest: int | None) -> None:
    try:
        stat = os.stat(path)
        if stat.st_size != file["bytes"]:
            raise DamagedError(folder, path, f"{stat.st_size:,} bytes", f"{file['bytes']:,}")
        key = str(path), stat.st_size, stat.st_mtime_ns, file["sha256"]
        if not digests or (largest is not None and stat.st_size > largest) or key in _sound:
            return
        digest = file_digest(path)
    except FileNotFoundError:
        raise DamagedError(folder, path, "no such file", f"one of {file['bytes']:,} bytes") from None
    except OSError as error:
        raise DamagedError(folder, path, f"a file that cannot be read ({error.strerror})", "its content") from None
    if digest != file["sha256"]:
        raise DamagedError(folder, path, f"sha256 {digest[:12]}…", f"{file['sha256'][:12]}… (the content has changed)")
    _sound.add(key)


def _checksum(facts: Facts) -> str:
    """sha256 of a manifest without its own checksum."""
    text = json.dumps({key: value for key, value in facts.items() if key != _CHECKSUM}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def checkout() -> dict[str, JSON] | None:
    """The ``commit`` of the checkout that this program runs from, and whether it is ``dirty``; None outside of one."""
    top = Path(__file__).resolve().parents[1]
    if not (top / ".git").exists():  # a wheel; its environment may lie in a checkout of something else
        return None
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}

    def git(*words: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(top), *words]
        return subprocess.run(command, env=plain, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "glc", "tasks", "conf")
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.SubprocessError):  # no git, or a checkout that it does not trust
        return None


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
