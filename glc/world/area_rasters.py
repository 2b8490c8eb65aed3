"""The 27 environmental rasters of the occurrence world: 19 bioclimatic variables and 8 of the soil, of both areas.

One file each, over France, the USA and the sea between them, which is nodata, as are gaps on land. The soil's names
are those of the 2020 contest (Deneu et al. 2020, section 3.1).
"""

import numpy as np

from glc.world import environment, rasters
from glc.world.areas import AREAS, MARGIN
from glc.world.fields import noise, plane

SOIL_BANDS = ("orcdrc", "phihox", "cecsol", "bdticm", "clyppt", "sltppt", "sndppt", "bldfie")


def write(world, folder):
    """Write the two GeoTIFFs (EPSG:4326) below `folder`: climate of `world.raster_step` degrees, soil twice as fine."""
    west, south, east, north = zip(*(area.bounds for area in AREAS), strict=True)
    bounds = (min(west) - MARGIN, min(south) - MARGIN, max(east) + MARGIN, max(north) + MARGIN)
    bands = [f"bio{i + 1}" for i in range(19)]
    _write(world, folder / rasters.CLIMATE, bounds, world.raster_step, "float32", -9999, bands, rasters.climate)
    _write(world, folder / rasters.SOIL, bounds, world.raster_step / 2, "int16", -32768, SOIL_BANDS, soil)


def _write(world, path, bounds, step, dtype, nodata, bands, values):
    def make(lon, lat):
        made = np.full((len(bands), *lon.shape), nodata, dtype)
        for area in AREAS:
            west, south, east, north = area.bounds
            inside = (lon > west - MARGIN) & (lon < east + MARGIN) & (lat > south - MARGIN) & (lat < north + MARGIN)
            if inside.any():
                made[:, inside] = values(area.seed(world), *area.frame(lon[inside], lat[inside]))
        return made

    rasters.write_bands(path, rasters.Grid(step, bounds), dtype, nodata, bands, make)


def soil(seed, lon, lat):
    """The soil of places: (8, n) int16 of `SOIL_BANDS` in SoilGrids' units, -32768 at sea and in a few gaps."""
    x, y = plane(lon, lat)
    acidity, moisture = environment.soil(seed, lon, lat)
    rough = noise(seed, "soil rough", x, y, 6_000)
    clay, sand = np.clip(28 + 8 * moisture, 2, 60), np.clip(42 - 9 * moisture + 3 * rough, 5, 90)
    clay, sand = (share * np.minimum(1, 98 / (clay + sand)) for share in (clay, sand))
    bands = [34 + 7 * moisture + 6 * acidity - 5 * rough, 62 - 9 * acidity, 18 + 4 * moisture - 3 * acidity]
    bands += [1_500 + 350 * rough + 120 * moisture, clay, 100 - clay - sand, sand, 1_350 - 60 * moisture - 40 * acidity]
    bands = np.round(np.stack(bands)).clip(0, 10_000).astype(np.int16)
    gap = (environment.land(seed, lon, lat) <= 0) | (noise(seed, "soil gaps", x, y, 30_000) > 2.2)
    bands[:, gap] = -32768
    return bands
