"""Values of a covariate at the surveys: the pixels of its rasters that they lie in, or the contest's own CSVs.

Both give the same: a float array (survey, column), NaN where nothing is known, a categorical column as class codes.
"""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rasterio.errors import RasterioIOError

from glc.covariates._base import column_name, natural
from glc.editions._base import SEPARATORS
from glc.errors import DataError
from glc.etl import grids
from glc.etl.series import dataset_of

_CELL = 512  # side in pixels of what is read at once, at most
_FOLDERS = ("*.csv", "EnvironmentalRasters/**/*.csv", "EnvironmentalValues/**/*.csv")
_TABLE = re.compile(r"(?i)(?:^|[-_])P[AO0][-_](?:train|test)[-_](?P<kind>\w[\w-]*)\.csv$")
_KEY = "surveyId"


class RasterValues:
    """Pixels of a `glc.covariates.Raster` found in `folders`.

    columns : names; classes : name -> codes of the categorical ones; files : paths that are read
    """

    def __init__(self, covariate, folders):
        # in the files' own CRS: warped, a pixel would be a mixture of several
        self.grids = grids.find(replace(covariate, crs=None), folders)
        bands = [band for grid in self.grids for band in grid.bands]
        self.columns = [band.name for band in bands]
        self.classes = {band.name: band.classes for band in bands if band.classes}
        self.files = list(dict.fromkeys(band.path for band in bands))

    def read(self, places):
        """Values at the frame `places` (lon, lat): (n, columns) float64, and surveys whose pixel cannot be read."""
        values, unreadable = [], np.zeros(len(places), bool)
        for grid in self.grids:
            row, col = grid.pixels(places["lon"], places["lat"])
            found = np.full((len(places), len(grid.bands)), np.nan)
            inside = np.flatnonzero(row >= 0)
            cell = row[inside] // _CELL * (grid.shape[1] // _CELL + 1) + col[inside] // _CELL
            order = np.argsort(cell, kind="stable")
            pending = np.split(inside[order], np.flatnonzero(np.diff(cell[order])) + 1)[::-1] if len(inside) else []
            with grid.open() as reader:
                while pending:
                    at = pending.pop()
                    try:
                        found[at] = _pixels(reader, row[at], col[at])
                    except RasterioIOError:
                        if len(at) > 1:  # a damaged block must not cost its neighbours their values
                            half = len(at) // 2
                            pending += [at[half:], at[:half]]
                        else:
                            unreadable[at] = True
            values.append(found)
        return np.concatenate(values, axis=1), unreadable


class TableValues:
    """The contest's CSVs `tables`, {dataset: path}, of a `glc.covariates.Raster`, whose numbers are kept in `scratch`.

    Rows are joined by surveyId, in whatever order they are. A column ``<name>-3`` of a categorical raster is its band
    3, and a column alone its band 1.
    """

    def __init__(self, covariate, tables, scratch):
        self.scratch, self.files = Path(scratch), [str(path) for path in tables.values()]
        self.columns, self.classes = None, {}
        self.name = covariate.name
        for dataset, path in tables.items():
            names, ids, values = _read(path)
            bands = {name: _band(name, len(names)) if covariate.classes else 0 for name in names}
            if max(bands.values()) > len(covariate.bands) or (covariate.classes and not all(bands.values())):
                raise DataError(
                    f"{path}: found columns {names}, expected {len(covariate.bands)} numbered ones, one a layer of "
                    f"{covariate.title}, or its first alone; try the rasters"
                )
            columns = [covariate.bands[band - 1] if band else column_name(name) for name, band in bands.items()]
            if self.columns not in (None, columns):
                raise DataError(f"{path}: found columns {columns}, expected {self.columns}, as in {self.files[0]}")
            self.columns = columns
            self.classes = {
                column: covariate.classes[band]
                for column, band in zip(columns, bands.values(), strict=True)
                if band in covariate.classes
            }
            for column, codes in self.classes.items():
                _check_codes(path, column, values[:, columns.index(column)], codes)
            np.save(self._path(dataset, "ids"), ids)
            np.save(self._path(dataset, "values"), values)

    def _path(self, dataset, what):
        return self.scratch / f"{self.name}-{dataset}-{what}.npy"

    def read(self, places):
        """As of `RasterValues`, of the frame `places` (dataset, surveyId); nothing is unreadable."""
        found = np.full((len(places), len(self.columns)), np.nan)
        datasets, wanted = places["dataset"].to_numpy(), places["surveyId"].to_numpy()
        for dataset in pd.unique(datasets):
            mine = np.flatnonzero(datasets == dataset)
            ids = np.load(self._path(dataset, "ids"))
            at = np.minimum(np.searchsorted(ids, wanted[mine]), len(ids) - 1)
            there = ids[at] == wanted[mine]
            found[mine[there]] = np.load(self._path(dataset, "values"), mmap_mode="r")[at[there]]
        for column, codes in self.classes.items():
            values = found[:, self.columns.index(column)]
            values[~np.isin(values, codes)] = np.nan
        return found, np.zeros(len(places), bool)


