"""Which files of a contest an edition needs, and where in its folder they belong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from glc.editions import Edition, Table
from glc.errors import DataError
from glc.remote.download import Remote


@dataclass(frozen=True)
class Wanted:
    """A file to fetch, and its path in the dataset's folder."""

    remote: Remote
    place: str


def tables(edition: Edition, files: Sequence[Remote]) -> dict[str, Wanted]:
    """The tables of an edition among a contest's files, zipped or not.

    files : of the contest
    returns : glob that the edition looks for first -> the file
    """
    chosen = {}
    for table in edition.tables:
        wanted = _file_of(table, files)
        if wanted is not None:
            chosen[table.patterns[0]] = wanted
    return chosen


def complete(edition: Edition, chosen: dict[str, Wanted]) -> bool:
    """Whether every table has its file, so that no more of the contest's list has to be read."""
    return all(table.patterns[0] in chosen for table in edition.tables)


def refuse_without_training(edition: Edition, chosen: dict[str, Wanted], files: Sequence[Remote], page: str) -> None:
    """Raise a DataError if no file is a table that the edition trains on."""
    trains = [table for table in edition.tables if table.dataset in (edition.train, *edition.or_train)]
    if any(table.patterns[0] in chosen for table in trains):
        return
    names = [file.name for file in files[:8]]
    more = f" and {len(files) - 8:,} more" if len(files) > 8 else ""
    looked = ", ".join(dict.fromkeys(table.patterns[0] for table in trains))
    raise DataError(
        f"{page}: found {', '.join(names) or 'no file'}{more}, expected {looked}; if the files have other names, fetch "
        "them by --files GLOB, or everything by --all"
    )


def by_glob(globs: Iterable[str], files: Sequence[Remote]) -> list[Wanted]:
    """The files whose path at the contest matches one of the globs, in which ``*`` is any text, also a slash."""
    globs = tuple(globs)
    return [Wanted(file, file.name) for file in files if any(fnmatchcase(file.name, glob) for glob in globs)]


def _file_of(table: Table, files: Sequence[Remote]) -> Wanted | None:
    for pattern in table.patterns:  # the first with a match wins, as in a folder
        parts = len(PurePosixPath(pattern).parts)
        for file in files:
            path = _unpacked(file.name)
            if path.match(pattern) and len(path.parts) == parts:
                return Wanted(file, path.as_posix())
    for pattern in table.patterns:  # in a deeper folder, where `Table.find` would not look: placed where it would
        name = PurePosixPath(pattern).name
        for file in files:
            path = _unpacked(file.name)
            if path.match(name):
                flat = next((p for p in table.patterns if "/" not in p), None)
                folder = "" if flat else f"{PurePosixPath(pattern).parent.as_posix().replace('*', 'surveys')}/"
                return Wanted(file, f"{folder}{path.name}")
    return None


def _unpacked(name: str) -> PurePosixPath:
    """Path of the file inside, where a single file is listed as a zip."""
    return PurePosixPath(name.removesuffix(".zip") if name.endswith((".csv.zip", ".tsv.zip")) else name)
