"""Rasters of the world that a virtual download of GBIF has records of."""

from pathlib import Path
from typing import TYPE_CHECKING

from glc.types import Keywords
from glc.world import rasters

if TYPE_CHECKING:
    from glc.world import RecordWorld


def write(world: "RecordWorld", folder: Path, *options: Keywords, **named: Keywords) -> None:
    """Write the GeoTIFFs, as `glc.world.rasters`."""
    rasters.write(world.as_world, folder, *options, **named)
