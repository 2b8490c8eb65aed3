"""Lines of plain numbers and words, typed with Arrow; unusual lines are left to Spark's expressions.

A line is plain if every cell of it is one whose reading nobody can doubt: no quotes, as many fields as the header, ids
and coordinates in digits, everything there that must be, inside the edition's area and on its map. `glc.etl.rows` reads
any line, and reads a plain one as it is read here, at ten times the cost.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from glc import editions, geo
from glc.editions import Dataset, Table
from glc.etl import quarantine
from glc.etl.chunks import Chunk, line_starts

ROWS = pa.schema(
    [
        ("surveyId", pa.int64()),
        ("file_index", pa.int32()),
        ("line", pa.int64()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("easting", pa.float64()),
        ("northing", pa.float64()),
        ("crs", pa.int32()),
        ("year", pa.int32()),
        ("geoUncertaintyInM", pa.float64()),
        ("country", WORDS := pa.dictionary(pa.int32(), pa.string())),
        ("region", WORDS),
        ("areaInM2", pa.float64()),
        ("speciesId", pa.int32()),
        *((f"unreadable_{name}", pa.bool_()) for name in quarantine.SPARE),
    ]
)
"""Usable rows of a file: `glc.schema` has the columns that the tables have."""
LINES = pa.schema([("line", pa.int64()), ("text", pa.string())])
"""Lines that are not plain, with their numbers."""

_COLUMNS = frozenset(
    LABELLED := ("surveyId", "lon", "lat", "year", "speciesId", *quarantine.SPARE, "country", "region")
)
_DEGREES = r"^-?[0-9]{1,3}(\.[0-9]{1,17})?$"
_DIGITS = r"^[0-9]{1,18}$"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"([+-]?\d+)(\.0*)?", re.ASCII)
_MISSING = frozenset(("", "na", "nan", "null", "none", "n/a"))
_Cell: TypeAlias = tuple[object, bool, bool]
"""Value of a cell, whether it is plain, and whether there was text that is no number."""


@dataclass(frozen=True)
class Reading:
    """How the lines of a table's file are read; a process that reads a chunk gets it.

    file_index : place of the file in the dataset
    names : columns of the file, in order
    columns : our column -> the file's, of those that it has
    required : our columns without which a row cannot be used
    separator, quote : of the table
    bounds : west, south, east, north in degrees
    crs : EPSG code
    """

    file_index: int
    names: tuple[str, ...]
    columns: dict[str, str]
    required: tuple[str, ...]
    separator: str
    quote: str
    bounds: tuple[float, float, float, float]
    crs: int


def readings(dataset: Dataset) -> list[Reading] | None:
    """How each file of the dataset is read; None where an edition has rules, text for ids, dates, or a file for several
    tables, so that Spark has to read all of it."""
    made = []
    for index, (table, path) in enumerate(dataset.files):
        names = editions.header(path, table)
        columns = table.columns | {ours: theirs for ours, theirs in table.optional.items() if theirs in names}
        if not _simple(table, path, columns):
            return None
        form = (table.separator, table.quote, table.bounds, table.crs)
        made.append(Reading(index, tuple(names), columns, tuple(table.columns), *form))
    return made


def _simple(table: Table, path: Path, columns: dict[str, str]) -> bool:
    """Whether the file has one row of one table per line, of which no rule of the edition has to know."""
    special = table.where or table.rules or table.text_ids or table.by_place_and_date or table.constants or table.made
    unpacked = table.source.numbered or table.source.member
    return not special and not unpacked and table.crs > 0 and editions.encoding(path).plain and {*columns} <= _COLUMNS


def read(chunk: Chunk, reading: Reading) -> tuple[pa.Table, pa.Table, int]:
    """The chunk's plain rows (`ROWS`, sorted by surveyId), its other lines (`LINES`), and the number of blank ones."""
    text = chunk.read()
    starts = line_starts(text)
    plain = np.ones(chunk.lines, bool)
    for character in {reading.quote, "\0"} - {""}:
        if character.encode() in text:
            at = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(character))
            plain[np.searchsorted(starts, at, side="right") - 1] = False

    cells, whole = _cells(text, reading, chunk.lines)
    plain &= whole
    cells = cells.filter(pa.array(plain[whole]))
    lines = np.flatnonzero(plain)
    rows, good = _typed(cells, reading)
    rows["line"] = pa.array(chunk.line + lines)
    plain[lines[~good]] = False

    odd = np.flatnonzero(~plain)
    texts = [
        text[start:stop].rstrip(b"\r\n").decode() for start, stop in zip(starts[odd], starts[odd + 1], strict=True)
    ]
    blank = np.array([not each.strip(" ") for each in texts], bool)
    others = pa.table({"line": chunk.line + odd, "text": pa.array(texts, pa.string())}, LINES).filter(pa.array(~blank))
    columns = [rows.get(name, pa.nulls(len(lines), ROWS.field(name).type)) for name in ROWS.names]
    chosen = np.flatnonzero(good)
    order = chosen[np.argsort(rows["surveyId"].fill_null(0).to_numpy()[chosen], kind="stable")]
    return pa.table(columns, ROWS).take(pa.array(order)), others, int(blank.sum())


