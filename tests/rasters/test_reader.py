"""Readers: what a box holds, and means and shares of a grid's pixels."""

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal

from glc.covariates import Raster
from glc.rasters import grids
from glc.rasters import reader as reader_module
from glc.rasters.reader import Reader
from tests.rasters.geotiffs import find, geotiff


def test_a_box_over_the_edge_has_no_value_there(tmp_path):
    band = np.arange(1, 121).reshape(1, 10, 12).astype("uint8")
    (grid,) = find(geotiff(tmp_path / "x.tif", band))
    with Reader(grid) as reader:
        values, valid = reader.box(-2, 8, 5, 9)
        assert_array_equal(values[0][valid[0]].reshape(3, 4), band[0, :3, 8:])
        assert valid.sum() == 12
        assert not reader.box(20, 30, 4, 4)[1].any()


def test_masks_declared_nodata_and_nan_have_no_value(tmp_path):
    band = np.full((1, 10, 10), 5, "float32")
    band[0, 0, 0], band[0, 0, 1] = np.nan, 99
    (grid,) = find(geotiff(tmp_path / "x.tif", band), nodata=99)
    with Reader(grid) as reader:
        assert_array_equal(np.argwhere(~reader.box(0, 0, 10, 10)[1][0]), [[0, 0], [0, 1]])
        assert reader.means() == [5]
    path = geotiff(tmp_path / "y.tif", np.ones((1, 10, 10), "uint8"))
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.eye(10, dtype=bool))
    (grid,) = find(path)
    with Reader(grid) as reader:
        assert_array_equal(reader.box(0, 0, 10, 10)[1][0], np.eye(10, dtype=bool))


def test_scale_and_offset_are_applied_and_nodata_is_of_the_stored_numbers(tmp_path):
    stored = np.array([[[10, 20, 255], [0, 1, 2]]], "uint8")
    (grid,) = find(geotiff(tmp_path / "x.tif", stored, nodata=255, scales=(0.5,), offsets=(-3.0,)))
    assert grid.bands[0].dtype == "float32"
    with Reader(grid) as reader:
        values, valid = reader.box(0, 0, 2, 3)
        assert_array_equal(valid[0], stored[0] != 255)
        assert_allclose(values[0][valid[0]], stored[0][valid[0]] * 0.5 - 3)
        assert_allclose(reader.means(), values[0][valid[0]].mean())


@pytest.mark.parametrize(("dtype", "expected"), [("uint8", "float32"), ("int32", "float64"), ("float64", "float64")])
def test_values_are_as_wide_as_their_numbers_need(tmp_path, dtype, expected):
    (grid,) = find(geotiff(tmp_path / "x.tif", np.full((1, 3, 3), 7, dtype)))
    with Reader(grid) as reader:
        assert reader.box(0, 0, 3, 3)[0].dtype == expected


def test_bands_of_several_files_keep_their_order_in_a_box(tmp_path):
    for number, value in ((2, 20), (10, 100), (1, 10)):
        geotiff(tmp_path / f"bio{number}.tif", np.full((1, 4, 5), value, "uint8"))
    (grid,) = grids.find(Raster("bio", patterns=("bio*.tif",)), [tmp_path])
    assert [band.name for band in grid.bands] == ["bio1", "bio2", "bio10"]
    assert grids.columns([grid]) == {"bio1": [(0, 0)], "bio2": [(0, 1)], "bio10": [(0, 2)]}
    with Reader(grid) as reader:
        assert list(reader.box(1, 1, 1, 1)[0].ravel()) == [10, 20, 100]
        assert list(reader.means()) == [10, 20, 100]


def test_shares_are_of_the_known_classes_alone(tmp_path):
    codes = np.array([[[1, 1, 2, 7], [2, 2, 9, 0]]], "uint8")
    (grid,) = find(geotiff(tmp_path / "x.tif", codes, nodata=0), classes={1: (2, 1, 5)})
    with Reader(grid) as reader:
        assert_allclose(reader.shares(0), [0.6, 0.4, 0])
        assert_array_equal(reader.box(0, 0, 2, 4)[1][0], np.isin(codes[0], (1, 2)))


def test_means_of_a_small_raster_are_of_all_its_blocks_and_of_a_large_one_of_some(tmp_path, monkeypatch):
    band = np.random.default_rng(0).normal(size=(1, 70, 90)).astype("float32")
    path = geotiff(tmp_path / "x.tif", band, tiled=True, blockxsize=16, blockysize=16)
    (grid,) = find(path)
    with Reader(grid) as reader:
        assert_allclose(reader.means(), band.mean(), rtol=1e-4)
        monkeypatch.setattr(reader_module, "_MEAN_PIXELS", 16 * 16 * 3)
        # 5 x 6 blocks: the first, the middle one of 0..29 (rounded to even) and the last
        corners = [(0, 0), (32, 32), (64, 80)]
        assert 14 // 6 * 16 == 32
        assert 14 % 6 * 16 == 32
        blocks = [band[0, row : row + 16, col : col + 16].ravel() for row, col in corners]
        assert_allclose(reader.means(), np.concatenate(blocks).mean(), rtol=1e-4)
