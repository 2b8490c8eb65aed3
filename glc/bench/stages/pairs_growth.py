"""How all pairs of presence-only surveys within 10 km grow: samples, because all of them would be some 10^10 rows."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from glc.bench.glc24 import SOURCES, surveys, write_surveys
from glc.bench.stage import Facts, Stage, Way
from glc.bench.stages.pairs import RADIUS_M
from glc.neighbours import exact


def prepare(folder: Path, scale: float) -> None:
    """Write the presence-only surveys."""
    frame = surveys(scale)
    frame = frame[frame["dataset"] == "po"]
    write_surveys(folder, frame, frame)


def sixteenth(folder: Path, out: Path) -> Facts:
    """A sixteenth of the surveys."""
    return _pairs(folder, out, 16)


def thirty_second(folder: Path, out: Path) -> Facts:
    """Half of it: a quarter of the pairs."""
    return _pairs(folder, out, 32)


def sixty_fourth(folder: Path, out: Path) -> Facts:
    """A quarter of it."""
    return _pairs(folder, out, 64)


def _pairs(folder: Path, out: Path, part: int) -> Facts:
    table = pq.read_table(folder / SOURCES)
    table = table.take(np.random.default_rng(0).permutation(len(table))[: len(table) // part])
    return {"rows": exact.write(table, table, out, k=0, radius_m=RADIUS_M, workers=2)["rows"]}


STAGE = Stage(
    title="all pairs within 10 km among samples of 3.85 M presence-only surveys, to parquet",
    wanted="memory that does not grow with the pairs",
    prepare=prepare,
    ways=(Way("glc, 1/16 of them", sixteenth), Way("glc, 1/32", thirty_second), Way("glc, 1/64", sixty_fourth)),
)
