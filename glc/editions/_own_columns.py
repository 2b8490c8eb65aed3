"""Rows of a CSV or parquet file as lists of text, a few at a time."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from glc.editions import _text
from glc.editions._base import SEPARATORS
from glc.errors import DataError

_CELLS = 1 << 20  # of a parquet file, in memory at once
_EXCEL = re.compile(r"sep=(.)", re.IGNORECASE)  # of a first line

Row = tuple[int, list[str]]
"""Number of a row's line (of a parquet file, of its row), and its fields."""


def header(path: Path, separator: str = "") -> list[str]:
    """Names of the columns of a CSV or parquet file.

    separator : of a CSV; empty: guessed
    """
    if path.suffix == ".parquet":
        return _parquet(path).schema_arrow.names
    return next((fields for _, fields in _records(path, separator)), [])


def guessed(path: Path) -> str:
    """The separator that Excel's line ``sep=;`` names, or else the one that the first line has most of."""
    first = _text.first_line(path)
    named = _EXCEL.fullmatch(first)
    return named[1] if named else max(SEPARATORS, key=first.count)


def rows(path: Path, separator: str = "") -> Iterator[Row]:
    """Rows of a CSV or parquet file, the first after the header; blank lines of a CSV are left out.

    separator : of a CSV; empty: guessed
    Rows of a CSV may have another number of fields than its header; a quoted field may have line breaks.
    """
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
    else:
        yield from islice(_records(path, separator), 1, None)


def refuse_cut(path: Path, separator: str = "") -> None:
    """Raise a DataError when the last line of a CSV has neither a line end nor all its fields."""
    _text.refuse_cut(path, separator or guessed(path), '"', len(header(path, separator)))


def _records(path: Path, separator: str) -> Iterator[Row]:
    """The header of a CSV and its rows."""
    above = 1 if _EXCEL.fullmatch(_text.first_line(path)) else 0
    for line, _, fields in _text.records(_text.lines(path, above), separator or guessed(path)):
        yield line, fields


def count(path: Path, mean_length: float) -> float:
    """About how many rows a file has, of `mean_length` characters each."""
    if path.suffix == ".parquet":
        return _parquet(path).metadata.num_rows
    return path.stat().st_size / max(mean_length, 1)


def _parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read as parquet: {error}; fetch it again") from None


def _parquet_rows(path):
    file, line = _parquet(path), 0
    for batch in file.iter_batches(batch_size=max(_CELLS // max(file.metadata.num_columns, 1), 1)):
        for cells in zip(*map(_texts, batch.columns), strict=True):
            line += 1
            yield line, list(cells)


def _texts(column):
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    values = column.to_pylist()
    if pa.types.is_temporal(kind):
        return ["" if value is None else value.isoformat() for value in values]
    if pa.types.is_floating(kind):  # as other files write them: 763, and nothing for NaN
        return [
            "" if value is None or value != value else str(int(value)) if value.is_integer() else repr(value)
            for value in values
        ]
    return ["" if value is None else str(value).strip() for value in values]
