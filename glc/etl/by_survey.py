"""Usable rows become occurrences and surveys: brought together by their survey, in ranges of ids that fit in memory.

The rows of each chunk of a file are staged in the order of their ids, so that a range of ids is a slice of each. Rows
that disagree with their survey's first line are set apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from glc import schema
from glc.etl import quarantine
from glc.etl.plain_lines import ROWS

RANGE_ROWS = 250_000
"""Rows that are in memory at once, about."""
PLACE = ("lon", "lat", "year")
"""What the rows of a survey agree in."""
_QUANTILES = 64
_ALIKE = ("dataset", "crs", "year", "geoUncertaintyInM", "country", "region", "areaInM2", "speciesId")
"""Columns with few values: a dictionary of ids and coordinates takes time and is larger than they are."""


@dataclass
class Kept:
    """What was written of a dataset.

    rows : of each file's number, the occurrences
    unreadable : of each file's number, the values of a column of `quarantine.SPARE` that are no numbers
    disagreeing : of each file's number, the rows that were set apart
    species : ids, sorted
    """

    rows: dict[int, int] = field(default_factory=dict)
    unreadable: dict[int, dict[str, int]] = field(default_factory=dict)
    disagreeing: dict[int, int] = field(default_factory=dict)
    species: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))


def stage(rows: pa.Table, path: Path) -> np.ndarray:
    """Write `ROWS` sorted by surveyId; returns quantiles of the ids, each of which stands for as many rows."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        for batch in rows.unify_dictionaries().combine_chunks().to_batches():
            writer.write_batch(batch)
    ids = rows["surveyId"].to_numpy()
    return ids[:: max(1, len(ids) // _QUANTILES)]


def ranges(quantiles: Sequence[np.ndarray], rows: int) -> list[tuple[int, int]]:
    """Ranges of ids, the first included and the last not, with about `RANGE_ROWS` rows each."""
    ids = np.sort(np.concatenate([np.zeros(0, np.int64), *quantiles]))
    count = max(1, round(rows / RANGE_ROWS))
    inner = np.unique(ids[(np.arange(1, count) * len(ids)) // count]) if len(ids) else ids
    edges = [np.iinfo(np.int64).min, *inner.tolist(), np.iinfo(np.int64).max]
    return [*pairwise(edges)]


def write(
    table: Literal["occurrences", "surveys"],
    dataset: str,
    paths: Sequence[Path],
    id_ranges: Sequence[tuple[int, int]],
    out: Path,
    apart: Path | None = None,
) -> Kept:
    """Write the table of one dataset to the file `out`, and the rows that disagree to the file `apart`.

    paths : of `stage`, in the order of the files and their lines; rows that were not plain last
    """
    kept = Kept()
    species = [kept.species]
    part = out.with_name(f".{out.name}")
    alike = [name for name in _ALIKE if name in schema.TABLES[table].names]
    form = {"compression": "zstd", "compression_level": 3, "use_dictionary": alike}
    with pq.ParquetWriter(part, schema.TABLES[table], **form) as writer:
        others = []
        for rows in _read(paths, id_ranges):
            rows, first, wrong = _agreed(rows)
            if wrong.num_rows:
                others.append(wrong)
            made = _occurrences(rows) if table == "occurrences" else _surveys(rows, first)
            writer.write_table(_labelled(made, table, dataset))
            if apart is not None:
                _count(kept, rows, wrong)
                species.append(np.unique(rows["speciesId"].drop_null().to_numpy()))
    part.rename(out)
    if apart is not None and others:
        pq.write_table(pa.concat_tables(others), apart)
    kept.species = np.unique(np.concatenate(species))
    return kept


def _read(paths: Sequence[Path], id_ranges: Sequence[tuple[int, int]]) -> Iterator[pa.Table]:
    """The rows of each range, sorted by surveyId, file and line."""
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in paths]
    ids = [table["surveyId"].to_numpy() for table in tables]
    for low, high in id_ranges:
        spans = [np.searchsorted(each, (low, high)) for each in ids]
        slices = [table.slice(start, stop - start) for table, (start, stop) in zip(tables, spans, strict=True)]
        rows = pa.concat_tables([ROWS.empty_table(), *slices]).unify_dictionaries().combine_chunks()
        keys = [rows[name].to_numpy() for name in ("line", "file_index", "surveyId")]
        yield rows.take(pa.array(np.lexsort(keys)))


def _agreed(rows: pa.Table) -> tuple[pa.Table, np.ndarray, pa.Table]:
    """The rows that agree with their survey's first line, whether each is that line, and the rows that do not agree.

    Of the latter the columns ``first_<name>`` say what the first line has.
    """
    survey = rows["surveyId"].to_numpy()
    first = np.ones(len(survey), bool)
    first[1:] = survey[1:] != survey[:-1]
    lead = np.flatnonzero(first)[np.cumsum(first) - 1]
    same = np.ones(len(survey), bool)
    for name in PLACE:
        column = rows[name]
        known = column.is_valid().to_numpy()
        values = column.fill_null(0).to_numpy()
        same &= (values == values[lead]) & (known == known[lead])
    if same.all():
        return rows, first, rows.slice(0, 0)
    wrong = np.flatnonzero(~same)
    apart = rows.take(pa.array(wrong))
    leads = rows.take(pa.array(lead[wrong]))
    for name in ("line", *PLACE):
        apart = apart.append_column(f"first_{name}", leads[name])
    return rows.filter(pa.array(same)), first[same], apart


def _by_species(rows: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order of the rows by survey and species, and in that order number of the survey and species, -1 for none."""
    survey = rows["surveyId"].to_numpy()
    number = np.zeros(len(survey), np.int64)
    number[1:] = np.cumsum(survey[1:] != survey[:-1])
    species = rows["speciesId"].fill_null(-1).to_numpy().astype(np.int64)
    order = np.argsort((number << 32) + species + 1, kind="stable")
    return order, number[order], species[order]


def _occurrences(rows: pa.Table) -> pa.Table:
    of_file = rows["file_index"].to_numpy()
    order = _by_species(rows)[0]
    if len(of_file) and (of_file != of_file[0]).any():  # otherwise they are in the order of their lines
        keys = (
            of_file,
            rows["line"].to_numpy(),
            rows["speciesId"].fill_null(-1).to_numpy(),
            rows["surveyId"].to_numpy(),
        )
        order = np.lexsort(keys)
    return rows.take(pa.array(order))


def _surveys(rows: pa.Table, first: np.ndarray) -> pa.Table:
    """One row per survey: its first line, and its species sorted and distinct."""
    surveys = rows.filter(pa.array(first))
    _, number, species = _by_species(rows)
    new = species >= 0
    new[1:] &= (species[1:] != species[:-1]) | (number[1:] != number[:-1])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(number[new], minlength=surveys.num_rows))])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(species[new], pa.int32()))
    return surveys.append_column("species", lists)


def _labelled(rows: pa.Table, table: str, dataset: str) -> pa.Table:
    """The rows in the schema of the `table`."""
    rows = rows.append_column("dataset", pa.array([dataset]).take(pa.array(np.zeros(rows.num_rows, np.int8))))
    wanted = schema.TABLES[table]
    return rows.select(wanted.names).cast(wanted)


def _count(kept: Kept, rows: pa.Table, wrong: pa.Table) -> None:
    """Add the rows to what is known of their files."""
    of_file = rows["file_index"].to_numpy()
    for number, count in zip(*np.unique(of_file, return_counts=True), strict=True):
        kept.rows[int(number)] = kept.rows.get(int(number), 0) + int(count)
    for name in quarantine.SPARE:
        lost = of_file[rows[f"unreadable_{name}"].to_numpy()]
        for number, count in zip(*np.unique(lost, return_counts=True), strict=True):
            counts = kept.unreadable.setdefault(int(number), {})
            counts[name] = counts.get(name, 0) + int(count)
    for number, count in zip(*np.unique(wrong["file_index"].to_numpy(), return_counts=True), strict=True):
        kept.disagreeing[int(number)] = kept.disagreeing.get(int(number), 0) + int(count)
