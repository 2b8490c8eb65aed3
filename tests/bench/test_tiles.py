"""The ways of the tile stages read the same windows and agree on their coefficients, at a small size."""

import numpy as np
import pandas as pd
import pytest

from glc.bench import stage, windows
from glc.errors import DataError
from tests.rasters.geotiffs import geotiff


@pytest.fixture
def data(tmp_path):
    """A raster of two bands with a gap in a corner, and 60 places."""
    pixels = np.random.default_rng(1).normal(size=(2, 300, 300)).astype(np.float32)
    pixels[:, :40, :40] = -9999
    folder = tmp_path / "data"
    folder.mkdir()
    geotiff(folder / windows.RASTER, pixels, nodata=-9999, tiled=True, blockxsize=128, blockysize=128)
    windows.write_places(folder, 60)
    return folder


def run(data, tmp_path, way):
    out = tmp_path / way.__name__
    out.mkdir()
    assert way(data, out)["rows"] == 120
    return out


def test_ways_agree_and_a_wrong_coefficient_is_found(data, tmp_path):
    results = {windows.OURS: run(data, tmp_path, windows.ours)}
    results |= {windows.PER_SURVEY: run(data, tmp_path, windows.per_survey)}
    run(data, tmp_path, windows.only_read)
    windows.check(data, results)
    path = results[windows.PER_SURVEY] / "tiles.parquet"
    frame = pd.read_parquet(path)
    frame["band2"] = [[value + 1 for value in row] for row in frame["band2"]]
    frame.to_parquet(path)
    with pytest.raises(DataError, match=r"coefficients of band_2 differ by up to 1, expected the same|differ by up to"):
        windows.check(data, results)


def test_places_have_their_windows_inside_of_the_raster(data):
    places = pd.read_parquet(data / windows.PLACES)
    assert places["lon"].between(5 + 0.64, 8 - 0.64).all()
    assert places["lat"].between(42 + 0.64, 45 - 0.64).all()


@pytest.mark.parametrize("name", ["tiles", "tiles-large"])
def test_a_stage_prepares_its_data_at_a_small_scale(tmp_path, name):
    each = stage.get(name)
    each.prepare(tmp_path, 0.002)
    assert {path.name for path in tmp_path.iterdir()} == {windows.RASTER, windows.PLACES}
    assert len(pd.read_parquet(tmp_path / windows.PLACES)) == 100
