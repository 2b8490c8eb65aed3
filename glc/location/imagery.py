"""Imagery to train on: places on land of a raster stack, or an edition's surveys, and the tile around each.

Tiles are cut by `glc.etl`, with its rules: what is beyond the raster's edge (also across the date line) or has no
value takes that of the nearest pixel within half a tile, else the band's mean.
"""

import fnmatch
import glob
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from tqdm import tqdm

from glc import dct
from glc.covariates import Raster
from glc.errors import ConfigError, DataError, did_you_mean
from glc.etl.rasters import FLAGS, RasterCutter
from glc.etl.values import RasterValues
from glc.location import sampling

_AT_ONCE = 4096


@dataclass(frozen=True)
class Scenes:
    """Places and their tiles: lon, lat (n,) degrees; tiles (n, band, row, col) float32, north-up; names of the bands.

    lost : number of places by the flag of their tile, and what became of it
    """

    lon: np.ndarray
    lat: np.ndarray
    tiles: np.ndarray
    bands: tuple[str, ...]
    lost: dict


class Stack:
    """The bands of a GeoTIFF, or of all ``*.tif`` of a folder, less those that `leave_out` (globs) names.

    Tiles hang over the raster's edge where a place is near it; there, and at nodata, `glc.etl.boxes` fills them.
    """

    def __init__(self, path, leave_out=(), size=8, memory_mb=256):
        path = Path(path)
        if not path.exists():
            raise DataError(f"{path}: no such raster; expected a GeoTIFF, or a folder of them")
        folder, pattern = (path, "*.tif") if path.is_dir() else (path.parent, glob.escape(path.name))
        self.path, self.size = path, size
        raster = Raster("imagery of places", patterns=(pattern,), name=path.stem)
        self.cutter = RasterCutter(raster, [folder], size, "full", memory_mb)
        self.values = RasterValues(raster, [folder])
        self.all_bands = tuple(self.cutter.columns)
        self.bands = _kept(self.all_bands, leave_out, path)

    @property
    def bounds(self):
        """West, south, east and north of what all files cover, degrees."""
        boxes = []
        for grid in (boxes.grid for boxes in self.cutter.boxes):
            rows, cols = grid.shape
            (west, north), (east, south) = grid.transform @ (0, 0), grid.transform @ (cols, rows)
            boxes.append((west, south, east, north))
        west, south, east, north = zip(*boxes, strict=True)
        return max(west), max(south), min(east), min(north)

    def land(self, band, least):
        """A function of lon, lat (n,) to whether they are on land: the pixel's `band` is at least `least`.

        Without a `band`, whether any band has a value there.
        """
        if band and band not in self.values.columns:
            raise ConfigError(
                f"land_band: found {band!r}, expected a band of {self.path}: {', '.join(self.values.columns)}, or none "
                f"to take all places with a value{did_you_mean(band, self.values.columns)}"
            )

        def on_land(lon, lat):
            found, _ = self.values.read(pd.DataFrame({"lon": lon, "lat": lat}))
            return found[:, self.values.columns.index(band)] >= least if band else np.isfinite(found).any(axis=1)

        return on_land

    def cut(self, lon, lat, progress=False):
        """Tiles (n, band, row, col) float32 around places (n,) in degrees, and the flags (n,) of `glc.etl.rasters`."""
        places = pd.DataFrame({"lon": lon, "lat": lat, "surveyId": np.arange(len(lon))})
        order = self.cutter.order(places)
        tiles = np.empty((len(places), len(self.bands), self.size, self.size), np.float32)
        flags = np.empty(len(places), object)
        with tqdm(total=len(places), desc="cutting tiles", unit="place", disable=not progress, leave=False) as bar:
            for start in range(0, len(places), _AT_ONCE):
                rows = order[start : start + _AT_ONCE]
                values, _, rank, _ = self.cutter.cut(places.iloc[rows])
                for number, band in enumerate(self.bands):
                    tiles[rows, number] = values[band].reshape(-1, self.size, self.size)
                flags[rows] = FLAGS[rank]
                bar.update(len(rows))
        return tiles, flags


