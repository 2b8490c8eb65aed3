"""Downstream tasks of a location encoder: labelled coordinates, coordinates to predict, and folds.

Read from folders that the user names::

    LOCATION/location_tasks.parquet   lat, lon, targets, continent, fold_random, fold_block10 (10° blocks)
    LOCATION/location_query.parquet   lat, lon of places without labels
    HABITATS/surveys_train.csv        surveyId, lon, lat, habitatId (EUNIS level 3)
    HABITATS/surveys_test.csv         surveyId, lon, lat

Both get folds ``fold_knndm``, which are as far from each other as the places to predict are from the labelled ones
(`glc.etl.knndm`). "NA" is Namibia and North America, not a missing value.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio

from glc import geo
from glc.errors import DataError
from glc.etl import knndm
from glc.etl.squares import Cells
from glc.rasters.files import opened
from glc.types import StrPath

LANDMARKS = {"Hong Kong": (114.17, 22.32), "Qinghai-Tibet Plateau": (90.0, 33.5), "Congo Basin": (22.0, -1.0)}
"""The poster's reference places, lon and lat."""
HABITAT_FOLDS = 5
HABITAT_BLOCK_DEG = 0.1
CHOOSING = "fold_knndm"
"""The folds that choose what the predictions are made of: their distances are those of the places to predict."""
KNNDM_FOLDS = 5
INTERVAL_M = {"location": 1_000_000, "habitats": 100_000}
"""Height and width of the blocks that are drawn again for intervals: beyond it these hardly widen."""
_CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


@dataclass(frozen=True)
class Target:
    """What is asked of a place.

    kind : ``class``, judged by accuracy, or ``value``, judged by R²
    own : how the names of those raster bands begin that are the target itself; they are left out of what may be told
    """

    name: str
    title: str
    kind: str
    unit: str = ""
    own: str = ""


LOCATION_TARGETS = (
    Target("country_code", "country", "class"),
    Target("prec_annual_mm", "annual precipitation", "value", "mm", "prec"),
    Target("tmean_annual_c", "annual mean temperature", "value", "°C", "tmean"),
    Target("altitude_m", "altitude", "value", "m", "altitude"),
    Target("koeppen_main", "Köppen main class", "class"),
)
HABITAT_TARGETS = (Target("habitatId", "habitat", "class"),)


