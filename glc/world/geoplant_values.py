"""Values at the surveys of the virtual world in GeoPlant's layout: bioclimatic CSVs and AlphaEarth's parquet files.

The embeddings are unit vectors, 64 random waves of the environment, among them what no climate tells: soil, cover and
disturbance.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import storage
from glc.world import environment, geoplant, places
from glc.world.fields import generator

if TYPE_CHECKING:
    from glc.world import GeoPlantWorld

COMPONENTS = 64
BIOCLIM = "EnvironmentalValues/Climate/{}-bioclimatic.csv"
ALPHAEARTH = "SatelliteData/AlphaEarth/{}-alphaearth.parquet"


def write(world: "GeoPlantWorld", folder: Path) -> None:
    """Write both files of each dataset below `folder`; a few surveys have no embedding."""
    own = geoplant.surveys(world) | {"po": places.po(world)}
    for dataset, frame in own.items():
        lon, lat, ids = (frame[name].to_numpy() for name in ("lon", "lat", "surveyId"))
        climate = environment.climate(world.seed, lon, lat, environment.elevation(world.seed, lon, lat))
        columns = {"Bio1": climate[0], "Bio12": climate[1], "Bio7": climate[2]}
        rounded = {name: np.round(values.astype(float), 2) for name, values in columns.items()}
        with storage.atomic_file(folder / BIOCLIM.format(file_name(dataset))) as scratch:
            pd.DataFrame({"surveyId": ids} | rounded).to_csv(scratch, index=False)
        there = generator(world.seed, "alphaearth", dataset).random(len(ids)) >= 0.01
        vectors = embeddings(world.seed, lon[there], lat[there])
        made = pd.DataFrame(vectors, columns=[f"A{number:02d}" for number in range(COMPONENTS)])
        made.insert(0, "surveyId", ids[there])
        with storage.atomic_file(folder / ALPHAEARTH.format(file_name(dataset))) as scratch:
            made.to_parquet(scratch, index=False)


def file_name(dataset: str) -> str:
    """A dataset as GeoPlant's files are called: PA-train, PA-test-iid, PO-train."""
    return "PO-train" if dataset == "po" else dataset.replace("_", "-").replace("pa-", "PA-")


def embeddings(seed: int, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Unit vectors (n, `COMPONENTS`) float32 of places in degrees."""
    e = environment.at(seed, lon, lat)[:, :-2]  # its last two are coordinates
    rng = generator(seed, "alphaearth waves")
    waves = rng.normal(0, 0.6, (e.shape[1], COMPONENTS)).astype(np.float32)
    values = np.sin(e @ waves + rng.uniform(0, 2 * np.pi, COMPONENTS).astype(np.float32))
    return np.round(values / np.linalg.norm(values, axis=1, keepdims=True), 4).astype(np.float32)
