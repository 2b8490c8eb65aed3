"""Quarterly satellite series: six CSVs, one per band, joined by the id of a series in any order of rows.

A table is read once, in blocks, and its values go straight to their place in an array (band, series, quarter), which
may be a file. Empty cells and ``eos`` (end of series) are missing: NaN. A row that cannot be trusted (a cell that is no
number, a wrong number of fields, two rows of one id that differ) is reported and its series is corrupt; which row came
first never matters.
"""

import csv
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from glc import editions, schema
from glc.editions._base import SEPARATORS
from glc.errors import DataError, MissingError
from glc.progress import tqdm
from glc.types import Facts, StrPath

BANDS = ("red", "green", "blue", "nir", "swir1", "swir2")
IDS = ("timeSerieID", "surveyId")
"""The column of a series' id: of its own where occurrence tables point to it (2023), else its survey's."""
MISSING = ("", "eos")
_FILE = re.compile(r"(?i)(?:^|[-_])(?P<band>red|green|blue|nir|swir1|swir2)\.csv$")
_TESTS = "|".join(schema.TESTS)
_PART = re.compile(rf"(?i)(?:^|[-_])(?P<kind>PA|PO|P0)[-_](?P<split>train|test(?:[-_](?:{_TESTS}))?)(?:[-_.]|$)")
_BLOCK = 8 << 20


def dataset_of(name):
    """The dataset of `glc.schema.DATASETS` that a file's name tells of, or None (P0 is the organisers' slip)."""
    match = _PART.search(name)
    if not match:
        return None
    kind, split = match["kind"].lower().replace("0", "o"), match["split"].lower().replace("-", "_")
    return "po" if (kind, split) == ("po", "train") else f"{kind}_{split}"


def dataset_of_file(folder: StrPath, name: str) -> str | None:
    """As `dataset_of` of a file in a folder, whose name tells which of several tests where the file's does not."""
    named, of_folder = dataset_of(name), dataset_of(Path(folder).name)
    several = of_folder is not None and of_folder not in ("pa_test", "po_test") and "_test_" in of_folder
    return of_folder if several and named in (None, "pa_test") else named


def find(folder: StrPath) -> dict[str | None, dict[str, Path]]:
    """The series below `folder`: {dataset, or None where one set serves all: {band: path}}.

    A DataError names the bands that are not there, and files of which there are two.
    """
    by_dataset = {}
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            match = _FILE.search(name)
            if match and "series" in name.lower():
                tables = by_dataset.setdefault(dataset_of_file(base, name), {})
                band, path = match["band"].lower(), Path(base) / name
                if band in tables:
                    raise DataError(f"{folder}: found {tables[band]} and {path}, expected one; remove the other")
                tables[band] = path
    if not by_dataset:
        raise MissingError(
            f"{folder}: found no quarterly series, expected six CSVs such as time_series_red.csv; "
            "name their folder (IMAGERY=, --imagery-folder)"
        )
    for tables in by_dataset.values():
        absent = [band for band in BANDS if band not in tables]
        if absent:
            raise DataError(
                f"{folder}: bands {', '.join(absent)} are missing next to {min(tables.values()).name}; add them"
            )
    return by_dataset