def draw(path, options, progress=True):
    """`Scenes` of ``options.places`` places on the land of the raster `path`, uniform by area.

    options : `glc.location.options.Pretraining`. Places whose tile cannot be read are left out, and counted.
    """
    stack = Stack(path, options.leave_out, options.size)
    corners = zip(options.bounds, stack.bounds, strict=True)
    inner = [pick(pair) for pick, pair in zip((max, max, min, min), corners, strict=True)]
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        raise ConfigError(f"bounds: found {options.bounds}, expected a part of what {path} covers, {stack.bounds}")
    on_land = stack.land(options.land_band, options.land_least)
    lon, lat = sampling.on_land(options.places, on_land, inner, np.random.default_rng(options.seed), str(path))
    tiles, flags = stack.cut(lon, lat, progress)
    good = np.isin(flags, ["ok", "edge"])
    if not good.all():
        lon, lat, tiles = lon[good], lat[good], tiles[good]
    counts = {str(flag): int((flags == flag).sum()) for flag in FLAGS if (flags == flag).any()}
    return Scenes(lon, lat, tiles, stack.bands, {"flags": counts, "left_out": int((~good).sum())})


def of_table(folder, surveys, side=8, size=128, leave_out=()):
    """`Scenes` of an edition's surveys, Sentinel's for instance: the tiles in a table that `glc.etl.tiles` wrote.

    surveys : frame with dataset, surveyId, lon, lat; those without a row in the table are left out, and counted
    size : side in pixels that the tiles were cut with; coefficients are expanded to `side` pixels, at least as many as
        there are terms an axis; pixels stay as they are
    """
    paths = sorted(Path(folder).glob("part-*.parquet"))
    if not paths:
        raise DataError(f"{folder}: no parquet file of tiles; run the task that makes them")
    names = pq.read_schema(paths[0]).names
    bands = _kept(tuple(name for name in names if f"{name}_valid" in names), leave_out, folder)
    table = pq.read_table(paths, columns=["dataset", "surveyId", "flag", *bands])
    frame = table.select(["dataset", "surveyId", "flag"]).to_pandas()
    frame["row"] = np.arange(len(frame))
    # visits share a place: more than one row of it would be its own contrast
    places = surveys[["dataset", "surveyId", "lon", "lat"]].drop_duplicates(["lon", "lat"])
    found = places.merge(frame, on=["dataset", "surveyId"])
    good = found[found["flag"].isin(["ok", "edge"])]
    tiles = []
    for band in bands:
        values = table[band].combine_chunks()
        values = values.flatten().to_numpy().reshape(len(frame), -1)[good["row"]].astype(np.float32)
        block = round(values.shape[1] ** 0.5)
        if block * block != values.shape[1]:
            raise DataError(
                f"{folder}: band {band!r} has {values.shape[1]} values a survey, which are no square map; leave_out = "
                f"[{band!r}]"
            )
        values = values.reshape(-1, block, block)
        tiles.append(values if block == size else dct.expand(values, side, from_size=size))
    counts = {str(flag): int(count) for flag, count in found["flag"].value_counts().items()}
    lost = {"flags": counts, "left_out": len(surveys) - len(good)}
    return Scenes(good["lon"].to_numpy(), good["lat"].to_numpy(), np.stack(tiles, axis=1), bands, lost)


def _kept(bands, leave_out, where):
    """`bands` without those that the globs of `leave_out` name; a ConfigError tells of a glob that names none."""
    for one in leave_out:
        if not fnmatch.filter(bands, one):
            raise ConfigError(
                f"leave_out: found {one!r}, which is none of the bands of {where}: {', '.join(bands)}"
                f"{did_you_mean(one, bands)}"
            )
    kept = tuple(band for band in bands if not any(fnmatch.fnmatchcase(band, one) for one in leave_out))
    if not kept:
        raise ConfigError(f"leave_out: found {list(leave_out)}, which leaves no band of {where}")
    return kept
