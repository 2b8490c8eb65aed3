"""Who was seen where, one species an occurrence: the CSVs of the 2020 layout.

Occurrences lie around towns. Each shows one of the species that live at its place, chosen by their probability there
and their popularity with observers. A species is French, American or (one in five) both.
"""

from functools import lru_cache, partial

import numpy as np
import pandas as pd

from glc import storage
from glc.progress import tqdm
from glc.world import places, species
from glc.world.areas import AREAS
from glc.world.fields import generator

_SPECIES_A_PLACE = 16
_LIKELIEST = 0.5
_NATIVE = (0.4, 0.4, 0.2)


def write(world, folder):
    """Write ``occurrences/occurrences_fr_train.csv`` and the USA's, with columns id;lat;lon;species_id."""
    table = occurrences(world)
    for number, area in enumerate(tqdm(AREAS, desc="occurrences", unit="area")):
        frame = table.loc[table["area"] == number, ["id", "lat", "lon", "species_id"]]
        with storage.atomic_file(folder / "occurrences" / f"occurrences_{area.code}_train.csv") as scratch:
            frame.to_csv(scratch, sep=";", index=False)


@lru_cache(maxsize=2)
def occurrences(world):
    """The `world.n` occurrences, a frame: area (number in `AREAS`), id, lon, lat (degrees), species_id.

    Every species occurs. Do not change the frame: it is remembered.
    """
    rows = sites(world)
    p = probability(world, rows)
    rng = generator(world.seed, "occurrences")
    cumulative = p.cumsum(axis=1)
    column = (cumulative < rng.random((len(p), 1)) * cumulative[:, -1:]).sum(axis=1)
    count = np.bincount(column, minlength=p.shape[1])
    for missing in np.flatnonzero(count == 0):
        row = np.where(count[column] > 1, p[:, missing], -1).argmax()
        count[column[row]] -= 1
        column[row], count[missing] = missing, 1
    return rows.assign(species_id=niches(world)[0].ids[column])


@lru_cache(maxsize=2)
def sites(world):
    """Where they are: a frame of area, id, lon, lat, as in `occurrences`; images need no species."""
    parts, left = [], world.n
    for number, area in enumerate(AREAS):
        n = left if area is AREAS[-1] else round(world.n * area.share)
        left -= n
        rng, seed = generator(world.seed, "sites", area.code), area.seed(world)
        towns = places.until_on_land(seed, 12 + int(1.5 * n**0.5), partial(area.anywhere, rng))
        weight, spread = rng.lognormal(0, 1.0, len(towns[0])), rng.lognormal(9.2, 0.5, len(towns[0]))
        lon, lat = places.clustered(seed, rng, n, *towns, weight, spread)
        lon, lat = lon - area.shift[0], lat - area.shift[1]
        ids = area.first_id + rng.permutation(3 * n)[:n]
        columns = {"area": number, "id": ids, "lon": lon.round(6), "lat": lat.round(6)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


@lru_cache(maxsize=2)
def niches(world):
    """The species: their `glc.world.species.Niches`, and whether each is native to each area, (species, area) bool."""
    rows = sites(world)
    rng = generator(world.seed, "species")
    n = world.n_species
    sample = np.sort(rng.permutation(len(rows))[: species.REFERENCE])
    prevalence = np.exp(rng.normal(0, 0.7, n))
    prevalence = np.minimum(prevalence * _SPECIES_A_PLACE / prevalence.sum(), _LIKELIEST)
    e = environment(world, rows.iloc[sample])
    known = species.drawn(rng, rng.permutation(n), np.ones(n, bool), e, np.zeros(len(e), np.float32), prevalence)
    home = rng.choice(3, n, p=_NATIVE)
    return known, np.column_stack([home != 1, home != 0])


def environment(world, rows):
    """Environment of the rows of `sites`, (n, k) float32 as of `glc.world.environment.at`."""
    number = rows["area"].to_numpy()
    lon, lat = rows["lon"].to_numpy(), rows["lat"].to_numpy()
    parts = [(number == i, area) for i, area in enumerate(AREAS)]
    made = [area.environment(world, lon[at], lat[at]) for at, area in parts]
    out = np.empty((len(rows), made[0].shape[1]), np.float32)
    for (at, _), values in zip(parts, made, strict=True):
        out[at] = values
    return out


def probability(world, rows):
    """Probability of each species to be the one that an occurrence at the rows of `sites` shows, (n, species)."""
    known, native = niches(world)
    p = species.sigmoid(known.log_odds(environment(world, rows))).astype(float)
    p = p * np.sqrt(known.popularity) * native[:, rows["area"].to_numpy()].T + 1e-12
    return p / p.sum(axis=1, keepdims=True)
