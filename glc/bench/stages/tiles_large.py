"""DCT coefficients of tiles of a raster four times its memory."""

import dataclasses
import os
import tempfile
from pathlib import Path

from glc import world
from glc.bench import windows
from glc.bench.stage import Stage
from glc.world import rasters

SURVEYS, RASTER_BYTES = 50_000, 1 << 30


def prepare(folder: Path, scale: float) -> None:
    """An elevation of one band, and surveys."""
    size = dataclasses.replace(world.SIZES["tiny"], raster_step=0.4)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        world.write_rasters(size, Path(scratch), round(RASTER_BYTES * scale))
        os.replace(Path(scratch) / rasters.ELEVATION, folder / windows.RASTER)
    windows.write_places(folder, round(SURVEYS * scale))


STAGE = Stage(
    title="tiles of 50,000 surveys × one band of a raster of 1 GB, with 256 MB for pixels",
    wanted="≥ 1/3 of the rate of only reading, in 256 MB",
    prepare=prepare,
    ways=windows.WAYS,
    check=windows.check,
)
