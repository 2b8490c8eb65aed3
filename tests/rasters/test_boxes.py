"""Columns of a grid's bands, and what a place without a pixel gets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import dct
from glc.covariates import Raster
from glc.errors import ConfigError
from glc.rasters import grids
from glc.rasters.boxes import Boxes
from glc.rasters.reader import Reader
from tests.rasters.geotiffs import geotiff


@pytest.fixture
def grid(tmp_path):
    bands = np.stack([np.full((40, 40), 30), np.repeat([[1] * 40, [2] * 40, [2] * 40, [2] * 40], 10, axis=0)])
    covariate = Raster("x", patterns=("x.tif",), classes={2: (1, 2, 9)})
    geotiff(tmp_path / "x.tif", bands.astype("uint8"), names=("height", "cover"))
    (grid,) = grids.find(covariate, [tmp_path])
    return grid


COLUMNS = {
    ("onehot", 4): {"height": 16, "cover_1": 16, "cover_2": 16, "cover_9": 16},
    ("fractions", 4): {"height": 16, "cover": 3},
    ("centre", 4): {"height": 16, "cover": 1},
    ("pixels", "full"): {"height": 64, "cover": 64},
    ("onehot", "full"): {"height": 64, "cover_1": 64, "cover_2": 64, "cover_9": 64},
}


@pytest.mark.parametrize(("classes_as", "block"), COLUMNS)
def test_columns_follow_bands_and_classes(grid, classes_as, block):
    boxes = Boxes(grid, classes_as, 8, block)
    assert {column.name: column.length for column in boxes.columns} == COLUMNS[classes_as, block]
    with Reader(grid) as reader:
        tiles, valid = boxes.tiles(reader, np.array([0, 30]), np.array([0, 9]))
    for column in boxes.columns:
        assert tiles[column.name].shape == (2, column.length)
        assert tiles[column.name].dtype == column.dtype
        assert list(valid[column.name]) == [1, 1]
        assert boxes.flat()[column.name].dtype == column.dtype


def test_a_place_without_pixels_gets_the_mean_the_shares_or_the_commonest_class(grid):
    onehot = Boxes(grid, "onehot", 8, 8).flat()
    pixels = {name: dct.expand(tile.reshape(8, 8), 8) for name, tile in onehot.items()}
    for name, value in {"height": 30, "cover_1": 0.25, "cover_2": 0.75, "cover_9": 0}.items():
        assert_allclose(pixels[name], value, atol=1e-5)
    assert_allclose(Boxes(grid, "fractions", 8, 8).flat()["cover"], [[0.25, 0.75, 0]], atol=1e-6)
    assert Boxes(grid, "centre", 8, 8).flat()["cover"] == 2


def test_pixels_of_a_class_band_have_no_dct(grid):
    with pytest.raises(ConfigError, match=r"x\.tif: band 'cover' contains class numbers, whose DCT is meaningless"):
        Boxes(grid, "pixels", 8, 4)


def _tile(size, row, col, bands, mean, reach):
    """A tile by plain loops: outside and nodata (0) take the nearest value within `reach`, else the mean."""
    rows, cols = bands.shape
    known = np.argwhere(bands > 0)
    made, valid = np.zeros((size, size)), 0
    for i in range(size):
        for j in range(size):
            at = np.array([row + i, col + j])
            inside = 0 <= at[0] < rows and 0 <= at[1] < cols and bands[tuple(at)] > 0
            valid += inside
            distance = ((known - at) ** 2).sum(axis=1)
            near = distance.min() <= reach**2
            made[i, j] = bands[tuple(known[distance.argmin()])] if near else mean
    return made, valid / size**2


@pytest.mark.parametrize(("row", "col"), [(4, 4), (-3, 10), (17, 17), (6, 6), (-5, -5), (0, 13)])
def test_gaps_take_the_nearest_value_within_half_a_tile_else_the_mean(tmp_path, row, col):
    size = 8
    values = np.random.default_rng(0).permutation(400).reshape(20, 20).astype("uint16") + 1
    # a hole so wide that its middle is beyond half a tile
    values[5:18, 5:18] = 0
    geotiff(tmp_path / "x.tif", values[None], nodata=0)
    (grid,) = grids.find(Raster("x", patterns=("x.tif",)), [tmp_path])
    boxes = Boxes(grid, "onehot", size, "full")
    with Reader(grid) as reader:
        tiles, shares = boxes.tiles(reader, np.array([row]), np.array([col]))
    (name,) = tiles
    mean = values[values > 0].mean()
    expected, share = _tile(size, row, col, values, mean, size // 2)
    made = tiles[name].reshape(size, size)
    # two values may be equally near: all that are the nearest are right, so compare where the nearest is one alone
    assert shares[name][0] == pytest.approx(share)
    known = np.argwhere(values > 0)
    for i in range(size):
        for j in range(size):
            distance = ((known - (row + i, col + j)) ** 2).sum(axis=1)
            if (distance == distance.min()).sum() == 1 or distance.min() > (size // 2) ** 2:
                assert made[i, j] == pytest.approx(expected[i, j], abs=1)


def test_several_windows_at_once_are_what_each_is_alone(grid):
    boxes = Boxes(grid, "onehot", 8, 4)
    top, left = np.array([-3, 5, 36, 12, 5]), np.array([30, -2, 36, 12, -2])
    with Reader(grid) as reader:
        tiles, shares = boxes.tiles(reader, top, left)
        for i in range(len(top)):
            alone, share = boxes.tiles(reader, top[i : i + 1], left[i : i + 1])
            for name in tiles:
                assert_allclose(tiles[name][i], alone[name][0], atol=1e-4)
                assert shares[name][i] == share[name][0]


def test_the_other_side_of_the_globe_is_the_next_column(tmp_path):
    values = np.arange(1, 18 * 36 + 1).reshape(1, 18, 36).astype("uint16")
    geotiff(tmp_path / "x.tif", values, step=10, west=-180, north=90)
    (grid,) = grids.find(Raster("x", patterns=("x.tif",)), [tmp_path])
    boxes = Boxes(grid, "onehot", 4, "full")
    with Reader(grid) as reader:
        for left in (-2, 34, 35, -40, 70):
            (tile,) = boxes.tiles(reader, np.array([6]), np.array([left]))[0].values()
            assert_allclose(tile.reshape(4, 4), values[0, 6:10][:, np.arange(left, left + 4) % 36])


def test_far_out_at_sea_a_tile_is_flat_and_none_of_it_is_valid(grid):
    boxes = Boxes(grid, "onehot", 8, 4)
    with Reader(grid) as reader:
        tiles, shares = boxes.tiles(reader, np.array([80, 90]), np.array([0, 5]))
    for name, flat in boxes.flat().items():
        assert_allclose(tiles[name], np.repeat(flat, 2, axis=0))
        assert_allclose(shares[name], 0)


def test_the_centre_is_the_survey_s_own_pixel(tmp_path):
    codes = np.random.default_rng(0).integers(1, 4, (1, 20, 20)).astype("uint8")
    geotiff(tmp_path / "x.tif", codes)
    (grid,) = grids.find(Raster("x", patterns=("x.tif",), classes={1: (1, 2, 3)}), [tmp_path])
    top, left = np.array([0, 7, 12]), np.array([3, 9, 12])
    with Reader(grid) as reader:
        (centre,) = Boxes(grid, "centre", 8, 4).tiles(reader, top, left)[0].values()
        (share,) = Boxes(grid, "fractions", 8, 4).tiles(reader, top, left)[0].values()
    assert list(centre[:, 0]) == [codes[0, row + 4, col + 4] for row, col in zip(top, left, strict=True)]
    windows = [codes[0, row : row + 8, col : col + 8] for row, col in zip(top, left, strict=True)]
    assert_allclose(share, [[(window == code).mean() for code in (1, 2, 3)] for window in windows], atol=1e-6)
