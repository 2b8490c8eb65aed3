"""Any dataset's tables by Spark's expressions: what rules of an edition, text for ids, dates and odd files need.

Each file is read as text with its physical line numbers, split by an all-string schema, checked, projected and staged
once; the tables are written from the stage, one sorted parquet file for each dataset.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import Column, Window
from pyspark.sql import functions as F

from glc import geo, schema
from glc.editions import Dataset
from glc.etl import identifiers, quarantine, rows
from glc.types import Facts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

_PLACE = ("lon", "lat", "year", "date")


@dataclass(frozen=True)
class Made:
    """What was written.

    files : for each file and dataset: rows, kept, quarantined, reasons, unreadable values
    lines : of each file, the rows that it has
    species : number, how many are named, kinds of ids that were text
    citation : doi, title, rights, licences; None where the edition does not know
    """

    files: list[Facts]
    lines: dict[str, int]
    species: Facts
    citation: Facts | None


def write(
    spark: "SparkSession",
    dataset: Dataset,
    texts: Sequence[Path],
    out: Path,
    stage: Path,
    max_quarantine_fraction: float,
    step: Callable[[], object],
) -> Made:
    """Write the tables of a dataset under `out`.

    texts : of `glc.etl.rows.unpacked`
    stage : folder of what is needed meanwhile
    step : called after each of four steps
    """
    frames, lines = [], {}
    for index, ((table, path), text_path) in enumerate(zip(dataset.files, texts, strict=True)):
        frame, lines[dataset.file_name(table, path)] = rows.read(spark, dataset, table, path, text_path)
        frames.append(frame.withColumn("file_index", F.lit(index)))
    staged = frames[0]
    for frame in frames[1:]:
        staged = staged.unionByName(frame)
    tables = [table for table, _ in dataset.files]
    if any(table.rules or table.text_ids or not table.crs for table in tables):
        staged = _staged(spark, staged, stage / "typed")  # rules are slow: they see each row once
        staged = _on_one_map(staged)
    staged, mapped = identifiers.number(staged, {name for table in tables for name in table.text_ids})
    by_place = any(table.by_place_and_date for table in tables)
    staged = _staged(spark, _agreed(staged, by_place), stage / "rows")
    step()

    files = quarantine.count(staged, dataset)
    bad = staged.where("fault is not null").select("dataset", "file", "line", "fault.*")
    write_sorted(bad, out / "quarantine", "quarantine", dataset.datasets, ["file", "line"], stage)
    quarantine.limit(files, bad, max_quarantine_fraction, dataset.edition.tolerated)
    step()

    good = staged.where("fault is null")
    order = ["surveyId", "speciesId", "line", "file_index"]  # of no two rows the same, in any order of partitions
    write_sorted(good.where("status is null"), out / "occurrences", "occurrences", dataset.datasets, order, stage)
    if any("status" in {**table.columns, **table.optional} or "status" in table.made for table in tables):
        write_sorted(good.where("status is not null"), out / "absences", "absences", dataset.datasets, order, stage)
    step()
    write_sorted(_surveys(good), out / "surveys", "surveys", dataset.datasets, ["surveyId"], stage)
    if "surveyId" in mapped:
        names = identifiers.survey_names(good)
        write_sorted(names, out / "survey_names", "survey_names", dataset.datasets, ["surveyId"], stage)
    cited = _citation(good, dataset)
    species = identifiers.write_species(good, dataset, out, mapped)
    step()
    return Made(files, lines, species, cited)


def _staged(spark, frame, folder):
    """The frame as it is read back from parquet."""
    place = f"file://{folder.resolve()}"  # a cluster may take a path without a scheme for one in its own file system
    frame.write.parquet(place)
    return spark.read.option(*rows.LITERAL).parquet(place)


def _on_one_map(staged):
    """Rows without a CRS projected to the one that suits most of them."""
    free = staged.where("crs is null and fault is null and lon is not null and lat is not null")
    shares = "array(0.01D, 0.99D)"
    kinds = {"lon": "lon", "turned": "pmod(lon, 360D)", "lat": "lat"}
    (range_,) = free.selectExpr(*(f"percentile({kind}, {shares}) as {name}" for name, kind in kinds.items())).collect()
    if range_["lon"] is None:
        return staged
    (west, east), (south, north) = geo.across_180(range_["lon"], range_["turned"]), range_["lat"]
    crs = geo.suitable_crs(west, south, east, north)
    log.info("projected to EPSG:%d, which suits the records", crs)
    loose = staged.where("crs is null").drop("easting", "northing").withColumn("crs", F.lit(crs))
    return staged.where("crs is not null").unionByName(rows.projected(loose, crs, "lon"))


def _citation(good, dataset):
    """Facts of the edition's citation with the number of rows of each licence; None where there is neither."""
    counts = {row["licence"]: row["count"] for row in good.groupBy("licence").count().collect() if row["licence"]}
    return citation(dataset, counts)


