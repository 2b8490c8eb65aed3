"""``dataset.toml``: what a person says of the files of their own surveys."""

import os
import re
import tomllib
import warnings
from dataclasses import dataclass, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from pyproj import CRS
from pyproj.exceptions import CRSError

from glc.config import Natural, build, section
from glc.config.fields import require
from glc.editions import _own_columns
from glc.editions._base import SEPARATORS
from glc.editions._own_cells import Column
from glc.errors import ConfigError, DataError, did_you_mean

FILE = "dataset.toml"
PARTS = {"surveys": "pa_train", "presence_only": "po", "test": "pa_test"}
"""Section of the file -> the dataset that its rows are."""
REST = "*"
"""Glob of `species_columns` for all columns that no other key names."""

_PLACE = ("lon", "lat")
_INHERITED = ("survey", "lon", "lat", "separator", "year", "date", "date_format", "country", "region", "area_m2",
              "uncertainty_m", "absent")  # fmt: skip
_NO_COLUMNS = ("file", "separator", "date_format", "absent")
_ISO = "%Y-%m-%d"
_DEEPEST = 8
"""Levels of tables in tables; a description has three."""
_DAY = date(2013, 11, 30)  # no part of it is written as another, or is what a format lacks


@section
class SpeciesFile:
    """Species of surveys whose coordinates are in another file."""

    file: str
    """Path below the folder."""
    survey: str
    """Column with the ids of surveys, as in the file of coordinates."""
    species: str = ""
    """Column of the species, where the file has one row per survey and species."""
    species_columns: tuple[str, ...] = ()
    """Columns that are species each, as globs, where the file has one row per survey."""
    abundance: str = ""
    """Column of the abundance next to `species`: a species with 0 is absent."""
    absent: tuple[str, ...] | None = None
    """Texts of cells that mean absent, besides 0, an empty cell and words such as ``no``: ``[".", "-"]``; ``[]``: there
    are none, and any other text is a presence."""
    separator: str = ""
    """Of the columns; empty: what the first line has most of."""

    def __post_init__(self):
        _check_species(self)
        _check_separator(self)


@section
class Part:
    """One of `PARTS`: a CSV or parquet file of surveys and its columns."""

    file: str
    """Path below the folder."""
    lon: str
    """Column of the longitude, or of the easting in the CRS."""
    lat: str
    """Column of the latitude, or of the northing in the CRS."""
    survey: str = ""
    """Column of the survey's id, a number or text; without it, rows of one place and date are one survey."""
    species: str = ""
    """Column of the species, where the file has one row per survey and species."""
    species_columns: tuple[str, ...] = ()
    """Columns that are species each, as globs (``["*"]``: all that no other key names), where it has one per survey."""
    abundance: str = ""
    """Column of the abundance next to `species`: a species with 0 is absent."""
    absent: tuple[str, ...] | None = None
    """Texts of cells that mean absent, besides 0, an empty cell and words such as ``no``: ``[".", "-"]``; ``[]``: there
    are none, and any other text is a presence."""
    species_file: SpeciesFile | None = None
    """The file of the species, where it is another one."""
    separator: str = ""
    """Of the columns; empty: what the first line has most of."""
    year: str = ""
    """Column of the year."""
    date: str = ""
    """Column of the date."""
    date_format: str = ""
    """As of Python's strptime, ``%d.%m.%Y`` or ``%m/%Y``; empty: 2021-05-13, or the beginning of such a date."""
    country: str = ""
    """Column of the country."""
    region: str = ""
    """Column of the region."""
    area_m2: str = ""
    """Column of the plot's area, square metres."""
    uncertainty_m: str = ""
    """Column of the coordinates' uncertainty, metres."""

    def __post_init__(self):
        _check_separator(self)
        try:
            has_day(self.date_format)
        except (ValueError, re.error):
            require(False, "date_format", self, "a form of strptime with a year, such as '%d.%m.%Y' for 13.05.2021")
        if self.species_file:
            require(not self.species, "species", self, "none next to species_file, which has its own")
            require(not self.species_columns, "species_columns", self, "none next to species_file, which has its own")
            require(self.survey, "survey", self, "the column by which species_file is joined")
        elif self.species or self.species_columns:
            _check_species(self)


@section
class Names:
    """A file with one row per species."""

    file: str
    """Path below the folder."""
    species: str
    """Column of the species' id, as the surveys have it."""
    name: str
    """Column of its name."""
    key: str = ""
    """Column of its taxonKey at GBIF."""
    separator: str = ""
    """Of the columns; empty: what the first line has most of."""

    def __post_init__(self):
        _check_separator(self)


