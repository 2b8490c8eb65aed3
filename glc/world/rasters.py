"""GeoTIFFs of the virtual world over the European polygon: climate (float), also of three years, elevation and soil
(int), land cover twice.

All are EPSG:4326, north-up, tiled and compressed, and written window by window in bounded memory; the sea and a few
gaps on land are nodata (near the coast, the MODIS layers call the sea water). Bands carry their names as descriptions.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from glc import storage
from glc.geo import EUROPE
from glc.progress import tqdm
from glc.world import environment, landcover
from glc.world.fields import noise, plane, texture

FOLDER = "EnvironmentalRasters"
CLIMATE = f"{FOLDER}/Climate/bioclim.tif"
CLIMATE_YEARS = {year: f"{FOLDER}/Climate/Yearly/climate_{year}.tif" for year in (2001, 2010, 2019)}
CLIMATE_VARIABLES = ("pr", "tas", "tasmax", "tasmin")
"""Monthly precipitation (mm), and mean, highest and lowest temperature (deg C): the contest's monthly variables."""
ELEVATION = f"{FOLDER}/Elevation/elevation.tif"
LAND_COVER = f"{FOLDER}/LandCover/landcover.tif"
LAND_COVER_MODIS = f"{FOLDER}/LandCover/LandCover_MODIS_Terra-Aqua_500m.tif"
SOIL = f"{FOLDER}/SoilGrids/soil.tif"
LAND_COVER_CLASSES = landcover.KINDS
"""Codes of the land cover raster; 0 is nodata."""
_SOIL_BANDS = ("phh2o x 10", "clay %", "sand %", "organic carbon g/kg")
_TILE = 256


class Grid:
    """Cells of `step` degrees over `bounds` (west, south, east, north); row 0 is the northern edge."""

    def __init__(self, step: float, bounds: tuple[float, float, float, float] = EUROPE) -> None:
        west, south, east, north = bounds
        self.step = step
        self.width, self.height = math.ceil((east - west) / step), math.ceil((north - south) / step)
        self.west, self.north = west, north
        self.transform = from_origin(west, north, step, step)

    def windows(self) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
        """Yield strips of whole tile rows with the (rows, width) lon and lat of their cell centres."""
        lon = self.west + (np.arange(self.width) + 0.5) * self.step
        for top in range(0, self.height, _TILE):
            rows = np.arange(top, min(top + _TILE, self.height))
            lat = self.north - (rows + 0.5) * self.step
            yield Window(0, top, self.width, len(rows)), *np.meshgrid(lon, lat)


def write(world, folder, larger_than=None):
    """Write the rasters below `folder`; the elevation's pixels take at least `larger_than` bytes uncompressed."""
    seed, step = world.seed, world.raster_step
    bands = [f"bio{i + 1}" for i in range(19)]
    write_bands(folder / CLIMATE, Grid(step), "float32", -9999.0, bands, lambda *at: climate(seed, *at))
    _write_years(seed, folder, Grid(step))
    write_bands(folder / SOIL, Grid(step / 4), "int16", -32768, _SOIL_BANDS, lambda *at: _soil(seed, *at))
    _write_land_cover(seed, folder, Grid(step / 4))
    _write_elevation(seed, folder / ELEVATION, Grid(step / 2), larger_than)


def bioclim(monthly):
    """The 19 bioclimatic variables (WorldClim's definitions; temperatures in deg C, precipitation in mm).

    monthly : (n, 4, 12) of `environment.monthly`; returns (n, 19) float32
    """
    rain, mean, high, low = np.moveaxis(monthly, 1, 0)
    wet = rain + np.roll(rain, -1, 1) + np.roll(rain, -2, 1)
    warm = (mean + np.roll(mean, -1, 1) + np.roll(mean, -2, 1)) / 3
    wettest, driest, warmest, coldest = wet.argmax(1), wet.argmin(1), warm.argmax(1), warm.argmin(1)
    row = np.arange(len(rain))
    day, year = (high - low).mean(1), high.max(1) - low.min(1)
    columns = [mean.mean(1), day, 100 * day / year, 100 * mean.std(1), high.max(1), low.min(1), year]
    columns += [warm[row, quarter] for quarter in (wettest, driest, warmest, coldest)]
    columns += [rain.sum(1), rain.max(1), rain.min(1), 100 * rain.std(1) / rain.mean(1)]
    columns += [wet[row, quarter] for quarter in (wettest, driest, warmest, coldest)]
    return np.column_stack(columns).astype(np.float32)