def citation(dataset: Dataset, counts: dict[str, int]) -> Facts | None:
    """Facts of the edition's citation, and the number of rows of each licence; None where there is neither."""
    facts = dataset.edition.citation(dataset)
    if facts is None and not counts:
        return None
    facts = {"doi": None, "title": None, "rights": None} | (facts or {})
    return facts | {"licences": dict(sorted(counts.items()))}


def disagreement() -> Column:
    """The fault of a row that disagrees with its survey's ``first`` line, a struct of ``line``, place and date."""
    difference = F.concat(
        F.concat_ws(", ", *_PLACE),
        F.lit(" where line "),
        "first.line",
        F.lit(" has "),
        F.concat_ws(", ", *(f"first.{name}" for name in _PLACE)),
    )
    return quarantine.because("surveyId", difference, quarantine.DISAGREES)


def _agreed(staged, by_place):
    """Rows with the faults of those that disagree with their survey's first line, and with their final surveyId."""
    good = F.col("fault").isNull()
    # faulty rows are spread by line: as one group they would be one task's work
    apart = [good, F.when(~good, F.col("line"))]
    survey = Window.partitionBy("dataset", *apart, "surveyId").orderBy("file_index", "line")
    staged = staged.withColumn("first", F.first(F.struct("line", *_PLACE)).over(survey))
    same = F.lit(True)
    for name in _PLACE:
        same &= F.col(name).eqNullSafe(F.col(f"first.{name}"))
    disagrees = F.when(good & ~same, disagreement())
    staged = staged.withColumn("fault", F.coalesce("fault", disagrees)).drop("first")
    if by_place:
        visit = Window.partitionBy("dataset", *apart, "lon", "lat", "date", "visit")
        staged = staged.withColumn(
            "surveyId", F.when(F.col("by_place"), F.min("surveyId").over(visit)).otherwise(F.col("surveyId"))
        )
    return staged


def _surveys(good):
    """One row per survey: the attributes of its first line, and its species sorted and distinct.

    Where presences alone are recorded, a place where a species was not found is no survey.
    """
    attributes = [name for name in schema.TABLES["surveys"].names if name not in ("dataset", "surveyId", "species")]
    return (
        good.where("status is null or dataset != 'po'")
        .groupBy("dataset", "surveyId")
        .agg(
            F.min(F.struct("file_index", "line", *attributes)).alias("first"),
            F.array_sort(F.collect_set(F.when(F.col("status").isNull(), F.col("speciesId")))).alias("species"),
        )
        .select("dataset", "surveyId", *(f"first.{name}" for name in attributes), "species")
    )


def write_sorted(
    frame: "DataFrame", folder: Path, name: str, datasets: Sequence[str], order: Sequence[str], stage: Path
) -> None:
    """One parquet file for each dataset, sorted by `order`, with the columns of schema `name` and no others."""
    folder.mkdir(parents=True)
    wanted = schema.TABLES[name]
    for dataset in datasets:
        part = frame.where(F.col("dataset") == dataset).repartition(1).sortWithinPartitions(*order)
        scratch = stage / f"{name}-{dataset}"
        part.select(*wanted.names).write.option("compression", "zstd").parquet(f"file://{scratch.resolve()}")
        (made,) = scratch.glob("*.parquet")
        made.rename(folder / f"{dataset}.parquet")
