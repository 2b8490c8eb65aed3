"""One line per survey and species from files as `glc.editions._own_description` describes them.

Long and wide tables, and coordinates in another file, all give the same columns. Nothing but the coordinates of a
joined file is kept in memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from glc.editions import _own_columns
from glc.editions._base import ABSENT, EMPTY, FAULT
from glc.editions._own_description import Described, Part
from glc.editions._source import Lines
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
_ZERO = frozenset(["", "0", "0.0", "0,0", "NA", "NaN", "nan", "na", "N/A", "None", "null", "False", "false", "FALSE"])
_BLANK = frozenset(["", "NA", "NaN", "nan", "na", "N/A", "None", "null"])
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
        species = self.described.species.get(self.name, ()) if self.labelled else ()
        file = self.described.file(self.part.file)
        names = _own_columns.header(file, self.part.separator)
        labels = _Labels(self.part, names, species, self.labelled)
        for line, row, place in _places(self.described, self.name):
            yield from labels.of(line, row, place)

    def check_degrees(self) -> None:
        """Refuse coordinates in metres that are said to be degrees."""
        if self.described.description.crs.upper() != "EPSG:4326":
            return
        file = self.described.file(self.part.file)
        names = _own_columns.header(file, self.part.separator)
        at = [names.index(self.part.lon), names.index(self.part.lat)]
        large = []
        for _, row in islice(_own_columns.rows(file, self.part.separator), _LOOKED_AT):
            try:
                large.append(max(abs(float(row[column])) for column in at) > 360)
            except (ValueError, IndexError):
                continue
        if large and sum(large) > 0.9 * len(large):
            raise DataError(
                f"{self.described.path}: crs: {self.part.file} has coordinates in metres (columns {self.part.lon}, "
                f"{self.part.lat}); found EPSG:4326, which is degrees; name the CRS of the coordinates, such as "
                'crs = "EPSG:25832"'
            )

    def _separator(self, path: Path) -> str:
        joined = self.part.species_file
        return joined.separator if joined and path == self.described.file(joined.file) else self.part.separator

    def _joined(self):
        joined, file = self.part.species_file, self.path
        places = _places_by_survey(self.described, self.name, _stamp(self.described.file(self.part.file)))
        names = _own_columns.header(file, joined.separator)
        labels = _Labels(joined, names, self.described.species.get(self.name, ()), True)
        at, seen = names.index(joined.survey), set()
        for line, row in _own_columns.rows(file, joined.separator):
            survey = row[at] if len(row) > at else ""
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


class _Labels:
    """Which lines a row of a file with species gives."""

    def __init__(self, owner, names, species, labelled):
        self.width, self.labelled = len(names), labelled
        self.wide = [(names.index(column), column) for column in species]
        self.species = names.index(owner.species) if labelled and owner.species else None
        self.abundance = names.index(owner.abundance) if labelled and owner.abundance else None
        self.abundance_name = owner.abundance

    def of(self, line, row, place):
        if len(row) != self.width:
            yield line, _line(place, fault=_wrong_fields(row))
        elif isinstance(place, _Fault):
            yield line, _line(place.place, fault=place.fault)
        elif self.wide:
            yield from self._wide(line, row, place)
        elif self.species is None:
            yield line, _line(place)
        else:
            amount = row[self.abundance] if self.abundance is not None else ""
            if _negative(amount):
                yield line, _line(place, fault=(self.abundance_name, amount, NEGATIVE))
            else:
                absent = amount not in _BLANK and _none(amount)
                yield line, _line(place, row[self.species], ABSENT if absent else "")

    def _wide(self, line, row, place):
        any_line = False
        for column, species in self.wide:
            amount = row[column]
            if amount in _ZERO or _none(amount):
                continue
            any_line = True
            if _negative(amount):
                yield line, _line(place, fault=(species, amount, NEGATIVE))
            else:
                yield line, _line(place, species)
        if not any_line:
            yield line, _line(place, status=EMPTY)


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
                fields["surveyId"] = str(line) if survey is None else row[survey]
            if fits and place is None:
                yield line, row, _Fault(_prefix(fields.values()), (part.lon, ", ".join(own), f"{OFF_CRS} {crs}"))
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


def _when(year, date, form):
    """Year and ISO date as text; a date that cannot be read stays as it is, and the row is refused for it."""
    if date in _BLANK:
        return year, ""
    if form:
        try:
            date = _parsed(date, form)
        except ValueError:
            return year, date
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


def _none(amount: str) -> bool:
    try:
        return float(amount) == 0
    except ValueError:
        return False


def _negative(amount: str) -> bool:
    try:
        return float(amount) < 0
    except ValueError:
        return False
