import numpy as np
import pytest
import rasterio
from matplotlib.image import imread
from numpy.testing import assert_allclose, assert_array_equal
from rasterio.transform import from_origin

from glc import dct
from glc.errors import ConfigError, DataError
from glc.report import lowpass


@pytest.fixture
def raster(tmp_path):
    """Two int16 bands of 60 x 80 pixels of half a degree from 5 E, 50 N; scale 0.1, offset 3, nodata along the west."""
    pixels = np.random.default_rng(0).integers(0, 1000, (2, 60, 80)).astype(np.int16)
    pixels[:, :, :6] = -9
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 2, "height": 60, "width": 80, "dtype": "int16", "nodata": -9}
    with rasterio.open(path, "w", crs="EPSG:4326", transform=from_origin(5, 50, 0.5, 0.5), **profile) as file:
        file.write(pixels)
        file.scales, file.offsets = (0.1, 0.1), (3.0, 3.0)
    return path, pixels


def test_window_is_what_stands_in_the_raster(raster):
    path, pixels = raster
    window = lowpass.read(path, band=2, at=(25.1, 34.9), size=20)  # the pixel in row 30, column 40
    assert (window.row, window.col) == (20, 30)
    assert window.valid.all()
    assert_allclose(window.pixels, pixels[1, 20:40, 30:50] * 0.1 + 3)
    middle = lowpass.read(path, size=20)
    assert (middle.row, middle.col) == (20, 30)


def test_window_at_a_corner_is_moved_inside_and_nodata_is_the_mean(raster):
    path, pixels = raster
    window = lowpass.read(path, at=(5.1, 20.1), size=20)
    assert (window.row, window.col) == (40, 0)
    assert_array_equal(window.valid, pixels[0, 40:60, :20] != -9)
    wanted = pixels[0, 40:60, 6:20] * 0.1 + 3
    assert_allclose(window.pixels[:, 6:], wanted)
    assert_allclose(window.pixels[:, :6], wanted.mean())


def test_one_dimensional_low_pass_is_that_of_the_flat_pixels():
    tiles = np.random.default_rng(1).normal(size=(2, 12, 16))
    flat = tiles.reshape(2, -1)
    wanted = dct.expand_1d(dct.compress_1d(flat, 50), flat.shape[1]).reshape(tiles.shape)
    assert_allclose(lowpass.low_pass_1d(tiles, 50), wanted, atol=1e-12)
    assert_allclose(lowpass.low_pass_1d(tiles, 12 * 16), tiles, atol=1e-12)


def test_psnr_of_a_known_error():
    tiles = np.zeros((2, 4, 4))
    other = tiles.copy()
    other[0] = 25.5  # a tenth of the peak
    assert_array_equal(lowpass.psnr(tiles, other, 255).round(9), [20, np.inf])


def test_picture_and_numbers(raster, tmp_path, capsys):
    path, pixels = raster
    out = tmp_path / "made" / "a.png"
    lowpass.main([str(path), str(out), "--at", "5.1,20.1", "--size", "20", "--block", "4", "--terms", "16"])
    told = capsys.readouterr().out
    assert "rows 40 to 59, columns 0 to 19; 70% of the pixels are valid" in told
    picture = imread(out)[..., :3]
    assert picture.shape[0] > 400
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    assert [path.name for path in out.parent.iterdir()] == ["a.png"]
    # the PSNR is of the valid pixels alone
    known = pixels[0, 40:60, 6:20] * 0.1 + 3
    filled = np.full((20, 20), known.mean())
    filled[:, 6:] = known
    error = np.square((dct.low_pass(filled, 4) - filled)[:, 6:]).mean()
    assert f"2-D, 16 coefficients: {20 * np.log10(np.ptp(known)) - 10 * np.log10(error):.2f} dB" in told


def test_errors_say_what_and_the_remedy(raster, tmp_path):
    path, _ = raster
    for options, error, told in (
        ({"band": 3}, ConfigError, "no band 3; expected 1 to 2"),
        ({"size": 61}, ConfigError, "size=61, expected 1 to 60"),
        ({"at": (4.9, 40), "size": 4}, DataError, "lon 4.9, lat 40 is not on it; expected lon 5 to 45, lat 20 to 50"),
        ({"at": (5.1, 40), "size": 4}, DataError, "found nodata only.*--at"),
        ({"at": (20, 40), "size": 1}, DataError, "found all pixels equal"),
    ):
        with pytest.raises(error, match=told):
            lowpass.read(path, **options)
    with pytest.raises(DataError, match="no such file"):
        lowpass.read(tmp_path / "b.tif")
    (tmp_path / "c.tif").write_text("no raster")
    with pytest.raises(DataError, match="not a GeoTIFF that can be read"):
        lowpass.read(tmp_path / "c.tif")
    window = lowpass.read(path, size=20)
    with pytest.raises(ConfigError, match="suffix"):
        lowpass.draw(window, tmp_path / "d.txt")
    with pytest.raises(ConfigError, match="terms=401"):
        lowpass.draw(window, tmp_path / "d.png", terms=401)
    with pytest.raises(ConfigError, match="block=21"):
        lowpass.draw(window, tmp_path / "d.png", block=21)
    with pytest.raises(ConfigError, match="no band 5"):
        lowpass.main([str(path), str(tmp_path / "d.png"), "--band", "5"])
    assert not list(tmp_path.glob("*d.*"))


def test_place_on_a_raster_without_a_crs(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 8, "width": 8, "dtype": "uint8"}
    with rasterio.open(path, "w", transform=from_origin(5, 50, 0.5, 0.5), **profile) as file:
        file.write(np.arange(64, dtype=np.uint8).reshape(1, 8, 8))
    assert_array_equal(lowpass.read(path, size=8).pixels, np.arange(64).reshape(8, 8))
    with pytest.raises(DataError, match=r"has no CRS.*gdal_edit"):
        lowpass.read(path, at=(1, 1), size=8)


def test_rows_and_columns_keep_more_of_a_real_raster_than_one_long_row(shared_data, tmp_path):
    window = lowpass.read(shared_data / "rasters_eu" / "tmean_annual.tif", at=(8, 46))
    flat, square = lowpass.draw(window, tmp_path / "a.png", block=8, terms=64)  # the same budget for both
    assert square > flat + 3
