"""The same of the experiment `best`, with all the imagery that it reads: hours, so only where it is named."""

from pathlib import Path

from glc.bench.stage import Facts, Stage, Way
from glc.bench.stages import submission
from glc.world import PARTS

EXPERIMENT = "best"


def prepare(folder: Path, scale: float) -> None:
    """All files of the virtual world."""
    submission.make_world(folder, scale, *PARTS)


def ours(folder: Path, out: Path) -> Facts:
    """`glc run best`."""
    return submission.run(folder, out, EXPERIMENT)


STAGE = Stage(
    title="submission end to end, best, 6.57 M rows",
    wanted="report, < 24 GB",
    prepare=prepare,
    ways=(Way("glc", ours),),
    always=False,
)
