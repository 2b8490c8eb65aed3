"""What a dataset's files tell before anything slow starts: their headers, their ids and their first rows."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from glc.editions import _text
from glc.editions._base import SEPARATORS, Dataset, Edition, Table
from glc.editions._source import PLAIN
from glc.editions._text import plain_id
from glc.errors import DataError, did_you_mean
from glc.types import StrPath

FIRST_ROWS = 1_000
"""Rows of a file whose coordinates are looked at."""

MOST_UNUSABLE = 0.9
"""Share of the first rows; where more have the same fault, the file is refused."""


def check(dataset: Dataset) -> None:
    """Raise a DataError about the first file of `dataset` that cannot be used.

    A file is missing, empty, not text, lacks a column that it needs, names a test survey twice, or its first rows have
    coordinates that are no numbers, swapped, projected, or outside the edition's area.
    """
    edition = dataset.edition
    if dataset.train not in dataset.datasets:
        wanted = [pattern for table in edition.tables if table.dataset == edition.train for pattern in table.patterns]
        raise DataError(
            f"{dataset.folder}: recognised as {edition.name} by {dataset.relative(dataset.files[0][1])}, but its "
            f"training file is missing; expected {' or '.join(wanted)}; add it or rename yours"
        )
    for table, path in dataset.files:
        names = header(path, table)
        table.source.size(path)
        if not any(True for _ in table.source.lines(path, table.header_lines)):
            raise DataError(f"{path}: found a header and no rows, expected survey rows; fetch the file again")
        if table.source is PLAIN:
            _text.refuse_cut(path, table.separator, table.quote, len(names))
        _refuse_line_breaks(path, table, len(names))
        if table.one_row_per_survey or not table.labelled:
            _refuse_repeated_ids(path, table)
        _refuse_first_rows(path, table, names, edition)


def header(path: StrPath, table: Table) -> list[str]:
    """Column names in the file's first line; a DataError when they are not what `table` needs."""
    path = Path(path)
    names, needed = [*table.names], table.needed
    line = "" if names else table.source.first_line(path)
    if not names:
        if not line.strip():
            finding = "a blank first line" if path.stat().st_size else "an empty file"
            raise DataError(f"{path}: found {finding}, expected a header with {needed}; fetch it again")
        names = _text.split(line, table.separator, table.quote)
    missing = [column for column in needed if column not in names]
    if missing:
        for separator, word in SEPARATORS.items():
            if separator != table.separator and set(needed) <= set(_text.split(line, separator)):
                raise DataError(
                    f'{path}: the separator is {word}, expected {SEPARATORS[table.separator]}; try: python -c "import '
                    f"pandas; pandas.read_csv('{path.name}', sep='{separator}', dtype=str, keep_default_na=False)"
                    f".to_csv('{path.name}', sep='{table.separator}', index=False)\""
                )
        raise DataError(
            f"{path}: column {missing[0]!r} is missing; found {_shown(names)}, expected {needed}"
            f"{did_you_mean(missing[0], names)}; rename or add the column in the first line"
        )
    for column in dict.fromkeys([*needed, *table.optional.values(), *table.reads]):
        if names.count(column) > 1:
            raise DataError(f"{path}: column {column!r} appears {names.count(column)} times in the header; keep one")
    return names


def survey_ids(path: StrPath, table: Table) -> Iterator[tuple[int, str]]:
    """(line, surveyId as the file writes it) of the rows of `table` that have one."""
    names = header(path, table)
    at = names.index(table.columns["surveyId"])
    subset = names.index(table.where[0]) if table.where else None
    for line, text in table.source.lines(path, table.header_lines):
        row = _text.split(text, table.separator, table.quote)
        mine = subset is None or (len(row) > subset and table.where is not None and row[subset] == table.where[1])
        if mine and len(row) > at and row[at]:
            yield line, row[at]


def test_ids(dataset: Dataset) -> list[tuple[str, int, str]]:
    """(file, line, surveyId as the file writes it) of every survey of the dataset's tests, each id once per test."""
    ids = {}
    for table, path in dataset.files:
        if table.dataset in dataset.tests:
            for line, survey in survey_ids(path, table):
                ids.setdefault((table.dataset, survey), (dataset.file_name(table, path), line, survey))
    return list(ids.values())


def _shown(names: list[str], most: int = 30) -> str:
    """Column names for an error; of a file that is no table they may be many and long."""
    short = [name if len(name) <= 60 else f"{name[:60]}…" for name in names[:most]]
    return f"{short}" if len(names) <= most else f"{short} and {len(names) - most:,} more"


def _refuse_line_breaks(path: Path, table: Table, width: int) -> None:
    """Raise a DataError when a quoted field goes on in the next line: rows of such files are read line by line."""
    if not table.quote or (table.source is PLAIN and not _text.has_odd_quotes(path, table.quote)):
        return
    lines = table.source.lines(path, table.header_lines)
    for first, last, fields in _text.records(lines, table.separator, table.quote, width):
        if last > first:
            column = next((field for field in fields if "\n" in field), "")
            raise DataError(
                f"{path}: lines {first} to {last} are one row with a line break within quotes, {column[:60]!r}; "
                'expected one row per line; try: python -c "import pandas; '
                f"pandas.read_csv('{path.name}', sep={table.separator!r}, dtype=str, keep_default_na=False).replace("
                f"r'\\s+', ' ', regex=True).to_csv('{path.name}', sep={table.separator!r}, index=False)\""
            )


