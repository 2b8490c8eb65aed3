"""Grids: where a place falls, what a box holds, and which files cannot be used."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from glc.covariates import Raster
from glc.errors import DataError
from glc.rasters import grids
from glc.rasters.cutter import RasterCutter
from glc.rasters.values import RasterValues
from tests.rasters.geotiffs import geotiff


def _find(path, **declared):
    return grids.find(Raster("test", patterns=(path.name,), **declared), [path.parent])


def test_places_fall_into_the_pixels_that_rasterio_says(tmp_path):
    path = geotiff(tmp_path / "x.tif", np.zeros((1, 50, 60), "uint8"))
    (grid,) = _find(path)
    lon, lat = np.random.default_rng(0).uniform([[4.9], [44.4]], [[5.7], [45.1]], (2, 500))
    lon[:3], lat[:3] = [5.0, 5.6, np.nan], [45.0, 44.8, 44.9]  # the corner, the right border, nowhere
    row, col = grid.pixels(lon, lat)
    with rasterio.open(path) as source:
        for i in range(500):
            inside = np.isfinite(lon[i]) and all(
                0 <= x < n for x, n in zip(source.index(lon[i], lat[i]), source.shape, strict=True)
            )
            assert (row[i], col[i]) == (source.index(lon[i], lat[i]) if inside else (-1, -1))
    assert (row[0], col[0], row[1], row[2]) == (0, 0, -1, -1)


def test_a_raster_of_another_crs_is_warped_or_cut_in_its_own(tmp_path):
    east, north = Transformer.from_crs(4326, 3035, always_xy=True).transform(6.0, 45.0)
    band = np.random.default_rng(1).normal(size=(1, 80, 80)).astype("float32")
    path = geotiff(tmp_path / "x.tif", band, crs="EPSG:3035", west=east, north=north, step=1000)

    (own,) = _find(path, crs=None)
    assert (own.crs, own.warped, own.shape) == ("EPSG:3035", False, (80, 80))
    row, col = own.pixels(*Transformer.from_crs(3035, 4326, always_xy=True).transform(east + 10_500, north - 20_500))
    assert (int(row), int(col)) == (20, 10)

    (grid,) = _find(path)
    assert grid.warped
    with rasterio.open(path) as source, WarpedVRT(source, crs="EPSG:4326", resampling=Resampling.bilinear) as vrt:
        assert (grid.shape, grid.transform) == (vrt.shape, vrt.transform)
        wanted = vrt.read(1, window=Window(30, 30, 20, 20))
    with grid.open() as reader:
        values, valid = reader.box(30, 30, 20, 20)
        assert valid.all()
        assert_allclose(values[0], wanted, rtol=1e-6)
        # what the warp does not reach is not a value
        values, valid = reader.box(0, 0, *grid.shape)
        assert 0.3 < valid.mean() < 0.95


def test_a_raster_that_is_south_up_is_turned(tmp_path):
    band = np.arange(20.0 * 30).reshape(1, 20, 30).astype("float32")
    transform = rasterio.Affine(0.01, 0, 5.0, 0, 0.01, 44.0)
    (grid,) = _find(geotiff(tmp_path / "x.tif", band, transform=transform))
    row, col = grid.pixels([5.045], [44.025])  # row 2, column 4 of the file
    with grid.open() as reader:
        values, valid = reader.box(int(row[0]), int(col[0]), 1, 1)
    assert valid.all()
    assert_allclose(values, band[0, 2, 4], atol=1e-3)


def test_a_box_over_the_edge_has_no_value_there(tmp_path):
    band = np.arange(1, 121).reshape(1, 10, 12).astype("uint8")
    (grid,) = _find(geotiff(tmp_path / "x.tif", band))
    with grid.open() as reader:
        values, valid = reader.box(-2, 8, 5, 9)
        assert_array_equal(values[0][valid[0]].reshape(3, 4), band[0, :3, 8:])
        assert valid.sum() == 12
        assert not reader.box(20, 30, 4, 4)[1].any()


def test_masks_declared_nodata_and_nan_have_no_value(tmp_path):
    band = np.full((1, 10, 10), 5, "float32")
    band[0, 0, 0], band[0, 0, 1] = np.nan, 99
    (grid,) = _find(geotiff(tmp_path / "x.tif", band), nodata=99)
    with grid.open() as reader:
        assert_array_equal(np.argwhere(~reader.box(0, 0, 10, 10)[1][0]), [[0, 0], [0, 1]])
        assert reader.means() == [5]
    path = geotiff(tmp_path / "y.tif", np.ones((1, 10, 10), "uint8"))
    with rasterio.open(path, "r+") as file:
        file.write_mask(np.eye(10, dtype=bool))
    (grid,) = _find(path)
    with grid.open() as reader:
        assert_array_equal(reader.box(0, 0, 10, 10)[1][0], np.eye(10, dtype=bool))


def test_bands_are_called_as_declared_described_or_by_their_file(tmp_path):
    two = np.zeros((2, 5, 5), "uint8")
    described = geotiff(tmp_path / "a.tif", two, names=("Clay %", "pH x 10"))
    plain = geotiff(tmp_path / "b.tif", two)
    assert [band.name for band in _find(described)[0].bands] == ["clay", "ph_x_10"]
    assert [band.name for band in _find(plain)[0].bands] == ["b_1", "b_2"]
    assert [band.name for band in _find(plain, bands=("u", "v"))[0].bands] == ["u", "v"]
    with pytest.raises(DataError, match="have 2 bands, expected 1: u; is it another product"):
        _find(plain, bands=("u",))


def test_unusable_files_are_named_with_the_remedy(tmp_path):
    (grid,) = _find(geotiff(tmp_path / "z.tif", np.zeros((1, 5, 5), "uint8"), nodata=0))
    with grid.open() as reader, pytest.raises(DataError, match=r"z\.tif: band 1 has no valid pixel"):
        reader.means()
    (tmp_path / "x.tif").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.tif: cannot be opened as a raster.*copy it again"):
        _find(tmp_path / "x.tif")
    with pytest.raises(DataError, match=r"y\.tif: no CRS.*gdal_edit"):
        _find(geotiff(tmp_path / "y.tif", np.zeros((1, 5, 5), "uint8"), crs=None))


def test_a_variable_that_an_area_lacks_is_named(tmp_path):
    for name in ("a_FR", "a_USA", "b_FR"):
        geotiff(tmp_path / f"{name}.tif", np.ones((1, 4, 4), "uint8"))
    covariate = Raster("test", patterns=("*.tif",), areas=("FR", "USA"))
    with pytest.raises(DataError, match=r"b_FR.tif: 'b' .* is here, but not in any file of USA; .*\(FR, USA; areas"):
        grids.find(covariate, [tmp_path])
    geotiff(tmp_path / "b_USA.tif", np.ones((1, 4, 4), "uint8"))
    france, america = grids.find(covariate, [tmp_path])
    assert (france.area, america.area) == ("FR", "USA")
    assert grids.columns([france, america]) == {"a": [(0, 0), (1, 0)], "b": [(0, 1), (1, 1)]}
    # a description that all files share is not the variable's name
    assert [band.name for band in america.bands] == ["a", "b"]


def test_declared_bands_are_those_of_each_area(tmp_path):
    for area, value in (("FR", 1), ("USA", 2)):
        geotiff(tmp_path / f"x_{area}.tif", np.full((2, 4, 4), value, "uint8"), west=value)
    declared = {"areas": ("FR", "USA"), "bands": ("kind", "height"), "classes": {1: (1, 2)}}
    found = grids.find(Raster("test", patterns=("*.tif",), **declared), [tmp_path])
    assert [[(band.name, band.classes) for band in grid.bands] for grid in found] == [
        [("kind", (1, 2)), ("height", ())]
    ] * 2


@pytest.mark.parametrize(
    ("cols", "step", "west", "crs", "spans"),
    [
        (1440, 0.25, -180, "EPSG:4326", True),
        (1440, 0.25, 0, "EPSG:4326", True),
        (1200, 0.3, -180, "EPSG:4326", True),
        (43_200, 0.0083333333, -180, "EPSG:4326", True),  # falls 1.4e-6 degrees short
        (1439, 0.25, -180, "EPSG:4326", False),
        (1441, 0.25, -180.125, "EPSG:4326", False),
        (360, 1.0, -180, "EPSG:3857", False),
    ],
)
def test_only_once_around_in_degrees_spans_the_globe(cols, step, west, crs, spans):
    grid = grids.Grid((), (10, cols), (10, cols), from_origin(west, 90, step, step), crs, False, None)
    assert grids.spans_globe(grid) is spans


@pytest.mark.parametrize("west", [-180, 0, -185])
def test_a_lon_one_turn_off_is_on_a_grid_that_spans_the_globe_alone(west):
    whole = grids.Grid((), (36, 72), (36, 72), from_origin(west, 90, 5, 5), "EPSG:4326", False, None)
    lon = np.array([-180.0, -177.5, -0.5, 0, 2.5, 179.9, 180, 182.5])
    row, col = whole.pixels(lon, np.zeros(len(lon)))
    assert_array_equal(row, 18)
    assert_array_equal(col, np.floor((lon - west) % 360 / 5))
    assert_array_equal(whole.pixels([180, np.nan, 0], [-91, 0, np.nan]), -1)
    part = grids.Grid((), (36, 71), (36, 71), from_origin(west, 90, 5, 5), "EPSG:4326", False, None)
    inside = (lon >= west) & (lon < west + 355)
    assert_array_equal(part.pixels(lon, np.zeros(len(lon)))[0] >= 0, inside)


def test_scale_and_offset_are_applied_and_nodata_is_of_the_stored_numbers(tmp_path):
    stored = np.array([[[10, 20, 255], [0, 1, 2]]], "uint8")
    (grid,) = _find(geotiff(tmp_path / "x.tif", stored, nodata=255, scales=(0.5,), offsets=(-3.0,)))
    assert grid.bands[0].dtype == "float32"
    with grid.open() as reader:
        values, valid = reader.box(0, 0, 2, 3)
        assert_array_equal(valid[0], stored[0] != 255)
        assert_allclose(values[0][valid[0]], stored[0][valid[0]] * 0.5 - 3)
        assert_allclose(reader.means(), values[0][valid[0]].mean())


@pytest.mark.parametrize(("dtype", "expected"), [("uint8", "float32"), ("int32", "float64"), ("float64", "float64")])
def test_values_are_as_wide_as_their_numbers_need(tmp_path, dtype, expected):
    (grid,) = _find(geotiff(tmp_path / "x.tif", np.full((1, 3, 3), 7, dtype)))
    with grid.open() as reader:
        assert reader.box(0, 0, 3, 3)[0].dtype == expected


def test_bands_of_several_files_keep_their_order_in_a_box(tmp_path):
    for number, value in ((2, 20), (10, 100), (1, 10)):
        geotiff(tmp_path / f"bio{number}.tif", np.full((1, 4, 5), value, "uint8"))
    (grid,) = grids.find(Raster("bio", patterns=("bio*.tif",)), [tmp_path])
    assert [band.name for band in grid.bands] == ["bio1", "bio2", "bio10"]
    assert grids.columns([grid]) == {"bio1": [(0, 0)], "bio2": [(0, 1)], "bio10": [(0, 2)]}
    with grid.open() as reader:
        assert list(reader.box(1, 1, 1, 1)[0].ravel()) == [10, 20, 100]
        assert list(reader.means()) == [10, 20, 100]


def test_files_of_other_pixels_are_other_grids_and_equal_names_are_told_apart(tmp_path):
    geotiff(tmp_path / "a.tif", np.zeros((1, 4, 4), "uint8"), names=("height",))
    geotiff(tmp_path / "b.tif", np.zeros((1, 4, 5), "uint8"), names=("height",))
    found = grids.find(Raster("x", patterns=("*.tif",)), [tmp_path])
    assert [(grid.shape, grid.bands[0].name) for grid in found] == [((4, 4), "a_height"), ((4, 5), "b_height")]


def test_shares_are_of_the_known_classes_alone(tmp_path):
    codes = np.array([[[1, 1, 2, 7], [2, 2, 9, 0]]], "uint8")
    (grid,) = _find(geotiff(tmp_path / "x.tif", codes, nodata=0), classes={1: (2, 1, 5)})
    with grid.open() as reader:
        assert_allclose(reader.shares(0), [0.6, 0.4, 0])
        assert_array_equal(reader.box(0, 0, 2, 4)[1][0], np.isin(codes[0], (1, 2)))


def test_means_of_a_small_raster_are_of_all_its_blocks_and_of_a_large_one_of_some(tmp_path, monkeypatch):
    band = np.random.default_rng(0).normal(size=(1, 70, 90)).astype("float32")
    path = geotiff(tmp_path / "x.tif", band, tiled=True, blockxsize=16, blockysize=16)
    (grid,) = _find(path)
    with grid.open() as reader:
        assert_allclose(reader.means(), band.mean(), rtol=1e-4)
        monkeypatch.setattr(grids, "_MEAN_PIXELS", 16 * 16 * 3)
        # 5 x 6 blocks: the first, the middle one of 0..29 (rounded to even) and the last
        corners = [(0, 0), (32, 32), (64, 80)]
        assert 14 // 6 * 16 == 32
        assert 14 % 6 * 16 == 32
        blocks = [band[0, row : row + 16, col : col + 16].ravel() for row, col in corners]
        assert_allclose(reader.means(), np.concatenate(blocks).mean(), rtol=1e-4)


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
    (grid,) = _find(geotiff(tmp_path / "x.tif", np.zeros((1, 20, 30), "float32"), transform=transform))
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
    turn = rasterio.Affine.translation(5.5, 44.5) * rasterio.Affine.rotation(30) * rasterio.Affine.scale(STEP, -STEP)
    col, row = np.meshgrid(np.arange(80) + 0.5, np.arange(80) + 0.5)
    lon, lat = turn * (col, row)
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


MONTHLY = r"CHELSA_(?P<variable>[a-z]+)_(?P<month>\d{1,2})_(?P<year>\d{4})_V\.2\.1"


def _months(folder, values, variable="tas", year=2001, **layout):
    """A file per month, as the contest has them; `values` is (12, rows, cols)."""
    for month, band in enumerate(values, start=1):
        geotiff(folder / f"CHELSA_{variable}_{month:02d}_{year}_V.2.1.tif", band[None], **layout)


def _climate(folder, **declared):
    covariate = Raster("test", patterns=("CHELSA_*.tif",), monthly=MONTHLY, **declared)
    return covariate, grids.find(covariate, [folder])


def test_the_months_of_a_year_are_one_band_their_mean(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(2_500, 3_000, (2, 12, 40, 50)).astype("uint16")
    values[0, 3, 5, 7] = 65535  # one month is not known there
    for year, of_year in zip((2001, 2010), values, strict=True):
        _months(tmp_path, of_year, year=year, nodata=65535, scales=[0.1], offsets=[-273.15])
    covariate, (grid,) = _climate(tmp_path)
    assert [band.name for band in grid.bands] == ["tas_2001", "tas_2010"]
    assert len(grid.files) == 24
    with grid.open() as reader:
        box, valid = reader.box(-2, 3, 20, 30)
        assert_allclose(reader.means()[1], (values[1] * 0.1 - 273.15).mean(), rtol=1e-5)
    expected = (values * 0.1 - 273.15).mean(axis=1)[:, :18, 3:33]
    assert not valid[:, :2].any()
    assert not valid[0, 7, 4]
    assert (~valid[:, 2:]).sum() == 1
    assert_allclose(box[:, 2:][valid[:, 2:]], expected[valid[:, 2:]], atol=1e-3)
    at = pd.DataFrame({"lon": [5.045], "lat": [44.915]})  # row 8, column 4
    assert_allclose(RasterValues(covariate, [tmp_path]).read(at)[0], [expected[:, 8, 1]], atol=1e-3)


def test_a_year_that_lacks_a_month_is_refused(tmp_path):
    _months(tmp_path, np.zeros((11, 8, 8), "float32"))
    with pytest.raises(DataError, match=r"found months 1, .*, 11 of tas 2001 with these pixels, expected 1 to 12"):
        _climate(tmp_path)
    geotiff(tmp_path / "CHELSA_tas_12_2001_V.2.1.tif", np.zeros((1, 4, 4), "float32"))
    with pytest.raises(DataError, match="warp them to one grid"):
        _climate(tmp_path)
