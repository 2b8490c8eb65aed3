"""Scores that a contest gave to the submissions of a table's rows, from a CSV of the user's."""

import csv
from collections.abc import Collection, Mapping
from pathlib import Path

from glc import storage
from glc.errors import DataError, did_you_mean
from glc.report.papers import LEADERBOARD
from glc.types import StrPath

COLUMNS = ("row", *LEADERBOARD)


def read(path: StrPath, labels: Collection[str]) -> dict[str, dict[str, float]]:
    """Label of a row -> ``public`` and ``private`` score; a score that the file leaves empty is left out.

    path : CSV (UTF-8) with the columns ``row, public, private``
    labels : of the table's rows
    raises : DataError for other columns, rows that the table does not have, and what is no score between 0 and 1
    """
    path = Path(path)
    lines = _lines(path)
    scores: dict[str, dict[str, float]] = {}
    for number, line in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(COLUMNS):
            raise DataError(
                f"{path}, line {number}: found {len(line)} columns, expected {len(COLUMNS)}; quote labels that contain "
                "commas"
            )
        label = line[0].strip()
        if label not in labels:
            raise DataError(
                f"{path}, line {number}: found the row {label!r}, expected a label from the first column of the "
                f"table's .csv file{did_you_mean(label, labels)}"
            )
        if label in scores:
            raise DataError(f"{path}, line {number}: row {label!r} is there twice; keep one")
        scores[label] = {
            column: _score(cell.strip(), f"{path}, line {number}, column {column}")
            for column, cell in zip(LEADERBOARD, line[1:], strict=True)
            if cell.strip()
        }
    return scores


def add(path: StrPath, row: str, scores: Mapping[str, float]) -> None:
    """Write the scores of a row into such a CSV, which is made if it is not there; other rows stay as they are.

    path : CSV; row : label of the row; scores : ``public`` and ``private``, those that are known
    """
    path = Path(path)
    lines = _lines(path)[1:] if path.exists() else []
    kept = [line for line in lines if any(cell.strip() for cell in line) and line[0].strip() != row]
    line = [row, *(str(scores[column]) if column in scores else "" for column in LEADERBOARD)]
    with storage.atomic_file(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *kept, line])


def has(path: StrPath, row: str, scores: Mapping[str, float]) -> bool:
    """Whether such a CSV is there and has these scores of the row."""
    path = Path(path)
    if not path.exists():
        return False
    labels = [line[0].strip() for line in _lines(path)[1:] if any(cell.strip() for cell in line)]
    return read(path, labels).get(row) == dict(scores)


def _lines(path: Path) -> list[list[str]]:
    """The lines of the CSV; a DataError for other columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: {error}; expected a CSV (UTF-8) with the columns {', '.join(COLUMNS)}") from None
    header = tuple(name.strip() for name in lines[0]) if lines else ()
    if header != COLUMNS:
        raise DataError(
            f"{path}: found the columns {', '.join(header) or '(none)'}, expected {', '.join(COLUMNS)}, in this order; "
            "quote labels that contain commas"
        )
    return lines


def _score(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DataError(f"{place}: found {text!r}, expected a score between 0 and 1, such as 0.36242, or nothing")
    return value
