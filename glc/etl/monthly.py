"""Monthly rasters at the surveys' pixels: a band per variable, year and month, each block of pixels read once."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.windows import Window

from glc.errors import ConfigError, DataError
from glc.progress import tqdm
from glc.rasters import pixels
from glc.rasters.files import opened, refuse_unplaced
from glc.rasters.reader import FILLS, LARGEST

CHELSA = "CHELSA_{variable}_{month}_{year}_V.2.1.tif"
"""File names of the contest's monthly climate: one band per file."""
_PIECES = {
    "variable": r"(?P<variable>[A-Za-z][A-Za-z0-9]*)",
    "year": r"(?P<year>\d{4})",
    "month": r"(?P<month>\d{1,2})",
}
_CACHE_MB = 64


def layers(folder, template=CHELSA, variables=None, years=None):
    """Declare the rasters below `folder` whose names fit `template`: a frame (variable, year, month, path, band).

    template : a file name with ``{variable}``, ``{year}`` and ``{month}``; without ``{month}`` a file's twelve bands
        are its months, without ``{year}`` the year is 0 (normals)
    variables, years : those wanted, in the wanted order (default: all found, sorted)
    A DataError names what is missing of variable x year x month.
    """
    unknown = set(re.findall(r"{(\w*)}", template)) - set(_PIECES)
    if unknown or "{variable}" not in template:
        raise ConfigError(
            f"template {template!r}: expected {{variable}} and, where files have them, {{year}}, {{month}}"
        )
    pieces = re.split(r"({\w+})", template)
    pattern = re.compile("".join(_PIECES[p[1:-1]] if p.startswith("{") else re.escape(p) for p in pieces))
    rows = []
    for path in sorted(Path(folder).rglob("*")):
        match = pattern.fullmatch(path.name)
        if match:
            parts = match.groupdict()
            months = [(int(parts["month"]), 1)] if "month" in parts else [(m, m) for m in range(1, 13)]
            rows += [(parts["variable"], int(parts.get("year", 0)), month, str(path), band) for month, band in months]
    frame = pd.DataFrame(rows, columns=["variable", "year", "month", "path", "band"])
    if frame.empty:
        raise DataError(f"{folder}: no file name matches {template}; give the folder of the rasters or their template")
    variables = list(variables) if variables is not None else sorted(frame["variable"].unique())
    years = list(years) if years is not None else sorted(frame["year"].unique())
    return complete(frame, variables, years, folder)


def complete(frame, variables, years, where="layers"):
    """The rows of `frame` in order of variable, year and month; a DataError names what is missing or there twice."""
    keys = ["variable", "year", "month"]
    wanted = pd.MultiIndex.from_product([variables, years, range(1, 13)], names=keys)
    indexed = frame.set_index(keys)
    missing = wanted.difference(indexed.index)
    if len(missing):
        raise DataError(
            f"{where}: found {len(wanted) - len(missing)} of {len(wanted)} rasters of variable x year x month, "
            f"the first missing is {' '.join(map(str, missing[0]))}; add it, or choose whole variables and years"
        )
    chosen = indexed[indexed.index.isin(wanted)]
    if chosen.index.has_duplicates:
        twice = chosen.index[chosen.index.duplicated()][0]
        paths = ", ".join(chosen.loc[[twice], "path"])
        raise DataError(f"{where}: {' '.join(map(str, twice))} is found twice: {paths}; remove one")
    return chosen.loc[wanted].reset_index()


def sample(frame, lon, lat, values):
    """Fill `values` with the pixels that hold the places; return which places are corrupt, and the faults.

    frame : of `layers`, m rows; lon, lat : (n,) degrees
    values : (m, n) float32, all NaN, filled in place (scale and offset applied); may be a memory map. A place outside
        a raster, or on nodata, stays NaN
    returns : (n,) boolean, true where a block could not be read; records of schema ``quarantine`` without a dataset
    """
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    corrupt, faults, grids = np.zeros(len(lon), bool), [], {}
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), tqdm(total=len(frame), desc="monthly rasters", unit="band") as bar:
        for path, group in frame.reset_index(drop=True).groupby("path", sort=False):
            try:
                with opened(path) as raster:
                    _sample_file(raster, group, lon, lat, values, corrupt, faults, grids)
            except rasterio.RasterioIOError as error:
                corrupt[:] = True
                faults.append(_fault(path, None, str(error), "cannot be opened"))
            bar.update(len(group))
    values[:, corrupt] = np.nan
    return corrupt, faults


def _sample_file(raster, group, lon, lat, values, corrupt, faults, grids):
    bands = group["band"].tolist()
    if max(bands) > raster.count:
        raise DataError(f"{raster.name}: found {raster.count} bands, expected at least {max(bands)}; one per month")
    grid = (raster.crs, raster.transform, raster.shape, raster.block_shapes[0])
    if grid not in grids:
        grids.clear()  # files of one source follow one another: one grid is kept
        grids[grid] = _blocks(raster, lon, lat)
    for window, places, row, col in grids[grid]:
        try:
            block = raster.read(bands, window=window, masked=True)
        except rasterio.RasterioIOError as error:
            corrupt[places] = True
            faults.append(
                _fault(raster.name, None, f"{_where(window)}: {error.__cause__ or error}", "pixels cannot be read")
            )
            continue
        sampled = block[:, row, col]
        numbers = sampled.data.astype(np.float64)
        for i, band in enumerate(bands):
            numbers[i] = numbers[i] * raster.scales[band - 1] + raster.offsets[band - 1]
        numbers[np.ma.getmaskarray(sampled) | ~(np.abs(numbers) <= LARGEST)] = np.nan
        if raster.nodata is None:
            numbers[np.isin(sampled.data, FILLS)] = np.nan
        values[group.index.to_numpy()[:, None], places] = numbers


def _blocks(raster, lon, lat):
    """[(window, places in it, their rows and columns in it)], each of the raster's own blocks once."""
    refuse_unplaced(raster.name, raster)
    row, col = pixels.of_places(raster.crs, raster.transform, raster.shape, lon, lat)
    inside = np.flatnonzero(row >= 0)
    row, col = row[inside], col[inside]
    height, width = raster.block_shapes[0]
    block = row // height * (raster.width // width + 1) + col // width
    order = np.argsort(block, kind="stable")
    made = []
    for run in np.split(order, np.flatnonzero(np.diff(block[order])) + 1):
        if len(run):
            top, left = row[run[0]] // height * height, col[run[0]] // width * width
            size = min(width, raster.width - left), min(height, raster.height - top)
            made.append((Window(left, top, *size), inside[run], row[run] - top, col[run] - left))
    return made


def _where(window):
    return f"row {window.row_off}, column {window.col_off}, {window.height} x {window.width} pixels"


def _fault(path, line, text, reason):
    return {"file": str(path), "line": line, "column": None, "found": text[:200], "reason": reason}
