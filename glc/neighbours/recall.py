"""How many of the true neighbours a `neighbours` table holds, by radius."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from glc import schema
from glc.errors import DataError
from glc.neighbours.places import PlaceTable, align, load
from glc.neighbours.search import Index
from glc.types import Facts

RADII_M = (1_000, 5_000, 10_000, 50_000)


def against_exact(
    table: PlaceTable,
    queries: PlaceTable,
    sources: PlaceTable,
    radii_m: Sequence[float] = RADII_M,
    *,
    k: int = 0,
    exclude_group: bool = True,
    sample: int = 20_000,
    max_pairs: int = 20_000_000,
    seed: int = 0,
    workers: int = -1,
    progress: bool = False,
) -> list[Facts]:
    """Share of the true pairs within each radius that a table of neighbours holds.

    table : folder of a `neighbours` table, pyarrow table or pandas frame
    queries, sources : the places it was made
    from (see `places.load`), with its own k (0: all neighbours) and `exclude_group`. A table limited to k is held
    against the true k nearest within each radius. At most `sample` queries are looked at, drawn by `seed`, and fewer
    where their true pairs would exceed `max_pairs`, which bounds the memory.
    returns : list of dicts (radius_m, queries, true_pairs, found, recall); recall is None where there is no true pair
    """
    queries, sources = align(load(queries, exclude_group), load(sources, exclude_group))
    index = Index(sources, k=k, radius_m=max(radii_m), exclude_group=exclude_group, workers=workers)
    drawn = np.random.default_rng(seed).permutation(len(queries.lon))[:sample]
    if not k and len(drawn):
        pairs = np.cumsum(index.counts(queries.rows(drawn)))
        drawn = drawn[: max(1, np.searchsorted(pairs, max_pairs, side="right"))]
    queries = queries.rows(np.sort(drawn))
    held = _pairs(table, queries, sources)
    true, hits = np.zeros(len(radii_m), np.int64), np.zeros(len(radii_m), np.int64)
    for query, source, distance in index.blocks(queries, progress=progress):
        hit = _among(query * len(sources.lon) + source, held)
        for i, radius_m in enumerate(radii_m):
            within = distance <= radius_m
            true[i] += np.count_nonzero(within)
            hits[i] += np.count_nonzero(within & hit)
    return [
        {
            "radius_m": radius_m,
            "queries": len(queries.lon),
            "true_pairs": int(true[i]),
            "found": int(hits[i]),
            "recall": float(hits[i] / true[i]) if true[i] else None,
        }
        for i, radius_m in enumerate(radii_m)
    ]


def _pairs(table, queries, sources):
    """Sorted numbers (query * sources + source) of the pairs of the table whose query is among `queries`."""
    where = "neighbours"
    if isinstance(table, (str, Path)):
        where = str(table)
        if not sorted(Path(table).glob("*.parquet")):
            raise DataError(f"{where}: no parquet file of a neighbours table; run the task that makes it")
        table = ds.dataset(sorted(map(str, Path(table).glob("*.parquet"))))
    elif isinstance(table, pd.DataFrame):
        table = ds.dataset(pa.Table.from_pandas(table, preserve_index=False))
    else:
        table = ds.dataset(table)
    columns = ["survey_dataset", "survey_id", "dataset", "neighbour_id"]
    for column in columns:
        if column not in table.schema.names:
            raise DataError(
                f"{where}: column {column!r} is missing; found {table.schema.names}, "
                f"expected {schema.TABLES['neighbours'].names}"
            )
    find_query, find_source = _finder(queries), _finder(sources)
    keys = [np.empty(0, np.int64)]
    for batch in table.to_batches(columns=columns, filter=ds.field("survey_id").isin(pa.array(queries.surveyId))):
        query = find_query(batch.column(0), batch.column(1))
        ours = np.flatnonzero(query >= 0)
        source = find_source(batch.column(2).take(pa.array(ours)), batch.column(3).take(pa.array(ours)))
        if (source < 0).any():
            stranger = int(ours[np.argmax(source < 0)])
            raise DataError(
                f"{where}: neighbour {batch.column(2)[stranger]} {batch.column(3)[stranger]} is not among the sources; "
                "expected the table made from these places; rebuild it"
            )
        keys.append(query[ours] * len(sources.lon) + source)
    return np.sort(np.concatenate(keys))


def _finder(places):
    """A function from Arrow columns (dataset, id) to positions in `places`, -1 where there is none."""
    rows = [np.flatnonzero(places.dataset == code) for code in range(len(places.names))]
    ids = [pd.Index(places.surveyId[own]) for own in rows]

    def find(dataset, survey_id):
        dataset, survey_id = dataset.cast(pa.string()).dictionary_encode(), survey_id.to_numpy(zero_copy_only=False)
        position = np.full(len(survey_id), -1, np.int64)
        for local, name in enumerate(dataset.dictionary.to_pylist()):
            if name in places.names:
                code = places.names.index(name)
                mine = np.flatnonzero(dataset.indices.to_numpy() == local)
                at = ids[code].get_indexer(survey_id[mine])
                position[mine[at >= 0]] = rows[code][at[at >= 0]]
        return position

    return find


def _among(values, ordered):
    if not len(ordered):
        return np.zeros(len(values), bool)
    return ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
