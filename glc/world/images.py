"""Satellite tiles of the virtual world: 128 x 128 pixels of 10 m around a survey, RGB and near-infrared JPEGs.

A pixel mixes forest, field, water and grass by the cover fields within the tile, each with its own texture; soil
colours what is bare, and recent disturbance opens the canopy. Haze, light and sensor noise are the survey's own. So a
tile tells the cover and disturbance of its very place, which vary within a kilometre.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from glc.errors import DataError
from glc.geo import EARTH_RADIUS_M
from glc.progress import tqdm
from glc.world import environment, places
from glc.world.fields import generator, texture

SIDE, PIXEL_M = 128, 10.0
_COARSE = 9
_MISSING, _MISSING_NIR = 0.02, 0.005
# reflectance of forest, field, water, grass in red, green, blue, near infrared (0-255)
_COLOURS = np.array([[42, 66, 40, 140], [128, 116, 78, 105], [24, 42, 58, 12], [88, 112, 58, 165]], np.float32)
_BATCH = 32


def write(world, folder, datasets=("pa_train", "pa_test")):
    """Write the tiles of `datasets` (pa_train, pa_test, po) below `folder`; a few surveys have none, or only RGB."""
    for dataset in datasets:
        surveys = surveys_of(world, dataset)
        with tqdm(total=len(surveys), desc=f"{dataset} tiles", unit="survey") as bar:
            for start in range(0, len(surveys), _BATCH):
                batch = surveys.iloc[start : start + _BATCH]
                rng = generator(world.seed, "tiles", dataset, start)
                pixels = tiles(world.seed, batch.lon.to_numpy(), batch.lat.to_numpy(), rng)
                fate = rng.random(len(batch))
                for survey, tile, chance in zip(batch.surveyId, pixels, fate, strict=True):
                    if chance >= _MISSING:
                        _save(tile[..., :3], path(folder, dataset, "rgb", survey))
                    if chance >= _MISSING + _MISSING_NIR:
                        _save(tile[..., 3], path(folder, dataset, "nir", survey))
                bar.update(len(batch))


def path(folder: Path, dataset: str, kind: str, survey: int) -> Path:
    """Where the tile of a survey lies: the last two digits of its id, the two before them, the id."""
    name, split = str(survey), {"pa_train": "PA_Train", "pa_test": "PA_Test", "po": "PO_Train"}[dataset]
    top = folder / f"{split}_SatellitePatches_{kind.upper()}" / f"{split.lower()}_patches_{kind}"
    return top / name[-2:] / name[-4:-2] / f"{name}.jpeg"


def surveys_of(world, dataset):
    """The frame of surveys of ``pa_train``, ``pa_test`` or ``po``; a DataError for any other dataset."""
    if dataset == "po":
        return places.po(world)
    train, test = places.pa(world)
    known = {"pa_train": train, "pa_test": test}
    if dataset not in known:
        raise DataError(f"virtual world: found dataset {dataset!r}, expected one of: {', '.join(known)}, po")
    return known[dataset]


def tiles(seed, lon, lat, rng):
    """Pixels of the tiles around places: (n, 128, 128, 4) uint8 red, green, blue, near infrared; north-up."""
    n = len(lon)
    offset = np.linspace(-0.5, 0.5, _COARSE) * SIDE * PIXEL_M
    grid_lat = lat[:, None, None] - np.degrees(offset / EARTH_RADIUS_M)[None, :, None] + np.zeros((1, 1, _COARSE))
    east = np.degrees(offset / EARTH_RADIUS_M)[None, None, :] / np.cos(np.radians(lat))[:, None, None]
    grid_lon = lon[:, None, None] + east + np.zeros((1, _COARSE, 1))

    shares = environment.cover_shares(*environment.cover(seed, grid_lon, grid_lat))
    opened = 1 / (1 + np.exp(-4 * (environment.disturbance(seed, grid_lon, grid_lat) - 0.8)))
    acidity, moisture = environment.soil(seed, grid_lon, grid_lat)
    forest, field, water, grass = (_enlarge(z) for z in shares)
    opened, acidity, moisture = (_enlarge(z) for z in (opened, acidity, moisture))
    bare = 0.6 * field + 0.8 * opened * forest

    canopy, speckle = _crops(texture(seed, "canopy", 3), n, rng), _crops(texture(seed, "speckle", 0), n, rng)
    furrows = _furrows(n, rng)
    bright = np.stack(
        [1 + 0.3 * canopy * (1 - 0.5 * opened), 1 + 0.22 * furrows, 1 + 0.05 * speckle, 1 + 0.1 * canopy], axis=-1
    )
    mixed = (np.stack([forest, field, water, grass], axis=-1) * bright) @ _COLOURS
    # acid soil is red, wet soil dark; cleared forest shows its soil
    mixed[..., 0] += bare * (14 * acidity - 8 * moisture + 18)
    mixed[..., 1] += bare * (-4 * acidity - 8 * moisture + 4)
    mixed[..., 2] += bare * (-6 * acidity - 6 * moisture)
    mixed[..., 3] += 10 * moisture * grass - 55 * opened * forest
    light = rng.lognormal(0, 0.06, (n, 1, 1, 1)).astype(np.float32)
    haze = rng.exponential(4, (n, 1, 1, 1)).astype(np.float32)
    mixed = mixed * light + haze + 3 * speckle[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _enlarge(coarse):
    """Linear interpolation of (n, 9, 9) to (n, 128, 128), float32."""
    at = np.linspace(0, _COARSE - 1, SIDE)
    matrix = np.clip(1 - np.abs(at[:, None] - np.arange(_COARSE)), 0, None).astype(np.float32)
    return matrix @ coarse.astype(np.float32) @ matrix.T


def _crops(image, n, rng):
    """`n` random (128, 128) windows of a periodic image."""
    top, left = rng.integers(0, len(image), (2, n))
    row = (top[:, None] + np.arange(SIDE)) % len(image)
    column = (left[:, None] + np.arange(SIDE)) % len(image)
    return image[row[:, :, None], column[:, None, :]]


def _furrows(n, rng):
    """(n, 128, 128) float32 stripes of one direction and distance a tile, between -1 and 1."""
    angle, length = rng.uniform(0, np.pi, n), rng.uniform(5, 12, n)
    phase = np.arange(SIDE) * (2 * np.pi / length[:, None])
    x, y = phase * np.cos(angle)[:, None], phase * np.sin(angle)[:, None]
    return np.sin(x[:, None, :] + y[:, :, None]).astype(np.float32)


def _save(pixels, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels)).save(target, quality=88)
