"""Tables, editions and datasets: how a folder of survey CSVs is described and recognised."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from glc import registry, schema, storage
from glc.errors import DataError
from glc.types import StrPath

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}

EUROPE = (-35.58, 24.6, 44.83, 84.73)
"""The area of use of EPSG:3035: west, south, east, north in degrees."""


@dataclass(frozen=True, eq=False)
class Table:
    """One CSV of an edition: which file it is and which of its columns are ours.

    dataset : of `glc.schema.DATASETS`; the labels of a test are never read
    patterns : globs relative to the dataset's folder; the first with a match wins, and it must match one file
    columns, optional : our column -> the file's column; those of `columns` must be there
    where : (the file's column, value): only these rows belong to the dataset; the file's other tables name the rest
    by_place_and_date : the file's ids are of occurrences; rows of one place and date are one survey, called by the
        smallest of their ids. The mapping then has the column ``date`` (ISO, or unix seconds of a local midnight)
    one_row_per_survey : a repeated surveyId is an error (files of what is to be submitted)
    bounds : west, south, east, north of the edition's area in degrees; a row outside is quarantined
    """

    dataset: str
    patterns: tuple[str, ...]
    columns: dict[str, str]
    optional: dict[str, str] = field(default_factory=dict)
    separator: str = ","
    constants: dict[str, str] = field(default_factory=dict)
    where: tuple[str, str] | None = None
    crs: int = 3035
    by_place_and_date: bool = False
    one_row_per_survey: bool = False
    bounds: tuple[float, float, float, float] = EUROPE

    @property
    def labelled(self) -> bool:
        """Whether species are read from this table."""
        return not any(schema.is_test(self.dataset, test) for test in ("pa_test", "po_test"))

    def find(self, folder: StrPath) -> Path | None:
        """Path of this table's file under `folder`, or None; a DataError when several match one pattern."""
        for pattern in self.patterns:
            paths = sorted(path for path in Path(folder).glob(pattern) if path.is_file())
            if len(paths) > 1:
                names = ", ".join(str(path.relative_to(folder)) for path in paths)
                raise DataError(f"{folder}: found {names} for {pattern}, expected one of them; remove the others")
            if paths:
                return paths[0]
        return None


@dataclass(eq=False)
class Edition:
    """A competition year: its tables, and the names of the datasets it trains and tests on.

    test : or what the names of its datasets begin with, of an edition with several tests (``pa_test`` of pa_test_ood)
    truth : (dataset, glob) of CSVs with labels of a test, surveyId and speciesId, which nothing but the evaluation
        reads; dataset is empty where a file does not tell the test. One that is a test's own file may lack labels
    markers : globs that a folder must also have to be of this edition, where file names alone do not tell
    submission : ``sets`` of species a survey, or ``ranked`` species with their scores (`glc.submission`)
    set_columns : header of a submission of sets
    name : given by the registry
    """

    title: str
    tables: tuple[Table, ...]
    train: str = "pa_train"
    test: str = "pa_test"
    markers: tuple[str, ...] = ()
    submission: str = "sets"
    set_columns: tuple[str, str] = ("surveyId", "predictions")
    truth: tuple[tuple[str, str], ...] = (("", "truth/*.csv"),)
    name: str = ""

    def find(self, folder: StrPath) -> tuple[tuple[Table, Path], ...]:
        """``((table, path), ...)`` of the tables whose files are under `folder`; empty when it is another edition's."""
        if not all(any(Path(folder).glob(marker)) for marker in self.markers):
            return ()
        return tuple((table, path) for table in self.tables if (path := table.find(folder)))

    def looks_for(self) -> str:
        """What its folders hold, as text for an error."""
        files = dict.fromkeys(table.patterns[0] for table in self.tables)
        return " and ".join([" or ".join(files), *self.markers])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A folder recognised as one of an edition's layouts; `files` holds the tables that are there, with their paths."""

    name: str
    folder: Path
    edition: Edition
    files: tuple[tuple[Table, Path], ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets that have a file, in the edition's order."""
        return tuple(dict.fromkeys(table.dataset for table, _ in self.files))

    @property
    def has_test(self) -> bool:
        """Whether the test surveys are there; if not, spatial blocks are held out instead."""
        return bool(self.tests)

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the datasets that are tested on and have a file."""
        return tuple(name for name in self.datasets if schema.is_test(name, self.edition.test))

    def truth(self) -> list[tuple[str, Path]]:
        """(dataset or empty, path) of the files with labels of a test; only an evaluation asks."""
        return [
            (dataset, path)
            for dataset, glob in self.edition.truth
            for path in sorted(self.folder.glob(glob))
            if path.is_file()
        ]

    def relative(self, path: StrPath) -> str:
        """Path of a file as its quarantine rows and errors name it: relative to the folder, with forward slashes."""
        return Path(path).relative_to(self.folder).as_posix()

    def fingerprint(self) -> list[tuple[str, str]]:
        """(name, sha256) of the metadata files, and the edition: equal for equal input, wherever it lies."""
        paths = sorted({path for _, path in self.files}, key=self.relative)
        return [("edition", self.edition.name), *((self.relative(path), storage.file_digest(path)) for path in paths)]

    def stamps(self) -> dict[str, tuple[int, ...]]:
        """What of each file changes when it is replaced, even by an equal one: inode, size, times."""
        stats = {self.relative(path): os.stat(path) for _, path in self.files}
        return {name: (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for name, at in stats.items()}


def recognise(folder: StrPath) -> Dataset:
    """Return the `Dataset` that the files under `folder` make; a DataError says what was looked for when none fits."""
    folder = Path(folder).resolve()
    if folder.is_file():
        raise DataError(f"{folder}: is a file, expected the folder that holds a dataset's survey CSVs")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected the folder that holds a dataset's survey CSVs")
    editions = [registry.editions.get(name) for name in registry.editions.choices()]
    candidates = {edition: files for edition in editions if (files := edition.find(folder))}
    if not candidates:
        wanted = "".join(f"\n  {edition.name}: {edition.looks_for()}" for edition in editions)
        raise DataError(f"{folder}: not a dataset of any edition; looked there for{wanted}")

    def fit(edition):
        return len({path for _, path in candidates[edition]}), len(edition.markers)

    best = max(candidates, key=fit)
    rivals = [edition.name for edition in candidates if fit(edition) == fit(best)]
    if len(rivals) > 1:
        raise DataError(f"{folder}: holds files of {' and '.join(rivals)}; expected one edition; move the others away")
    return Dataset(folder.name, folder, best, candidates[best])
