"""The embedded virtual world: a dataset in the GeoLifeCLEF 2024 layout of any size, exact from a seed.

Virtual species with niches live on smooth, spatially correlated fields (`environment`), are visited by surveys
(`places`), and are seen or missed there (`species`, `metadata`); `rasters`, `images` and `series` show the same fields
as a satellite or a climate model would. Every part is written on its own and depends on the seed alone. `check` proves
that the signal is real. The same bytes come from the same seed on one machine; processors that round differently may
disagree on a presence in many millions.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from glc import storage
from glc.errors import DataError


@dataclass(frozen=True)
class World:
    """Size and seed of a virtual world."""

    name: str
    n_pa: int
    """Presence-absence training surveys."""
    n_pa_rows: int
    """Rows (survey, species) of theirs."""
    n_test: int
    """Presence-absence test surveys, in whole blocks of `block_m` that hold no training survey."""
    n_po_rows: int
    n_po_surveys: int
    n_species: int
    """All species, presence-only ones included."""
    n_pa_species: int
    """Species that occur in the presence-absence surveys."""
    raster_step: float
    """Cell size of the climate rasters, degrees; soil, land cover and elevation are twice as fine."""
    block_m: float = 50_000
    seed: int = 2024


SIZES = {
    "tiny": World("tiny", 400, 4_800, 60, 3_000, 2_300, 60, 48, 0.4),
    "small": World("small", 6_400, 108_000, 900, 60_000, 45_500, 800, 560, 0.1),
    "glc24": World("glc24", 88_987, 1_483_637, 4_716, 5_079_797, 3_845_533, 11_255, 5_016, 0.05),
}

PARTS = ("metadata", "rasters", "images", "series", "cubes")


def write_metadata(world, folder):
    """Write the three survey CSVs, and the test labels to ``truth/`` where only an evaluation looks."""
    from glc.world import metadata

    _describe(world, folder)
    metadata.write(world, Path(folder))


def write_rasters(world, folder, larger_than=None):
    """Write the GeoTIFFs (EPSG:4326); `larger_than` is the least size in bytes of the elevation raster's pixels."""
    from glc.world import rasters

    _describe(world, folder)
    rasters.write(world, Path(folder), larger_than)


def write_images(world, folder, datasets=("pa_train", "pa_test")):
    """Write RGB and near-infrared JPEG tiles, 128 x 128 pixels of 10 m, of the surveys of `datasets`."""
    from glc.world import images

    _describe(world, folder)
    images.write(world, Path(folder), datasets)


def write_series(world, folder, datasets=("pa_train", "pa_test")):
    """Write the quarterly satellite series of the surveys of `datasets`, one CSV a band."""
    from glc.world import series

    _describe(world, folder)
    series.write(world, Path(folder), datasets)


def write_cubes(world, folder, datasets=("pa_train", "pa_test")):
    """Write the monthly climate cubes (4 variables, 19 years, 12 months) of the surveys of `datasets`."""
    from glc.world import cubes

    _describe(world, folder)
    cubes.write(world, Path(folder), datasets)


def write(world, folder, parts=("metadata",)):
    """Write the named `parts` (of `PARTS`) of `world` into `folder`."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise DataError(f"{folder}: unknown part {unknown[0]!r} of a virtual world; expected: {', '.join(PARTS)}")
    for part in parts:
        globals()[f"write_{part}"](world, folder)


def _describe(world, folder):
    """Write ``world.json``; refuse a folder that holds another world."""
    path = Path(folder) / "world.json"
    text = json.dumps(dataclasses.asdict(world), indent=1) + "\n"
    if path.exists() and path.read_text() != text:
        raise DataError(f"{path}: holds another virtual world than {world}; choose or make an empty folder")
    with storage.atomic_file(path) as scratch:
        scratch.write_text(text)
