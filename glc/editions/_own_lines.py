"""One line per survey and species from files as `glc.editions._own_description` describes them.

Long and wide tables, and coordinates in another file, all give the same columns. Nothing but the coordinates of a
joined file is kept in memory.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from glc.editions import _own_cells, _own_columns
from glc.editions._base import ABSENT, EMPTY, FAULT
from glc.editions._own_description import Described, Part, has_day
from glc.editions._records import ZERO
from glc.editions._source import Lines
from glc.editions._text import plain_id
from glc.errors import DataError
from glc.types import StrPath

PLACE = ("surveyId", "lon", "lat", "year", "date", "geoUncertaintyInM", "areaInM2", "country", "region")
COLUMNS = (*PLACE, "speciesId", "status", *FAULT)
"""Our columns of a line, in order."""
FIELDS = "wrong number of fields"
OFF_CRS = "coordinates outside the CRS"
NEGATIVE = "abundance below zero"
NO_PLACE = "survey is not in the file of coordinates"
NO_SPECIES = "survey has no row in the file of species"

_KEYS = {"year": "year", "date": "date", "geoUncertaintyInM": "uncertainty_m", "areaInM2": "area_m2",
         "country": "country", "region": "region"}  # fmt: skip
UNKNOWN_SIGN = "sign that says neither present nor absent; name it in the key absent if it means absent"

_FAULTS = {_own_cells.NEGATIVE: NEGATIVE, _own_cells.SIGN: UNKNOWN_SIGN}
_NOTHING = frozenset([_own_cells.EMPTY, _own_cells.ZERO])
_NO_PLACE_NAME = _own_cells.NULLS - {"na"}  # Namibia, North America
_NO_DATE = re.compile(r"[-.–—−_/\\?]+|0000-00-00.*|00[./]00[./]0000")
_CELLS = 1 << 18  # in memory at once
_LOOKED_AT = 200


class Records(Lines):
    """The lines of one part of a described dataset.

    A line has `COLUMNS`, separated by tabs; its number is that of the row in the file of the species, or of the survey.
    """

    def __init__(self, described: Described, name: str, labelled: bool | None = None) -> None:
        """Describe the lines; nothing is read.

        name : of `glc.editions._own_description.PARTS`
        labelled : whether species are read; None: of all but a test, whose labels only an evaluation may read
        """
        self.described, self.name = described, name
        self.labelled = name != "test" if labelled is None else labelled

    @property
    def part(self) -> Part:
        """The part's files and columns."""
        return self.described.parts[self.name]

    @property
    def path(self) -> Path:
        """The file whose rows are numbered."""
        joined = self.labelled and self.part.species_file
        return self.described.file(joined.file if joined else self.part.file)

    def size(self, path: StrPath) -> int:
        """About how many bytes the lines have."""
        rows = list(islice(_own_columns.rows(self.path, self._separator(self.path)), _LOOKED_AT))
        if not rows:
            return 0
        numbers = {line for line, _ in rows}
        made = sum(len(text) + 8 for line, text in islice(self.lines(path), 50 * _LOOKED_AT) if line in numbers)
        mean_length = sum(len(field) + 1 for _, row in rows for field in row) / len(rows)
        return int(_own_columns.count(self.path, mean_length) * made / len(rows))

    def first_line(self, path: StrPath) -> str:
        """Our columns."""
        return "\t".join(COLUMNS)

    def lines(self, path: StrPath, header_lines: int = 1) -> Iterator[tuple[int, str]]:
        """(line, text) per survey and species; a survey without any has one that says so."""
        if self.labelled and self.part.species_file:
            yield from self._joined()
            return
        labels = Labels(self.described, self.name, self.labelled)
        for line, row, place in _places(self.described, self.name):
            yield from labels.of(line, row, place)
        labels.refuse_unknown()

    def _separator(self, path: Path) -> str:
        joined = self.part.species_file
        return joined.separator if joined and path == self.described.file(joined.file) else self.part.separator

    def _joined(self):
        joined, file = self.part.species_file, self.path
        places = _places_by_survey(self.described, self.name, _stamp(self.described.file(self.part.file)))
        names = _own_columns.header(file, joined.separator)
        labels = Labels(self.described, self.name)
        at, seen = names.index(joined.survey), set()
        by_number = {plain_id(survey): survey for survey in places}  # one file may write 14, the other 14.0
        for line, row in _own_columns.rows(file, joined.separator):
            survey = row[at] if len(row) > at else ""
            survey = survey if survey in places else by_number.get(plain_id(survey), survey)
            place = places.get(survey)
            if place is None:
                fault = (joined.survey, survey, NO_PLACE) if len(row) == len(names) else _wrong_fields(row)
                yield line, _line(_prefix([survey]), fault=fault)
                continue
            seen.add(survey)
            yield from labels.of(line, row, place[1])
        for survey, (line, place) in places.items():
            if survey not in seen:
                at_place = place.place if isinstance(place, _Fault) else place
                yield line, _line(at_place, fault=(self.part.survey, survey, NO_SPECIES))
        labels.refuse_unknown()


