"""Imagery to train on: places on land of a raster stack, or an edition's surveys, and the tile around each.

Tiles are cut by `glc.rasters`, with its rules: a raster that spans the globe goes on across the date line; what is
beyond an edge or has no value takes that of the nearest pixel within half a tile, else the band's mean.
"""

import fnmatch
import glob
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from glc import dct, storage
from glc.covariates import Raster
from glc.errors import ConfigError, DataError, did_you_mean
from glc.location.pretraining import sampling
from glc.progress import tqdm
from glc.rasters import pixels
from glc.rasters.cutter import FLAGS, RasterCutter
from glc.rasters.values import RasterValues
from glc.types import Facts, StrPath

_AT_ONCE = 4096
_GOOD = ("ok", "edge")


@dataclass(frozen=True)
class Scenes:
    """Places and their tiles: lon, lat (n,) degrees; tiles (n, band, row, col) float32, north-up; names of the bands.

    lost : number of places by the flag of their tile, and what became of it
    source : ``raster`` of `draw`, ``tiles`` of `of_table`, ``patches`` of `patches.scenes`, whose tiles stay on disk
    """

    lon: np.ndarray
    lat: np.ndarray
    tiles: np.ndarray
    bands: tuple[str, ...]
    lost: Facts
    source: str = "raster"


Bounds = tuple[float, float, float, float]
"""West, south, east and north, degrees."""