def _refuse_repeated_ids(path: Path, table: Table) -> None:
    """Raise a DataError about an id that two rows have, or, where a survey may have several rows, two ways to write it.

    Where ids may be text, 7 and 007 are two surveys if any other is no number.
    """
    first: dict[str, tuple[int, str]] = {}
    repeated = None
    for line, survey in survey_ids(path, table):
        plain = plain_id(survey)
        if "surveyId" in table.text_ids and not plain.lstrip("+-").isdigit():
            return
        other, written = first.setdefault(plain, (line, survey))
        if repeated is None and other != line and (table.one_row_per_survey or written != survey):
            repeated = (plain, other, line, f", written {written} and {survey}" if written != survey else "")
    if repeated:
        plain, other, line, spelled = repeated
        raise DataError(
            f"{path}: column {table.columns['surveyId']!r}: found {plain} in lines {other} and {line}, expected one "
            f"row per test survey{spelled}; remove the repeated rows, or give surveys ids that are different numbers"
        )


def _refuse_first_rows(path: Path, table: Table, names: list[str], edition: Edition) -> None:
    """Raise a DataError when nearly all of the first rows have the same fault in their coordinates."""
    columns = [table.columns[axis] for axis in ("lon", "lat")]
    places = coordinates_as_text(path, table, names, FIRST_ROWS)
    west, south, east, north = table.bounds

    def inside(lon: float, lat: float) -> bool:
        return west <= lon <= east and south <= lat <= north

    def outside(place: list[str]) -> bool:
        numbers = _numbers(place)
        return numbers is not None and not inside(*numbers)

    def swapped(place: list[str]) -> bool:
        numbers = _numbers(place)
        return outside(place) and numbers is not None and inside(numbers[1], numbers[0])

    def projected(place: list[str]) -> bool:
        numbers = _numbers(place)
        return numbers is not None and (abs(numbers[0]) > 360 or abs(numbers[1]) > 360)

    area = f"lon {west:g} to {east:g} and lat {south:g} to {north:g} ({edition.title})"
    faults: list[tuple[str, Callable[[list[str]], bool], str]] = [
        (
            "a decimal comma",
            lambda place: any(re.fullmatch(r"[+-]?\d+,\d+", value) for value in place),
            "expected a decimal point; replace the commas",
        ),
        (
            "a coordinate that is not a number",
            lambda place: _numbers(place) is None,
            "expected degrees (EPSG:4326); look at the rows, and at the names of the columns in the first line",
        ),
        (
            "coordinates that look projected, in metres",
            projected,
            f"expected degrees (EPSG:4326), {area}; convert them, for example with gdaltransform -s_srs EPSG:"
            f"{table.crs} -t_srs EPSG:4326",
        ),
        (
            "lon and lat that look swapped",
            swapped,
            f"expected {area}; swap the names {columns[0]!r} and {columns[1]!r} in the first line",
        ),
        (
            "a place outside the edition's area",
            outside,
            f"expected {area}; is this file of another edition, or are its columns named wrongly?",
        ),
    ]
    for what, holds, remedy in faults:
        bad = [(line, place) for line, place in places if holds(place)]
        if bad and len(bad) > MOST_UNUSABLE * len(places):
            line, place = bad[0]
            raise DataError(
                f"{path}: {len(bad):,} of the first {len(places):,} rows have {what}, as in line {line}: found "
                f"{columns[0]} {place[0]!r}, {columns[1]} {place[1]!r}; {remedy}"
            )


def coordinates_as_text(path: Path, table: Table, names: list[str], count: int) -> list[tuple[int, list[str]]]:
    """(line, [lon, lat] as text, '' where there is none) of the first `count` rows that have all their fields."""
    rows = [
        (line, row)
        for line, text in islice(table.source.lines(path, table.header_lines), count)
        if len(row := _text.split(text, table.separator, table.quote)) == len(names)
    ]
    at = [names.index(table.columns[axis]) if axis not in table.made else -1 for axis in ("lon", "lat")]
    if table.rules is None or not {"lon", "lat"} & {*table.made}:
        return [(line, [row[i] for i in at]) for line, row in rows]
    import pandas as pd

    text = {
        name: [row[names.index(name)] or None if name in names else None for _, row in rows] for name in table.reads
    }
    ruled = table.rules(pd.DataFrame(text, dtype=object, index=range(len(rows))))
    axes = [
        ruled[axis].fillna("").tolist() if axis in ruled else [row[i] for _, row in rows]
        for axis, i in zip(("lon", "lat"), at, strict=True)
    ]
    return [(line, list(place)) for (line, _), *place in zip(rows, *axes, strict=True)]


def _numbers(place: list[str]) -> tuple[float, float] | None:
    try:
        lon, lat = (float(value) for value in place)
    except ValueError:
        return None
    return (lon, lat) if abs(lon) + abs(lat) < float("inf") else None
