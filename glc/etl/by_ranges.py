"""The tables of a dataset of plain files, by NumPy and Arrow in Spark's workers; the lines that are not plain by Spark.

Each chunk of a file is one task: its plain lines are typed and staged in the order of their surveys' ids, its others
are staged as they are, and `glc.etl.rows` reads those. Then each table of a dataset is one task, in ranges of ids.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import numpy as np
import pyarrow.parquet as pq
from pyspark.sql import functions as F

from glc import schema
from glc.editions import Dataset
from glc.etl import by_survey, identifiers, plain_lines, quarantine, rows
from glc.etl import chunks as text_chunks
from glc.etl.by_expressions import Made, citation, disagreement, write_sorted
from glc.etl.chunks import Chunk
from glc.etl.plain_lines import ROWS, Reading
from glc.types import Facts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")
R = TypeVar("R")
_FAULT = ("column", "found", "reason")


class _Staged(NamedTuple):
    """What was staged of a chunk, or of lines that were not plain: one file with usable rows."""

    file_index: int
    path: Path
    rows: int
    quantiles: np.ndarray
    others: int = 0
    """Lines that are not plain."""
    blank: int = 0
    reasons: dict[str, int] | None = None
    """Rows that cannot be used, by reason."""


def chunks(dataset: Dataset) -> list[tuple[Chunk, Reading]] | None:
    """Chunks of all files, and how each is read; None where Spark's expressions have to read all of the dataset."""
    readings = plain_lines.readings(dataset)
    if readings is None:
        return None
    made: list[tuple[Chunk, Reading]] = []
    for (table, path), reading in zip(dataset.files, readings, strict=True):
        of_file = text_chunks.of_file(path, table.header_lines)
        if of_file is None:
            return None
        made += [(chunk, reading) for chunk in of_file]
    return made


def write(
    spark: "SparkSession",
    dataset: Dataset,
    chunked: Sequence[tuple[Chunk, Reading]],
    out: Path,
    stage: Path,
    max_quarantine_fraction: float,
    step: Callable[[], object],
) -> Made:
    """Write the tables of a dataset under `out`; `chunked` is of `chunks`, the rest as of `by_expressions.write`."""
    for folder in (stage / "rows", stage / "lines", stage / "apart"):
        folder.mkdir()
    plain = _each(spark, partial(_stage_chunk, folder=stage), list(enumerate(chunked)))
    others = _others(spark, dataset, plain, stage)
    step()

    for name in ("occurrences", "surveys"):
        (out / name).mkdir()
    tasks = []
    for dataset_name in dataset.datasets:
        own = [i for i, (table, _) in enumerate(dataset.files) if table.dataset == dataset_name]
        parts = [part for part in (*plain, *others) if part.file_index in own and part.rows]
        ranges = by_survey.ranges([part.quantiles for part in parts], sum(part.rows for part in parts))
        paths = [part.path for part in parts]
        apart = stage / "apart" / f"{dataset_name}.parquet"
        tasks.append(
            ("occurrences", dataset_name, paths, ranges, out / "occurrences" / f"{dataset_name}.parquet", apart)
        )
        tasks.append(("surveys", dataset_name, paths, ranges, out / "surveys" / f"{dataset_name}.parquet", None))
    # the largest tables first, so that the last one to be written is short
    tasks.sort(key=lambda task: -len(task[3]))
    kept = [each for each in _each(spark, _write_table, tasks) if each is not None]
    step()

    files = _files(dataset, plain, others, kept)
    bad = _faults(spark, dataset, others, stage)
    _write_quarantine(bad, dataset, out / "quarantine", stage)
    if bad is not None:
        quarantine.limit(files, bad, max_quarantine_fraction, dataset.edition.tolerated)
    step()
    species = np.unique(np.concatenate([each.species for each in kept]))
    facts = identifiers.write_unnamed(species, dataset, out)
    lines: dict[str, int] = {}
    for (table, path), (index, _) in zip(dataset.files, enumerate(dataset.files), strict=True):
        physical = sum(chunk.lines for chunk, reading in chunked if reading.file_index == index)
        lines[dataset.file_name(table, path)] = physical - sum(part.blank for part in plain if part.file_index == index)
    step()
    return Made(files, lines, facts, citation(dataset, {}))


