"""The three routes of the comparison do the same work: the same windows, and the same coefficients of them."""

import contextlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose

from glc import dct
from glc.bench import tiles
from tests.rasters.geotiffs import geotiff

SURVEYS, BANDS, SIDE = 25, 2, 300


@pytest.fixture
def raster(tmp_path):
    """A raster of degrees and places whose windows lie wholly in it."""
    pixels = np.random.default_rng(1).normal(size=(BANDS, SIDE, SIDE)).astype(np.float32)
    path = geotiff(tmp_path / "raster.tif", pixels, west=4, north=50, tiled=True, blockxsize=128, blockysize=128)
    return path, pixels


@pytest.fixture
def windows():
    """Places, and the top left pixels of their windows."""
    rng = np.random.default_rng(2)
    row, col = rng.integers(64, SIDE - 64, (2, SURVEYS))
    # in the middle of their pixels: on a line between two, routes may round differently
    places = {"lon": 4 + (col + 0.5) * 0.01, "lat": 50 - (row + 0.5) * 0.01}
    places = pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(SURVEYS) + 7, **places})
    return places, row - 64, col - 64


def test_all_routes_compress_the_same_pixels(raster, windows, tmp_path, monkeypatch):
    (path, pixels), (places, top, left) = raster, windows
    cut = np.stack([pixels[:, r : r + 128, c : c + 128] for r, c in zip(top, left, strict=True)])
    wanted = dct.compress(cut, 8).reshape(SURVEYS, BANDS, 64)

    tiles.per_survey(path, places, tmp_path)
    table = pq.read_table(tmp_path / "per_survey.parquet").to_pandas().set_index("surveyId").loc[places["surveyId"]]
    found = np.stack([np.stack(table[f"band{band + 1}"]) for band in range(BANDS)], axis=1)
    assert_allclose(found, wanted, atol=1e-3)

    tiles.ours(path, places, tmp_path, memory_mb=8)
    parts = [pq.ParquetFile(part).read().to_pandas() for part in sorted((tmp_path / "ours").glob("part-*.parquet"))]
    table = pd.concat(parts).set_index("surveyId").loc[places["surveyId"]]
    assert (table["flag"] == "ok").all()
    names = [name for name in table.columns if f"{name}_valid" in table.columns]
    found = np.stack([np.stack(table[name]) for name in names], axis=1)
    assert_allclose(found, wanted, atol=1e-3)

    read = []
    monkeypatch.setattr(tiles.rasterio, "open", _recording(tiles.rasterio.open, read))
    tiles.only_read(path, places, None)
    assert_allclose(np.stack(read), cut)


@pytest.mark.slow
def test_measure_gives_a_line_a_route(raster, windows):
    (path, _), (places, _, _) = raster, windows
    lines = tiles.measure(path, places, memory_mb=8, few=5)
    assert [line["surveys"] for line in lines] == [5, SURVEYS, SURVEYS]
    for line in lines:
        assert line["tiles_per_s"] == pytest.approx(line["surveys"] * BANDS / line["seconds"])
        assert line["peak_mb"] > 10
    text = tiles.table(lines).splitlines()
    assert len(text) == 4
    assert " 1.0 x" in text[-1]


def _recording(opened, read):
    """`rasterio.open` whose files' reads are kept in the list `read`."""

    class File:
        def __init__(self, source):
            self.index, self.source = source.index, source

        def read(self, **window):
            read.append(self.source.read(**window))
            return read[-1]

    @contextlib.contextmanager
    def open_(path):
        with opened(path) as source:
            yield File(source)

    return open_
