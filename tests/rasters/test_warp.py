"""Rasters that are turned, mirrored or of another CRS."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal
from pyproj import Transformer

from glc.covariates import Raster
from glc.rasters import grids
from glc.rasters.cutter import RasterCutter
from glc.rasters.values import RasterValues
from tests.rasters.geotiffs import find, geotiff


@pytest.mark.parametrize(
    ("transform", "warped"),
    [
        (rasterio.Affine(0.01, 0, 5.0, 0, -0.01, 45.0), False),
        (rasterio.Affine(0.01, 0, 5.0, 0, 0.01, 44.0), True),
        (rasterio.Affine(-0.01, 0, 5.3, 0, -0.01, 45.0), True),
        (rasterio.Affine(-0.01, 0, 5.3, 0, 0.01, 44.0), True),
        (rasterio.Affine(0, 0.01, 5.0, -0.01, 0, 45.0), True),
        (rasterio.Affine(0.01, 0.002, 5.0, 0, -0.01, 45.0), True),
        (rasterio.Affine(0.01, 0, 5.0, 0.002, -0.01, 45.0), True),
    ],
    ids=["upright", "south up", "east left", "half a turn", "quarter turn", "sheared in x", "sheared in y"],
)
def test_rasters_that_are_not_upright_are_warped_so(tmp_path, transform, warped):
    (grid,) = find(geotiff(tmp_path / "x.tif", np.zeros((1, 20, 30), "float32"), transform=transform))
    assert grid.warped is warped
    assert (grid.transform.b, grid.transform.d) == (0, 0)
    assert grid.transform.a > 0 > grid.transform.e


STEP, HIGH, WIDE = 0.01, 40, 60
WEST, NORTH = 5.0, 45.0
EAST, SOUTH = WEST + STEP * WIDE, NORTH - STEP * HIGH
TURNED = {
    "east left": (rasterio.Affine(-STEP, 0, EAST, 0, -STEP, NORTH), lambda band: band[:, :, ::-1]),
    "south up": (rasterio.Affine(STEP, 0, WEST, 0, STEP, SOUTH), lambda band: band[:, ::-1]),
    "half a turn": (rasterio.Affine(-STEP, 0, EAST, 0, STEP, SOUTH), lambda band: band[:, ::-1, ::-1]),
    "quarter turn": (rasterio.Affine(0, STEP, WEST, -STEP, 0, NORTH), lambda band: band.transpose(0, 2, 1)),
    "quarter turn back": (rasterio.Affine(0, -STEP, EAST, -STEP, 0, NORTH), lambda band: np.rot90(band, 1, (1, 2))),
}
"""Of one and the same picture: the transform, and how its pixels then lie in the file."""


@pytest.mark.parametrize("classes", [{}, {1: tuple(range(7))}], ids=["numbers", "classes"])
@pytest.mark.parametrize("way", TURNED)
def test_a_turned_or_mirrored_raster_gives_the_tiles_and_values_of_the_upright_one(tmp_path, way, classes):
    band = np.random.default_rng(0).integers(0, 7, (1, HIGH, WIDE)).astype("int16")
    transform, lay = TURNED[way]
    geotiff(tmp_path / "upright.tif", band, nodata=-1)
    geotiff(tmp_path / "turned.tif", np.ascontiguousarray(lay(band)), nodata=-1, transform=transform)
    lon, lat = np.random.default_rng(1).uniform([[WEST], [SOUTH]], [[EAST], [NORTH]], (2, 40))
    places = pd.DataFrame({"lon": lon, "lat": lat, "surveyId": np.arange(40)})
    read = {}
    for name in ("upright", "turned"):
        raster = Raster("x", patterns=(f"{name}.tif",), bands=("x",), classes=classes, classes_as="pixels")
        values, _ = RasterValues(raster, [tmp_path]).read(places)
        tiles, valid, rank, _ = RasterCutter(raster, [tmp_path], 8, "full", 64).cut(places)
        read[name] = (values, tiles["x"], valid["x"], rank)
    for upright, turned in zip(read["upright"], read["turned"], strict=True):
        assert_array_equal(turned, upright)
    row, col = np.floor((NORTH - lat) / STEP).astype(int), np.floor((lon - WEST) / STEP).astype(int)
    assert_array_equal(read["turned"][0][:, 0], band[0, row, col])


def test_a_raster_that_is_turned_by_any_angle_keeps_places(tmp_path):
    """A field that rises to the north-east is the same field for every orientation of the raster."""
    turn = rasterio.Affine.translation(5.5, 44.5) @ rasterio.Affine.rotation(30) @ rasterio.Affine.scale(STEP, -STEP)
    col, row = np.meshgrid(np.arange(80) + 0.5, np.arange(80) + 0.5)
    lon, lat = turn @ (col, row)
    path = geotiff(tmp_path / "x.tif", (lon + 2 * lat)[None].astype("float32"), nodata=-1, transform=turn)
    raster = Raster("x", patterns=(path.name,))
    inside = (slice(20, 60, 7), slice(20, 60, 7))
    places = pd.DataFrame({"lon": lon[inside].ravel(), "lat": lat[inside].ravel()})
    values, _ = RasterValues(raster, [tmp_path]).read(places)
    # the value is that of the pixel's middle, at most half a diagonal away
    assert_allclose(values[:, 0], places["lon"] + 2 * places["lat"], atol=1.6 * STEP)


def test_a_mirrored_raster_of_another_crs_is_upright_after_the_warp(tmp_path):
    east, north = Transformer.from_crs(4326, 3035, always_xy=True).transform(6.0, 45.0)
    col, row = np.meshgrid(np.arange(80) + 0.5, np.arange(60) + 0.5)
    back = Transformer.from_crs(3035, 4326, always_xy=True)
    band = back.transform(east + 1000 * col, north - 1000 * row)[0][None].astype(
        "float32"
    )  # of each pixel its longitude
    geotiff(tmp_path / "upright.tif", band, crs="EPSG:3035", west=east, north=north, step=1000)
    mirrored = rasterio.Affine(-1000, 0, east + 80_000, 0, -1000, north)
    geotiff(tmp_path / "mirrored.tif", band[:, :, ::-1], crs="EPSG:3035", transform=mirrored)
    lon, lat = back.transform(east + np.linspace(9_500, 70_500, 30), north - np.linspace(9_500, 50_500, 30))
    places = pd.DataFrame({"lon": lon, "lat": lat, "surveyId": np.arange(30)})
    for name in ("upright", "mirrored"):
        raster = Raster("x", patterns=(f"{name}.tif",), bands=("x",))
        (grid,) = grids.find(raster, [tmp_path])
        assert grid.transform.a > 0 > grid.transform.e
        tiles = RasterCutter(raster, [tmp_path], 8, "full", 64).cut(places)[0]["x"].reshape(-1, 8, 8)
        assert_allclose(tiles[:, 4, 4], lon, atol=grid.transform.a)
        assert_allclose(np.diff(tiles, axis=2), grid.transform.a, rtol=0.1)
