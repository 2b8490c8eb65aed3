"""The virtual globe: a planet with climate, mountains and countries, seen by satellite patches; exact from a seed.

Land, altitude, temperature and precipitation are smooth fields over the sphere. A patch shows them: plants where it is
warm and wet, bare ground where it is dry, snow where it is cold, slopes in mountains, and parcels of land whose size,
direction and crops are those of their country. So imagery tells of climate, altitude and country what coordinates alone
tell only near other places. It is written as users give the real one:

    patches.zip              index.csv (fn, lon, lat) and images/*.tif, the layout of S2-100K
    globe.tif                altitude, temperature, precipitation and land as a raster of the whole planet
    location_tasks.parquet   places with country, precipitation, temperature, altitude and Köppen class, and folds
    location_query.parquet   places of one fold of 10° blocks, without labels
"""

import warnings
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import rasterio.transform
import rasterio.windows
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from scipy.spatial import cKDTree

from glc import geo
from glc.location.downstream import labelled
from glc.progress import tqdm
from glc.world.fields import generator

PARTS = ("patches", "raster", "places")
PATCHES, RASTER = "patches.zip", "globe.tif"
BANDS = ("red", "green", "blue", "nir")
RASTER_BANDS = ("altitude_m", "tmean_annual_c", "prec_annual_mm", "land_percent")
_WAVES = 96
_CONTINENTS = 6
_LAND = 0.3
_BATCH = 256
# reflectance of plants, bare ground and snow in red, green, blue, near infrared (0-255)
_COLOURS = np.array([[45, 78, 42, 165], [168, 138, 100, 150], [232, 234, 238, 205]])


@dataclass(frozen=True)
class Globe:
    """Size and seed of a virtual globe."""

    name: str
    patches: int
    """Satellite patches, on land."""
    side: int
    """Pixels of a patch's side."""
    places: int
    """Places on land, labelled or to predict."""
    countries: int
    step: float
    """Side of a pixel of the raster, degrees."""
    seed: int = 2025


GLOBES = {
    "globe": Globe("globe", 4_000, 64, 6_000, 40, 0.5),
    "globe-tiny": Globe("globe-tiny", 400, 16, 600, 8, 2.0),
}


@dataclass(frozen=True)
class Ground:
    """What is at n places, arrays (n,).

    land : whether it is land
    altitude_m, tmean_c, prec_mm : metres; annual mean, °C; annual sum, mm
    country : number of the nearest country, at sea too
    """

    land: np.ndarray
    altitude_m: np.ndarray
    tmean_c: np.ndarray
    prec_mm: np.ndarray
    country: np.ndarray


def ground(globe: Globe, lon: np.ndarray, lat: np.ndarray) -> Ground:
    """The ground at places lon, lat (n,) in degrees."""
    points, seed = geo.unit_sphere(lon, lat), globe.seed
    height = _height(seed, points)
    inland = np.clip(3 * height, 0, 1)
    ridges = np.clip(1 - np.abs(_noise(seed, "ridges", points, 1500)), 0, 1) ** 4
    altitude = inland * (
        120 + 500 * np.clip(height, 0, 2) + 3800 * ridges * _unit(_noise(seed, "ranges", points, 3000))
    )
    steep = np.sin(np.radians(lat)) ** 2
    tmean = 28 - 46 * steep - 0.006 * altitude + 2.5 * _noise(seed, "warmth", points, 2000)
    belts = 1900 * np.exp(-((lat / 12) ** 2)) + 200 + 800 * np.exp(-(((np.abs(lat) - 50) / 14) ** 2))
    wet = 0.7 * _noise(seed, "moisture", points, 2500) + 0.35 * _noise(seed, "rain", points, 800)
    prec = np.clip(belts * np.exp(wet) * (1 + 0.1 * altitude / 1000), 5, 6000)
    return Ground(height > 0, altitude * (height > 0), tmean, prec, _country(globe, points))


