"""The same exact neighbours over Spark, which is for a cluster, and by threads."""

import time
from pathlib import Path

from glc.bench.glc24 import QUERIES, SOURCES
from glc.bench.stage import Facts, Stage, Way
from glc.bench.stages.neighbours import RADIUS_M, K, check, prepare, threads
from glc.etl.spark import session
from glc.neighbours import cells


def over_spark(folder: Path, out: Path) -> Facts:
    """`glc.neighbours.cells`."""
    began = time.perf_counter()
    spark = session(memory="4g")
    start_s = time.perf_counter() - began
    facts = cells.write(spark, folder / QUERIES, folder / SOURCES, out, k=K, radius_m=RADIUS_M)
    return {"rows": facts["rows"], "start_s": start_s}


STAGE = Stage(
    title="10 nearest within 50 km of 3.94 M surveys, by threads and over Spark",
    wanted="report: what a cluster has to make up for",
    prepare=prepare,
    ways=(Way("glc, 2 threads", threads), Way("glc, Spark local[2]", over_spark)),
    check=check,
    always=False,
)