def climate(seed: int, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """The 19 bioclimatic variables of places of any shape: (19, *shape) float32, -9999 at sea and in a few gaps."""
    known, monthly = _monthly(seed, lon, lat)
    bands = np.full((19, *lon.shape), -9999, np.float32)
    bands[:, known] = np.round(bioclim(monthly).T, 2)
    return bands


def climate_of_years(seed, lon, lat, years):
    """Means over the months of each year: (year, 4, *shape) float32 of `CLIMATE_VARIABLES`, gaps as in `climate`."""
    known, monthly = _monthly(seed, lon, lat)
    bands = np.full((len(years), 4, *lon.shape), -9999, np.float32)
    for of_year, year in zip(bands, years, strict=True):
        warmer, wetter = environment.weather(seed, year)
        means = [(monthly[:, 0] * wetter).mean(axis=1), *(monthly[:, 1:].mean(axis=2).T + warmer.mean())]
        of_year[:, known] = np.round(np.stack(means), 2)
    return bands


def _monthly(seed, lon, lat):
    """Where the climate is known, a mask of the places' shape, and the monthly normals there, (n, 4, 12)."""
    x, y = plane(lon, lat)
    normals = environment.climate(seed, lon, lat, environment.elevation(seed, lon, lat))
    known = (environment.land(seed, lon, lat) > 0) & (noise(seed, "climate gaps", x, y, 40_000) < 2.3)
    return known, environment.monthly(*(z[known] for z in normals))


def _soil(seed, lon, lat):
    x, y = plane(lon, lat)
    acidity, moisture = environment.soil(seed, lon, lat)
    rough = noise(seed, "soil rough", x, y, 6_000)
    sand, carbon = 42 - 9 * moisture + 3 * rough, 34 + 7 * moisture + 6 * acidity - 5 * rough
    bands = np.stack([62 - 9 * acidity, 28 + 8 * moisture, sand, carbon])
    bands = np.round(bands).clip(0, 100).astype(np.int16)
    gap = (environment.land(seed, lon, lat) <= 0) | (noise(seed, "soil gaps", x, y, 30_000) > 2.2)
    bands[:, gap] = -32768
    return bands


def write_bands(
    path: Path,
    grid: Grid,
    dtype: str,
    nodata: float,
    bands: Sequence[str],
    make: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Write a GeoTIFF strip by strip; ``make(lon, lat)`` gives the `bands` at the cells' centres, (band, *shape)."""
    with _open(path, grid.width, grid.height, grid.transform, dtype, nodata, bands) as raster:
        for window, lon, lat in tqdm(list(grid.windows()), desc=path.name, unit="strip"):
            raster.write(make(lon, lat), window=window)


def _write_years(seed, folder, grid):
    """The climate of single years, a file each."""
    shape = (grid.width, grid.height, grid.transform, "float32", -9999.0)
    with contextlib.ExitStack() as stack:
        rasters = [
            stack.enter_context(_open(folder / path, *shape, [f"{name} {year}" for name in CLIMATE_VARIABLES]))
            for year, path in CLIMATE_YEARS.items()
        ]
        for window, lon, lat in tqdm(list(grid.windows()), desc="climate of years", unit="strip"):
            for raster, bands in zip(rasters, climate_of_years(seed, lon, lat, list(CLIMATE_YEARS)), strict=True):
                raster.write(bands, window=window)


def _write_land_cover(seed, folder, grid):
    """The world's own classes and the MODIS layers side by side, for both follow from the same fields."""
    shape = (grid.width, grid.height, grid.transform, "uint8")
    with (
        _open(folder / LAND_COVER, *shape, 0, ["class"]) as own,
        _open(folder / LAND_COVER_MODIS, *shape, landcover.MODIS_NODATA, landcover.MODIS_BANDS) as modis,
    ):
        for window, lon, lat in tqdm(list(grid.windows()), desc=Path(LAND_COVER).name, unit="strip"):
            for raster, bands in zip((own, modis), landcover.layers(seed, lon, lat), strict=True):
                raster.write(bands, window=window)


def _write_elevation(seed, path, grid, larger_than):
    """Whole metres, nodata -32768 at sea. A finer raster is interpolated from the grid, with some roughness added."""
    height = np.zeros((grid.height, grid.width), np.float32)
    for window, lon, lat in grid.windows():
        land = environment.land(seed, lon, lat) > 0
        rows = slice(window.row_off, window.row_off + window.height)
        height[rows] = np.where(land, environment.elevation(seed, lon, lat), -50)
    factor = math.ceil(math.sqrt((larger_than or 0) / (2 * height.size))) or 1
    width, rows = grid.width * factor, grid.height * factor
    rough = texture(seed, "rough ground", 3)
    transform = from_origin(grid.west, grid.north, grid.step / factor, grid.step / factor)
    low, high, share = _between(np.arange(width), factor, grid.width)
    with _open(path, width, rows, transform, "int16", -32768, ["elevation m"]) as raster:
        for top in tqdm(range(0, rows, _TILE), desc=path.name, unit="strip"):
            here = np.arange(top, min(top + _TILE, rows))
            above, below, part = _between(here, factor, grid.height)
            band = height[above] + (height[below] - height[above]) * part[:, None]
            band = band[:, low] + (band[:, high] - band[:, low]) * share
            if factor > 1:
                band += 2 * rough[here[:, None] % len(rough), np.arange(width)[None, :] % len(rough)]
            band = np.where(band < -5, -32768, np.round(band)).astype(np.int16)
            raster.write(band, 1, window=Window(0, top, width, len(here)))


def _between(fine, factor, size):
    """Coarse cells on either side of the centres of `fine` cells, and how far along they are (linear interpolation)."""
    at = np.clip((fine + 0.5) / factor - 0.5, 0, size - 1)
    low = np.minimum(at.astype(np.int64), max(size - 2, 0))
    return low, np.minimum(low + 1, size - 1), (at - low).astype(np.float32)


@contextlib.contextmanager
def _open(path, width, height, transform, dtype, nodata, bands):
    """A GeoTIFF that is written next to `path`, and renamed when it is whole."""
    profile = {"width": width, "height": height, "count": len(bands), "dtype": dtype, "nodata": nodata}
    layout = {"tiled": True, "blockxsize": _TILE, "blockysize": _TILE, "interleave": "band", "bigtiff": "if_safer"}
    packing = {"compress": "deflate", "zlevel": 4, "predictor": 3 if dtype == "float32" else 2}
    place = {"crs": "EPSG:4326", "transform": transform}
    with (
        storage.atomic_file(path) as scratch,
        rasterio.open(scratch, "w", driver="GTiff", **profile, **place, **layout, **packing) as raster,
    ):
        raster.descriptions = tuple(bands)
        yield raster