def _each(spark: "SparkSession", function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Results of a function for each item, each a task of Spark."""
    if not items:
        return []
    return spark.sparkContext.parallelize(items, len(items)).map(function).collect()


def _stage_chunk(item: tuple[int, tuple[Chunk, Reading]], folder: Path) -> _Staged:
    number, (chunk, reading) = item
    table, others, blank = plain_lines.read(chunk, reading)
    path = folder / "rows" / f"{number:06d}.arrow"
    quantiles = by_survey.stage(table, path)
    if others.num_rows:
        own = folder / "lines" / str(reading.file_index)
        own.mkdir(exist_ok=True)
        pq.write_table(others, own / f"{number:06d}.parquet")
    return _Staged(reading.file_index, path, table.num_rows, quantiles, others.num_rows, blank)


def _others(spark: "SparkSession", dataset: Dataset, plain: Sequence[_Staged], stage: Path) -> list[_Staged]:
    """The lines that are not plain, read by Spark and staged as the plain ones are; and below ``read`` with faults."""
    parts = []
    for index in sorted({part.file_index for part in plain if part.others}):
        table, path = dataset.files[index]
        lines = spark.read.option(*rows.LITERAL).parquet(f"file://{(stage / 'lines' / str(index)).resolve()}")
        read = rows.typed(lines, dataset, table, path).withColumn("file_index", F.lit(index))
        columns = [*ROWS.names, *(F.col(f"fault.{name}").alias(name) for name in _FAULT)]
        folder = stage / "read" / str(index)
        bounded = {"maxRecordsPerFile": str(by_survey.RANGE_ROWS), "compression": "zstd"}
        read.select(*columns).write.options(**bounded).parquet(f"file://{folder.resolve()}")
        parts += [(index, path) for path in sorted(folder.glob("*.parquet"))]
    return _each(spark, partial(_stage_others, folder=stage), list(enumerate(parts)))


def _stage_others(item: tuple[int, tuple[int, Path]], folder: Path) -> _Staged:
    number, (index, source) = item
    table = pq.read_table(source, read_dictionary=["country", "region"])
    fault = table["reason"].is_valid()
    reasons = {row["values"]: row["counts"] for row in table["reason"].filter(fault).value_counts().to_pylist()}
    good = table.filter(table["reason"].is_null()).select(ROWS.names).cast(ROWS).sort_by("surveyId")
    path = folder / "rows" / f"others-{number:06d}.arrow"
    return _Staged(index, path, good.num_rows, by_survey.stage(good, path), reasons=reasons)


def _write_table(
    task: tuple[Literal["occurrences", "surveys"], str, list[Path], list[tuple[int, int]], Path, Path | None],
) -> by_survey.Kept | None:
    """Write one table of a dataset; what was kept of its files, from the task that counts."""
    kept = by_survey.write(*task)
    return None if task[-1] is None else kept


def _files(
    dataset: Dataset, plain: Sequence[_Staged], others: Sequence[_Staged], kept: Sequence[by_survey.Kept]
) -> list[Facts]:
    """Counts of each file, as of `quarantine.count`."""
    files = []
    for index, (table, path) in enumerate(dataset.files):
        reasons: dict[str, int] = {}
        for part in others:
            if part.file_index == index:
                for reason, count in (part.reasons or {}).items():
                    reasons[reason] = reasons.get(reason, 0) + count
        disagreeing = sum(each.disagreeing.get(index, 0) for each in kept)
        if disagreeing:
            reasons[quarantine.DISAGREES] = disagreeing
        lost = {name: sum(each.unreadable.get(index, {}).get(name, 0) for each in kept) for name in quarantine.SPARE}
        files.append(
            {
                "file": dataset.file_name(table, path),
                "dataset": table.dataset,
                "rows": sum(part.rows + part.others for part in plain if part.file_index == index),
                "kept": sum(each.rows.get(index, 0) for each in kept),
                "quarantined": sum(reasons.values()),
                "reasons": dict(sorted(reasons.items())),
                "unreadable": {name: values for name, values in lost.items() if values},
            }
        )
    return files


def _faults(spark: "SparkSession", dataset: Dataset, others: Sequence[_Staged], stage: Path) -> "DataFrame | None":
    """Rows that cannot be used, a frame of the schema ``quarantine``; None where there are none."""
    frames = []
    for index in sorted({part.file_index for part in others if part.reasons}):
        read = spark.read.option(*rows.LITERAL).parquet(f"file://{(stage / 'read' / str(index)).resolve()}")
        frames.append(read.where("reason is not null").select("file_index", "line", *_FAULT))
    if any((stage / "apart").iterdir()):
        apart = spark.read.option(*rows.LITERAL).parquet(f"file://{(stage / 'apart').resolve()}")
        first = F.struct(*(F.col(f"first_{name}").alias(name) for name in ("line", *by_survey.PLACE)), _no_date())
        apart = apart.withColumn("date", _no_date()).withColumn("first", first)
        frames.append(apart.withColumn("fault", disagreement()).select("file_index", "line", "fault.*"))
    if not frames:
        return None
    bad = frames[0]
    for frame in frames[1:]:
        bad = bad.unionByName(frame)
    names = {}
    for what, of in (("dataset", lambda table, _: table.dataset), ("file", dataset.file_name)):
        pairs = [F.lit(each) for i, (table, path) in enumerate(dataset.files) for each in (i, of(table, path))]
        names[what] = F.element_at(F.create_map(*pairs), F.col("file_index"))
    return bad.select(names["dataset"].alias("dataset"), names["file"].alias("file"), "line", *_FAULT)


def _no_date():
    return F.lit(None).cast("date").alias("date")


def _write_quarantine(bad: "DataFrame | None", dataset: Dataset, folder: Path, stage: Path) -> None:
    if bad is not None:
        write_sorted(bad, folder, "quarantine", dataset.datasets, ["file", "line"], stage)
        return
    folder.mkdir()
    for name in dataset.datasets:
        pq.write_table(schema.TABLES["quarantine"].empty_table(), folder / f"{name}.parquet", compression="zstd")
