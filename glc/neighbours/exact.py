"""The nearest surveys, exactly: KD-trees on the unit sphere, in this process (`nearest`) or over Spark (`write`).

Distances are great-circle metres rounded to millimetres; ties are broken by dataset, then survey id, so that the
result depends neither on the order of the rows nor on how the work was cut. A survey is never its own neighbour, and
with `exclude_group` never that of a survey of its own group (a validation fold; -1 stands for none).

On Spark the unit sphere lies in a grid of cubes, which has neither poles nor a date line: a query belongs to its cube,
a source to every cube within the radius of it, and each task searches one KD-tree.
"""

import contextlib
import itertools
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree

from glc import geo
from glc.errors import ConfigError
from glc.neighbours.places import SPARK_SCHEMA, Places, PlaceTable, align, collect, load, ranks, spark_places, to_table
from glc.progress import tqdm
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_MIN_CELL_M = 100_000  # smaller cubes would cost more in Spark's overhead than they save in search
_MAX_PAIRS = 4_000_000  # pairs held at once


def nearest(
    queries: PlaceTable | Places,
    sources: PlaceTable | Places,
    *,
    k: int,
    radius_m: float,
    exclude_group: bool = True,
    workers: int = -1,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k nearest sources of every query within `radius_m`, or all of them (k=0).

    queries, sources : see `places.load`
    workers : threads, -1 for all cores
    radius_m : may be infinite.
    returns : (query_index, source_index, distance_m), three (pairs,) arrays sorted by query, then rank
    """
    queries, sources = align(load(queries, exclude_group), load(sources, exclude_group))
    index = Index(sources, k=k, radius_m=radius_m, exclude_group=exclude_group, workers=workers)
    empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    pairs = [np.concatenate(columns) for columns in zip(empty, *index.blocks(queries, progress=progress), strict=True)]
    order = np.argsort(pairs[0], kind="stable")
    return tuple(column[order] for column in pairs)


def distance_to_nearest(
    queries: PlaceTable | Places,
    sources: PlaceTable | Places,
    *,
    radius_m: float = np.inf,
    exclude_group: bool = True,
    workers: int = -1,
    progress: bool = False,
) -> np.ndarray:
    """Great-circle metres from every query to its nearest source, (queries,); inf where there is none."""
    queries = load(queries, exclude_group)
    rows, _, distance = nearest(
        queries, sources, k=1, radius_m=radius_m, exclude_group=exclude_group, workers=workers, progress=progress
    )
    result = np.full(len(queries.lon), np.inf)
    result[rows] = distance
    return result


class Index:
    """Sources ready to be searched: KD-trees of those without a group and, by excluded group, of the others."""

    def __init__(self, sources, *, k, radius_m, exclude_group=True, workers=1):
        if k < 0 or not radius_m > 0:
            raise ConfigError(f"neighbours: found k={k}, radius_m={radius_m}; expected k >= 0 and radius_m > 0")
        self.k, self.radius_m, self.workers = int(k), float(radius_m), workers
        self.by_tie = np.lexsort((sources.surveyId, sources.dataset))
        self.sources = sources.rows(self.by_tie)
        self.group = self.sources.group if exclude_group else np.full(len(self.by_tie), -1, np.int32)
        self.groups = np.unique(self.group[self.group >= 0])
        self._trees = {}

    def blocks(self, queries, *, progress=False, max_pairs=_MAX_PAIRS):
        """Yield (query_index, source_index, distance_m), whole queries at a time, best first within each query.

        queries : aligned `Places`; a block holds about `max_pairs` pairs unless one query alone has more.
        """
        xyz = geo.unit_sphere(queries.lon, queries.lat)
        with tqdm(total=len(xyz), desc="neighbours", unit=" surveys", delay=2, disable=not progress) as bar:
            for rows, trees in self._searches(queries):
                if self.k:
                    pairs = np.full(len(rows), 2 * (self.k + 2))
                else:
                    pairs = self._counts(xyz[rows], trees)
                for part in np.split(rows, np.flatnonzero(np.diff(np.cumsum(pairs) // max_pairs)) + 1):
                    yield self._block(queries, part, xyz[part], trees)
                    bar.update(len(part))

    def counts(self, queries):
        """Sources within `radius_m` of every aligned query, itself included, (queries,); with k=0 only."""
        result = np.zeros(len(queries.lon), np.int64)
        for rows, trees in self._searches(queries):
            result[rows] = self._counts(geo.unit_sphere(queries.lon[rows], queries.lat[rows]), trees)
        return result

    def _searches(self, queries):
        own = np.where(np.isin(queries.group, self.groups), queries.group, -1)
        for group in np.unique(own):
            trees = [tree for tree in (self._tree(None), self._tree(int(group))) if tree]
            if trees:
                yield np.flatnonzero(own == group), trees

    def _counts(self, xyz, trees):
        return sum(tree.counts(xyz, self.radius_m) for tree in trees)

    def _tree(self, group):
        if group not in self._trees:
            free = self.group < 0
            members = np.flatnonzero(free if group is None else ~free & (self.group != group))
            self._trees[group] = _Tree(self.sources, members, self.k > 0, self.workers) if len(members) else None
        return self._trees[group]

    def _block(self, queries, rows, xyz, trees):
        search = [
            tree.nearest(xyz, self.k, self.radius_m) if self.k else tree.within(xyz, self.radius_m) for tree in trees
        ]
        empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        local, member, distance = (np.concatenate(columns) for columns in zip(empty, *search, strict=True))
        query, source = rows[local], self.sources
        own = (queries.surveyId[query] == source.surveyId[member]) & (queries.dataset[query] == source.dataset[member])
        keep = np.flatnonzero(~own & (distance <= self.radius_m))
        keep = keep[np.lexsort((member[keep], distance[keep], query[keep]))]
        if self.k:
            keep = keep[ranks(query[keep]) <= self.k]
        return query[keep], self.by_tie[member[keep]], distance[keep]


class _Tree:
    """A KD-tree of locations, each with its members in the order of ties.

    Surveys often share their coordinates; as one location they cost one node, and the k nearest never have to look at
    more than k + 1 of them (one more because the query itself may be among them).
    """

    def __init__(self, places, members, merge, workers):
        lon, lat = places.lon[members], places.lat[members]
        first = np.ones(len(members), bool)
        if merge:
            order = np.lexsort((lat, lon))  # stable, so members of a location keep their order
            members, lon, lat = members[order], lon[order], lat[order]
            first[1:] = (np.diff(lon) != 0) | (np.diff(lat) != 0)
        self.members, self.start = members, np.flatnonzero(first)
        self.count = np.diff(self.start, append=len(members))
        # median splits take long on many equal points; the sliding midpoint does not
        self.tree = cKDTree(geo.unit_sphere(lon[first], lat[first]), balanced_tree=merge)
        self.workers = workers

    def counts(self, xyz, radius_m):
        return self.tree.query_ball_point(xyz, _reach(radius_m), return_length=True, workers=self.workers)

    def within(self, xyz, radius_m):
        pairs = cKDTree(xyz, balanced_tree=False).sparse_distance_matrix(
            self.tree, _reach(radius_m), output_type="ndarray"
        )
        return pairs["i"], self.members[pairs["j"]], _millimetres(pairs["v"])

    def nearest(self, xyz, k, radius_m):
        rows, size, total, parts = np.arange(len(xyz)), k + 2, len(self.start), []
        while len(rows):
            size = min(size, total)
            length, at = self.tree.query(
                xyz[rows], k=np.arange(1, size + 1), distance_upper_bound=_reach(radius_m), workers=self.workers
            )
            exists = at < total
            distance = np.where(exists, _millimetres(np.where(exists, length, 0)), np.inf)
            count = np.where(exists, np.minimum(self.count[np.where(exists, at, 0)], k + 1), 0)
            enough = np.cumsum(count, axis=1) > k
            last = np.where(enough.any(axis=1), distance[np.arange(len(rows)), enough.argmax(axis=1)], np.inf)
            # settled once something lies beyond the last distance needed: no further location can tie with it
            settled = (distance[:, -1] > last) | ~exists[:, -1] | (size == total)
            keep = exists & (distance <= last[:, None]) & settled[:, None]
            row, column = np.nonzero(keep)
            parts.append((rows[row], at[row, column], count[row, column], distance[row, column]))
            rows, size = rows[~settled], size * 4
        row, at, count, distance = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return (
            np.repeat(row, count),
            self.members[np.repeat(self.start[at], count) + within],
            np.repeat(distance, count),
        )


def _reach(radius_m):
    return float(geo.chord(radius_m + 0.001)) + 1e-12  # SciPy's bound is exclusive, and rounding comes after it


def _millimetres(chord_length):
    return np.round(geo.arc(chord_length), 3)


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
    reach = _reach(radius_m)
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
