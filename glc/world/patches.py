"""Aerial patches of the occurrence world: 256 x 256 pixels of 1 m, four files an occurrence, as in 2020 and 2022.

RGB and near-infrared JPEGs, altitude (int16, m) and land cover (uint8, class) GeoTIFFs. What covers a place shares out
its pixels of land cover, 8 m wide; each class has colours and a texture; soil colours bare ground and meadows. So a
patch tells the cover, disturbance, soil and height of its very place.
"""

import warnings
from functools import lru_cache

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from scipy.special import ndtr

from glc.geo import EARTH_RADIUS_M
from glc.progress import tqdm
from glc.world import environment
from glc.world.areas import AREAS
from glc.world.fields import generator, texture
from glc.world.occurrences import sites

SIDE, CELLS = 256, 32
LAND_COVER = {
    # forest of the cold and of the warm, crops, water, meadow, heath, bare: a few of the 34 codes, in the USA others
    "fr": (4, 3, 1, 13, 5, 6, 11),
    "us": (25, 24, 32, 20, 29, 28, 23),
}
_COLD, _WARM, _CROP, _WATER, _MEADOW, _HEATH, _BARE = range(7)
# reflectance in red, green, blue, near infrared (0-255), then how much texture shows and its length in pixels
_CLASSES = np.array(
    [
        [44, 70, 48, 120, 0.32, 3],
        [58, 88, 44, 170, 0.30, 5],
        [140, 126, 86, 115, 0.10, 1],
        [26, 44, 60, 14, 0.04, 2],
        [96, 122, 66, 175, 0.10, 1],
        [106, 104, 76, 120, 0.26, 2],
        [158, 142, 118, 135, 0.16, 4],
    ]
)
_TEXTURE = 512
_MISSING = 0.01
_BATCH = 64


def write(world, folder):
    """Write the patches below ``patches-fr`` and ``patches-us``; of one occurrence in a hundred there are none."""
    places = sites(world)
    painted = paint(world.seed)
    with tqdm(total=len(places), desc="patches", unit="occurrence") as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # patches are only pixels
        for start in range(0, len(places), _BATCH):
            batch = places.iloc[start : start + _BATCH]
            rng = generator(world.seed, "patches", start)
            for number, area in enumerate(AREAS):
                own = batch[batch["area"] == number]
                if len(own):
                    made = patches(world, area, own["lon"].to_numpy(), own["lat"].to_numpy(), painted, rng)
                    for survey, *layers in zip(own["id"], *made, strict=True):
                        if rng.random() >= _MISSING:
                            _save(folder, area, survey, *layers)
            bar.update(len(batch))


def path(folder, area, survey, kind):
    """Where a patch lies, `kind` such as ``rgb.jpg``: the id's last two digits, the two before them, the id."""
    name = str(survey)
    return folder / f"patches-{area.code}" / name[-2:] / name[-4:-2] / f"{name}_{kind}"


def paint(seed):
    """Pixels of each class, (class, 512, 512, 4) uint8, periodic: to be cut from at random."""
    noise = [texture(seed, f"ground {length:g}", length, _TEXTURE) for length in _CLASSES[:, 5]]
    bright = 1 + _CLASSES[:, 4, None, None] * np.stack(noise)
    return np.clip(_CLASSES[:, None, None, :4] * bright[..., None], 0, 255).astype(np.uint8)