@section
class Description:
    """All of the file."""

    title: str = "own records"
    """What the data are called in reports and citations."""
    crs: str = "EPSG:4326"
    """CRS of the coordinates; those of another than EPSG:4326 are transformed."""
    projection: Natural = 0
    """EPSG code of the metric projection for blocks and neighbours; 0: chosen by where the surveys are."""
    doi: str = ""
    """DOI of the data."""
    rights: str = ""
    """Licence of the data."""
    surveys: Part | None = None
    """Presence-absence surveys: what is not named is absent."""
    presence_only: Part | None = None
    """Occurrences that say nothing of other species."""
    test: Part | None = None
    """Surveys to predict; keys that are not given are those of `surveys`, or of `presence_only`, except the species:
    where `test` itself names them they are its labels, which only the evaluation reads."""
    names: Names | None = None
    """Names of the species."""


@dataclass(frozen=True, eq=False)
class Described:
    """A description whose files and columns are there.

    species : part -> its species columns, of those that have any; a species may have several
    """

    path: Path
    description: Description
    parts: dict[str, Part]
    species: dict[str, tuple[Column, ...]]

    def file(self, name: str) -> Path:
        """Path of a file that the description names."""
        return self.path.parent / name

    def labels(self, name: str) -> "Part | SpeciesFile":
        """What says which species the surveys of a part have: the part, or its other file."""
        return self.parts[name].species_file or self.parts[name]

    def absent(self, name: str) -> tuple[str, ...] | None:
        """Texts that mean absent in a part's file of species; None where the description does not say."""
        own = self.labels(name).absent
        return self.parts[name].absent if own is None else own


def read(folder: Path) -> Described | None:
    """The description in `folder`, or None where it has none; an error names the key that does not fit the files."""
    path = folder / FILE
    if not path.is_file():
        return None
    with os.scandir(folder) as entries:
        stamps = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
    return _read(path, tuple(stamps))


@lru_cache(maxsize=64)
def has_day(form: str) -> bool:
    """Whether dates of a form of strptime have a day, and not a year or a month alone; a ValueError if they have no
    year, or if nothing can be written or read in it (of some forms, Python raises a re.error)."""
    with warnings.catch_warnings(action="ignore"):  # from 3.13 on Python warns of a form without a year
        day = datetime.strptime(_DAY.strftime(form or _ISO), form or _ISO).date()
    if day.year != _DAY.year:
        raise ValueError("no year")
    return day == _DAY


def parse(text: str, where: str) -> tuple[Description, set[str]]:
    """The description of a TOML text, and the keys of [test] that it does not give; `where` names it in errors."""
    try:
        return _parsed(text, where)
    except RecursionError:
        raise _too_deep(where) from None


def _too_deep(where: str) -> ConfigError:
    return ConfigError(f"{where}: lists or tables are nested too deeply, expected sections with keys")


def _parsed(text: str, where: str) -> tuple[Description, set[str]]:
    try:
        values = tomllib.loads(text)
    except ValueError as error:  # also of a number of thousands of digits
        raise ConfigError(f"{where}: not a TOML file: {error}") from None
    level: list[object] = [values]
    for _ in range(_DEEPEST):
        level = [value for each in level if isinstance(each, dict) for value in each.values()]
    if level:  # which Python's own parser refused before 3.12
        raise _too_deep(where)
    trained = values.get("surveys") or values.get("presence_only")
    inherited = set()
    if isinstance(values.get("test"), dict) and isinstance(trained, dict):
        inherited = {key for key in _INHERITED if key not in values["test"] and key in trained}
        values["test"] |= {key: trained[key] for key in inherited}
    description = build(Description, values, where)
    if not (description.surveys or description.presence_only):
        raise ConfigError(f"{where}: found no records to train on, expected a section [surveys] or [presence_only]")
    return description, inherited


@lru_cache(maxsize=8)
def _read(path: Path, _: tuple[tuple[str, int, int], ...]) -> Described:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file in UTF-8: {error}") from None
    description, inherited = parse(text, str(path))
    try:
        CRS.from_user_input(description.crs)
    except CRSError as error:
        raise ConfigError(
            f"{path}: crs: found {description.crs!r}, expected a CRS such as 'EPSG:25832': {error}"
        ) from None
    if description.projection:
        try:
            projected = CRS.from_epsg(description.projection).is_projected
        except CRSError:
            projected = False
        if not projected:
            raise ConfigError(
                f"{path}: projection: found {description.projection}, expected the EPSG code of one in metres, "
                "such as 3035"
            )
    described = Described(path, description, {}, {})
    for name in PARTS:
        part = getattr(description, name)
        if part:
            described.parts[name] = _check_part(described, name, part, inherited if name == "test" else set())
    if description.names:
        known = _header(described, "names", description.names.file, description.names.separator)
        for key in ("species", "name", "key"):
            _check_column(described, f"names.{key}", getattr(description.names, key), description.names.file, known)
    return described