@dataclass(frozen=True)
class Problem:
    """Places with targets, places without, and which are held out together.

    places : frame with lon, lat (degrees), the targets (None for a class that is missing) and the columns of folds
    query : frame with lon, lat of the places to predict
    folds : column of folds -> the folds that are held out in turn
    k : neighbours of the reference
    matched : how well the distances of ``fold_knndm`` are those of the places to predict
    """

    name: str
    places: pd.DataFrame
    query: pd.DataFrame
    targets: tuple[Target, ...]
    folds: dict[str, tuple[int, ...]]
    k: int
    matched: knndm.Matched

    def labels(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """name -> (n,) array of the targets `names`."""
        return {name: self.places[name].to_numpy() for name in names}

    def target(self, name: str) -> Target:
        """The Target called `name`."""
        return next(target for target in self.targets if target.name == name)

    @cached_property
    def blocks(self) -> np.ndarray:
        """(n,) id of the block of `INTERVAL_M` that holds each place."""
        return geo.cell_ids(self.places["lon"], self.places["lat"], INTERVAL_M[self.name])


def location(folder: StrPath, random_folds: int | None = None) -> Problem:
    """Country, precipitation, temperature, altitude and Köppen class over the world's land: a Problem, k = 10.

    random_folds : how many of ``fold_random`` are held out in turn (None: all); all of the other folds are
    Places without a Köppen main class (ocean pixels of its raster) are left out of that target alone.
    """
    tasks, query = location_files(folder)
    names = [target.name for target in LOCATION_TARGETS]
    columns = ["lat", "lon", "continent", *names, "fold_random", "fold_block10"]
    places = _parquet(tasks, columns)
    _check(places, tasks, [target.name for target in LOCATION_TARGETS if target.kind == "value"])
    places["koeppen_main"] = places["koeppen_main"].astype(object).where(places["koeppen_main"].notna(), None)
    unknown = int(places["country_code"].isna().sum())
    if unknown:
        raise DataError(f"{tasks}: column 'country_code' has {unknown} missing values; 'NA' is Namibia: keep it text")
    places["continent"] = places["continent"].map(lambda code: _CONTINENTS.get(code, code))
    wanted = _parquet(query, ["lat", "lon"])
    _check(wanted, query)
    matched = _matched(places, wanted, tasks, seed=0)
    places[CHOOSING] = matched.fold
    columns = ("fold_random", "fold_block10", CHOOSING)
    folds = {name: tuple(sorted(places[name].unique().tolist())) for name in columns}
    folds["fold_random"] = folds["fold_random"][:random_folds]
    return Problem("location", places, wanted, LOCATION_TARGETS, folds, 10, matched)


def habitats(folder: StrPath, seed: int = 0) -> Problem:
    """Habitats of survey places: a Problem, k = 20, with random folds and folds of `HABITAT_BLOCK_DEG` blocks.

    seed : of all folds
    """
    train, test = habitat_files(folder)
    places = _csv(train, ["surveyId", "lon", "lat", "habitatId"])
    wanted = _csv(test, ["surveyId", "lon", "lat"])
    _check(places, train)
    _check(wanted, test)
    empty = int((places["habitatId"] == "").sum())
    if empty:
        raise DataError(f"{train}: column 'habitatId' has {empty} empty rows, expected none; leave these rows out")
    rng = np.random.default_rng(seed)
    block = np.floor(places[["lon", "lat"]].to_numpy() / HABITAT_BLOCK_DEG)
    block = np.unique(block, axis=0, return_inverse=True)[1].ravel()
    places["fold_random"] = rng.permutation(len(places)) % HABITAT_FOLDS
    places["fold_block"] = (rng.permutation(block.max() + 1) % HABITAT_FOLDS)[block]
    matched = _matched(places, wanted, train, seed)
    places[CHOOSING] = matched.fold
    folds = {name: tuple(range(HABITAT_FOLDS)) for name in ("fold_random", "fold_block")}
    folds[CHOOSING] = tuple(range(KNNDM_FOLDS))
    return Problem("habitats", places, wanted, HABITAT_TARGETS, folds, 20, matched)


def location_files(folder: StrPath) -> list[Path]:
    """Paths of the tables of places with targets and of places to predict."""
    return _files(folder, ("location_tasks.parquet", "location_query.parquet"))


def habitat_files(folder: StrPath) -> list[Path]:
    """Paths of the tables of surveys with habitats and of surveys without."""
    return _files(folder, ("surveys_train.csv", "surveys_test.csv"))


def nearest_pixel(
    path: StrPath, lon: np.ndarray, lat: np.ndarray, without: Iterable[str] = ()
) -> tuple[np.ndarray, list[str]]:
    """Bands of the nearest pixel of a GeoTIFF in EPSG:4326: ((n, bands) float32, names).

    without : how the names of bands begin that are left out
    A place outside the raster, and nodata, is a DataError.
    """
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    try:
        with opened(path) as source:
            if source.crs is None or source.crs.to_epsg() != 4326:
                raise DataError(f"{path}: CRS is {source.crs}, expected EPSG:4326; try: gdalwarp -t_srs EPSG:4326")
            names = [name or f"band {i}" for i, name in enumerate(source.descriptions, 1)]
            kept = [i for i, name in enumerate(names) if not name.lower().startswith(tuple(without))]
            if not kept:
                raise DataError(f"{path}: no band is left without {', '.join(without)}; found {', '.join(names)}")
            column, row = (np.floor(index).astype(int) for index in ~source.transform @ (lon, lat))
            row[lat == source.bounds.bottom] -= 1  # the raster's own last edges
            column[lon == source.bounds.right] -= 1
            outside = (row < 0) | (column < 0) | (row >= source.height) | (column >= source.width)
            if outside.any():
                at = np.flatnonzero(outside)[0]
                raise DataError(
                    f"{path}: {outside.sum()} of {len(lon)} places lie outside, such as lon {lon[at]}, lat {lat[at]}; "
                    f"its bounds are {tuple(source.bounds)}; give a raster that covers them"
                )
            # one band at a time: a stack of the world need not lie in memory whole
            values = np.empty((len(lon), len(kept)), np.float32)
            for i, band in enumerate(kept):
                pixels = source.read(band + 1, masked=True)[row, column]
                missing = int(np.ma.getmaskarray(pixels).sum())
                if missing:
                    raise DataError(f"{path}: band {names[band]!r} is nodata at {missing} places; fill it in first")
                values[:, i] = pixels.data
    except rasterio.RasterioIOError as error:
        raise DataError(f"{path}: {error}; give a GeoTIFF") from None
    return values, [names[i] for i in kept]


def _matched(places, wanted, path, seed):
    """Folds of `places` as far from each other as the places of `wanted` are from them."""
    if len(places) < KNNDM_FOLDS:
        raise DataError(f"{path}: found {len(places)} places, expected at least {KNNDM_FOLDS}, one for each fold")
    at, to = (frame[["lon", "lat"]].to_numpy(np.float64).T for frame in (places, wanted))
    return knndm.assign(*at, Cells(*at), *to, KNNDM_FOLDS, seed)


def _files(folder, names):
    paths = [Path(folder) / name for name in names]
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: no such file; give the folder that holds {' and '.join(names)}")
    return paths


def _parquet(path, columns):
    table = pd.read_parquet(path)
    return _select(table, columns, path)


def _csv(path, columns):
    return _select(pd.read_csv(path, keep_default_na=False, na_values={"lon": [""], "lat": [""]}), columns, path)


def _select(table, columns, path):
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; found {list(table)}")
    if table.empty:
        raise DataError(f"{path}: found no rows, expected at least one; fetch the file again")
    return table[columns].copy()


def _check(table, path, values=()):
    for name in ("lon", "lat", *values):
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(f"{path}: column {name!r} is of type {table[name].dtype}, expected numbers; convert it")
        column = table[name].to_numpy(np.float64)
        limit = {"lon": 180, "lat": 90}.get(name, np.inf)
        wrong = int((~np.isfinite(column) | (np.abs(column) > limit)).sum())
        if wrong:
            known = "finite numbers" if limit == np.inf else f"degrees from -{limit} to {limit}"
            raise DataError(
                f"{path}: column {name!r}: found {wrong} rows of {len(table)} that are not {known}; fix them"
            )