def header(path: StrPath) -> tuple[str, str, list[tuple[int, int]]]:
    """(separator, id column, quarters) of a series CSV; `quarters` are its (year, quarter) pairs in the file's order.

    A DataError says which column is not as expected: every quarter of consecutive years, once.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            line = file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a CSV: {error}; fetch it again") from error
    separator = max(SEPARATORS, key=line.count)
    names = next(csv.reader([line], delimiter=separator), [])
    if not names or names[0] not in IDS:
        raise DataError(f"{path}: first column is {names[:1]}, expected one of: {', '.join(IDS)}")
    quarters = []
    for name in names[1:]:
        match = re.fullmatch(r"(\d{4})_([1-4])", name)
        if not match:
            raise DataError(f"{path}: column {name!r}, expected quarters such as 2000_1")
        quarters.append((int(match[1]), int(match[2])))
    years = sorted({year for year, _ in quarters})
    whole = [(year, quarter) for year in range(years[0], years[-1] + 1) for quarter in range(1, 5)] if years else []
    if not years or sorted(quarters) != whole:
        wrong = sorted(set(whole) - set(quarters)) or [q for q in whole if quarters.count(q) > 1]
        raise DataError(
            f"{path}: expected each quarter of its years once; look at {wrong[:4] or 'the missing columns'}"
        )
    return separator, names[0], quarters


def read(
    tables: Mapping[str, Path], ids: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[Facts], list[Facts]]:
    """Fill `values` with the series of `ids` and return what was found.

    tables : {band: path} of `BANDS`
    ids : (n,) sorted distinct int64
    values : (6, n, quarters) float32, all NaN, filled in place in order of `BANDS` and time; may be a memory map
    returns : (seen, corrupt, faults, facts): (6, n) and (n,) boolean; records of schema ``quarantine`` without a
        dataset; facts per file: rows, used, repeated, faulty
    """
    seen, corrupt = np.zeros((len(BANDS), len(ids)), bool), np.zeros(len(ids), bool)
    faults, facts = [], []
    total = sum(os.path.getsize(tables[band]) for band in BANDS)
    with tqdm(total=total, desc="series", unit="B", unit_scale=True) as bar:
        for index, band in enumerate(BANDS):
            bad, table_facts = _read_table(tables[band], ids, values[index], seen[index], corrupt, bar)
            faults += bad
            facts.append(table_facts)
    values[:, corrupt] = np.nan
    return seen, corrupt, faults, facts


def series_ids(
    path: StrPath, survey_column: str, series_column: str = "timeSerieID", separator: str = ";"
) -> pd.DataFrame:
    """Which series is which survey's, from an occurrence table: frame (surveyId, series_id), one row per survey.

    Rows without either id are left out: their surveys have no series. A DataError names a missing column and surveys
    that point to two series.
    """
    try:
        columns = [survey_column, series_column]
        frame = pd.read_csv(path, sep=separator, usecols=columns, dtype=str, encoding_errors="replace")
    except ValueError as error:
        raise DataError(f"{path}: {error}; expected the columns {survey_column} and {series_column}") from error
    frame.columns = [("surveyId", "series_id")[name == series_column] for name in frame.columns]
    for name in frame.columns:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        wrong = (numbers.isna() & frame[name].notna()) | (numbers % 1 > 0)
        if wrong.any():
            raise DataError(f"{path}: column of {name}: found {frame[name][wrong].iloc[0]!r}, expected whole numbers")
        frame[name] = numbers
    frame = frame.dropna().astype(np.int64).drop_duplicates()
    twice = frame["surveyId"].duplicated()
    if twice.any():
        raise DataError(f"{path}: {survey_column} {frame['surveyId'][twice].iloc[0]} has two {series_column}; keep one")
    return frame[["surveyId", "series_id"]].sort_values("surveyId", ignore_index=True)


def own_ids(dataset: editions.Dataset, column: str) -> pd.DataFrame | None:
    """The ids that the series or images of surveys are called by: frame (surveyId, series_id, dataset).

    dataset : the survey tables
    column : of these tables, ``timeSerieID`` or ``patchID``
    returns : one row per survey that has an id, or None where no table has the column
    """
    ids = [
        series_ids(path, table.columns["surveyId"], column, table.separator).assign(dataset=table.dataset)
        for table, path in dataset.files
        if column in editions.header(path, table)
    ]
    return pd.concat(ids) if ids else None


def _read_table(path, ids, values, seen, corrupt, bar):
    separator, id_column, quarters = header(path)
    if len(quarters) != values.shape[1]:
        raise DataError(f"{path}: found {len(quarters)} quarters, expected {values.shape[1]} as in the other tables")
    order = sorted(range(len(quarters)), key=quarters.__getitem__)
    ragged, bad = [], []  # rows of another number of fields; (row among the others, column, found, reason)
    rows = used = repeated = 0
    for block in _blocks(path, separator, len(quarters) + 1, ragged, bar):
        row_ids, unreadable = _numbers(block.column(0), pa.int64())
        bad += [(rows + i, id_column, text, "id is not an integer") for i, text in unreadable]
        position = np.minimum(np.searchsorted(ids, row_ids), max(len(ids) - 1, 0))
        wanted = ids[position] == row_ids if len(ids) else np.zeros(len(row_ids), bool)
        wanted[[i for i, _ in unreadable]] = False
        block_values = np.empty((len(row_ids), len(quarters)), np.float32)
        reported = set()  # one reason per row is enough
        for column, source in enumerate(order):
            block_values[:, column], unreadable = _numbers(block.column(source + 1), pa.float32())
            name = "{}_{}".format(*quarters[source])
            for i, text in unreadable:
                if wanted[i] and i not in reported:
                    reported.add(i)
                    corrupt[position[i]] = True
                    bad.append((rows + i, name, text, "value is not a number"))
        mine = np.flatnonzero(wanted)
        new = mine[np.unique(position[mine], return_index=True)[1]]
        new = new[~seen[position[new]]]
        again = np.setdiff1d(mine, new)
        values[position[new]] = block_values[new]
        seen[position[new]] = True
        differs = ~((values[position[again]] == block_values[again]) | (
            np.isnan(values[position[again]]) & np.isnan(block_values[again])
        )).all(axis=1)  # fmt: skip
        for i in again[differs]:
            corrupt[position[i]] = True
            bad.append((rows + i, id_column, str(row_ids[i]), "two rows of this series differ"))
        rows, used, repeated = rows + len(row_ids), used + len(mine), repeated + len(again)
    faults = _faults(path, bad, ragged)
    firsts = [next(csv.reader([text], delimiter=separator), [""])[0] for _, text in ragged]
    corrupt |= np.isin(ids, [int(first) for first in firsts if re.fullmatch(r"\d{1,18}", first)])
    facts = {"file": str(path), "rows": rows + len(ragged), "used": used, "repeated": repeated, "faulty": len(faults)}
    return faults, facts


def _blocks(path, separator, columns, ragged, bar):
    """Record batches of strings, cells of `MISSING` null; rows of another number of fields go to `ragged`."""

    def skip(row):
        ragged.append((row.number, row.text))
        return "skip"

    names = [str(i) for i in range(columns)]
    left = os.path.getsize(path)
    try:
        reader = arrow_csv.open_csv(
            path,
            arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK, skip_rows=1, column_names=names),
            arrow_csv.ParseOptions(delimiter=separator, invalid_row_handler=skip),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=list(MISSING),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        for block in reader:
            yield block
            left -= (step := min(_BLOCK, left))
            bar.update(step)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: cannot be read as a CSV: {error}; fetch it again") from error
    bar.update(left)


def _numbers(column, kind):
    """Numbers of a column of strings (NaN, or 0 of integers, where null), and [(row, text)] of what is none."""
    empty = np.nan if pa.types.is_floating(kind) else 0
    unreadable = []
    try:
        numbers = pc.cast(column, kind)
    except pa.ArrowInvalid:
        text = column.to_pandas()
        parsed = pd.to_numeric(text.str.strip().mask(lambda t: t.isin(MISSING)), errors="coerce").astype(float)
        wrong = (parsed.isna() & text.notna() & ~text.str.strip().isin(MISSING)) | ~np.isfinite(parsed.fillna(0))
        if pa.types.is_integer(kind):
            wrong |= parsed % 1 > 0
        unreadable = [(i, text[i]) for i in np.flatnonzero(wrong)]
        numbers = pa.array(parsed.mask(wrong), from_pandas=True).cast(kind)
    if pa.types.is_integer(kind):
        unreadable += [(i, "") for i in np.flatnonzero(pc.is_null(column).to_numpy(zero_copy_only=False))]
    numbers = pc.fill_null(numbers, empty).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind) and np.isinf(numbers).any():
        unreadable = [(i, column[i].as_py()) for i in np.flatnonzero(np.isinf(numbers))]
        numbers = np.where(np.isinf(numbers), empty, numbers)
    return numbers, unreadable


def _faults(path, bad, ragged):
    """Records with physical lines: line 1 is the header, `ragged` rows stand between the others."""
    skipped = np.sort([number for number, _ in ragged]) if ragged else np.zeros(0, int)
    records = [(number, None, text[:200], "wrong number of fields") for number, text in ragged]
    for row, column, value, reason in bad:
        line = row + 2
        for number in skipped:
            line += number <= line
        records.append((line, column, value, reason))
    return [
        {"file": str(path), "line": int(line), "column": column, "found": value, "reason": reason}
        for line, column, value, reason in sorted(records, key=lambda record: record[0])
    ]
