"""The 10 nearest surveys within 50 km of each survey, as a parquet table.

DuckDB's spatial extension is not compared: it has no join of nearest neighbours, and its join by distance makes all
pairs within 50 km, some 10^10, before it can keep ten of each survey.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

from glc import geo, storage
from glc.bench.glc24 import QUERIES, SOURCES, surveys, write_surveys
from glc.bench.stage import Facts, Stage, Way
from glc.errors import DataError
from glc.neighbours import exact

K, RADIUS_M = 10, 50_000
_TIED_M = 0.0015  # distances are whole millimetres, which the ways may round differently


def prepare(folder: Path, scale: float) -> None:
    """Write all surveys, which are queries and sources."""
    frame = surveys(scale)
    write_surveys(folder, frame, frame)


def threads(folder: Path, out: Path) -> Facts:
    """`glc.neighbours.exact`."""
    return {"rows": exact.write(folder / QUERIES, folder / SOURCES, out, k=K, radius_m=RADIUS_M, workers=2)["rows"]}


def one_tree(folder: Path, out: Path) -> Facts:
    """One tree, asked for all surveys at once: NumPy and SciPy alone."""
    frame = pq.read_table(folder / SOURCES).to_pandas()
    xyz = geo.unit_sphere(frame["lon"], frame["lat"])
    length, at = cKDTree(xyz).query(xyz, k=K + 1, distance_upper_bound=float(geo.chord(RADIUS_M)), workers=2)
    keep = (at < len(xyz)) & (at != np.arange(len(xyz))[:, None])
    keep[keep.all(axis=1), -1] = False
    row, source = np.nonzero(keep)[0], at[keep]
    names, ids = frame["dataset"].to_numpy(), frame["surveyId"].to_numpy()
    columns = {
        "survey_dataset": names[row],
        "survey_id": ids[row],
        "dataset": names[source],
        "neighbour_id": ids[source],
        "rank": np.cumsum(keep, axis=1)[keep].astype(np.int32),
        "distance_m": np.round(geo.arc(length[keep]), 3),
    }
    pq.write_table(pa.table(columns), out / "part-0.parquet", compression="zstd")
    return {"rows": len(row)}


def check(folder: Path, results: Mapping[str, Path]) -> None:
    """The same distances by survey and rank; which of several as near is not compared."""
    ours, other = (_distances(path) for path in results.values())
    if len(ours) != len(other):
        raise DataError(f"neighbours: {len(ours):,} rows of ours, {len(other):,} of the tree; expected as many")
    far = np.flatnonzero(np.abs(ours - other) > _TIED_M)
    if len(far):
        raise DataError(f"neighbours: {len(far):,} distances differ; expected none of {len(ours):,}")


def _distances(folder: Path) -> np.ndarray:
    table = storage.read_table(folder, "neighbours", columns=["survey_dataset", "survey_id", "rank", "distance_m"])
    order = pc.sort_indices(table, [(name, "ascending") for name in table.column_names[:3]])
    return table["distance_m"].take(order).to_numpy()


STAGE = Stage(
    title="10 nearest within 50 km of 3.94 M surveys, to parquet",
    wanted="at most 2 × one cKDTree",
    prepare=prepare,
    ways=(Way("glc, 2 threads", threads), Way("one cKDTree, 2 threads", one_tree)),
    check=check,
)
