"""Tables, editions and datasets: how a folder of survey CSVs is described and recognised."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from glc import registry, schema, storage
from glc.editions._odd import Oddity, without_end
from glc.editions._source import PLAIN, Source
from glc.errors import DataError
from glc.references import Reference
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    import pandas as pd

    from glc.config import Surveys

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}

EUROPE = (-35.58, 24.6, 44.83, 84.73)
"""The area of use of EPSG:3035: west, south, east, north in degrees."""

FAULT = ("fault_column", "fault_found", "fault_reason")
"""Columns in which rules of an edition say why a row cannot be used: text, all null for a row that can."""

HOSTS = {
    "Kaggle": "https://www.kaggle.com/competitions",
    "AIcrowd": "https://www.aicrowd.com/challenges",
}
"""Hosts of contests -> the address below which they are."""

ABSENT, EMPTY = "absent", "empty"
"""Values of the column ``status``: the species was looked for and is not there; the survey has no species at all."""


class Rules(Protocol):
    """Rules of an edition about rows that no column says alone, such as a date in parts or a place in another datum.

    Called with a frame of text, None where empty, with the columns `Table.reads` (those that the file lacks are None);
    returns a frame of as many rows with some of our columns as text, which replace what `Table.columns` says, and
    possibly those of `FAULT`. A function of a module, or a partial of one: Spark's workers import it.
    """

    def __call__(self, frame: "pd.DataFrame", /) -> "pd.DataFrame": ...


@dataclass(frozen=True, eq=False)
class Table:
    """One file of an edition: which it is, how its rows are read, and which of its columns are ours.

    dataset : of `glc.schema.DATASETS`; the labels of a test are never read
    patterns : globs relative to the dataset's folder; the first with a match wins, and it must match one file
    columns, optional : our column -> the file's column; those of `columns` must be there. Ours are surveyId, lon, lat,
        year, date, speciesId, and in `optional` geoUncertaintyInM, areaInM2, country, region, speciesName, speciesKey
        (of GBIF), licence, status (`ABSENT`, `EMPTY` or null)
    where : (the file's column, value): only these rows belong to the dataset; the file's other tables name the rest
    crs : EPSG code of the metric projection; 0: chosen by where the records are (`glc.geo.suitable_crs`)
    by_place_and_date : the file's ids are of occurrences; rows of one place and date are one survey, called by the
        smallest of their ids. The mapping then has the column ``date`` (ISO, or unix seconds of a local midnight)
    same_survey : columns besides place and date in which rows of one survey agree, if `by_place_and_date`
    one_row_per_survey : a repeated surveyId is an error (files of what is to be submitted)
    bounds : west, south, east, north of the edition's area in degrees; a row outside is quarantined
    source : how the file becomes lines of text
    quote : character that encloses fields with a separator in them; empty: none does
    names : names of the columns, where the first line does not say them
    header_lines : lines before the first row
    text_ids : surveyId, speciesId where these may be text. If any of the dataset is no integer, all of that kind are
        numbered from 1 in the order of their text, and the tables ``species`` and ``survey_names`` keep the text
    rules, reads : rules of the edition, and the file's columns that they need; a column of `columns` that the rules
        make may be missing from the file if it is also in `made`
    made : our columns that the rules make
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
    same_survey: tuple[str, ...] = ()
    source: Source = PLAIN
    quote: str = '"'
    names: tuple[str, ...] = ()
    header_lines: int = 1
    text_ids: tuple[str, ...] = ()
    rules: Rules | None = None
    reads: tuple[str, ...] = ()
    made: tuple[str, ...] = ()

    @property
    def needed(self) -> list[str]:
        """Columns that the file must have."""
        named = [theirs for ours, theirs in self.columns.items() if ours not in self.made]
        return [*dict.fromkeys(named), *([self.where[0]] if self.where else [])]

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


@dataclass(frozen=True)
class Contest:
    """Where the files of an edition are published and its submissions are judged.

    slug : name of the contest in its address
    host : of `HOSTS`
    files : globs of files that belong to the edition besides its tables, by their path at the host
    """

    slug: str
    host: str = "Kaggle"
    files: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """Address of the contest's page."""
        return f"{HOSTS[self.host]}/{self.slug}"


@dataclass(eq=False)
class Edition:
    """A competition year, or one's own data: its tables, and the names of the datasets it trains and tests on.

    A subclass may find its tables in another way (`find`), bind them to settings (`prepare`), name species that the
    rows do not name (`species`), and say how the data are to be cited (`citation`).

    tolerated : reasons of the quarantine that do not count for surveys.max_quarantine_fraction, because the edition
        leaves such rows out by choice
    widens : whether geoUncertaintyInM says how far a record may be from its place, so that votes and kernels spread it
        out where an experiment does not say
    train, or_train : the dataset that is trained on; if it has no file, the first of `or_train` that has one
    test : or what the names of its datasets begin with, of an edition with several tests (``pa_test`` of pa_test_ood)
    truth : (dataset, glob) of CSVs with labels of a test, surveyId and speciesId, which nothing but the evaluation
        reads; dataset is empty where a file does not tell the test. One that is a test's own file may lack labels
    named : whether a file in the folder says that it is of this edition, so that no other file decides
    markers : globs that a folder must also have to be of this edition, where file names alone do not tell
    single_label : a contest in which each occurrence has the one species that is asked for, so that its predictions are
        right or wrong; other datasets that train on presence-only records have relative suitability alone
    submission : ``sets`` of species a survey, or ``ranked`` species with their scores (`glc.submission`)
    set_columns : header of a submission of sets
    name : given by the registry
    references : what to cite if the files are the contest's own
    contest : where its files are published and submissions are judged; None for data that are no contest's
    """

    title: str
    tables: tuple[Table, ...]
    train: str = "pa_train"
    test: str = "pa_test"
    markers: tuple[str, ...] = ()
    single_label: bool = False
    submission: str = "sets"
    set_columns: tuple[str, str] = ("surveyId", "predictions")
    truth: tuple[tuple[str, str], ...] = (("", "truth/*.csv"),)
    or_train: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()
    widens: bool = False
    named: bool = False
    name: str = ""
    references: tuple[Reference, ...] = ()
    contest: Contest | None = None

    def find(self, folder: StrPath) -> tuple[tuple[Table, Path], ...]:
        """``((table, path), ...)`` of the tables whose files are under `folder`; empty when it is another edition's.

        folder : of the dataset, or one file, such as an archive
        """
        if not all(any(Path(folder).glob(marker)) for marker in self.markers):
            return ()
        return tuple((table, path) for table in self.tables if (path := table.find(folder)))

    def looks_for(self) -> str:
        """What its folders hold, as text for an error."""
        files = dict.fromkeys(table.patterns[0] for table in self.tables)
        return " and ".join([" or ".join(files), *self.markers])

    def prepare(self, dataset: "Dataset", settings: "Surveys") -> "Dataset":
        """The dataset with its tables bound to the section [surveys] of an experiment."""
        return dataset

    def also_read(self, dataset: "Dataset") -> Sequence[Path]:
        """Files other than the tables' own on which it depends what is read, such as a description of columns."""
        return ()

    def species(self, dataset: "Dataset") -> "pd.DataFrame | None":
        """Names of species from a file that has one row per species: a frame of text.

        returns : frame speciesId (as the rows of surveys write it), name, key (GBIF's); or None. They come before names
            that the rows give
        """
        return None

    def label_files(self, dataset: "Dataset") -> Sequence[Path]:
        """Files that `labels` reads."""
        return ()

    def labels(self, dataset: "Dataset") -> "pd.DataFrame | None":
        """Labels of the test where the edition has them in another form than `truth`; only an evaluation asks.

        returns : frame surveyId, speciesId, both text as the files write them; None where there are none
        """
        return None

    def citation(self, dataset: "Dataset") -> Facts | None:
        """How the data are cited: doi, title, rights (text or null each); None for an edition that does not know."""
        return None

    def oddities(self, dataset: "Dataset") -> Sequence[Oddity]:
        """What is odd about the files that only this edition can see, such as dates that it does not understand."""
        return without_end(
            path for path in dict.fromkeys(path for table, path in dataset.files if table.source is PLAIN)
        )


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
    def presence_only(self) -> bool:
        """Whether it has presence-only records alone, and is no contest of single labels."""
        return self.train == "po" and not self.edition.single_label

    @property
    def paths(self) -> list[Path]:
        """Every file that is read, each once."""
        return sorted({*(path for _, path in self.files), *self.edition.also_read(self)}, key=self.relative)

    @property
    def train(self) -> str:
        """Name of the dataset that is trained on; the edition's first choice where none of them is there."""
        choices = (self.edition.train, *self.edition.or_train)
        return next((name for name in choices if name in self.datasets), self.edition.train)

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

    def truth_files(self) -> list[Path]:
        """All files with labels of a test; only an evaluation asks."""
        return [*(path for _, path in self.truth()), *self.edition.label_files(self)]

    def relative(self, path: StrPath) -> str:
        """Path of a file as its quarantine rows and errors name it: relative to the folder, with forward slashes."""
        return Path(path).relative_to(self.folder).as_posix()

    def file_name(self, table: Table, path: StrPath) -> str:
        """The same of a table's file, with the member of an archive behind it."""
        return "/".join(filter(None, (self.relative(path), table.source.member)))

    def fingerprint(self) -> list[tuple[str, str]]:
        """(name, sha256) of the metadata files, and the edition: equal for equal input, wherever it lies."""
        digests = ((self.relative(path), storage.file_digest(path)) for path in self.paths)
        return [("edition", self.edition.name), *digests]

    def stamps(self) -> dict[str, tuple[int, ...]]:
        """What of each file changes when it is replaced, even by an equal one: inode, size, times."""
        stats = {self.relative(path): os.stat(path) for path in self.paths}
        return {name: (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for name, at in stats.items()}


def recognise(folder: StrPath) -> Dataset:
    """Return the `Dataset` that the files under `folder` make; a DataError says what was looked for when none fits."""
    folder = Path(folder).resolve()
    if not folder.exists():
        raise DataError(f"{folder}: no such folder; expected the folder that holds a dataset's survey CSVs")
    editions = [registry.editions.get(name) for name in registry.editions.choices()]
    candidates = {edition: files for edition in editions if (files := edition.find(folder))}
    if not candidates and folder.is_file():
        raise DataError(
            f"{folder}: is a file, expected the folder of a dataset's survey CSVs, or the zip of a GBIF download"
        )
    if not candidates:
        wanted = "".join(f"\n  {edition.name}: {edition.looks_for()}" for edition in editions)
        raise DataError(f"{folder}: not a dataset of any edition; looked there for{wanted}")

    def fit(edition):
        return edition.named, len({path for _, path in candidates[edition]}), len(edition.markers)

    best = max(candidates, key=fit)
    rivals = [edition.name for edition in candidates if fit(edition) == fit(best)]
    if len(rivals) > 1:
        raise DataError(f"{folder}: holds files of {' and '.join(rivals)}; expected one edition; move the others away")
    if folder.is_file():
        return Dataset(folder.stem, folder.parent, best, candidates[best])
    return Dataset(folder.name, folder, best, candidates[best])
