"""Monthly climate cubes of the virtual world: (variable, year, month) around a survey's place.

The variables are precipitation, mean, highest and lowest temperature of 2000 to 2018, in the units of the contest's
cubes: precipitation in hundredths of a millimetre, temperature in tenths of a kelvin.
"""

from pathlib import Path

import numpy as np

from glc.progress import tqdm
from glc.world import environment
from glc.world.fields import generator
from glc.world.images import surveys_of

_MISSING, _GAP = 0.02, 0.01


def write(world, folder, datasets=("pa_train", "pa_test"), chunk=512):
    """Write one ``.npy`` a survey of `datasets`: (4, 19, 12) float32; a few surveys have none, a few years are NaN."""
    for dataset in datasets:
        surveys = surveys_of(world, dataset)
        with tqdm(total=len(surveys), desc=f"{dataset} cubes", unit="survey") as bar:
            for start in range(0, len(surveys), chunk):
                batch = surveys.iloc[start : start + chunk]
                rng = generator(world.seed, "cubes", dataset, start)
                made = cubes(world.seed, batch.lon.to_numpy(), batch.lat.to_numpy(), rng)
                shown = rng.random(len(batch)) >= _MISSING
                for survey, cube in zip(batch.surveyId[shown], made[shown], strict=True):
                    target = path(folder, dataset, survey)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    np.save(target, cube)
                bar.update(len(batch))


def path(folder: Path, dataset: str, survey: int) -> Path:
    """The cube of one survey."""
    name = f"GLC24-{dataset.replace('_', '-').replace('pa', 'PA')}-bioclimatic_monthly"
    return folder / "TimeSeries-Cubes" / "TimeSeries-Cubes" / name / f"{name}_{survey}_cube.npy"


def cubes(seed, lon, lat, rng):
    """Cubes of places: (n, 4, 19, 12) float32, NaN in the years that are missing."""
    normals = environment.climate(seed, lon, lat, environment.elevation(seed, lon, lat))
    monthly = environment.monthly(*(z.astype(float) for z in normals))[:, :, None, :]
    warmer, wetter = environment.anomalies(seed)
    rain = 100 * monthly[:, :1] * wetter * rng.lognormal(0, 0.1, (len(lon), 1, *wetter.shape))
    heat = 10 * (monthly[:, 1:] + 273.15 + warmer + rng.normal(0, 0.3, (len(lon), 1, *warmer.shape)))
    made = np.round(np.concatenate([rain, heat], axis=1)).astype(np.float32)
    made.transpose(0, 2, 1, 3)[rng.random((len(lon), len(warmer))) < _GAP] = np.nan
    return made
