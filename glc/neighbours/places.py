"""Places and tables of neighbours: the forms they come in, in this process and on Spark, and the form they leave in."""

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import schema, storage
from glc.errors import DataError

PlaceTable: TypeAlias = pd.DataFrame | pa.Table | str | Path
"""A table of places, or the file or folder where it is."""


class Places(NamedTuple):
    """Columns of places, each an (n,) array; `dataset` holds positions in `names`, the sorted dataset names."""

    names: tuple[str, ...]
    dataset: np.ndarray
    surveyId: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    group: np.ndarray

    def rows(self, index: np.ndarray) -> "Places":
        """The places at `index`."""
        return Places(self.names, *(column[index] for column in self[1:]))

    def renamed(self, names: tuple[str, ...]) -> "Places":
        """The same places with `dataset` as positions in other sorted `names` that include this one's."""
        place = np.array([names.index(name) for name in self.names], np.int32)
        return self._replace(names=names, dataset=place[self.dataset] if len(self.dataset) else self.dataset)


def load(places: PlaceTable | Places, exclude_group: bool = True) -> Places:
    """Read places into arrays.

    places : path of a parquet file or folder, pyarrow table or pandas frame with the columns dataset, surveyId, lon,
    lat (degrees) and, unless `exclude_group` is false, group. A DataError names the missing or unusable column.
    """
    if isinstance(places, Places):
        return places
    where = "places"
    wanted = ["dataset", "surveyId", "lon", "lat", *(["group"] if exclude_group else [])]
    if isinstance(places, pd.DataFrame):
        places = pa.Table.from_pandas(places[[c for c in wanted if c in places]], preserve_index=False)
    elif not isinstance(places, pa.Table):
        where = str(places)
        if not Path(places).exists():
            raise DataError(f"{where}: no such table of places; run the task that makes it")
        present = pq.ParquetDataset(places).schema.names
        places = pq.read_table(places, columns=[c for c in wanted if c in present])
    for column in wanted:
        if column not in places.column_names:
            raise DataError(
                f"{where}: column {column!r} is missing; found {places.column_names}, expected {wanted}"
                + ("; try a group of -1 for every place, or exclude_group=False" if column == "group" else "")
            )
        if places[column].null_count:
            raise DataError(f"{where}: column {column!r} has {places[column].null_count} missing values; expected none")
    texts = places["dataset"].cast(pa.string()).dictionary_encode().unify_dictionaries()
    datasets = texts.chunk(0).dictionary.to_pylist() if len(texts) else []
    codes = np.concatenate([np.empty(0, np.int32), *(chunk.indices.to_numpy() for chunk in texts.chunks)])
    names = tuple(sorted(datasets))
    lon, lat = (places[c].to_numpy().astype(float) for c in ("lon", "lat"))
    for column, values in (("lon", lon), ("lat", lat)):
        if not np.isfinite(values).all():
            raise DataError(f"{where}: column {column!r} has {np.sum(~np.isfinite(values))} values that are not finite")
    group = places["group"].to_numpy().astype(np.int32) if exclude_group else np.full(len(lon), -1, np.int32)
    ids = places["surveyId"].to_numpy().astype(np.int64)
    return Places(tuple(datasets), codes, ids, lon, lat, group).renamed(names)


def align(queries: Places, sources: Places) -> tuple[Places, Places]:
    """Two `Places` with the same `names`, so that their dataset numbers can be compared."""
    names = tuple(sorted({*queries.names, *sources.names}))
    return queries.renamed(names), sources.renamed(names)


def ranks(query_index: np.ndarray) -> np.ndarray:
    """1, 2, 3, … within each run of equal values of `query_index`."""
    first = np.flatnonzero(np.diff(query_index, prepend=-1))
    return np.arange(1, len(query_index) + 1) - np.repeat(first, np.diff(first, append=len(query_index)))


ENCODED = pa.schema(
    [
        field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.type == pa.string() else field
        for field in schema.TABLES["neighbours"]
    ]
)
"""The `neighbours` table with its names as numbers: in a parquet file it is the same, and sooner written."""