def _check_part(described: Described, name: str, part: Part, inherited: set[str]) -> Part:
    """The part without inherited keys whose columns its file lacks; an error where others are missing."""
    known = _header(described, name, part.file, part.separator)
    keys = [key for key in (*_INHERITED, "species", "abundance") if key not in _NO_COLUMNS]
    absent = {key: "" for key in inherited & set(keys) if getattr(part, key) not in known and key not in _PLACE}
    part = replace(part, **absent)
    for key in keys:
        _check_column(described, f"{name}.{key}", getattr(part, key), part.file, known)
    labels, where = part, name
    if part.species_file:
        labels, where = part.species_file, f"{name}.species_file"
        known = _header(described, where, labels.file, labels.separator)
        for key in ("survey", "species", "abundance"):
            _check_column(described, f"{where}.{key}", getattr(labels, key), labels.file, known)
    if name != "test" and not (labels.species or labels.species_columns):
        raise ConfigError(
            f"{described.path}: {where}: found no species; name the column of the species (species), the columns that "
            "are species each (species_columns), or the file that has them (species_file)"
        )
    if name == "test" and labels.species + "".join(labels.species_columns) and not part.survey:
        raise ConfigError(
            f"{described.path}: test.survey: found none, expected the column of the survey's id, by which the labels "
            "of the test (species, species_columns) find their surveys"
        )
    if labels.species_columns:
        used = {getattr(part, key) for key in keys} | {labels.survey}
        chosen = set(_species_columns(described, where, labels.species_columns, known, used))
        described.species[name] = tuple((at, column) for at, column in enumerate(known) if column in chosen)
    return part


def _species_columns(described, where, globs, known, used):
    chosen = dict.fromkeys(
        column for glob in globs for column in known if column and column not in used and fnmatchcase(column, glob)
    )
    for glob in globs:
        if not any(fnmatchcase(column, glob) for column in chosen):
            raise ConfigError(
                f"{described.path}: {where}.species_columns: found no column for {glob!r}, expected some of: "
                f"{_some([column for column in known if column not in used])}"
            )
    return tuple(chosen)


def _header(described: Described, where: str, name: str, separator: str) -> list[str]:
    path = described.file(name)
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in re.split(r"[/\\]", name):
        raise ConfigError(
            f"{described.path}: {where}.file: {name!r} is outside of the dataset, expected a path below its folder; "
            "copy the file into the folder, or make a link to it there"
        )
    if not os.path.isfile(path):  # False for names that no file can have, too
        there = (
            [file.name for file in sorted(path.parent.glob("*")) if file.is_file()]
            if os.path.isdir(path.parent)
            else []
        )
        close = did_you_mean(path.name, there)
        finding = "is a folder" if os.path.isdir(path) else "does not exist"
        raise ConfigError(f"{described.path}: {where}.file: {path} {finding}; found {_some(there)}{close}")
    try:
        return _own_columns.header(path, separator)
    except DataError as error:
        raise DataError(f"{described.path}: {where}.file: {error}") from None


def _check_column(described: Described, key: str, column: str, file: str, known: list[str]) -> None:
    if column and known.count(column) != 1:
        finding = f"is {known.count(column)} times" if column in known else "is not"
        raise ConfigError(
            f"{described.path}: {key}: column {column!r} {finding} in the first line of {file}; found {_some(known)}"
            f"{did_you_mean(column, known)}; the separator can be named with {key.rpartition('.')[0]}.separator"
        )


def _check_species(owner: "Part | SpeciesFile") -> None:
    require(not (owner.species and owner.species_columns), "species_columns", owner, "none next to species")
    require(owner.species or owner.species_columns, "species", owner, "a column, or species_columns")
    require(owner.species or not owner.abundance, "abundance", owner, "none without species")


def _check_separator(owner: "Part | SpeciesFile | Names") -> None:
    expected = f"one character, such as {', '.join(map(repr, SEPARATORS))}"
    require(len(owner.separator) < 2 and owner.separator not in {*'"\r\n'}, "separator", owner, expected)


def _some(names: list[str], most: int = 20) -> str:
    return f"{names[:most]}{f' and {len(names) - most:,} more' if len(names) > most else ''}"
