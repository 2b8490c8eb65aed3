"""Sizes of a dataset from a sample of its lines: a file of any length takes tenths of a second."""

import csv
import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from glc import editions, geo, schema
from glc.costs.sizes import CELL_M, Sizes
from glc.editions import PLAIN, Dataset, Table

CHUNKS, CHUNK_BYTES = 48, 1 << 17
"""Places of a file that are read, and bytes at each: shorter files are read whole."""
UNPACKED_ROWS = 50_000
"""First rows that are read of what has to be unpacked."""


@dataclass(frozen=True)
class TableSample:
    """Rows of a table that were read, and what they say of the whole.

    rows : of the table, about
    surveys : of the table, about
    species : how often each was read
    cells : squares of `CELL_M` with rows, about; 0 where the file has no longitudes and latitudes
    """

    rows: int
    surveys: int
    species: Counter[str]
    cells: int = 0


def sizes(dataset: Dataset) -> Sizes:
    """The sizes of a dataset, as `editions.recognise` returns it; within a tenth or so of rows, a fifth of surveys."""
    samples = [(table.dataset, read(path, table)) for table, path in dataset.files]
    train, test = dataset.train, dataset.edition.test
    training = [sample for name, sample in samples if name == train]
    po = [sample for name, sample in samples if name == "po" != train]
    tests = [sample for name, sample in samples if schema.is_test(name, test)]
    labelled: Counter[str] = sum((sample.species for sample in (*training, *po)), Counter())
    return Sizes(
        training_rows=sum(sample.rows for sample in training),
        training_surveys=sum(sample.surveys for sample in training),
        species=all_kinds(labelled),
        test_surveys=sum(sample.surveys for sample in tests),
        po_rows=sum(sample.rows for sample in po),
        po_surveys=sum(sample.surveys for sample in po),
        po_cells=sum(sample.cells for sample in po),
    )


def read(path: Path, table: Table) -> TableSample:
    """A sample of the table in the file `path`."""
    names = editions.header(path, table)
    plain = table.source is PLAIN
    size = path.stat().st_size if plain else table.source.size(path)
    chunks = list(_chunks(path, size) if plain else _first_lines(path, table))
    read_bytes = sum(len(line.encode()) + 1 for lines in chunks for line in lines)
    lines = sum(map(len, chunks))
    if not lines:
        return TableSample(0, 0, Counter())
    whole = lines < UNPACKED_ROWS if not plain else size <= CHUNKS * CHUNK_BYTES
    kept = [[row for row in csv.reader(part, delimiter=table.separator) if len(row) >= len(names)] for part in chunks]
    if table.where:
        column, value = names.index(table.where[0]), table.where[1]
        kept = [[row for row in part if row[column] == value] for part in kept]
    usable = sum(map(len, kept))
    rows = usable if whole else round(size / (read_bytes / lines) * usable / lines)
    keys = [_values(part, names, _key_columns(table)) for part in kept]
    species = _values(itertools.chain(*kept), names, [table.columns.get("speciesId", "")]) if table.labelled else []
    places = [_values(part, names, [table.columns.get(name, "") for name in ("lon", "lat")]) for part in kept]
    cells = [_cells(part) for part in places]
    surveys, occupied = (len(set(itertools.chain(*each))) if whole else distinct(each, rows) for each in (keys, cells))
    return TableSample(rows, surveys or rows, Counter(species), occupied)


def _chunks(path: Path, size: int) -> Iterator[list[str]]:
    """Whole lines from places all over a file, without its header."""
    count = CHUNKS if size > CHUNKS * CHUNK_BYTES else 1
    length = CHUNK_BYTES if count > 1 else size
    with open(path, "rb") as file:
        for part in range(count):
            file.seek(size * part // count)
            file.readline()  # the header, or the rest of a line
            lines = file.read(length).decode("utf-8", errors="replace").split("\n")
            yield [line for line in (lines[:-1] if count > 1 else lines) if line]


def _first_lines(path: Path, table: Table) -> Iterator[list[str]]:
    lines = table.source.lines(path, table.header_lines)
    yield [text for _, text in itertools.islice(lines, UNPACKED_ROWS)]


def _key_columns(table: Table) -> list[str]:
    """The file's columns that say which rows are one survey."""
    ours = ("lon", "lat", "date", *table.same_survey) if table.by_place_and_date else ("surveyId",)
    known = {**table.columns, **table.optional}
    return [known[name] for name in ours if name in known]


def _values(rows: Iterable[Sequence[str]], names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """What each row has in the columns that the file has, joined; nothing where it has none of them."""
    at = [names.index(column) for column in columns if column in names]
    return ["\t".join(row[column] for column in at) for row in rows] if at else []


def _cells(places: Iterable[str]) -> list[int]:
    """The square of `CELL_M` that each place ``lon<TAB>lat`` lies in; what is no place is left out."""
    parts = pd.DataFrame((place.split("\t") for place in places if "\t" in place), columns=["lon", "lat"])
    degrees = parts.apply(pd.to_numeric, errors="coerce").dropna()
    degrees = degrees[degrees["lat"].between(-90, 90)]
    return geo.cell_ids(degrees["lon"], degrees["lat"], CELL_M).tolist()


def distinct(chunks: Sequence[Sequence[Hashable]], total: int) -> int:
    """How many different keys a table has, about, whether equal ones are together or all over the table.

    chunks : keys of consecutive rows, of places all over the table
    total : rows of the table

    Equal keys one after the other are a run. Keys differ in their runs, c each: of n sampled runs of R in all,
    n² E[c (c - 1)] / 2 R E[c] pairs and n³ E[c (c - 1) (c - 2)] / 6 R² E[c] triples are of one key. From the two follow
    E[c²] / E[c] and E[c³] / E[c], and from these E[c], as of a log-normal distribution.
    """
    rows = sum(map(len, chunks))
    if not rows:
        return 0
    runs = [key for chunk in chunks for key, _ in itertools.groupby(chunk)]
    all_runs, sampled = total * len(runs) / rows, len(runs)
    counts = Counter(Counter(runs).values())
    pairs = sum(keys * count * (count - 1) / 2 for count, keys in counts.items())
    triples = sum(keys * count * (count - 1) * (count - 2) / 6 for count, keys in counts.items())
    second = 1 + 2 * pairs * all_runs / sampled**2
    third = 6 * triples * all_runs**2 / sampled**3 + 3 * second - 2
    per_key = min(max(second**3 / third, 1.0), second)
    return max(len(set(runs)), round(all_runs / per_key))


def all_kinds(seen: Counter[str]) -> int:
    """How many kinds there are, of which a sample has shown some: the bias-corrected estimate of Chao (1984).

    seen : how often each kind is in the sample
    """
    once = sum(count == 1 for count in seen.values())
    twice = sum(count == 2 for count in seen.values())
    return len(seen) + round(once * (once - 1) / (2 * (twice + 1)))
