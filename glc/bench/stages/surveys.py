"""CSVs to tables of occurrences and surveys, with all checks: Spark's workers compared with one process of pandas."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from glc import editions, world
from glc.bench import plain_surveys
from glc.bench.plain_surveys import FILES
from glc.bench.stage import Facts, Stage, Way
from glc.errors import DataError
from glc.world import metadata
from glc.world.fields import generator

_SPOILT = 5_000
"""Lines from one spoilt line to the next."""
_SAME = {"quarantine": ["line", "column", "reason"]}
"""Columns that are compared, where not all: the plain way does not note what was there."""


WORLDS = ((1 / 256, "tiny"), (1 / 16, "glc24-16th"), (1 / 4, "glc24-quarter"), (1.0, "glc24"))
"""Size of the virtual world, for each up to a scale."""


def size_of(scale: float) -> str:
    """Name of the smallest virtual world of `WORLDS` that has the scale."""
    return next((name for most, name in WORLDS if scale <= most), WORLDS[-1][1])


def prepare(folder: Path, scale: float) -> None:
    """Write the world's CSVs, a few of whose lines are spoilt."""
    world.write(world.SIZES[size_of(scale)], folder, parts=("metadata",))
    for file in FILES.values():
        if file != metadata.TEST:
            _spoil(folder / file)


def _spoil(path: Path) -> None:
    """Spoil some lines of a CSV: a field too many, a place that is none, one outside, another place than before."""
    rng = generator(1, path.name)
    lines = path.read_text().splitlines(keepends=True)
    names = lines[0].strip().split(",")
    lon, lat = names.index("lon"), names.index("lat")
    for number in rng.choice(np.arange(1, len(lines)), max(8, len(lines) // _SPOILT), replace=False):
        fields = lines[number].rstrip("\n").split(",")
        match rng.integers(5):
            case 0:
                fields.append("1")
            case 1:
                fields[lon] = "east"
            case 2:
                fields[lat] = ""
            case 3:
                fields[lon] = "60.5"
            case 4:
                fields[lat] = f"{float(fields[lat]) + 1:.6f}"
        lines[number] = ",".join(fields) + "\n"
    path.write_text("".join(lines))


def ours(folder: Path, out: Path) -> Facts:
    """The task Surveys, with the memory that it has by default."""
    from glc import memory
    from glc.etl import surveys
    from glc.etl.spark import session

    started = time.perf_counter()
    spark = session("local[2]", memory.divide(4).spark)
    spark.range(1).count()
    start_s = time.perf_counter() - started
    facts = surveys.write(spark, editions.recognise(folder), out)
    return {"rows": facts["rows"], "start_s": start_s}


def plain(folder: Path, out: Path) -> Facts:
    """pyarrow.csv, pyproj and pandas."""
    return {"rows": plain_surveys.write(folder, out)}


def check(folder: Path, outs: Mapping[str, Path]) -> None:
    """All tables have the same rows in the same order."""
    mine, other = outs.values()
    for path in sorted(mine.glob("*/*.parquet")):
        name = path.relative_to(mine)
        if not (other / name).exists():  # species and test_ids, which the plain way has no need of
            continue
        columns = _SAME.get(name.parts[0])
        first, second = (pq.read_table(each / name, columns=columns) for each in (mine, other))
        if first.num_rows != second.num_rows:
            raise DataError(f"{name}: {first.num_rows:,} rows of ours, {second.num_rows:,} of the plain way")
        for column in first.column_names:
            if not first[column].combine_chunks().equals(second[column].combine_chunks().cast(first[column].type)):
                raise DataError(f"{name}: the ways disagree about column {column}")


STAGE = Stage(
    title="CSV → occurrences and surveys, 6.57 M rows",
    wanted="≤ 1.5 × the time, peak ≤ that of pandas",
    prepare=prepare,
    ways=(Way("glc", ours), Way("pyarrow.csv + pyproj + pandas", plain)),
    check=check,
)
