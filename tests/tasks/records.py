"""Presence-only records alone, as a test's own edition: what a download of GBIF is, and no contest."""

from contextlib import contextmanager

import numpy as np
import pandas as pd

from glc import registry, world
from glc.editions import Edition, Table
from glc.world import places

FILE = "records.csv"
COLUMNS = {"surveyId": "id", "lon": "lon", "lat": "lat", "year": "year", "speciesId": "species"}


@contextmanager
def edition():
    """The edition is registered while the block runs."""
    table = Table("po", (FILE,), COLUMNS, {"country": "country"})
    registry.editions.register("records")(Edition("Records of a test", (table,), train="po", test="po_test"))
    try:
        yield
    finally:
        del registry.editions._members["records"]


def write(folder, count=1_500, n_species=12, seed=0):
    """Records at the presence-only places of the tiny virtual world, of species that have a centre each."""
    rng = np.random.default_rng(seed)
    frame = places.po(world.SIZES["tiny"]).head(count)
    centre = rng.choice(len(frame), n_species, replace=False)
    at = frame[["lon", "lat"]].to_numpy()
    distance = np.linalg.norm(at[:, None] - at[centre], axis=2)
    weight = np.exp(-((distance / 4) ** 2)) + 0.02
    chance = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    species = (rng.random((len(frame), 1)) > chance).sum(axis=1)
    frame = pd.DataFrame(
        {
            "id": frame["surveyId"],
            "lon": frame["lon"],
            "lat": frame["lat"],
            "year": frame["year"],
            "country": frame["country"],
            "species": 101 + species,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / FILE, index=False)
    return folder
