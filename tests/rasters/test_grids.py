"""Grids: where a place falls, and which files cannot be used."""

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
from glc.rasters.reader import Reader
from glc.rasters.values import RasterValues
from tests.rasters.geotiffs import find, geotiff


def test_places_fall_into_the_pixels_that_rasterio_says(tmp_path):
    path = geotiff(tmp_path / "x.tif", np.zeros((1, 50, 60), "uint8"))
    (grid,) = find(path)
    lon, lat = np.random.default_rng(0).uniform([[4.9], [44.4]], [[5.7], [45.1]], (2, 500))
    lon[:3], lat[:3] = [5.0, 5.6, np.nan], [45.0, 44.8, 44.9]  # the corner, the right border, nowhere
    row, col = grid.pixels(lon, lat)
    with rasterio.open(path) as source:
        for i in range(2, 500):  # versions of rasterio round at the border of a pixel in other ways
            inside = np.isfinite(lon[i]) and all(
                0 <= x < n for x, n in zip(source.index(lon[i], lat[i]), source.shape, strict=True)
            )
            assert (row[i], col[i]) == (source.index(lon[i], lat[i]) if inside else (-1, -1))
    assert (row[0], col[0], row[1], row[2]) == (0, 0, -1, -1)


def test_a_raster_of_another_crs_is_warped_or_cut_in_its_own(tmp_path):
    east, north = Transformer.from_crs(4326, 3035, always_xy=True).transform(6.0, 45.0)
    band = np.random.default_rng(1).normal(size=(1, 80, 80)).astype("float32")
    path = geotiff(tmp_path / "x.tif", band, crs="EPSG:3035", west=east, north=north, step=1000)

    (own,) = find(path, crs=None)
    assert (own.crs, own.warped, own.shape) == ("EPSG:3035", False, (80, 80))
    row, col = own.pixels(*Transformer.from_crs(3035, 4326, always_xy=True).transform(east + 10_500, north - 20_500))
    assert (int(row), int(col)) == (20, 10)

    (grid,) = find(path)
    assert grid.warped
    with rasterio.open(path) as source, WarpedVRT(source, crs="EPSG:4326", resampling=Resampling.bilinear) as vrt:
        assert (grid.shape, grid.transform) == (vrt.shape, vrt.transform)
        wanted = vrt.read(1, window=Window(30, 30, 20, 20))
    with Reader(grid) as reader:
        values, valid = reader.box(30, 30, 20, 20)
        assert valid.all()
        assert_allclose(values[0], wanted, rtol=1e-6)
        # what the warp does not reach is not a value
        values, valid = reader.box(0, 0, *grid.shape)
        assert 0.3 < valid.mean() < 0.95


def test_a_raster_that_is_south_up_is_turned(tmp_path):
    band = np.arange(20.0 * 30).reshape(1, 20, 30).astype("float32")
    transform = rasterio.Affine(0.01, 0, 5.0, 0, 0.01, 44.0)
    (grid,) = find(geotiff(tmp_path / "x.tif", band, transform=transform))
    row, col = grid.pixels([5.045], [44.025])  # row 2, column 4 of the file
    with Reader(grid) as reader:
        values, valid = reader.box(int(row[0]), int(col[0]), 1, 1)
    assert valid.all()
    assert_allclose(values, band[0, 2, 4], atol=1e-3)


def test_bands_are_called_as_declared_described_or_by_their_file(tmp_path):
    two = np.zeros((2, 5, 5), "uint8")
    described = geotiff(tmp_path / "a.tif", two, names=("Clay %", "pH x 10"))
    plain = geotiff(tmp_path / "b.tif", two)
    assert [band.name for band in find(described)[0].bands] == ["clay", "ph_x_10"]
    assert [band.name for band in find(plain)[0].bands] == ["b_1", "b_2"]
    assert [band.name for band in find(plain, bands=("u", "v"))[0].bands] == ["u", "v"]
    with pytest.raises(DataError, match="have 2 bands, expected 1: u; is it another product"):
        find(plain, bands=("u",))


def test_unusable_files_are_named_with_the_remedy(tmp_path):
    (grid,) = find(geotiff(tmp_path / "z.tif", np.zeros((1, 5, 5), "uint8"), nodata=0))
    with Reader(grid) as reader, pytest.raises(DataError, match=r"z\.tif: band 1 has no valid pixel"):
        reader.means()
    (tmp_path / "x.tif").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.tif: cannot be opened as a raster.*copy it again"):
        find(tmp_path / "x.tif")
    with pytest.raises(DataError, match=r"y\.tif: no CRS.*gdal_edit"):
        find(geotiff(tmp_path / "y.tif", np.zeros((1, 5, 5), "uint8"), crs=None))


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
    ("cols", "step", "west", "crs", "around"),
    [
        (1440, 0.25, -180, "EPSG:4326", 1440),
        (1440, 0.25, 0, "EPSG:4326", 1440),
        (1440, 0.25, 0, "OGC:CRS84", 1440),
        (1200, 0.3, -180, "EPSG:4326", 1200),
        (43_200, 0.0083333333, -180, "EPSG:4326", 43_200),  # falls 1.4e-6 degrees short
        (1439, 0.25, -180, "EPSG:4326", 0),
        (1441, 0.25, -180.125, "EPSG:4326", 1440),  # the last column is the first
        (1440, 0.2504, -180, "EPSG:4326", 0),
        (400, 1.0, 0, "EPSG:4807", 400),  # grads
        (360, 1.0, -180, "EPSG:3857", 0),
    ],
)
def test_columns_go_around_the_earth_in_degrees_alone(cols, step, west, crs, around):
    grid = grids.Grid((), (10, cols), (10, cols), from_origin(west, 90, step, step), crs, False, None)
    assert grid.columns_around == around


@pytest.mark.parametrize("west", [-180, 0, -185])
def test_a_lon_one_turn_off_is_on_the_grid(west):
    whole = grids.Grid((), (36, 72), (36, 72), from_origin(west, 90, 5, 5), "EPSG:4326", False, None)
    lon = np.array([-180.0, -177.5, -0.5, 0, 2.5, 179.9, 180, 182.5])
    row, col = whole.pixels(lon, np.zeros(len(lon)))
    assert_array_equal(row, 18)
    assert_array_equal(col, np.floor((lon - west) % 360 / 5))
    assert_array_equal(whole.pixels([180, np.nan, 0], [-91, 0, np.nan]), -1)
    part = grids.Grid((), (36, 71), (36, 71), from_origin(west, 90, 5, 5), "EPSG:4326", False, None)
    for turn in (0, 360, -720):
        assert_array_equal(part.pixels(lon + turn, np.zeros(len(lon)))[0] >= 0, (lon - west) % 360 < 355)


def test_files_of_other_pixels_are_other_grids_and_equal_names_are_told_apart(tmp_path):
    geotiff(tmp_path / "a.tif", np.zeros((1, 4, 4), "uint8"), names=("height",))
    geotiff(tmp_path / "b.tif", np.zeros((1, 4, 5), "uint8"), names=("height",))
    found = grids.find(Raster("x", patterns=("*.tif",)), [tmp_path])
    assert [(grid.shape, grid.bands[0].name) for grid in found] == [((4, 4), "a_height"), ((4, 5), "b_height")]


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
    with Reader(grid) as reader:
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