class Labels:
    """Which lines a row of a part's file of species gives.

    path, separator : of that file
    count : of the cells that were read
    """

    def __init__(self, described: Described, name: str, labelled: bool = True) -> None:
        """Describe the lines; nothing but the header is read.

        name : of `glc.editions._own_description.PARTS`
        labelled : whether species are read
        """
        owner = described.labels(name) if labelled else described.parts[name]
        self.path, self.separator, self.labelled = described.file(owner.file), owner.separator, labelled
        names = _own_columns.header(self.path, self.separator)
        self.width = len(names)
        self.wide = described.species.get(name, ()) if labelled else ()
        self.species = names.index(owner.species) if labelled and owner.species else None
        self.abundance = names.index(owner.abundance) if labelled and owner.abundance else None
        self.abundance_name = owner.abundance
        self.absent = described.absent(name)
        self.meanings = _own_cells.Meanings(self.absent)
        self.count = _own_cells.Count([species for _, species in self.wide] or [owner.abundance])
        inner = ".species_file" if labelled and described.parts[name].species_file else ""
        self._where = f"{described.path}: {name}{inner}"

    def of(self, line: int, row: list[str], place: "str | _Fault") -> Iterator[tuple[int, str]]:
        """(line, text) per species of a row, or one that says why there is none."""
        if len(row) != self.width:
            yield line, _line(place.place if isinstance(place, _Fault) else place, fault=_wrong_fields(row))
        elif isinstance(place, _Fault):
            yield line, _line(place.place, fault=place.fault)
        elif self.wide:
            yield from self._wide(line, row, place)
        elif self.species is None:
            yield line, _line(place)
        else:
            meaning = self._meaning(0, line, row[self.abundance]) if self.abundance is not None else _own_cells.EMPTY
            if meaning in _FAULTS:
                fault = (self.abundance_name, row[self.abundance or 0], _FAULTS[meaning])
                yield line, _line(place, fault=fault)
            else:
                yield line, _line(place, row[self.species], ABSENT if meaning == _own_cells.ZERO else "")
            self.count.rows += 1

    def refuse_unknown(self) -> None:
        """Refuse cells that may mean absent, after rows were read."""
        self.count.refuse(self._where, self.path.name, self.absent is not None, long=not self.wide)

    def _meaning(self, at: int, line: int, amount: str) -> str:
        meaning = self.meanings[amount]
        if meaning not in _NOTHING:
            self.count.add(at, amount, meaning, line)
        return meaning

    def _wide(self, line, row, place):
        # a species with several columns, such as layers, is there if any of them has it
        there, any_line = set(), False
        for at, (column, species) in enumerate(self.wide):
            if self.meanings[row[column]] in _NOTHING:
                continue
            meaning, any_line = self._meaning(at, line, row[column]), True
            if meaning in _FAULTS:
                yield line, _line(place, fault=(species, row[column], _FAULTS[meaning]))
            elif species not in there:
                there.add(species)
                yield line, _line(place, species)
        if not any_line:
            yield line, _line(place, status=EMPTY)
        self.count.rows += 1


@dataclass(frozen=True)
class _Fault:
    """A place that cannot be used, and why: the file's column, what was found, the reason."""

    place: str
    fault: tuple[str, str, str]


