"""Land cover of the virtual world: its own seven classes, and the 13 layers of MODIS MCD12Q1 by rules on them.

The five legacy layers follow from the class, the share of trees or crops, and climate; the three FAO layers from the
shares of cover, the soil's moisture and disturbance, with the thresholds of the product's legends (Sulla-Menashe and
Friedl 2018, tables 3 to 11). The sea is water along the coast and nodata beyond, as in the product.
"""

from typing import NamedTuple

import numpy as np

from glc.world import environment

KINDS = {
    1: "needleleaf forest",
    2: "broadleaf forest",
    3: "cropland",
    4: "grassland",
    5: "shrubland",
    6: "water and wetland",
    7: "bare or cleared",
}
"""The world's own classes; 0 is the sea."""
MODIS_BANDS = (
    *(f"LC_Type{i}" for i in range(1, 6)),
    *(f"LC_Prop{i}_Assessment" for i in range(1, 4)),
    *(f"LC_Prop{i}" for i in range(1, 4)),
    "QC",
    "LW",
)
MODIS_NODATA = 255
_COAST = -0.06  # `environment.land` of the open sea is below, some 20 km off the coast
_COVERS = {  # IGBP, UMD, LAI, BGC and PFT class
    "evergreen needleleaf forest": (1, 1, 7, 1, 1),
    "evergreen broadleaf forest": (2, 2, 5, 2, 2),
    "deciduous needleleaf forest": (3, 3, 8, 3, 3),
    "deciduous broadleaf forest": (4, 4, 6, 4, 4),
    "mixed forest": (5, 5, 6, 4, 4),
    "closed shrubland": (6, 6, 2, 4, 5),
    "open shrubland": (7, 7, 2, 4, 5),
    "needleleaf woodland": (8, 8, 4, 1, 1),
    "broadleaf woodland": (8, 8, 4, 4, 4),
    "savanna": (9, 9, 4, 6, 6),
    "grassland": (10, 10, 1, 6, 6),
    "wetland": (11, 11, 1, 6, 6),
    "cereal cropland": (12, 12, 1, 6, 7),
    "broadleaf cropland": (12, 12, 3, 5, 8),
    "built-up land": (13, 13, 10, 8, 9),
    "cropland mosaic": (14, 14, 3, 5, 8),
    "snow and ice": (15, 15, 9, 7, 10),
    "barren": (16, 15, 9, 7, 11),
    "water": (17, 0, 0, 0, 0),
}
_LEGACY = np.array(list(_COVERS.values()), np.uint8).T
_NUMBER = {name: i for i, name in enumerate(_COVERS)}


class Ground(NamedTuple):
    """What land cover follows from: arrays of one shape, as in `environment`."""

    inland: np.ndarray
    forest: np.ndarray
    field: np.ndarray
    water: np.ndarray
    grass: np.ndarray
    moisture: np.ndarray
    disturbance: np.ndarray
    temperature: np.ndarray
    swing: np.ndarray
    coldness: np.ndarray
    """Degrees of latitude, and one more for each 150 m of height."""


def layers(seed, lon, lat):
    """The world's own class and the 13 MODIS layers of places: two uint8 arrays, (1, *shape) and (13, *shape).

    lon, lat : degrees, of one shape. The sea is 0 in the first, and water or `MODIS_NODATA` in the other
    """
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    inland = environment.land(seed, lon, lat)
    near = inland > _COAST
    own = np.zeros((1, *lon.shape), np.uint8)
    modis_layers = np.full((len(MODIS_BANDS), *lon.shape), MODIS_NODATA, np.uint8)
    if near.any():
        near_ground = ground(seed, lon[near], lat[near], inland[near])
        own[0, near] = kind = kinds(near_ground)
        modis_layers[:, near] = modis(near_ground, kind)
    return own, modis_layers


def ground(seed, lon, lat, inland):
    """The `Ground` of places; `inland` is their `environment.land`."""
    height = environment.elevation(seed, lon, lat)
    temperature, _, swing = environment.climate(seed, lon, lat, height)
    _, moisture = environment.soil(seed, lon, lat)
    shares = environment.cover_shares(*environment.cover(seed, lon, lat))
    disturbance = environment.disturbance(seed, lon, lat)
    return Ground(inland, *shares, moisture, disturbance, temperature, swing, lat + height / 150)


