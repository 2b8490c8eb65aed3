"""Columns of a grid's bands, and what a place without a pixel gets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import dct
from glc.covariates import Raster
from glc.rasters import grids
from glc.rasters.boxes import Boxes
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
    with grid.open() as reader:
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