def _places(described: Described, name: str) -> Iterator[tuple[int, list[str], str | _Fault]]:
    """(line, row, `PLACE` as the beginning of a line) of each row of a part's coordinates, which become degrees."""
    part, crs = described.parts[name], described.description.crs
    file = described.file(part.file)
    names = _own_columns.header(file, part.separator)
    at = {ours: names.index(theirs) for ours, key in _KEYS.items() if (theirs := getattr(part, key))}
    survey = names.index(part.survey) if part.survey else None
    lon, lat = names.index(part.lon), names.index(part.lat)
    rows = _own_columns.rows(file, part.separator)
    while chunk := list(islice(rows, max(_CELLS // len(names), 1))):
        whole = [len(row) == len(names) for _, row in chunk]
        coordinates = [(row[lon], row[lat]) if fits else ("", "") for (_, row), fits in zip(chunk, whole, strict=True)]
        degrees = coordinates if crs.upper() == "EPSG:4326" else _degrees(coordinates, crs)
        for (line, row), fits, own, place in zip(chunk, whole, coordinates, degrees, strict=True):
            fields = dict.fromkeys(PLACE, "")
            if fits:
                fields |= {ours: row[column] for ours, column in at.items()}
                fields["year"], fields["date"] = _when(fields["year"], fields["date"], part.date_format)
                for name in ("country", "region"):
                    fields[name] = "" if fields[name].casefold() in _NO_PLACE_NAME else fields[name]
                fields["surveyId"] = str(line) if survey is None else row[survey]
            reason = f"{OFF_CRS} {crs}" if place is None else ZERO if fits and _are_zero(own) else ""
            if fits and reason:
                yield line, row, _Fault(_prefix(fields.values()), (part.lon, ", ".join(own), reason))
                continue
            fields["lon"], fields["lat"] = place or ("", "")
            yield line, row, _prefix(fields.values())


def _degrees(coordinates, crs):
    """Text of (lon, lat), as it is where it is no number, or None where the CRS has no such place."""
    numbers = pd.DataFrame(coordinates).apply(pd.to_numeric, errors="coerce").to_numpy(float)
    lon, lat = _transformer(crs).transform(numbers[:, 0], numbers[:, 1])
    # far outside a CRS, some place or other comes back
    again = np.column_stack(_transformer(crs).transform(lon, lat, direction="INVERSE"))
    inside = np.isclose(again, numbers, rtol=1e-6, atol=1).all(axis=1)
    made = []
    for row, (text, known) in enumerate(zip(coordinates, np.isfinite(numbers).all(axis=1), strict=True)):
        if not known:
            made.append(text)
        else:
            made.append((f"{lon[row]:.7f}", f"{lat[row]:.7f}") if inside[row] else None)
    return made


@lru_cache(maxsize=4)
def _transformer(crs):
    from pyproj import Transformer

    return Transformer.from_crs(crs, 4326, always_xy=True)


def _are_zero(texts: Iterable[str]) -> bool:
    """Whether both coordinates are 0, as where none was known."""
    try:
        return all(float(text) == 0 for text in texts)
    except ValueError:
        return False


def _when(year, date, form):
    """Year and ISO date as text; a date that cannot be read stays as it is, and the row is refused for it."""
    year, date = (
        "" if text.casefold() in _own_cells.NULLS or _NO_DATE.fullmatch(text) else text for text in (year, date)
    )
    if not date:
        return year, ""
    if form:
        try:
            date = _parsed(date, form)
        except ValueError:
            return year, date
        if not has_day(form):
            return year or date[:4], ""
    digits = date[:4].isdigit() and date[4:5] in ("", "-")
    if digits and len(date) in (4, 7):  # a year, or a year and a month
        return year or date[:4], ""
    return year or (date[:4] if digits else ""), date


@lru_cache(maxsize=65_536)
def _parsed(date, form):
    return datetime.strptime(date, form).date().isoformat()


@lru_cache(maxsize=2)
def _places_by_survey(described: Described, name: str, _: tuple[int, int]) -> dict[str, tuple[int, "str | _Fault"]]:
    """Survey's id -> (line, place) of a part whose species are in another file."""
    part = described.parts[name]
    names = _own_columns.header(described.file(part.file), part.separator)
    at, places = names.index(part.survey), {}
    for line, row, place in _places(described, name):
        survey = row[at] if len(row) > at else ""
        if survey in places:
            raise DataError(
                f"{described.path}: {name}.survey: {part.file} has survey {survey!r} in lines {places[survey][0]} and "
                f"{line}, expected one row per survey next to a species_file; remove the repeated rows"
            )
        places[survey] = (line, place if len(row) == len(names) else _Fault(_prefix([survey]), _wrong_fields(row)))
    return places


def _stamp(path):
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _prefix(fields: Iterable[str]) -> str:
    """Fields of `PLACE` as the beginning of a line, the last ones empty if there are fewer."""
    texts = [_plain(field) for field in fields]
    return "\t".join(texts + [""] * (len(PLACE) - len(texts)))


def _line(place: str, species: str = "", status: str = "", fault: tuple[str, str, str] = ("", "", "")) -> str:
    return "\t".join((place, _plain(species), status, *map(_plain, fault)))


def _plain(text: str) -> str:
    return " ".join(text.split()) if "\t" in text or "\n" in text or "\r" in text else text


def _wrong_fields(row: list[str]) -> tuple[str, str, str]:
    return "", ", ".join(row)[:200], FIELDS
