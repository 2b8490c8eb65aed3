"""Small datasets of every registered edition, made from what its tables declare."""

import re
from pathlib import Path

import numpy as np

from glc import registry

SPECIES = 12


def names():
    """Names of the registered editions that declare their tables; others find them in what they read."""
    return [name for name in registry.editions.choices() if registry.editions.get(name).tables]


def plain_name(pattern):
    """A file name that a glob of an edition matches."""
    return re.sub(r"\[(.)[^\]]*\]", r"\1", pattern).replace("*", "x")


def rows_of(table, count, rng, first_id=1):
    """`count` good rows of a table: dicts by our names of the columns."""
    west, south, east, north = table.bounds
    middle = (west + east) / 2, (south + north) / 2
    rows = []
    for number in range(count):
        lon, lat = rng.uniform(-2, 2, 2) + middle
        row = {
            "surveyId": str(first_id + number),
            "lon": f"{lon:.5f}",
            "lat": f"{lat:.5f}",
            "year": "2019",
            "date": f"2019-06-{1 + number % 28:02d}",
            "speciesId": str(rng.integers(SPECIES)),
            "geoUncertaintyInM": "10",
            "areaInM2": "100",
            "country": "Spain",
            "region": "Île-de-France",
        }
        rows.append(row)
    return rows


def write(folder, edition, count=40, seed=0):
    """Write a dataset of `edition` into `folder`; (path, table, rows) of each of its tables, rows as in `rows_of`."""
    rng = np.random.default_rng(seed)
    member = registry.editions.get(edition)
    folder = Path(folder)
    made, texts, columns_of = [], {}, {}
    for number, table in enumerate(member.tables):
        path = folder / plain_name(table.patterns[0])
        # tables that share a file share its columns; the labels of a test are there and not read
        columns = columns_of.setdefault(path, {**table.columns, **table.optional})
        rows = rows_of(table, count, rng, first_id=1 + 10_000 * number)
        header = [columns[ours] for ours in columns] + ([table.where[0]] if table.where else [])
        lines = [[row[ours] for ours in columns] + ([table.where[1]] if table.where else []) for row in rows]
        text = texts.setdefault(path, [table.separator.join(header)])
        text += [table.separator.join(line) for line in lines]
        made.append((path, table, rows))
    for path, lines in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for marker in member.markers:
        (folder / plain_name(marker)).mkdir(parents=True, exist_ok=True)
    return made
