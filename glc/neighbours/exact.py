"""The nearest surveys, exactly: in this process, by threads; `glc.neighbours.cells` does the same over a cluster.

Distances are great-circle metres rounded to millimetres; ties are broken by dataset, then survey id, so that the
result depends neither on the order of the rows nor on how the work was cut. A survey is never its own neighbour, and
with `exclude_group` never that of a survey of its own group (a validation fold; -1 stands for none).
"""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from glc.neighbours.places import ENCODED, Places, PlaceTable, align, load, ranks, to_table
from glc.neighbours.search import Index
from glc.types import Facts, StrPath


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
    query, source, distance = (
        np.concatenate(columns) for columns in zip(empty, *index.blocks(queries, progress=progress), strict=True)
    )
    count = np.bincount(query, minlength=len(queries.lon))
    at = (np.cumsum(count) - count)[query] + ranks(query) - 1
    placed = tuple(np.empty_like(column) for column in (query, source, distance))
    for new, old in zip(placed, (query, source, distance), strict=True):
        new[at] = old
    return placed


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


def write(
    queries: PlaceTable | Places,
    sources: PlaceTable | Places,
    folder: StrPath,
    *,
    k: int,
    radius_m: float,
    exclude_group: bool = True,
    workers: int = -1,
    progress: bool = False,
) -> Facts:
    """Write the `neighbours` table of `queries` into ``folder/part-0.parquet``, block by block.

    queries, sources : places as in `load`; what is held of them in memory is about 250 bytes each
    k : nearest kept for each query, 0 for all within `radius_m`.
    workers : threads, -1 for all cores
    progress : show a bar
    returns : dict with rows, queries, without_neighbours (queries that have none) and seconds

    Rows of a query follow each other by rank; queries come in the order of `glc.neighbours.search.curve`, near ones
    together. Memory does not grow with the number of pairs.
    """
    began = time.monotonic()
    queries, sources = align(load(queries, exclude_group), load(sources, exclude_group))
    index = Index(sources, k=k, radius_m=radius_m, exclude_group=exclude_group, workers=workers)
    Path(folder).mkdir(parents=True, exist_ok=True)
    rows = answered = 0

    def block(*pairs: np.ndarray) -> tuple[pa.Table, int]:
        table = to_table(queries, sources, *pairs, encoded=True)
        return table, np.count_nonzero(np.diff(pairs[0], prepend=-1))

    with pq.ParquetWriter(
        Path(folder) / "part-0.parquet",
        ENCODED,
        store_schema=False,  # whoever reads the file finds plain names
        compression="zstd",
        use_dictionary=["survey_dataset", "survey_id", "dataset", "rank"],
    ) as file:
        for table, count in index.map(block, queries, progress=progress):
            file.write_table(table, row_group_size=max(len(table), 1))
            rows += len(table)
            answered += count
    total = len(queries.lon)
    seconds = round(time.monotonic() - began, 2)
    return {"rows": rows, "queries": total, "without_neighbours": total - answered, "seconds": seconds}
