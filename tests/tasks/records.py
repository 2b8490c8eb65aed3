"""Presence-only records alone, as a test's own edition: what a download of GBIF is, and no contest."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from glc import geo, registry, schema, storage, world
from glc.editions import Edition, Table
from glc.tasks import Surveys
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


def survey_tables(root, dataset, experiment):
    """Write the output of `Surveys` without Spark, for the tests of what comes after it.

    experiment : a task of the experiment, whose settings of the surveys count
    """
    frame = pd.read_csv(Path(dataset) / FILE).sort_values("id", ignore_index=True)
    table = pd.DataFrame({"dataset": "po", "surveyId": frame["id"], "lon": frame["lon"], "lat": frame["lat"]})
    table["easting"], table["northing"] = geo.project(table["lon"], table["lat"])
    table = table.assign(crs=3035, year=frame["year"], country=frame["country"], region=None)
    table = table.assign(geoUncertaintyInM=np.nan, areaInM2=np.nan)
    table["species"] = [[species] for species in frame["species"]]
    counts = {"occurrences": len(table), "surveys": len(table), "species": frame["species"].nunique()}
    facts = {
        "edition": "records",
        "train": "po",
        "test": "po_test",
        "presence_only": True,
        "datasets": {"po": counts},
        "species": {"number": counts["species"], "named": 0, "text_ids": []},
        "widens": False,
    }
    task = experiment.clone(Surveys)
    ids = np.unique(frame["species"])
    made = {"surveys": table, "species": pd.DataFrame({"speciesId": ids, "name": None, "key": None})}
    made |= {name: pd.DataFrame(columns=schema.TABLES[name].names) for name in ("quarantine", "test_ids")}
    with storage.atomic_directory(task.folder, **facts, unscored=[], files=[], published={}) as out:
        for name, rows in made.items():
            storage.write_table(rows, name, out / name)
    return task
