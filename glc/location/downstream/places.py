"""Tables of places for the poster's experiments A and B, from country borders and rasters of climate and altitude.

Places are drawn on land, uniformly by area. Countries are those of `glc.basemap`; values are those of the nearest pixel
of rasters that the user has:

    prec_monthly.tif            twelve bands, mm a month
    tmean_monthly.tif           twelve bands, °C
    altitude*.tif or elev*.tif  metres
"""

from pathlib import Path

import numpy as np
import pandas as pd

from glc import basemap, storage
from glc.covariates import Raster
from glc.errors import DataError
from glc.location.downstream import labelled
from glc.location.pretraining import sampling
from glc.rasters.values import RasterValues
from glc.types import Facts, StrPath

RASTERS = {
    "prec": Raster(
        "monthly precipitation in mm", patterns=("prec_monthly.tif",), limits={"*": (0, 10_000)}, name="prec"
    ),
    "tmean": Raster(
        "monthly temperature in °C", patterns=("tmean_monthly.tif",), limits={"*": (-90, 60)}, name="tmean"
    ),
    "altitude": Raster(
        "altitude in m", patterns=("altitude*.tif", "elev*.tif"), limits={"*": (-500, 9_000)}, name="altitude"
    ),
}
_SUMMER = np.arange(3, 9)  # April to September


def write(rasters: StrPath, out: Path, places: int, seed: int = 0, borders: StrPath = "") -> Facts:
    """Draw places, look up country, climate and altitude, deal them to folds, and write both tables to `out`.

    rasters : folder of `RASTERS`
    places : number that is drawn; those without a value in one of the rasters are left out, and counted
    borders : GeoJSON of countries; empty: Natural Earth 1:10m
    returns : facts for the manifest
    """
    world, rng = basemap.world(borders), np.random.default_rng(seed)
    lon, lat = sampling.on_land(
        places, world.is_land, (-180.0, -90.0, 180.0, 90.0), rng, str(borders or "Natural Earth")
    )
    frame = pd.DataFrame({"lat": lat.round(5), "lon": lon.round(5)})
    number = world.country_at(frame["lon"], frame["lat"])
    codes = np.array([*(code or name for name, code in zip(world.name, world.id, strict=True)), ""])
    frame["country_code"], frame["continent"] = codes[number], "world"
    prec, tmean, altitude = (_values(rasters, name, frame) for name in RASTERS)
    known = (number >= 0) & np.isfinite(np.hstack([prec, tmean, altitude])).all(axis=1)
    if known.sum() < 2 * labelled.FOLDS:
        raise DataError(
            f"{rasters}: {known.sum():,} of {places:,} places on land have a value in all rasters, expected most; give "
            "rasters of the world, or draw more places"
        )
    frame["prec_annual_mm"] = prec.sum(axis=1).astype(np.float32)
    frame["tmean_annual_c"] = tmean.mean(axis=1).astype(np.float32)
    frame["altitude_m"] = altitude[:, 0].astype(np.float32)
    frame = frame[known].reset_index(drop=True)
    frame["koeppen_main"] = koeppen(prec[known], tmean[known])
    kept = labelled.write(frame, rng, out)
    counts = {"places": int(kept.sum()), "query": int((~kept).sum()), "without_value": int((~known).sum())}
    return counts | {"countries": int(frame["country_code"].nunique())}


def koeppen(prec: np.ndarray, tmean: np.ndarray) -> np.ndarray:
    """Main class of Köppen and Geiger, A to E (Kottek et al. 2006, table 1).

    prec, tmean : (n, 12) mm a month and °C, January to December
    """
    year, mean, coldest, warmest = prec.sum(axis=1), tmean.mean(axis=1), tmean.min(axis=1), tmean.max(axis=1)
    north = tmean[:, _SUMMER].mean(axis=1) >= mean
    warm = prec[:, _SUMMER].sum(axis=1)
    summer = np.where(north, warm, year - warm)
    threshold = 2 * mean + np.select([year - summer >= 2 / 3 * year, summer >= 2 / 3 * year], [0, 28], 14)
    classes = [warmest < 10, year < 10 * threshold, coldest >= 18, coldest > -3]
    return np.select(classes, ["E", "B", "A", "C"], "D")


def files(rasters: StrPath) -> list[Path]:
    """The rasters that `write` reads; a MissingError names one that the folder does not have."""
    return sorted({Path(path) for name in RASTERS for path in _reader(rasters, name).files})


def fingerprint(rasters: StrPath, borders: StrPath) -> list[str]:
    """Checksums of all that `write` reads."""
    return [storage.file_digest(path) for path in (*files(rasters), Path(borders or basemap.WORLD))]


def _reader(rasters, name):
    return RasterValues(RASTERS[name], [rasters])


def _values(rasters, name, frame):
    reader = _reader(rasters, name)
    wanted = 1 if name == "altitude" else 12
    if len(reader.columns) != wanted:
        raise DataError(
            f"{rasters}: {name} has {len(reader.columns)} bands, expected {wanted}"
            f"{', January to December' if wanted > 1 else ''}; try: gdalbuildvrt -separate, then gdal_translate"
        )
    return reader.read(frame[["lon", "lat"]])[0]