def kinds(at):
    """The world's own classes, codes of `KINDS`, of a `Ground`."""
    main = np.stack([at.forest, at.field, at.water, at.grass]).argmax(axis=0)
    cleared = (at.disturbance > 1.3) & (main != 2)
    rules = [at.inland <= 0, cleared, (main == 0) & (at.coldness > 56), main == 0, main == 1, main == 2]
    return np.select([*rules, at.moisture < -0.5], [0, 7, 1, 2, 3, 6, 5], 4).astype(np.uint8)


def modis(at, kind):
    """The layers `MODIS_BANDS` of a `Ground` and its `kinds`: (13, *shape) uint8."""
    water = (kind == 0) | (at.water > 0.6)
    ice = (at.temperature < -2) & ~water
    cover = _covers(at, kind, water, ice)
    forest_changed = (cover == _NUMBER["deciduous needleleaf forest"]) | (cover == _NUMBER["mixed forest"])
    # 2 classified water, 6 relabelled as snow, 9 forest type changed by climate, 0 classified land
    quality = np.select([water, ice, forest_changed], [2, 6, 9], 0)
    properties = _properties(at, kind, cover, water, ice)
    bands = [*_LEGACY[:, cover], *_confidences(at, water), *properties, quality, np.where(water, 1, 2)]
    return np.stack(bands, dtype=np.uint8, casting="unsafe")


def _covers(at, kind, water, ice):
    """Row of `_COVERS` of each place."""
    dense = at.forest > 0.6
    near_cold = np.abs(at.coldness - 56) < 1.5
    rules = {
        "water": water,
        "snow and ice": ice,
        "wetland": kind == 6,
        "built-up land": (kind == 7) & (at.field > 0.3),
        "barren": kind == 7,
        "mixed forest": dense & (kind <= 2) & near_cold,
        "deciduous needleleaf forest": dense & (kind == 1) & (at.swing > 19),
        "evergreen needleleaf forest": dense & (kind == 1),
        "evergreen broadleaf forest": dense & (kind == 2) & (at.temperature > 13),
        "deciduous broadleaf forest": dense & (kind == 2),
        "needleleaf woodland": kind == 1,
        "broadleaf woodland": kind == 2,
        "cropland mosaic": (kind == 3) & (at.field < 0.6),
        "cereal cropland": (kind == 3) & (at.moisture < 0),
        "broadleaf cropland": kind == 3,
        "open shrubland": (kind == 5) & (at.moisture < -1),
        "closed shrubland": kind == 5,
        "savanna": at.forest > 0.1,
    }
    return np.select(list(rules.values()), [_NUMBER[name] for name in rules], _NUMBER["grassland"])


def _properties(at, kind, cover, water, ice):
    """FAO land cover, land use and surface hydrology (LCCS1, 2 and 3): three arrays of class codes."""
    bare = (kind == 7) & (at.field <= 0.3)
    trees, herbs = np.where(kind == 7, 0, at.forest), at.field + at.grass  # no tree on cleared land
    dry = at.moisture < -0.5
    first = [water, ice, bare]
    codes = [3, 2, 1]

    closed = trees > 0.6
    leaf = 11 + cover  # closed forests lead `_COVERS`, in the order of this legend
    rules = [*first, closed, trees > 0.3, trees > 0.1, dry & (at.moisture < -1.2), dry & (at.field > 0.3), dry]
    land_cover = np.select([*rules, herbs > 0.6], [*codes, leaf, 21, 22, 43, 42, 41, 31], 32)

    rules = [*first, kind == 7, closed, at.field > 0.6, (at.field > 0.4) & (trees > 0.1), at.field > 0.4]
    land_use = np.select([*rules, trees > 0.1, dry], [*codes, 9, 10, 36, 25, 35, 20, 40], 30)

    wet = (at.water > 0.2) | (at.moisture > 1.2)
    rules = [*first, wet & (trees > 0.1), wet, closed, trees > 0.1, at.temperature < 1, dry]
    hydrology = np.select(rules, [*codes, 27, 50, 10, 20, 51, 40], 30)
    return land_cover, land_use, hydrology


def _confidences(at, water):
    """How clear each FAO layer's class is, in percent: the largest share of cover, or how wet or dry the soil is."""
    natural = np.maximum.reduce([at.forest, at.field + at.grass, at.water])
    used = np.maximum.reduce([at.forest, at.field, at.grass, at.water])
    wet_or_dry = 0.5 + 0.5 * np.tanh(np.abs(at.moisture))
    return [np.where(water, 100, np.round(100 * clear)) for clear in (natural, used, wet_or_dry)]