def codes(globe: Globe) -> np.ndarray:
    """Two letters of each country."""
    return np.array([f"{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(globe.countries)])


def pixels(globe: Globe, lon: np.ndarray, lat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Patches (n, band, row, col) uint8 of `BANDS` around places (n,)."""
    here, side, n = ground(globe, lon, lat), globe.side, len(lon)
    row, col = np.mgrid[:side, :side] / side * 6  # a patch is six units wide
    wetness = np.clip(here.prec_mm / 1500, 0, 1) * _unit(here.tmean_c / 8)
    snow = _unit(-(here.tmean_c + 2) / 1.5)
    clumps = _ripples(rng, n, row, col, 1.5)
    plants = np.clip(wetness[:, None, None] + 0.15 * clumps, 0, 1)
    shares = np.stack([plants, 1 - plants, np.broadcast_to(snow[:, None, None], plants.shape)], axis=1)
    shares[:, :2] *= 1 - shares[:, 2:]
    image = np.einsum("nkij,kb->nbij", shares, _COLOURS)
    # parcels: each country has its own size, direction and crops
    style = generator(globe.seed, "countries").uniform(size=(globe.countries, 2 + len(BANDS)))[here.country]
    turn, width = np.pi * style[:, 0], 0.6 + 2.4 * style[:, 1]
    along = np.cos(turn)[:, None, None] * col + np.sin(turn)[:, None, None] * row
    phase = rng.uniform(0, 2 * np.pi, n)[:, None, None]
    parcels = np.sin(2 * np.pi * along / width[:, None, None] + phase) > 0.2
    farmed = (parcels * (1 - snow)[:, None, None])[:, None]
    image = image * (1 + farmed * (style[:, 2:] - 0.5)[:, :, None, None])
    slope = here.altitude_m / 4000
    shade = slope[:, None, None] * _ripples(rng, n, row, col, 0.8)
    light = rng.normal(1, 0.04, n)
    image = image * (light[:, None, None] + 0.35 * shade)[:, None] + rng.normal(0, 4, image.shape)
    return np.clip(image, 0, 255).round().astype(np.uint8)


def write(globe: Globe, folder: Path, part: str) -> None:
    """Write one of the `PARTS` into the `folder`."""
    {"patches": _write_patches, "raster": _write_raster, "places": _write_places}[part](globe, Path(folder))


def _write_patches(globe, folder):
    lon, lat = _on_land(globe, globe.patches, "patches")
    names = [f"patch_{number:05d}.tif" for number in range(globe.patches)]
    with zipfile.ZipFile(folder / PATCHES, "w") as archive:
        index = pd.DataFrame({"fn": names, "lon": lon, "lat": lat}).to_csv(index=False)
        _add(archive, "index.csv", index.encode())
        with tqdm(total=globe.patches, desc="patches", unit="patch") as bar:
            for start in range(0, globe.patches, _BATCH):
                part = slice(start, start + _BATCH)
                images = pixels(globe, lon[part], lat[part], generator(globe.seed, "images", start))
                for name, image in zip(names[part], images, strict=True):
                    _add(archive, f"images/{name}", _tiff(image))
                bar.update(len(images))


def _add(archive, name, data):
    archive.writestr(zipfile.ZipInfo(name), data)  # without a time of writing


def _tiff(image):
    bands, side, _ = image.shape
    with warnings.catch_warnings(), MemoryFile() as file:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # patches are only pixels
        with file.open(driver="GTiff", width=side, height=side, count=bands, dtype="uint8", compress="deflate") as out:
            out.write(image)
            out.descriptions = BANDS
        return file.read()


def _write_raster(globe, folder):
    step = globe.step
    lon, lat = np.arange(-180 + step / 2, 180, step), np.arange(90 - step / 2, -90, -step)
    profile = {"width": len(lon), "height": len(lat), "count": len(RASTER_BANDS), "dtype": "float32"}
    profile |= {"crs": "EPSG:4326", "transform": rasterio.transform.from_origin(-180, 90, step, step)}
    with rasterio.open(folder / RASTER, "w", driver="GTiff", **profile, compress="deflate") as out:
        out.descriptions = RASTER_BANDS
        for row, degree in enumerate(lat):
            here = ground(globe, lon, np.full(len(lon), degree))
            values = np.stack([here.altitude_m, here.tmean_c, here.prec_mm, 100.0 * here.land])
            out.write(values[:, None].astype(np.float32), window=rasterio.windows.Window(0, row, len(lon), 1))


def _write_places(globe, folder):
    lon, lat = _on_land(globe, globe.places, "places")
    here, rng = ground(globe, lon, lat), generator(globe.seed, "folds")
    frame = pd.DataFrame({"lat": lat, "lon": lon})
    seeds, continents = _seeds(globe), geo.unit_sphere(*_spread(globe, "continents", _CONTINENTS))
    frame["continent"] = np.char.add("C", (cKDTree(continents).query(seeds)[1] + 1).astype(str))[here.country]
    frame["country_code"] = codes(globe)[here.country]
    frame["prec_annual_mm"] = here.prec_mm.astype(np.float32)
    frame["tmean_annual_c"] = here.tmean_c.astype(np.float32)
    frame["altitude_m"] = here.altitude_m.astype(np.float32)
    frame["koeppen_main"] = _koeppen(here)
    labelled.write(frame, rng, folder)


def _koeppen(here):
    """Main class by annual values alone: E cold, B dry, A warm, D cool, C between."""
    dry = here.prec_mm < 20 * np.clip(here.tmean_c, 0, None) + 100
    conditions = [here.tmean_c < -5, dry, here.tmean_c >= 20, here.tmean_c < 5]
    return np.select(conditions, ["E", "B", "A", "D"], "C")


def _on_land(globe, n, name):
    """`n` places on land, uniform by area."""
    rng, parts, count = generator(globe.seed, name), [], 0
    while count < n:
        height, lon = rng.uniform(-1, 1, n), rng.uniform(-180, 180, n)
        lat = np.degrees(np.arcsin(height))
        land = _height(globe.seed, geo.unit_sphere(lon, lat)) > 0
        parts.append(np.stack([lon[land], lat[land]]))
        count += int(land.sum())
    lon, lat = np.concatenate(parts, axis=1)[:, :n].round(5)
    return lon, lat


def _spread(globe, name, n):
    """`n` places on land, each the one of some that is farthest from those before it."""
    lon, lat = _on_land(globe, 20 * n, name)
    points, chosen = geo.unit_sphere(lon, lat), [0]
    distance = np.full(len(points), np.inf)
    while len(chosen) < n:
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return lon[chosen], lat[chosen]


@lru_cache(maxsize=4)
def _seeds(globe):
    """Unit vectors (country, 3) of the countries' capitals."""
    return geo.unit_sphere(*_spread(globe, "capitals", globe.countries))


def _country(globe, points):
    bends = np.column_stack([_noise(globe.seed, f"border {axis}", points, 900) for axis in range(3)])
    return cKDTree(_seeds(globe)).query(points + 0.05 * bends)[1]


def _height(seed, points):
    """Above 0 on land."""
    return _noise(seed, "continents", points, 4000) + 0.45 * _noise(seed, "coasts", points, 1200) - _LAND


def _noise(seed, name, points, length_km):
    """A smooth Gaussian field on the sphere, about of mean 0 and variance 1 (random Fourier features)."""
    rng = generator(seed, "sphere", name)
    waves = rng.normal(size=(3, _WAVES)) * geo.EARTH_RADIUS_M / (1000 * length_km)
    return np.sqrt(2 / _WAVES) * np.cos(points @ waves + rng.uniform(0, 2 * np.pi, _WAVES)).sum(axis=1)


def _ripples(rng, n, row, col, length):
    """Fields (n, row, col) about of variance 1 within patches."""
    total = np.zeros((n, *row.shape))
    for _ in range(4):
        x, y = rng.normal(size=(2, n)) * 2 / length
        phase = rng.uniform(0, 2 * np.pi, n)
        total += np.cos(x[:, None, None] * row + y[:, None, None] * col + phase[:, None, None])
    return total / np.sqrt(2)


def _unit(x):
    return 1 / (1 + np.exp(-np.clip(np.asarray(x, float), -50, 50)))
