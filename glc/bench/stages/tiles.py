"""DCT coefficients of tiles of 19 bands."""

from pathlib import Path

from glc import world
from glc.bench import windows
from glc.bench.stage import Stage
from glc.geo import EUROPE
from glc.world import rasters

SURVEYS = 50_000
STEP = 0.02  # degrees a pixel: at 0.05, that of virtual:glc24, hardly a window is without sea
MIDDLE, LEAST = (14.0, 49.5), 4.0  # degrees: the part of Europe at a smaller scale, and its least side


def prepare(folder: Path, scale: float) -> None:
    """The climate of virtual:glc24 in finer pixels, and surveys; a part of the area where the scale is below 1."""
    seed = world.SIZES["glc24"].seed
    names = [f"bio{number + 1}" for number in range(19)]
    grid = rasters.Grid(STEP, _bounds(scale))
    path = folder / windows.RASTER
    rasters.write_bands(path, grid, "float32", -9999.0, names, lambda *at: rasters.climate(seed, *at))
    windows.write_places(folder, round(SURVEYS * scale))


def _bounds(scale):
    west, south, east, north = EUROPE
    sides = (max(side * scale**0.5, LEAST) / 2 for side in (east - west, north - south))
    around = [(middle - half, middle + half) for middle, half in zip(MIDDLE, sides, strict=True)]
    (left, right), (bottom, top) = around if scale < 1 else ((west, east), (south, north))
    return left, bottom, right, top


STAGE = Stage(
    title="tiles of 50,000 surveys × 19 bands, 128 × 128 pixels to 8 × 8 coefficients",
    wanted="≥ 20 × faster than a window and DCT each; ≥ 1/3 of the rate of only reading",
    prepare=prepare,
    ways=windows.WAYS,
    check=windows.check,
)
