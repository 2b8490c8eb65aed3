"""All pairs of presence-absence surveys with any survey within 10 km, as a parquet table."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

from glc import geo, schema
from glc.bench.glc24 import QUERIES, SOURCES, surveys, write_surveys
from glc.bench.stage import Facts, Stage, Way
from glc.errors import DataError
from glc.neighbours import exact
from glc.neighbours.places import ranks

RADIUS_M = 10_000
_CHUNK = 1_000  # queries
_TIED_M = 0.0015


def prepare(folder: Path, scale: float) -> None:
    """Write presence-absence and test surveys as queries, all surveys as sources."""
    frame = surveys(scale)
    write_surveys(folder, frame[frame["dataset"] != "po"], frame)


def threads(folder: Path, out: Path) -> Facts:
    """`glc.neighbours.exact`."""
    return {"rows": exact.write(folder / QUERIES, folder / SOURCES, out, k=0, radius_m=RADIUS_M, workers=2)["rows"]}


def by_chunks(folder: Path, out: Path) -> Facts:
    """One tree of all surveys, asked for a thousand queries at a time."""
    queries, sources = (pq.read_table(folder / name).to_pandas() for name in (QUERIES, SOURCES))
    (query_name, query_id), (name, ids) = (
        (frame["dataset"].to_numpy(), frame["surveyId"].to_numpy()) for frame in (queries, sources)
    )
    near = geo.unit_sphere(queries["lon"], queries["lat"])
    tree, rows = cKDTree(geo.unit_sphere(sources["lon"], sources["lat"])), 0
    with pq.ParquetWriter(out / "part-0.parquet", schema.TABLES["neighbours"], compression="zstd") as file:
        for begin in range(0, len(near), _CHUNK):
            pairs = cKDTree(near[begin : begin + _CHUNK]).sparse_distance_matrix(
                tree, float(geo.chord(RADIUS_M)), output_type="ndarray"
            )
            row, source, distance = pairs["i"] + begin, pairs["j"], np.round(geo.arc(pairs["v"]), 3)
            keep = (query_id[row] != ids[source]) | (query_name[row] != name[source])
            row, source, distance = row[keep], source[keep], distance[keep]
            order = np.lexsort((distance, row))
            row, source, distance = row[order], source[order], distance[order]
            columns = [query_name[row], query_id[row], name[source], ids[source], ranks(row).astype(np.int32), distance]
            file.write_table(pa.table(columns, schema=schema.TABLES["neighbours"]))
            rows += len(row)
    return {"rows": rows}


def check(folder: Path, results: Mapping[str, Path]) -> None:
    """The same number of pairs, and the same sums of distances and ids by query: the tables do not fit in memory.

    Without neighbours as far as the radius to the millimetre, of which a whole set of records may be in one place.
    """
    ours, other = (_sums(folder, path / "part-0.parquet") for path in results.values())
    for what, first, second in zip(("pairs", "ids of neighbours", "distances"), ours, other, strict=True):
        differ = int((np.abs(first - second) > _TIED_M * np.maximum(ours[0], 1)).sum())
        if differ:
            raise DataError(f"pairs: {what} of {differ:,} queries differ; expected none of {len(first):,}")


def _sums(folder: Path, path: Path) -> list[np.ndarray]:
    """By query: number of pairs, sum of the neighbours' ids, sum of distances in metres."""
    queries = pq.read_table(folder / QUERIES, columns=["dataset", "surveyId"]).to_pandas()
    number = {key: i for i, key in enumerate(queries.itertuples(index=False, name=None))}
    sums = [np.zeros(len(queries)) for _ in range(3)]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1_000_000):
            frame = batch.to_pandas()
            # of a place on the rim rounding says whether it is within
            frame = frame[frame["distance_m"] < RADIUS_M - _TIED_M]
            if frame.empty:
                continue
            new = (frame[["survey_dataset", "survey_id"]] != frame[["survey_dataset", "survey_id"]].shift()).any(axis=1)
            starts = np.flatnonzero(new)
            keys = frame.iloc[starts][["survey_dataset", "survey_id"]].itertuples(index=False, name=None)
            rows = np.repeat([number[key] for key in keys], np.diff(starts, append=len(frame)))
            weights = (None, frame["neighbour_id"], frame["distance_m"])
            for total, weight in zip(sums, weights, strict=True):
                total += np.bincount(rows, weight, len(queries))
    return sums


STAGE = Stage(
    title="all pairs within 10 km, 93,703 presence-absence and test surveys against 3.94 M, to parquet",
    wanted="at most 2 × cKDTree by chunks",
    prepare=prepare,
    ways=(Way("glc, 2 threads", threads), Way("one cKDTree, by chunks", by_chunks)),
    check=check,
)