def to_table(
    queries: Places,
    sources: Places,
    query_index: np.ndarray,
    source_index: np.ndarray,
    distance_m: np.ndarray,
    encoded: bool = False,
) -> pa.Table:
    """What `nearest` returns as a pyarrow `neighbours` table; queries, sources : `Places`; `ENCODED`, if so wanted."""
    names = [pa.array(places.names, pa.string()) for places in (queries, sources)]
    codes = [queries.dataset[query_index], sources.dataset[source_index]]
    datasets = [pa.DictionaryArray.from_arrays(*pair) for pair in zip(codes, names, strict=True)]
    return pa.table(
        [
            datasets[0],
            pa.array(queries.surveyId[query_index]),
            datasets[1],
            pa.array(sources.surveyId[source_index]),
            pa.array(ranks(query_index).astype(np.int32)),
            pa.array(distance_m),
        ],
        schema=ENCODED,
    ).cast(ENCODED if encoded else schema.TABLES["neighbours"])


SPARK_SCHEMA = "survey_dataset string, survey_id long, dataset string, neighbour_id long, rank int, distance_m double"


@contextlib.contextmanager
def spark_places(spark, places, columns, folder):
    """Yield (Spark frame of `columns`, facts: rows and datasets) of places; see `load` for their forms and errors.

    folder : of the table that is made, in which tables in memory are put aside: the executors of a cluster see it
    """
    from pyspark.sql import functions as sql

    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".places-", dir=folder) as scratch:
        where = "places" if isinstance(places, (pd.DataFrame, pa.Table)) else str(places)
        if isinstance(places, pd.DataFrame):
            places = pa.Table.from_pandas(places[[c for c in columns if c in places]], preserve_index=False)
        if isinstance(places, pa.Table):
            pq.write_table(places, f"{scratch}/places.parquet")
            places = f"{scratch}/places.parquet"
        elif not Path(places).exists():
            raise DataError(f"{where}: no such table of places; run the task that makes it")
        frame = spark.read.parquet(Path(places).resolve().as_uri())
        for column in columns:
            if column not in frame.columns:
                raise DataError(f"{where}: column {column!r} is missing; found {frame.columns}, expected {columns}")
        frame = frame.select(columns)
        numbers = [c for c in columns if c in ("lon", "lat", "easting", "northing")]
        unusable = {c: sql.col(c).isNull() for c in columns} | {
            c: sql.coalesce(sql.isnan(c) | (sql.abs(c) == float("inf")), sql.lit(True)) for c in numbers
        }
        summary = frame.agg(
            sql.count(sql.lit(1)).alias("rows"),
            sql.collect_set("dataset").alias("datasets"),
            *(sql.count(sql.when(bad, 1)).alias(f"bad_{c}") for c, bad in unusable.items()),
        ).first()
        for column in columns:
            if summary[f"bad_{column}"]:
                raise DataError(
                    f"{where}: column {column!r} has {summary[f'bad_{column}']} values that are missing or not finite; "
                    "expected none; quarantine those surveys first"
                )
        yield frame, {"rows": summary["rows"], "datasets": sorted(summary["datasets"])}


def collect(frame, folder, queries):
    """Write a Spark frame of neighbours as parquet files straight into `folder`; return its facts.

    queries : their number; what has no rank 1 in the table has no neighbour at all.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = folder / "spark"
    frame.write.parquet(parts.resolve().as_uri(), compression="zstd")
    rows = answered = 0
    for path in sorted(parts.glob("part-*.parquet")):
        with pq.ParquetFile(path) as file:
            part = file.metadata.num_rows
            for batch in file.iter_batches(columns=["rank"]):
                answered += int(np.count_nonzero(batch.column(0).to_numpy() == 1))
        if part:
            path.rename(folder / f"part-{path.name.split('-')[1]}.parquet")
            rows += part
    shutil.rmtree(parts)
    if not rows:
        storage.write_table(schema.TABLES["neighbours"].empty_table(), "neighbours", folder)
    return {"rows": rows, "queries": queries, "without_neighbours": queries - answered}
