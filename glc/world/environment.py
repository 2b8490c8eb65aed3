"""What every place of the virtual world is like: land, elevation, climate, soil, land cover, disturbance.

`ENVIRONMENT` names the columns that species respond to. The short correlation lengths are what coordinates cannot tell
across a held-out block: climate varies within tens of kilometres (rasters, cubes), soil within kilometres (rasters),
cover and disturbance within a kilometre (images, series).
"""

import numpy as np

from glc.geo import EUROPE
from glc.world.fields import generator, noise, plane

ENVIRONMENT = (
    "warmth",
    "rain",
    "continentality",
    "acidity",
    "moisture",
    "trees",
    "farming",
    "wetness",
    "disturbance",
    "x",
    "y",
)
YEARS = range(2000, 2019)
"""Years of the climate cubes."""


def land(seed, lon, lat):
    """How far inland a place is, unitless; it is land where above 0. float32 of the inputs' shape."""
    x, y = plane(lon, lat)
    edge = ((np.asarray(lon) - 12) / 22) ** 4 + ((np.asarray(lat) - 52) / 17) ** 4
    shape = 0.7 * noise(seed, "continents", x, y, 450_000) + 0.35 * noise(seed, "coast", x, y, 90_000)
    inland = (0.75 + shape - 1.2 * edge).astype(np.float32)
    west, south, east, north = EUROPE
    return np.where((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north), inland, np.float32(-1))


def elevation(seed, lon, lat):
    """Metres above the sea, float32; meaningless where `land` is not above 0."""
    x, y = plane(lon, lat)
    relief = 0.85 * noise(seed, "mountains", x, y, 150_000) + 0.5 * noise(seed, "hills", x, y, 25_000)
    relief += 0.12 * noise(seed, "slopes", x, y, 6_000)
    height = 260 * np.exp(1.05 * relief) * np.clip(2 * land(seed, lon, lat), 0.02, 1)
    return 4_500 * np.tanh(height / 4_500)


def climate(seed, lon, lat, height):
    """Mean annual temperature (deg C), annual precipitation (mm) and yearly temperature range (deg C), three arrays."""
    x, y = plane(lon, lat)
    temperature = 17 - 0.5 * (np.asarray(lat) - 36) - 0.0055 * height
    temperature = (
        temperature + 1.6 * noise(seed, "warmth", x, y, 220_000) + 1.9 * noise(seed, "warmth fine", x, y, 28_000)
    )
    rain = 6.7 + 0.35 * noise(seed, "rain", x, y, 250_000) + 0.36 * noise(seed, "rain fine", x, y, 30_000)
    rain = np.exp(rain - 0.006 * (np.asarray(lon) - 10) + 0.0002 * height)
    swing = 16 + 0.15 * (np.asarray(lon) - 10) + 1.5 * noise(seed, "swing", x, y, 260_000)
    swing = swing + 2.0 * noise(seed, "swing fine", x, y, 35_000)
    return temperature, rain, np.clip(swing, 4, None)


def soil(seed, lon, lat):
    """Acidity and moisture of the soil, two float32 arrays of about unit variance."""
    x, y = plane(lon, lat)
    acidity = 0.6 * noise(seed, "acidity", x, y, 70_000) + 0.8 * noise(seed, "acidity fine", x, y, 9_000)
    moisture = 0.5 * noise(seed, "moisture", x, y, 50_000) + 0.85 * noise(seed, "moisture fine", x, y, 8_000)
    return acidity, moisture


def cover(seed, lon, lat):
    """Trees, farming and wetness, three float32 arrays of about unit variance."""
    x, y = plane(lon, lat)
    trees = 0.55 * noise(seed, "trees", x, y, 25_000) + 0.85 * noise(seed, "trees fine", x, y, 1_800)
    farming = 0.55 * noise(seed, "farming", x, y, 30_000) + 0.85 * noise(seed, "farming fine", x, y, 2_200)
    wetness = 0.5 * noise(seed, "wetness", x, y, 15_000) + 0.85 * noise(seed, "wetness fine", x, y, 1_200)
    return trees, farming, wetness


def disturbance(seed, lon, lat):
    """When the vegetation was last disturbed, as a standard normal: high is recent. float32."""
    x, y = plane(lon, lat)
    return 0.5 * noise(seed, "disturbance", x, y, 20_000) + 0.87 * noise(seed, "disturbance fine", x, y, 1_000)


def cover_shares(trees, farming, wetness):
    """Shares of forest, field, water and grass, four arrays that add up to 1."""
    water = 1 / (1 + np.exp(-5 * (wetness - 1.9)))
    forest = (1 - water) / (1 + np.exp(-2.5 * trees))
    field = (1 - water - forest) / (1 + np.exp(-2.5 * farming))
    return forest, field, water, 1 - water - forest - field


def at(seed: int, lon: np.ndarray, lat: np.ndarray, chunk: int = 262_144) -> np.ndarray:
    """The environment of places: (n, len(ENVIRONMENT)) float32, standardised; x and y are megametres."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    return np.concatenate(
        [_at(seed, lon[i : i + chunk], lat[i : i + chunk]) for i in range(0, max(len(lon), 1), chunk)]
    )


def _at(seed, lon, lat):
    x, y = plane(lon, lat)
    temperature, rain, swing = climate(seed, lon, lat, elevation(seed, lon, lat))
    columns = [
        (temperature - 8) / 4,
        (np.log(rain) - 6.7) / 0.45,
        (swing - 16) / 2.5,
        *soil(seed, lon, lat),
        *cover(seed, lon, lat),
        disturbance(seed, lon, lat),
        x / 1e6,
        (y - 5.8e6) / 1e6,
    ]
    return np.column_stack(columns).astype(np.float32)


def monthly(temperature, rain, swing):
    """Monthly normals: precipitation (mm), mean, highest and lowest temperature (deg C).

    temperature, rain, swing : (n,) of `climate`; returns (n, 4, 12)
    """
    month = np.arange(12)
    season = -np.cos(2 * np.pi * (month - 0.5) / 12)
    mean = temperature[:, None] + swing[:, None] / 2 * season
    # the warm and the oceanic get their rain in winter
    winter = np.clip((temperature[:, None] - 10) / 10, -0.3, 0.7)
    share = (1 - winter * season) / 12
    half_day = 3 + 0.15 * swing[:, None] + 0.8 * season
    return np.stack([rain[:, None] * share, mean, mean + half_day, mean - half_day], axis=1)


def anomalies(seed):
    """Weather of the single years: temperature (deg C, added) and precipitation (factor), each (19, 12)."""
    rng = generator(seed, "weather")
    trend = 0.04 * (np.arange(len(YEARS)) - len(YEARS) / 2)
    return trend[:, None] + rng.normal(0, 0.9, (len(YEARS), 12)), rng.lognormal(0, 0.25, (len(YEARS), 12))


def weather(seed, year):
    """As `anomalies`, of any one year: two arrays (12,)."""
    if year in YEARS:
        return tuple(months[year - YEARS[0]] for months in anomalies(seed))
    rng = generator(seed, "weather", year)
    warmer = 0.04 * (year - YEARS[0] - len(YEARS) / 2)
    return warmer + rng.normal(0, 0.9, 12), rng.lognormal(0, 0.25, 12)
