"""The 10 nearest within 50 km among 200,000 surveys: all of them, or those that the published hashing finds."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from glc import geo
from glc.bench.glc24 import QUERIES, SOURCES, surveys, write_surveys
from glc.bench.stage import Facts, Stage, Way
from glc.bench.stages.neighbours import RADIUS_M, K, threads
from glc.errors import DataError
from glc.etl.spark import session
from glc.neighbours import lsh, recall

_SURVEYS = 200_000


def prepare(folder: Path, scale: float) -> None:
    """Write a sample of the surveys, which are queries and sources, with projected places."""
    frame = surveys(scale)
    drawn = np.random.default_rng(0).permutation(len(frame))[: int(_SURVEYS * scale)]
    frame = frame.iloc[np.sort(drawn)].reset_index(drop=True).assign(crs=np.int32(3035))
    frame["easting"], frame["northing"] = geo.project(frame["lon"], frame["lat"])
    write_surveys(folder, frame, frame)


def published(folder: Path, out: Path) -> Facts:
    """Buckets of 20 m, 5 tables, on Spark (Miyaguchi et al. 2024, section 4.5)."""
    began = time.perf_counter()
    spark = session(memory="4g")
    start_s = time.perf_counter() - began
    facts = lsh.write(
        spark, folder / QUERIES, folder / SOURCES, out, k=K, radius_m=RADIUS_M, bucket_length=20.0, tables=5
    )
    return {"rows": facts["rows"], "start_s": start_s}


def check(folder: Path, results: Mapping[str, Path]) -> None:
    """Ours has all of the true neighbours."""
    places = pd.read_parquet(folder / SOURCES)
    for line in recall.against_exact(next(iter(results.values())), places, places, k=K):
        if line["true_pairs"] != line["found"]:
            raise DataError(f"lsh: ours has {line['found']:,} of {line['true_pairs']:,} neighbours; expected all")


STAGE = Stage(
    title="10 nearest within 50 km of 200,000 surveys, to parquet",
    wanted="hashing takes at least 50 × the time",
    prepare=prepare,
    ways=(Way("glc, 2 threads: recall 1", threads), Way("LSH as published, Spark", published)),
    check=check,
)
