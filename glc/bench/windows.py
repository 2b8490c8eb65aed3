"""Tiles of a raster in three ways: ours, a window and a DCT per survey and band, and only reading the pixels."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
from rasterio.windows import Window
from scipy.fft import dctn

from glc.bench.stage import Facts, Way
from glc.covariates import Raster
from glc.errors import DataError
from glc.etl import tiles
from glc.rasters.files import opened

SIZE, BLOCK = 128, 8
RASTER, PLACES = "raster.tif", "places.parquet"
OURS, PER_SURVEY, ONLY_READ = "glc", "a rasterio window and scipy.dctn per survey and band", "only reading the windows"
_SLOW, _READ = 500, 5_000
"""Surveys of the ways that need not do all."""


def write_places(folder: Path, count: int) -> None:
    """Draw surveys in clumps as in `PLACES`, whose windows are inside of ``folder/raster.tif``."""
    rng = np.random.default_rng(0)
    with opened(folder / RASTER) as source:
        margin = (SIZE / 2 + 1) * source.res[0]
        west, south, east, north = source.bounds
    clumps = max(1, count // 100)
    weight = rng.lognormal(0, 1.5, clumps)
    clump = rng.choice(clumps, count, p=weight / weight.sum())
    wide = rng.uniform(0.05, 0.3, clumps)[clump]  # degrees
    columns = {
        name: np.clip(rng.uniform(low, high, clumps)[clump] + wide * rng.normal(size=count), low, high)
        for name, low, high in (("lon", west + margin, east - margin), ("lat", south + margin, north - margin))
    }
    frame = pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(count), **columns})
    frame.to_parquet(folder / PLACES)


def ours(folder: Path, out: Path, memory_mb: float = 256) -> Facts:
    """`glc.etl.tiles.write` in this process: means, fill, flags, coefficients, parquet."""
    covariate = Raster("bench", patterns=(RASTER,), crs=None)
    places = pd.read_parquet(folder / PLACES)
    facts = tiles.write(None, places, covariate, folder, out, size=SIZE, block=BLOCK, memory_mb=memory_mb)
    return {"rows": len(places) * len(facts["bands"])}


def per_survey(folder: Path, out: Path) -> Facts:
    """One window and one DCT per survey and band, lists in a pandas frame: as a notebook would."""
    places, share = _thinned(folder, _SLOW)
    rows = []
    with opened(folder / RASTER) as source:
        for place in places.itertuples():
            record = {"surveyId": place.surveyId}
            for band in source.indexes:
                pixels = source.read(band, window=_window(source, place)).astype(np.float32)
                record[f"band{band}"] = dctn(pixels, norm="ortho")[:BLOCK, :BLOCK].ravel().tolist()
            rows.append(record)
        pd.DataFrame(rows).to_parquet(out / "tiles.parquet")
        return {"rows": len(rows) * source.count, "share": share}


def only_read(folder: Path, _: Path) -> Facts:
    """The pixels of each survey's window, all bands in one call, and nothing else."""
    places, share = _thinned(folder, _READ)
    with opened(folder / RASTER) as source:
        for place in places.itertuples():
            source.read(window=_window(source, place))
        return {"rows": len(places) * source.count, "share": share}


def check(folder: Path, results: Mapping[str, Path]) -> None:
    """A DataError where coefficients differ of a window without nodata."""
    theirs = pd.read_parquet(results[PER_SURVEY] / "tiles.parquet").set_index("surveyId")
    table = ds.dataset(sorted(results[OURS].glob("part-*.parquet"))).to_table().to_pandas().set_index("surveyId")
    bands = [name for name in table.columns if f"{name}_valid" in table.columns]
    compared = 0
    for name, other in zip(bands, theirs.columns, strict=True):
        both = table.loc[theirs.index]
        whole = (both[f"{name}_valid"] == 1).to_numpy()
        mine, wanted = (np.stack(column[whole]) for column in (both[name].to_numpy(), theirs[other].to_numpy()))
        compared += len(mine)
        if not np.allclose(mine, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max()):
            worst = np.abs(mine - wanted).max()
            raise DataError(f"{folder}: coefficients of {name} differ by up to {worst:g}, expected the same")
    if not compared:
        raise DataError(f"{folder}: no window of {len(theirs):,} is without nodata; expected some to compare")


def _thinned(folder, wanted):
    places = pd.read_parquet(folder / PLACES)
    few = places.iloc[:: max(1, len(places) // wanted)]
    return few, len(few) / len(places)


def _window(source, place):
    row, col = source.index(place.lon, place.lat)
    return Window(col - SIZE // 2, row - SIZE // 2, SIZE, SIZE)


WAYS = (Way(OURS, ours), Way(PER_SURVEY, per_survey), Way(ONLY_READ, only_read))
