"""The nearest surveys, exactly, over Spark: what `glc.neighbours.exact` writes, for a cluster.

The unit sphere lies in a grid of cubes, which has neither poles nor a date line: a query belongs to its cube, a source
to every cube within the radius of it, and each task searches its cubes' trees.
"""

import contextlib
import itertools
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from glc import geo
from glc.errors import ConfigError
from glc.neighbours.places import SPARK_SCHEMA, Places, PlaceTable, collect, spark_places, to_table
from glc.neighbours.search import Index, reach_of
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_MIN_CELL_M = 100_000  # smaller cubes would cost more in Spark's overhead than they save in search


def write(
    spark: "SparkSession",
    queries: PlaceTable,
    sources: PlaceTable,
    folder: StrPath,
    *,
    k: int,
    radius_m: float,
    exclude_group: bool = True,
) -> Facts:
    """Write the `neighbours` table of `queries` into `folder` (parquet files) with Spark.

    queries, sources : places as in `load`
    k : nearest kept for each query, 0 for all within `radius_m`.
    returns : dict with rows, queries, without_neighbours (queries that have none), tasks and seconds
    """
    from pyspark.sql import functions as sql

    began = time.monotonic()
    if k < 0 or not radius_m > 0:
        raise ConfigError(f"neighbours: found k={k}, radius_m={radius_m}; expected k >= 0 and radius_m > 0")
    reach = reach_of(radius_m)
    edge = max(4 * reach, float(geo.chord(_MIN_CELL_M)))
    with contextlib.ExitStack() as stack:
        columns = ["dataset", "surveyId", "lon", "lat", *(["group"] if exclude_group else [])]
        frames = [stack.enter_context(spark_places(spark, p, columns, folder)) for p in (queries, sources)]
        names = sorted({name for _, facts in frames for name in facts["datasets"]})
        query, source = (_coded(frame, names) for frame, _ in frames)
        total = frames[0][1]["rows"]
        query = query.withColumn("cell", _cell(*(sql.floor(sql.col(axis) / edge) for axis in "xyz")))
        for axis in "xyz":  # an explode each: Spark allows one generator a select
            low, high = (sql.floor((sql.col(axis) + side * reach) / edge) for side in (-1, 1))
            source = source.withColumn(f"at_{axis}", sql.explode(sql.sequence(low, high)))
        source = source.withColumn("cell", _cell(*(sql.col(f"at_{axis}") for axis in "xyz")))

        parallel = spark.sparkContext.defaultParallelism
        share = max(2_000, total // (4 * parallel))  # denser cells than this are split, sources and all
        cells = query.groupBy("cell").count().orderBy("cell").toPandas()
        cells["tasks"] = -(-cells["count"] // share)
        cells["first"] = cells["tasks"].cumsum() - cells["tasks"]
        tasks = int(cells["tasks"].sum())
        rows = [tuple(map(int, row)) for row in cells[["cell", "first", "tasks"]].itertuples(index=False)]
        cells = sql.broadcast(spark.createDataFrame(rows, "cell long, first long, tasks long"))
        kept = ["task", "is_query", "dataset", "surveyId", "lon", "lat", "group"]
        query = (
            query.join(cells, "cell")
            .withColumn("task", sql.col("first") + sql.pmod(sql.xxhash64("surveyId"), sql.col("tasks")))
            .withColumn("is_query", sql.lit(True))
        )
        source = (
            source.join(cells, "cell")
            .withColumn("task", sql.explode(sql.sequence(sql.col("first"), sql.col("first") + sql.col("tasks") - 1)))
            .withColumn("is_query", sql.lit(False))
        )
        neighbours = (
            query.select(kept)
            .unionAll(source.select(kept))
            .repartition(max(1, min(tasks, 4 * parallel)), "task")
            .sortWithinPartitions("task", "is_query", "dataset", "surveyId")
            .mapInArrow(_searcher(tuple(names), int(k), float(radius_m)), SPARK_SCHEMA)
        )
        facts = collect(neighbours, folder, total)
    return facts | {"tasks": tasks, "seconds": round(time.monotonic() - began, 2)}


def _coded(frame, names):
    from pyspark.sql import functions as sql

    number = sql.create_map(*itertools.chain(*((sql.lit(name), sql.lit(i)) for i, name in enumerate(names or [""]))))
    lon, lat = sql.radians("lon"), sql.radians("lat")
    return (
        frame.withColumn("dataset", number[sql.col("dataset")].cast("int"))
        .withColumn("group", sql.col("group").cast("int") if "group" in frame.columns else sql.lit(-1))
        .withColumn("x", sql.cos(lat) * sql.cos(lon))
        .withColumn("y", sql.cos(lat) * sql.sin(lon))
        .withColumn("z", sql.sin(lat))
    )


def _cell(i, j, k):
    return (i * 4096 + j) * 4096 + k


def _searcher(names, k, radius_m):
    """A function of Arrow batches sorted by task, sources before queries, that yields batches of neighbours."""

    def places(batches):
        columns = pa.Table.from_batches(batches)
        return Places(names, *(columns[name].to_numpy() for name in Places._fields[1:]))

    def search(batches):
        current, parts, sources, index = None, [], None, None
        for batch in batches:
            task, is_query = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("task", "is_query"))
            edges = np.flatnonzero((np.diff(task) != 0) | (np.diff(is_query) != 0)) + 1
            for low, high in itertools.pairwise([0, *edges.tolist(), len(task)] if len(task) else []):
                if task[low] != current:
                    current, parts, index = task[low], [], None
                piece = batch.slice(low, high - low)
                if not is_query[low]:
                    parts.append(piece)
                elif parts:
                    if index is None:
                        sources = places(parts)
                        index = Index(sources, k=k, radius_m=radius_m)
                    queries = places([piece])
                    for block in index.blocks(queries):
                        yield from to_table(queries, sources, *block).to_batches(max_chunksize=100_000)

    return search
