"""Where and when surveys are made: presence-absence campaigns, held-out test blocks, presence-only around towns.

Nothing here depends on species, so that images and series of a survey are made without sampling a single occurrence.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import geo
from glc.world import environment
from glc.world.fields import generator

if TYPE_CHECKING:
    from glc.world import World


COUNTRIES = (  # name, lon, lat, density of presence-absence surveys
    ("Norrland", 15.0, 65.5, 1.0),
    ("Karelen", 27.0, 62.0, 0.3),
    ("Jutmark", 9.5, 56.0, 6.0),
    ("Livonia", 24.5, 57.0, 0.4),
    ("Albion", -2.0, 53.5, 0.6),
    ("Low Countries", 5.0, 52.0, 6.0),
    ("Franconia", 11.0, 50.0, 1.0),
    ("Sarmatia", 22.0, 51.0, 0.7),
    ("Armorica", -1.0, 47.5, 2.0),
    ("Rhaetia", 9.5, 46.5, 3.0),
    ("Noricum", 15.5, 47.0, 1.5),
    ("Dacia", 25.0, 46.0, 0.5),
    ("Tarraconia", -2.5, 41.0, 1.0),
    ("Etruria", 12.0, 42.5, 1.5),
    ("Former Republic of Moesia", 22.0, 42.0, 0.5),
)
_YEARS = np.arange(2017, 2022)


@lru_cache(maxsize=2)
def pa(world: "World") -> tuple[pd.DataFrame, pd.DataFrame]:
    """The presence-absence surveys: training and test, two frames.

    Columns surveyId, lon, lat, year, geoUncertaintyInM, areaInM2, region, country (the last four empty in places).
    Training and test share no square of `world.block_m` of EPSG:3035, and no surveyId.
    """
    rng = generator(world.seed, "pa")
    wanted = world.n_pa + world.n_test
    lon, lat = clustered(world.seed, rng, int(1.2 * wanted) + 60, *campaigns(world))
    block = geo.block_ids(*geo.project(lon, lat), world.block_m)
    test = _held_out(rng, block, world.n_test)
    chosen = np.flatnonzero(test)[: world.n_test], np.flatnonzero(~test)[: world.n_pa]
    ids = 1_000 + rng.permutation(3 * wanted)[:wanted]
    height = environment.elevation(world.seed, lon, lat)
    frame = pd.DataFrame(
        {
            "lon": lon,
            "lat": lat,
            "year": rng.choice(_YEARS, len(lon)),
            "geoUncertaintyInM": _holes(rng, rng.choice([5.0, 10.0, 50.0, 100.0], len(lon)), 0.03),
            "areaInM2": _holes(rng, rng.choice([25.0, 50.0, 100.0, 400.0], len(lon)), 0.08),
            "region": region(world.seed, lon, lat, height),
            "country": _holes(rng, country(lon, lat), 0.01),
        }
    )
    test, train = (frame.iloc[rows].reset_index(drop=True) for rows in chosen)
    train.insert(0, "surveyId", ids[: world.n_pa])
    test.insert(0, "surveyId", ids[world.n_pa :])
    return train, test


def po(world: "World") -> pd.DataFrame:
    """The presence-only surveys, a frame: surveyId, lon, lat, year, geoUncertaintyInM, publisher, country.

    Their ids overlap those of the presence-absence surveys, as the real ones do.
    """
    rng = generator(world.seed, "po")
    n = world.n_po_surveys
    towns = _on_land(world.seed, rng, 20 + int(n**0.5))
    weight = rng.lognormal(0, 1.3, len(towns[0]))
    share = rng.multinomial(n, [0.55, 0.25, 0.2])
    near_towns = clustered(world.seed, rng, share[0], *towns, weight, rng.lognormal(8.8, 0.4, len(weight)))
    near_plots = clustered(world.seed, rng, share[1], *campaigns(world))
    lon, lat = np.concatenate([near_towns, near_plots, _on_land(world.seed, rng, share[2])], axis=1)
    order = rng.permutation(n)
    lon, lat = lon[order], lat[order]
    return pd.DataFrame(
        {
            "surveyId": 1_000 + rng.permutation(int(1.05 * n))[:n],
            "lon": lon,
            "lat": lat,
            "year": rng.choice(_YEARS, n),
            "geoUncertaintyInM": _holes(rng, rng.choice([10.0, 30.0, 100.0], n), 0.05),
            "publisher": rng.choice(["PLANTNET", "INATURALIST", "OBSERVATION"], n, p=[0.45, 0.4, 0.15]),
            "country": _holes(rng, country(lon, lat), 0.01),
        }
    )


def campaigns(world):
    """Centres of the presence-absence campaigns: lon, lat (degrees), weight, spread (metres)."""
    rng = generator(world.seed, "campaigns")
    lon, lat = _on_land(world.seed, rng, 40 + world.n_pa // 40)
    density = np.array([c[3] for c in COUNTRIES])[_nearest_country(lon, lat)]
    return lon, lat, density * rng.lognormal(0, 0.9, len(lon)), rng.lognormal(8.9, 0.6, len(lon))


def country(lon, lat):
    """The country whose seed is nearest, an array of names."""
    return np.array([c[0] for c in COUNTRIES], object)[_nearest_country(lon, lat)]


def region(seed, lon, lat, height):
    """The biogeographic region, from the climate: an array of names."""
    temperature, rain, swing = environment.climate(seed, lon, lat, height)
    rules = [
        (height > 1_000, "ALPINE"),
        (temperature < 4, "BOREAL"),
        ((temperature > 11) & (rain < 1_100), "MEDITERRANEAN"),
        ((swing > 18) & (rain < 600), "STEPPIC"),
        ((swing > 17) & (temperature > 9), "PANNONIAN"),
        (swing < 15.5, "ATLANTIC"),
    ]
    return np.select([r[0] for r in rules], [r[1] for r in rules], "CONTINENTAL").astype(object)


def _nearest_country(lon, lat):
    seeds = np.array([c[1:3] for c in COUNTRIES])
    squeeze = np.cos(np.radians(52))
    distance = ((np.asarray(lon)[:, None] - seeds[:, 0]) * squeeze) ** 2 + (np.asarray(lat)[:, None] - seeds[:, 1]) ** 2
    return distance.argmin(axis=1)


def _on_land(seed, rng, n):
    """`n` places spread evenly over the land: lon, lat rounded to six decimals, as the files have them."""
    west, south, east, north = geo.EUROPE

    def draw(m):
        lat = np.degrees(np.arcsin(rng.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), m)))
        return rng.uniform(west, east, m), lat

    return until_on_land(seed, n, draw)


def clustered(seed, rng, n, lon, lat, weight, spread_m):
    """`n` places on land around centres; one in twenty repeats the place of another (a plot visited again)."""
    weight = weight / weight.sum()

    def draw(m):
        centre = rng.choice(len(lon), m, p=weight)
        radius, angle = rng.exponential(spread_m[centre]), rng.uniform(0, 2 * np.pi, m)
        north = np.degrees(radius * np.sin(angle) / geo.EARTH_RADIUS_M)
        east = np.degrees(radius * np.cos(angle) / geo.EARTH_RADIUS_M) / np.cos(np.radians(lat[centre]))
        return lon[centre] + east, lat[centre] + north

    lon_, lat_ = until_on_land(seed, n, draw)
    again = rng.random(n) < 0.05
    source = rng.integers(0, max(n, 1), n)
    return np.where(again, lon_[source], lon_), np.where(again, lat_[source], lat_)


def until_on_land(seed, n, draw):
    """`n` places on land, lon and lat; ``draw(m)`` gives `m` places that may lie in the sea."""
    parts, count = [], 0
    while count < n:
        lon, lat = (np.round(z, 6) for z in draw(min(2 * (n - count) + 64, 1_000_000)))
        dry = environment.land(seed, lon, lat) > 0.02
        parts.append((lon[dry], lat[dry]))
        count += int(dry.sum())
    lon, lat = np.concatenate(parts, axis=1)[:, :n] if parts else np.zeros((2, 0))
    return lon, lat


def _held_out(rng, block, n_test):
    """Boolean (n,): surveys of randomly chosen whole blocks that together hold at least `n_test`."""
    ids, member, size = np.unique(block, return_inverse=True, return_counts=True)
    order = rng.permutation(len(ids))
    # one block must not be the whole test: the largest are left to training
    order = order[size[order] <= max(n_test / 6, 4)]
    enough = np.searchsorted(size[order].cumsum(), n_test) + 1
    return np.isin(member, order[:enough])


def _holes(rng, values, share):
    values = values.astype(object)
    values[rng.random(len(values)) < share] = None
    return values