class Stack:
    """The bands of a GeoTIFF, or of all ``*.tif`` of a folder, less those that `leave_out` (globs) names.

    Tiles hang over the raster's edge where a place is near it; there, and at nodata, `glc.rasters.boxes` fills them.
    """

    def __init__(self, path: StrPath, leave_out: Iterable[str] = (), size: int = 8, memory_mb: float = 256) -> None:
        raster, folder = _raster(path)
        self.path, self.size = Path(path), size
        self.cutter = RasterCutter(raster, [folder], size, "full", memory_mb)
        self.values = RasterValues(raster, [folder])
        self.all_bands = tuple(self.cutter.columns)
        self.bands = kept_bands(self.all_bands, leave_out, path)

    @property
    def bounds(self) -> Bounds:
        """West, south, east and north of what all files cover, degrees."""
        shown = [boxes.grid for boxes in self.cutter.boxes]
        boxes = [pixels.degrees_of(grid.crs, grid.transform, grid.shape) for grid in shown]
        west, south, east, north = zip(*boxes, strict=True)
        return max(west), max(south), min(east), min(north)

    def inner(self, bounds: Bounds) -> Bounds:
        """The part of `bounds` (west, south, east, north, degrees) that all files cover; a ConfigError: none."""
        corners = zip(bounds, self.bounds, strict=True)
        west, south, east, north = (pick(pair) for pick, pair in zip((max, max, min, min), corners, strict=True))
        if west >= east or south >= north:
            raise ConfigError(f"bounds: found {bounds}, expected a part of what {self.path} covers, {self.bounds}")
        return west, south, east, north

    def land(self, band: str, least: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """A function of lon, lat (n,) to whether they are on land: the pixel's `band` is at least `least`.

        Without a `band`, whether any band has a value there.
        """
        if band and band not in self.values.columns:
            raise ConfigError(
                f"land_band: found {band!r}, expected a band of {self.path}: {', '.join(self.values.columns)}, or none "
                f"to take all places with a value{did_you_mean(band, self.values.columns)}"
            )

        def on_land(lon, lat):
            values, _ = self.values.read(pd.DataFrame({"lon": lon, "lat": lat}))
            return values[:, self.values.columns.index(band)] >= least if band else np.isfinite(values).any(axis=1)

        return on_land

    def cut(self, lon: np.ndarray, lat: np.ndarray, progress: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Tiles (n, band, row, col) float32 around places (n,) in degrees, and flags (n,), see `glc.rasters.cutter`."""
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

    options : `glc.config.EncoderPretraining`. Places whose tile cannot be read are left
        out, and counted.
    """
    stack = Stack(path, options.leave_out, options.size)
    inner = stack.inner(options.bounds)
    on_land = stack.land(options.land_band, options.land_least)
    lon, lat = sampling.on_land(options.places, on_land, inner, np.random.default_rng(options.seed), str(path))
    tiles, flags = stack.cut(lon, lat, progress)
    good = np.isin(flags, _GOOD)
    if not good.all():
        lon, lat, tiles = lon[good], lat[good], tiles[good]
    counts = {str(flag): int((flags == flag).sum()) for flag in FLAGS if (flags == flag).any()}
    return Scenes(lon, lat, tiles, stack.bands, {"flags": counts, "left_out": int((~good).sum())})


def of_table(folder, surveys, side=8, leave_out=(), *, bounds=None, most=None, seed=0, progress=False):
    """`Scenes` of an edition's surveys, Sentinel's for instance: the tiles in a table that `glc.etl.tiles` wrote.

    folder : a finished output, whose manifest has the ``size`` and ``block`` of the tiles
    surveys : frame with dataset, surveyId, lon, lat. One place is there once, for its visits share what is to be seen:
        the first of them whose tile is good
    side : of the pixels that coefficients are expanded to, at least as many as there are terms an axis; pixels stay as
        they are
    bounds : west, south, east and north of the places that are taken, degrees; None: all
    most : number of places that are drawn by `seed` where there are more; the table is read file by file, and only
        the tiles that are taken are kept
    The `lost` of the scenes tells the surveys by the flag of their tile, and those left out by their cause.
    """
    paths = sorted(Path(folder).glob("part-*.parquet"))
    if not paths:
        raise DataError(f"{folder}: no parquet file of tiles; run the task that makes them")
    facts, names = storage.manifest(folder), pq.read_schema(paths[0]).names
    bands = kept_bands(tuple(name for name in names if f"{name}_valid" in names), leave_out, folder)
    keys = [pq.read_table(path, columns=["dataset", "surveyId", "flag"]).to_pandas() for path in paths]
    keys = pd.concat(keys, keys=range(len(paths)), names=["part", "row"]).reset_index()
    chosen, lost = _choose(surveys, keys, bounds, most, seed)
    if chosen.empty:
        raise DataError(f"{folder}: found no tile for {len(surveys):,} surveys, expected some; left out: {lost}")
    tiles = None
    for part, path in enumerate(tqdm(paths, "reading tiles", unit="file", disable=not progress, leave=False)):
        mine = (chosen["part"] == part).to_numpy()
        if not mine.any():
            continue
        table, rows = pq.read_table(path, columns=list(bands)), chosen["row"].to_numpy()[mine]
        for number, band in enumerate(bands):
            values = _maps(table[band], band, folder)[rows].astype(np.float32)
            if facts["block"] != "full":
                values = dct.expand(values, side, from_size=facts["size"])
            if tiles is None:
                tiles = np.empty((len(chosen), len(bands), *values.shape[1:]), np.float32)
            tiles[mine, number] = values
    return Scenes(chosen["lon"].to_numpy(), chosen["lat"].to_numpy(), tiles, bands, lost, "tiles")


def _choose(surveys, keys, bounds, most, seed):
    """Rows of `keys` to take, with lon and lat, and a dict of the surveys that are not."""
    rows = surveys[["dataset", "surveyId", "lon", "lat"]].merge(keys, on=["dataset", "surveyId"])
    steps = {"without_row": len(surveys) - len(rows)}
    flags = {str(flag): int(count) for flag, count in rows["flag"].value_counts().items()}

    def keep(cause, wanted):
        nonlocal rows
        steps[cause] = int((~wanted).sum())
        rows = rows[wanted]

    keep("bad_tile", rows["flag"].isin(_GOOD))
    if bounds is not None:
        west, south, east, north = bounds
        keep("out_of_bounds", rows["lon"].between(west, east) & rows["lat"].between(south, north))
    # visits share a place: more than one row of it would be its own contrast
    keep("same_place", ~rows.duplicated(["lon", "lat"]))
    if most is not None and len(rows) > most:
        drawn = np.random.default_rng([seed, 2]).permutation(len(rows)) < most
        keep("not_drawn", pd.Series(drawn, rows.index))
    return rows, {"flags": flags, "left_out": sum(steps.values()), "causes": steps}


def _maps(column, band, folder):
    """Square maps (n, row, col) of a column of lists."""
    values = column.combine_chunks().flatten().to_numpy().reshape(len(column), -1)
    block = round(values.shape[1] ** 0.5)
    if block * block != values.shape[1]:
        raise DataError(
            f"{folder}: band {band!r} has {values.shape[1]} values per survey, which do not form a square map; "
            f"leave_out = [{band!r}]"
        )
    return values.reshape(-1, block, block)


def _raster(path):
    """The GeoTIFF `path`, or all of a folder, as a `Raster`, and the folder."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such raster; expected a GeoTIFF, or a folder of them")
    folder, pattern = (path, "*.tif") if path.is_dir() else (path.parent, glob.escape(path.name))
    return Raster("imagery of places", patterns=(pattern,), name=path.stem), folder


def kept_bands(bands: Sequence[str], leave_out: Iterable[str], where: StrPath) -> tuple[str, ...]:
    """`bands` without those that the globs of `leave_out` name; a ConfigError tells of a glob that names none."""
    for pattern in leave_out:
        if not fnmatch.filter(bands, pattern):
            raise ConfigError(
                f"leave_out: found {pattern!r}, which is not a band of {where}: {', '.join(bands)}"
                f"{did_you_mean(pattern, bands)}"
            )
    kept = tuple(band for band in bands if not any(fnmatch.fnmatchcase(band, pattern) for pattern in leave_out))
    if not kept:
        raise ConfigError(f"leave_out: found {list(leave_out)}, which leaves no band of {where}")
    return kept