def patches(world, area, lon, lat, painted, rng):
    """Layers around places: pixels (n, 256, 256, 4) uint8, altitude and land cover (n, 256, 256) int16 and uint8.

    The pixels are red, green, blue and near infrared.
    lon, lat : degrees, (n,); painted : of `paint`; north-up
    """
    seed, (lon, lat) = area.seed(world), area.frame(lon, lat)
    kind = np.repeat(np.repeat(_kinds(seed, lon, lat, rng), SIDE // CELLS, axis=1), SIDE // CELLS, axis=2)
    top, left = rng.integers(0, _TEXTURE, (2, len(lon)))
    at = np.arange(SIDE)
    rows, columns = (top[:, None] + at) % _TEXTURE, (left[:, None] + at) % _TEXTURE
    # four bytes as one number: one look-up a pixel instead of four
    packed = painted.view(np.uint32)[..., 0]
    pixels = packed[kind, rows[:, :, None], columns[:, None, :]].view(np.uint8).reshape(len(lon), SIDE, SIDE, 4)
    codes = np.array(LAND_COVER[area.code], np.uint8)
    return _lit(pixels, seed, lon, lat, rng), _altitude(seed, lon, lat, rng), codes[kind]


def _kinds(seed, lon, lat, rng):
    """Class of each cell of 8 m, (n, 32, 32): the shares of cover of the place, laid out by smooth noise."""
    shares = environment.cover_shares(*environment.cover(seed, lon, lat))
    edges = np.cumsum(np.stack(shares, axis=1), axis=1)[:, :3, None, None]
    cover = (_layout(seed, "cover", lon, rng)[:, None] > edges).sum(axis=1)  # forest, field, water, grass
    _, moisture = environment.soil(seed, lon, lat)
    coldness = lat + environment.elevation(seed, lon, lat) / 150
    forest = np.where(coldness > 52, _COLD, _WARM)
    grass = np.where(moisture < -0.5, _HEATH, _MEADOW)
    names = np.stack([forest, np.full_like(forest, _CROP), np.full_like(forest, _WATER), grass], axis=1)
    kind = np.take_along_axis(names, cover.reshape(len(lon), -1), axis=1).reshape(cover.shape)
    opened = 0.8 / (1 + np.exp(-3 * (environment.disturbance(seed, lon, lat) - 0.6)))
    cleared = (_layout(seed, "cleared", lon, rng) < opened[:, None, None]) & (kind != _WATER)
    return np.where(cleared, _BARE, kind)


def _layout(seed, name, lon, rng):
    """Smooth noise of the cells, (n, 32, 32), spread about evenly over 0 to 1 in each patch: shares are kept."""
    image = _image(seed, name, 5)
    top, left = rng.integers(0, len(image), (2, len(lon)))
    rows, columns = ((start[:, None] + np.arange(CELLS)) % len(image) for start in (top, left))
    cut = image[rows[:, :, None], columns[:, None, :]]
    return ndtr((cut - cut.mean(axis=(1, 2), keepdims=True)) / cut.std(axis=(1, 2), keepdims=True))


_image = lru_cache(maxsize=8)(texture)


def _lit(pixels, seed, lon, lat, rng):
    """Pixels under the place's soil and the flight's light: acid soil is red, wet soil dark, haze brightens."""
    acidity, moisture = environment.soil(seed, lon, lat)
    tint = np.stack([0.05 * acidity - 0.05 * moisture, -0.05 * moisture, -0.04 * acidity - 0.04 * moisture], axis=1)
    tint = np.concatenate([1 + tint, 1 + 0.05 * moisture[:, None]], axis=1).clip(0.5, 1.6)
    light, haze = rng.lognormal(0, 0.06, (len(lon), 1)), rng.exponential(4, (len(lon), 1))
    # one value for each of the 256, instead of floats for each pixel
    table = np.clip(np.arange(256) * (tint * light)[..., None] + haze[..., None], 0, 255).astype(np.uint8)
    lit = np.empty_like(pixels)
    for i, band in np.ndindex(len(lon), 4):
        np.take(table[i, band], pixels[i, ..., band], out=lit[i, ..., band])
    return lit


def _altitude(seed, lon, lat, rng):
    """Metres above the sea, (n, 256, 256) int16: the height of the corners, interpolated, and some roughness."""
    half = np.degrees(SIDE / 2 / EARTH_RADIUS_M)
    north, east = np.array([half, half, -half, -half]), np.array([-half, half, -half, half])
    wide = 1 / np.cos(np.radians(lat))[:, None]
    corners = environment.elevation(seed, lon[:, None] + east * wide, lat[:, None] + north).reshape(-1, 2, 2)
    weights = np.stack([np.linspace(1, 0, SIDE), np.linspace(0, 1, SIDE)], axis=1).astype(np.float32)
    rough = _image(seed, "ground", 24)
    shift = rng.integers(0, SIDE, (len(lon), 2))
    rough = np.stack([np.roll(rough, tuple(by), axis=(0, 1)) for by in shift])
    return np.round(weights @ corners.astype(np.float32) @ weights.T + 2 * rough).astype(np.int16)


def _save(folder, area, survey, pixels, altitude, land_cover):
    path(folder, area, survey, "").parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(path(folder, area, survey, "rgb.jpg"), quality=80)
    nir = np.ascontiguousarray(pixels[..., 3])
    Image.fromarray(nir).save(path(folder, area, survey, "near_ir.jpg"), quality=80)
    for kind, layer in (("altitude.tif", altitude), ("landcover.tif", land_cover)):
        profile = {"width": SIDE, "height": SIDE, "count": 1, "dtype": layer.dtype, "compress": "deflate", "zlevel": 3}
        with rasterio.open(path(folder, area, survey, kind), "w", driver="GTiff", **profile) as raster:
            raster.write(layer, 1)
