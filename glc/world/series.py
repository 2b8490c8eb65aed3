"""Quarterly satellite series of the virtual world, 2000 to 2020: one CSV per band, one row per survey.

Greenness follows the seasons of the place's climate; at the disturbance the canopy falls and then grows back, so that
the series tells its year. Values are whole numbers 0-255; gaps are empty, and ``eos`` marks quarters after a series'
end, as the contest's files have it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtr

from glc import storage
from glc.progress import tqdm
from glc.world import environment
from glc.world.fields import generator
from glc.world.images import surveys_of

BANDS = ("red", "green", "blue", "nir", "swir1", "swir2")
QUARTERS = tuple(f"{year}_{quarter}" for year in range(2000, 2021) for quarter in range(1, 5))
_GAP, _MISSING = 0.012, 0.02
# forest, field, water, grass; and bare ground
_COVERS = np.array(
    [
        [22, 60, 14, 34, 75],
        [30, 52, 20, 45, 62],
        [16, 32, 22, 22, 40],
        [110, 70, 10, 118, 80],
        [55, 85, 6, 80, 120],
        [28, 62, 4, 45, 98],
    ],
    float,
)


def write(world, folder, datasets=("pa_train", "pa_test")):
    """Write six CSVs for each of `datasets`: surveyId and 84 quarters; a few surveys have no row at all."""
    for dataset in datasets:
        surveys = surveys_of(world, dataset)
        rng = generator(world.seed, "series", dataset)
        values = series(world.seed, surveys.lon.to_numpy(), surveys.lat.to_numpy(), rng)
        shown = rng.random(len(surveys)) >= _MISSING
        end = len(QUARTERS) - rng.integers(0, 11, len(surveys)) * (rng.random(len(surveys)) < 0.7)
        after = np.arange(len(QUARTERS)) >= end[:, None]
        for band, name in enumerate(tqdm(BANDS, desc=f"{dataset} series", unit="band")):
            text = values[:, band].astype(str).astype(object)
            text[rng.random(text.shape) < _GAP] = ""
            text[after] = "eos"
            frame = pd.DataFrame(text[shown], columns=QUARTERS)
            frame.insert(0, "surveyId", surveys.surveyId.to_numpy()[shown])
            with storage.atomic_file(path(folder, dataset, name)) as scratch:
                frame.to_csv(scratch, index=False)


def path(folder: Path, dataset: str, band: str) -> Path:
    """The CSV of one band."""
    split = dataset.replace("_", "-").replace("pa", "PA")
    return folder / f"{split}-landsat_time_series" / f"GLC24-{split}-landsat_time_series-{band}.csv"


def series(seed, lon, lat, rng):
    """Values of places: (n, 6, 84) uint8, in the order of `BANDS` and `QUARTERS`."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    shares = np.stack(environment.cover_shares(*environment.cover(seed, lon, lat)), axis=1)
    temperature, rain, swing = environment.climate(seed, lon, lat, environment.elevation(seed, lon, lat))
    when = 2000 + 21 * ndtr(environment.disturbance(seed, lon, lat).astype(float))

    time = 2000 + (np.arange(len(QUARTERS)) + 0.5) / 4
    since = time - when[:, None]
    loss = np.where(since > 0, 0.75 * np.exp(-since / 6), 0.75 * np.exp(-(21 + since) / 6))
    season = -np.cos(2 * np.pi * (time % 1))
    warm = temperature[:, None] + swing[:, None] / 2 * season
    # growth wants warmth, and summers are dry where rain is short
    growth = 1 / (1 + np.exp(-(warm - 6) / 4)) / (1 + np.exp((warm - 18 - rain[:, None] / 120) / 3))
    weather = 1 + 0.08 * rng.standard_normal((len(lon), 21)).repeat(4, axis=1)

    covers = np.repeat(shares[:, :, None], len(QUARTERS), axis=2)
    vigour = np.stack([0.6 + 0.4 * growth, growth, np.ones_like(growth), 0.25 + 0.75 * growth], axis=1)
    alive = covers * vigour * np.stack([1 - loss, *[np.ones_like(loss)] * 3], axis=1)
    ground = 1 - alive.sum(axis=1, keepdims=True)
    values = np.einsum("bc,nct->nbt", _COVERS, np.concatenate([alive, ground], axis=1)) * weather[:, None]
    values += rng.normal(0, 2.5, values.shape)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