def tables(covariate, folders):
    """The contest's CSVs of a covariate in the first of `folders` that has any: {dataset: path}, maybe empty.

    Names as in ``GLC24-PA-train-human_footprint.csv``, with or without the year, hyphens for underscores, flat or
    anywhere below ``EnvironmentalRasters`` (2024) or ``EnvironmentalValues`` (2025).
    """
    for folder in folders:
        found = {}
        for path in sorted({path for pattern in _FOLDERS for path in Path(folder).glob(pattern)}, key=natural):
            match = _TABLE.search(path.name)
            if match and match["kind"].lower().replace("-", "_") in covariate.tables:
                first = found.setdefault(dataset_of(path.name), path)
                if first != path:
                    raise DataError(f"{folder}: found {first} and {path}, expected one of them; remove the other")
        if found:
            return found
    return {}


def _pixels(reader, row, col):
    """Values of pixels (n,) of the grid, (n, bands), read as one box."""
    top, left = int(row.min()), int(col.min())
    values, valid = reader.box(top, left, int(row.max()) - top + 1, int(col.max()) - left + 1)
    values, valid = values[:, row - top, col - left], valid[:, row - top, col - left]
    return np.where(valid, values, np.nan).T


def _read(path):
    """(names, ids, values) of a CSV: distinct ids in order; values (n, names) float32, infinite ones as they are."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        line = file.readline().strip()
    separator = max(SEPARATORS, key=line.count)
    header = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    names = [name for name in header if name != _KEY and not re.fullmatch(r"(Unnamed: ?\d+)?", name)]
    if _KEY not in header or not names:
        what = "a value" if _KEY in header else repr(_KEY)
        raise DataError(f"{path}: column {what} is missing; found {header}; expected {_KEY} and a column a value")
    frame = pd.read_csv(path, sep=separator, skipinitialspace=True, encoding="utf-8-sig")
    frame.columns = header
    for name in [_KEY, *names]:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        bad = frame.index[numbers.isna() & (frame[name].notna() | (name == _KEY))]
        if len(bad):
            raise DataError(
                f"{path}, line {bad[0] + 2}: column {name!r}: found {frame.loc[bad[0], name]!r}, expected a number"
            )
        frame[name] = numbers
    frame = frame[[_KEY, *names]].drop_duplicates().astype({_KEY: np.int64}).sort_values(_KEY)
    twice = frame[_KEY].duplicated()
    if twice.any():
        raise DataError(
            f"{path}: survey {frame.loc[twice.idxmax(), _KEY]} has rows that differ; expected one row a survey; "
            "remove the wrong ones"
        )
    if frame.empty:
        raise DataError(f"{path}: found a header and no rows, expected a row a survey; fetch the file again")
    with np.errstate(over="ignore"):
        return names, frame[_KEY].to_numpy(), frame[names].to_numpy().astype(np.float32)


def _band(name, count):
    number = re.search(r"\d+$", name)
    return int(number[0]) if number else 1 if count == 1 else 0


def _check_codes(path, column, values, codes):
    known = np.isfinite(values)
    strange = known & ~np.isin(values, codes)
    if strange.sum() > known.sum() / 2:
        raise DataError(
            f"{path}: column {column!r}: found {strange.sum():,} of {known.sum():,} values such as "
            f"{values[strange][0]:g}, expected class codes {codes}; is it another classification? try the rasters"
        )