def _cells(text: bytes, reading: Reading, lines: int) -> tuple[pa.Table, np.ndarray]:
    """Our columns as text, of the lines with as many fields as the header, and which lines these are."""
    whole = np.ones(lines, bool)

    def other(row: csv.InvalidRow) -> str:
        whole[row.number - 1] = False
        return "skip"

    numbers = [f"c{i}" for i in range(len(reading.names))]
    wanted = {ours: numbers[reading.names.index(theirs)] for ours, theirs in reading.columns.items()}
    kinds = {name: pa.string() if ours in ("lon", "lat", "surveyId") else WORDS for ours, name in wanted.items()}
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=numbers),
        csv.ParseOptions(
            delimiter=reading.separator, quote_char=False, ignore_empty_lines=False, invalid_row_handler=other
        ),
        csv.ConvertOptions(column_types=kinds, include_columns=list(wanted.values()), strings_can_be_null=False),
    )
    return table.rename_columns(list(wanted)).combine_chunks(), whole


def _typed(cells: pa.Table, reading: Reading) -> tuple[dict[str, pa.Array], np.ndarray]:
    """Columns of `ROWS`, and which rows are plain and faultless."""
    good = np.ones(cells.num_rows, bool)
    west, south, east, north = reading.bounds
    rows: dict[str, pa.Array] = {}
    for name, low, high in (("lon", max(west, -180), min(east, 180)), ("lat", max(south, -90), min(north, 90))):
        rows[name] = _matching(cells[name], _DEGREES, pa.float64())
        good &= _between(rows[name], low, high)
    rows["surveyId"] = _matching(cells["surveyId"], _DIGITS, pa.int64())
    good &= rows["surveyId"].is_valid().to_numpy(zero_copy_only=False)
    kinds: dict[str, tuple[Callable[[str], _Cell], pa.DataType]] = {
        "year": (_whole(*quarantine.YEARS, "year" in reading.required), pa.int32()),
        "speciesId": (_whole(0, 2**31 - 1, "speciesId" in reading.required), pa.int32()),
        **{name: (_number, pa.float64()) for name in quarantine.SPARE},
        **{name: (_words, WORDS) for name in ("country", "region")},
    }
    for name, (reads, kind) in kinds.items():
        if name in cells.column_names:
            rows[name], plain, unreadable = _of_words(cells[name], reads, kind)
            good &= plain
            if name in quarantine.SPARE:
                rows[f"unreadable_{name}"] = pa.array(unreadable)
        elif name in quarantine.SPARE:
            rows[f"unreadable_{name}"] = pa.array(np.zeros(len(good), bool))
    # what is not good is no place, and left to others with all it is
    lon, lat = (np.where(good, rows[axis].fill_null(0).to_numpy(), np.nan) for axis in ("lon", "lat"))
    easting, northing = geo.project(lon, lat, reading.crs)
    good &= np.abs(easting) + np.abs(northing) < np.inf
    rows |= {"easting": pa.array(easting), "northing": pa.array(northing)}
    rows["crs"] = pa.array(np.full(len(good), reading.crs, np.int32))
    rows["file_index"] = pa.array(np.full(len(good), reading.file_index, np.int32))
    return rows, good


def _matching(cells: pa.ChunkedArray, pattern: str, kind: pa.DataType) -> pa.Array:
    """Numbers of the cells that match, null elsewhere."""
    text = cells.combine_chunks()
    matches = pc.match_substring_regex(text, pattern)
    return pc.if_else(matches, text, pa.scalar(None, pa.string())).cast(kind)


def _between(values: pa.Array, low: float, high: float) -> np.ndarray:
    """Whether each value is known and within the bounds, which are included."""
    inside = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
    return inside.fill_null(False).to_numpy(zero_copy_only=False)


def _of_words(
    cells: pa.ChunkedArray, reads: Callable[[str], _Cell], kind: pa.DataType
) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Values of cells of which many are alike, which are plain, and which unreadable; each text is read once."""
    cells = cells.combine_chunks()
    read = [reads(text) for text in cells.dictionary.to_pylist()]
    at = cells.indices.to_numpy()
    if kind == WORDS:
        words = [value for value, _, _ in read]
        codes = np.array([-1 if word is None else code for code, word in enumerate(words)], np.int32)[at]
        names = pa.array([word or "" for word in words], pa.string())
        values = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), names)
    else:
        values = pa.array([value for value, _, _ in read], kind).take(cells.indices)
    return values, np.array([plain for _, plain, _ in read], bool)[at], np.array([lost for *_, lost in read], bool)[at]


def _numeral(text: str) -> str | None:
    """The text of a number; None if it marks a missing value."""
    text = text.strip(" ")
    return None if text.lower() in _MISSING else text


def _number(text: str) -> _Cell:
    numeral = _numeral(text)
    if numeral is None or not _NUMBER.fullmatch(numeral):
        return None, True, numeral is not None
    return float(numeral), True, False


def _whole(low: int, high: int, required: bool) -> Callable[[str], _Cell]:
    """Reads integers between bounds, which are included."""

    def reads(text: str) -> _Cell:
        numeral = _numeral(text)
        if numeral is None:
            return None, not required, False
        match = _INTEGER.fullmatch(numeral)
        if match is None or not low <= int(match[1]) <= high:
            return None, False, False
        return int(match[1]), True, False

    return reads


def _words(text: str) -> _Cell:
    return text.strip(" ") or None, True, False
