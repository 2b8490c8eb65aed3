"""Tiles side by side: ours, one window and DCT a survey, and only reading the pixels; time and peak memory.

python -m glc.bench.tiles [--surveys N] [--raster FILE] [--memory-mb M] [--large]
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.windows import Window
from scipy.fft import dctn

from glc import memory, world
from glc.bench.neighbours import virtual_places
from glc.covariates import Raster
from glc.errors import DataError, run_command
from glc.etl import tiles
from glc.world import rasters

_SIZE, _BLOCK = 128, 8


def virtual_raster(folder, larger_than=None):
    """Path of a raster of the virtual world: 19 climate bands, or the elevation of at least `larger_than` bytes."""
    step = 0.4 if larger_than else 1 / 12
    world.write_rasters(dataclasses.replace(world.SIZES["tiny"], raster_step=step), folder, larger_than)
    return folder / (rasters.ELEVATION if larger_than else rasters.CLIMATE)


def per_survey(path, places, out):
    """One window and one DCT per survey and band, Python lists, a pandas frame: as a notebook would."""
    rows = []
    with rasterio.open(path) as source:
        for place in places.itertuples():
            row, col = source.index(place.lon, place.lat)
            window = Window(col - _SIZE // 2, row - _SIZE // 2, _SIZE, _SIZE)
            record = {"surveyId": place.surveyId}
            for band in source.indexes:
                pixels = source.read(band, window=window).astype(np.float32)
                record[f"band{band}"] = dctn(pixels, norm="ortho")[:_BLOCK, :_BLOCK].ravel().tolist()
            rows.append(record)
    pd.DataFrame(rows).to_parquet(out / "per_survey.parquet")


def only_read(path, places, _):
    """The pixels of each survey's window, all bands in one call, and nothing else."""
    with rasterio.open(path) as source:
        for place in places.itertuples():
            row, col = source.index(place.lon, place.lat)
            source.read(window=Window(col - _SIZE // 2, row - _SIZE // 2, _SIZE, _SIZE))


def ours(path, places, out, memory_mb=256):
    """`glc.etl.tiles.write` in this process, with means, fill, flags and parquet."""
    covariate = Raster("bench", patterns=(Path(path).name,), crs=None)
    tiles.write(None, places, covariate, Path(path).parent, out / "ours", size=_SIZE, block=_BLOCK, memory_mb=memory_mb)


def measure(path, places, memory_mb=256, few=300):
    """List of dicts (method, surveys, seconds, tiles_per_s, peak_mb), each method in its own process.

    The slow ones get every n-th of the surveys, so that about `few` and ten times `few` are left.
    """
    with rasterio.open(path) as source:
        bands = source.count
    runs = [
        ("a: window + dctn + lists", per_survey, _thinned(places, few), ()),
        ("b: only reading", only_read, _thinned(places, 10 * few), ()),
        ("glc", ours, places, (memory_mb,)),
    ]
    lines = []
    for method, run, surveys, more in runs:
        print(f"{method}: {len(surveys):,} surveys …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            seconds, peak = pool.submit(_timed, run, str(path), surveys, Path(scratch), *more).result()
        rate = len(surveys) * bands / seconds
        lines.append(
            {"method": method, "surveys": len(surveys), "seconds": seconds, "tiles_per_s": rate, "peak_mb": peak}
        )
    return lines


def _timed(run, *arguments):
    began = time.monotonic()
    with memory.peak() as used:
        run(*arguments)
    return time.monotonic() - began, used.bytes / 2**20


def _thinned(places, wanted):
    return places.iloc[:: max(1, len(places) // wanted)]


def table(lines):
    """The lines of `measure` as text; ratios are of ours to theirs."""
    ours_rate = lines[-1]["tiles_per_s"]
    rows = [f"{'method':<26}{'surveys':>9}{'seconds':>9}{'tiles/s':>11}{'glc is':>9}{'peak MB':>9}"]
    for line in lines:
        ratio = f"{ours_rate / line['tiles_per_s']:.1f} x"
        rows.append(
            f"{line['method']:<26}{line['surveys']:>9,}{line['seconds']:>9.2f}{line['tiles_per_s']:>11,.0f}"
            f"{ratio:>9}{line['peak_mb']:>9,.0f}"
        )
    return "\n".join(rows)


def _run(path, surveys, memory_mb):
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; expected a GeoTIFF in EPSG:4326")
    with rasterio.open(path) as source:
        west, south, east, north = source.bounds
        places = virtual_places(surveys)
        for name, low, high in (("lon", west, east), ("lat", south, north)):  # clumps, stretched over the raster
            place = places[name]
            places[name] = low + (high - low) * (0.02 + 0.96 * (place - place.min()) / (place.max() - place.min()))
        storage = f"{source.block_shapes[0][0]} x {source.block_shapes[0][1]} blocks, {source.compression or 'plain'}"
        pixels = source.width * source.height * sum(np.dtype(dtype).itemsize for dtype in source.dtypes)
        print(
            f"{Path(path).name}: {source.count} band(s) of {source.height} x {source.width} {source.dtypes[0]}, "
            f"{storage}, {pixels / 2**20:,.0f} MB of pixels; tiles {_SIZE} x {_SIZE}, {_BLOCK} x {_BLOCK} kept; "
            f"pixel budget {memory_mb} MB"
        )
    print(table(measure(path, places, memory_mb)))


def main(arguments=None):
    """Print the table of time, rate and peak memory."""
    parser = argparse.ArgumentParser(prog="python -m glc.bench.tiles", description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=5_000, help="how many surveys (default: %(default)s)")
    parser.add_argument("--raster", help="GeoTIFF to cut (default: climate of the virtual world, 19 bands)")
    parser.add_argument("--memory-mb", type=int, default=256, help="budget for pixels (default: %(default)s)")
    parser.add_argument("--large", action="store_true", help="also a raster four times the budget (some minutes)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        _run(chosen.raster or virtual_raster(Path(scratch)), chosen.surveys, chosen.memory_mb)
        if chosen.large:
            folder = Path(scratch) / "large"
            _run(virtual_raster(folder, 4 * chosen.memory_mb * 2**20), chosen.surveys, chosen.memory_mb)


if __name__ == "__main__":
    run_command(main)
