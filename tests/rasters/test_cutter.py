"""Tiles of rasters against one window at a time, on made and real files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal

from glc import dct, registry
from glc.covariates import Raster
from glc.errors import ConfigError
from glc.rasters.cutter import FLAGS, RasterCutter, groups
from tests.rasters.geotiffs import geotiff, window

TILED = {"tiled": True, "blockxsize": 32, "blockysize": 16}


def _places(lon, lat):
    return pd.DataFrame({"dataset": "po", "surveyId": np.arange(len(lon)), "lon": lon, "lat": lat})


def _around(path, n, seed=0, margin=0.1):
    """Places in and a little around a raster in degrees."""
    rng = np.random.default_rng(seed)
    with rasterio.open(path) as source:
        west, south, east, north = source.bounds
    wide, high = margin * (east - west), margin * (north - south)
    return _places(rng.uniform(west - wide, east + wide, n), rng.uniform(south - high, north + high, n))


def _cut(path, places, size=16, block="full", memory_mb=64, **declared):
    covariate = Raster("test", patterns=(path.name,), **declared)
    cutter = RasterCutter(covariate, [path.parent], size, block, memory_mb)
    return cutter, *cutter.cut(places)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("layout", [{}, TILED, {"compress": "deflate", "blockysize": 7}, {"interleave": "pixel"}])
def test_valid_pixels_are_those_that_rasterio_reads(tmp_path, dtype, layout):
    rng = np.random.default_rng(0)
    bands = rng.integers(0, 250, (2, 70, 90)).astype(dtype)
    if dtype == "int32":
        bands += 2**30  # more digits than float32 has
    path = geotiff(tmp_path / "x.tif", bands, nodata=int(bands[0, 0, 0]), names=("a", "b"), **layout)
    places = _around(path, 60)
    _, values, valid, rank, problems = _cut(path, places)
    assert problems == []
    assert values["a"].dtype == {"uint8": "uint8", "int32": "float64", "float64": "float64"}.get(dtype, "float32")
    for i, place in enumerate(places.itertuples()):
        for number, name in enumerate(("a", "b")):
            pixels, known, flag = window(path, number + 1, place.lon, place.lat, 16)
            assert FLAGS[rank[i]] == flag
            assert_allclose(valid[name][i], known.mean(), rtol=1e-6)
            assert_array_equal(values[name][i].reshape(16, 16)[known], pixels[known])
    assert set(FLAGS[rank]) == {"ok", "edge", "outside"}


def test_the_surveys_pixel_is_in_the_middle(tmp_path):
    path = geotiff(tmp_path / "x.tif", np.arange(70 * 90).reshape(1, 70, 90).astype("float32"))
    places = _places([5.405], [44.695])  # column 40, row 30
    for size in (16, 15):
        _, values, *_ = _cut(path, places, size)
        assert values["x"].reshape(size, size)[size // 2, size // 2] == 30 * 90 + 40


def test_nodata_is_the_nearest_valid_or_the_band_mean_and_outside_is_the_mean(tmp_path):
    band = np.full((1, 100, 100), -1, "int16")
    band[0, :, :10] = 40
    band[0, 0, 0] = 41
    path = geotiff(tmp_path / "x.tif", band, nodata=-1)
    mean = (40 * 999 + 41) / 1000
    # column 12: the window's columns 4 to 19; column 80 has nothing valid near; the last is outside
    _, values, valid, rank, _ = _cut(path, _places([5.125, 5.805, 9.0], [44.5, 44.5, 44.5]))
    tile = values["x"].reshape(3, 16, 16)
    assert (tile[0, :, :14] == 40).all()  # column 17 is 8 from the last valid one
    assert_allclose(tile[0, :, 14:], mean, rtol=1e-6)
    assert_allclose(tile[1:], mean, rtol=1e-6)
    assert_allclose(valid["x"], [6 / 16, 0, 0])
    assert list(FLAGS[rank]) == ["ok", "ok", "outside"]


def test_a_pixel_has_one_value_however_much_memory_there_is(tmp_path):
    rng = np.random.default_rng(1)
    band = rng.normal(size=(1, 300, 300)).astype("float32")
    band[0, rng.random((300, 300)) < 0.3] = -9999
    path = geotiff(tmp_path / "x.tif", band, nodata=-9999, **TILED)
    places = _around(path, 500)
    _, plenty, *_ = _cut(path, places, 16, "full", 256)
    alone = [_cut(path, places.iloc[[i]])[1]["x"][0] for i in range(0, 500, 10)]
    assert (plenty["x"][::10] == np.stack(alone)).mean() > 0.95  # several may be as near
    _, little, *_ = _cut(path, places, 16, 4, 1)
    _, more, *_ = _cut(path, places, 16, 4, 256)
    assert_allclose(little["x"], more["x"], atol=0.5)


def test_coefficients_are_the_dct_of_the_pixels_scaled(tmp_path):
    rng = np.random.default_rng(2)
    bands = rng.integers(0, 1000, (2, 70, 90)).astype("int16")
    path = geotiff(tmp_path / "x.tif", bands, scales=(0.1, 1.0), offsets=(-273.15, 0.0), names=("t", "p"))
    places = _around(path, 40)
    _, pixels, *_ = _cut(path, places)
    cutter, coeffs, *_ = _cut(path, places, block=5)
    assert cutter.columns["t"] == (25, np.float32)
    for name in ("t", "p"):
        wanted = dct.compress(pixels[name].reshape(-1, 16, 16).astype(float), 5).reshape(-1, 25)
        assert_allclose(coeffs[name], wanted, rtol=1e-4, atol=1e-2)
    i = int(np.flatnonzero((places.lon < 5.5) & (places.lon > 5.3) & (places.lat > 44.6) & (places.lat < 44.8))[0])
    raw, _, _ = window(path, 1, places.lon[i], places.lat[i], 16)
    assert_allclose(pixels["t"][i].reshape(16, 16), raw * 0.1 - 273.15, rtol=1e-5)


@pytest.mark.parametrize("classes_as", ["onehot", "fractions", "centre", "pixels"])
def test_classes_are_never_compressed_as_numbers(tmp_path, classes_as):
    rng = np.random.default_rng(4)
    codes = (2, 3, 7)
    band = rng.choice([0, *codes], (1, 70, 90), p=[0.1, 0.5, 0.3, 0.1]).astype("uint8")
    path = geotiff(tmp_path / "x.tif", band, nodata=0)
    places = _around(path, 30, margin=-0.15)  # corners further off than half a tile get means
    declared = {"classes": {1: codes}, "classes_as": classes_as}
    _, pixels, valid, *_ = _cut(path, places, classes={1: codes}, classes_as="pixels")
    tiles = pixels["x"].reshape(-1, 16, 16)
    assert set(np.unique(tiles)) == set(codes)
    known = [window(path, 1, place.lon, place.lat, 16)[1].mean() for place in places.itertuples()]
    assert_allclose(valid["x"], known, rtol=1e-6)
    if classes_as == "pixels":
        with pytest.raises(ConfigError, match=r"class numbers, whose DCT is meaningless.*expected 'onehot'"):
            _cut(path, places, block=4, **declared)
        return
    _, made, *_ = _cut(path, places, block=4, **declared)
    if classes_as == "centre":
        assert_array_equal(made["x"][:, 0], tiles[:, 8, 8])
        return
    for i, code in enumerate(codes):
        here = (tiles == code).astype(float)
        if classes_as == "onehot":
            assert_allclose(made[f"x_{code}"], dct.compress(here, 4).reshape(-1, 16), atol=1e-4)
        else:
            assert_allclose(made["x"][:, i], here.mean(axis=(1, 2)), atol=1e-5)


def test_files_of_two_grids_are_cut_at_the_same_places(tmp_path):
    coarse, fine = np.random.default_rng(5).random((2, 1, 200, 200)).astype("float32")
    paths = [geotiff(tmp_path / "bio1.tif", coarse, step=0.02), geotiff(tmp_path / "bio2.tif", fine, step=0.01)]
    cutter = RasterCutter(Raster("two", patterns=("bio*.tif",)), [tmp_path], 16, "full", 64)
    values, _, rank, _ = cutter.cut(_places([6.005, 8.0], [44.005, 44.0]))
    assert list(FLAGS[rank]) == ["ok", "outside"]  # the second place is on the coarse raster alone
    for path in paths:
        assert_array_equal(values[path.stem][0].reshape(16, 16), window(path, 1, 6.005, 44.005, 16)[0])


def test_a_damaged_block_costs_only_the_surveys_that_need_it(tmp_path):
    band = np.random.default_rng(6).integers(0, 255, (1, 128, 128)).astype("uint8")
    path = geotiff(tmp_path / "x.tif", band, compress="deflate", **TILED)
    places = _around(path, 200, margin=-0.1)
    _, whole, *_ = _cut(path, places)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff" * 40
    path.write_bytes(data)
    _, values, valid, rank, problems = _cut(path, places)
    flags = FLAGS[rank]
    assert 0 < (flags == "corrupt").sum() < 100
    assert [row for row, _, _ in problems] == list(np.flatnonzero(flags == "corrupt"))
    assert {file for _, file, _ in problems} == {str(path)}
    assert (valid["x"][flags == "corrupt"] == 0).all()
    assert_array_equal(values["x"][flags != "corrupt"], whole["x"][flags != "corrupt"])


def test_boxes_are_bounded_and_hold_every_window_once(tmp_path):
    rng = np.random.default_rng(7)
    grid = RasterCutter(
        Raster("x", patterns=(geotiff(tmp_path / "x.tif", np.zeros((1, 400, 600), "uint8"), **TILED).name,)),
        [tmp_path], 16, 4, 64,
    ).boxes[0].grid  # fmt: skip
    top, left = rng.integers(-8, 392, 3000), rng.integers(-8, 592, 3000)
    found = groups(top, left, grid, 16, 5_000)
    assert_array_equal(np.sort(np.concatenate(found)), np.arange(3000))
    assert len(found) < 300
    for group in found:
        assert (np.ptp(top[group]) + 16) * (np.ptp(left[group]) + 16) <= 5_000


GLOBE = {"step": 5, "west": -180, "north": 90}
AROUND = _places(
    [-180.0, 180.0, -179.9, 179.9, -172.0, 171.0, 200.0, 3.0], [0.0, 0.0, 40.0, 40.0, -30.0, 12.0, 0.0, 45.0]
)


@pytest.mark.parametrize("size", [16, 7])
def test_a_raster_that_spans_the_globe_goes_on_across_the_date_line(tmp_path, size):
    bands = np.random.default_rng(8).normal(size=(2, 36, 72)).astype("float32")
    path = geotiff(tmp_path / "x.tif", bands, names=("a", "b"), **GLOBE)
    _, values, valid, rank, _ = _cut(path, AROUND, size)
    assert set(FLAGS[rank]) == {"ok"}
    for i, place in enumerate(AROUND.itertuples()):
        rows = int((90 - place.lat) // 5) - size // 2 + np.arange(size)
        cols = int((place.lon + 180) // 5) - size // 2 + np.arange(size)
        for number, name in enumerate("ab"):
            wanted = np.take(bands[number][rows], cols, axis=1, mode="wrap")
            assert_array_equal(values[name][i].reshape(size, size), wanted)
            assert valid[name][i] == 1
    assert_array_equal(values["a"][0], values["a"][1])  # -180 and 180 degrees are one place


@pytest.mark.parametrize("block", ["full", 5])
@pytest.mark.parametrize("memory_mb", [1, 64])
def test_the_globe_begins_at_any_meridian(tmp_path, block, memory_mb):
    """Gaps too are filled from across the edge: a raster cut elsewhere gives the same tiles."""
    band = np.random.default_rng(9).integers(0, 99, (1, 36, 72)).astype("int16")
    band[..., [70, 71, 0, 1]] = -1  # even: of two columns one is nearer
    whole = geotiff(tmp_path / "x.tif", band, nodata=-1, **GLOBE)
    (tmp_path / "turned").mkdir()
    turned = geotiff(tmp_path / "turned" / "x.tif", np.roll(band, 36, axis=2), nodata=-1, **GLOBE | {"west": 0})
    rng = np.random.default_rng(10)
    lon, lat = [*rng.uniform(-180, 180, 60), *rng.uniform(-180, -170, 20), *AROUND.lon], rng.uniform(-89, 89, 88)
    _, one, valid, rank, _ = _cut(whole, _places(lon, lat), 16, block, memory_mb)
    _, other, other_valid, other_rank, _ = _cut(turned, _places(lon, lat), 16, block, memory_mb)
    assert_allclose(one["x"], other["x"], atol=1e-4)
    assert_array_equal(valid["x"], other_valid["x"])
    assert_array_equal(rank, other_rank)
    if block == "full":
        row, col = int((90 - lat[0]) // 5), 69
        _, values, *_ = _cut(whole, _places([-180.0], [lat[0]]), 16, block, memory_mb)
        assert values["x"].reshape(16, 16)[8, 6] == band[0, row, col]  # column 70 takes 69's


def test_what_does_not_span_the_globe_ends_at_its_edges(tmp_path):
    band = np.arange(36 * 71, dtype="float32").reshape(1, 36, 71)
    path = geotiff(tmp_path / "x.tif", band, **GLOBE)
    _, values, valid, rank, _ = _cut(path, _places([180.1, 176.0, 174.9, 179.0], [2.0, 2.0, 2.0, 2.0]))
    assert list(FLAGS[rank]) == ["edge", "outside", "edge", "outside"]
    assert (values["x"][0].reshape(16, 16)[:, :8] == values["x"][0].reshape(16, 16)[:, [8]]).all()
    assert_allclose(valid["x"], [0.5, 0, 9 / 16, 0])


def test_a_quarter_of_a_degree_spans_the_globe_with_1440_columns(shared_data):
    cutter = RasterCutter(registry.covariates.get("globe"), [shared_data / "rasters_global"], 8, "full", 64)
    (boxes,) = cutter.boxes
    assert boxes.grid.shape[1] == 1440
    assert boxes.around == 1440
    values, _, rank, _ = cutter.cut(_places([-180.0, 179.9, 180.0], [67.1] * 3))
    assert list(FLAGS[rank]) == ["ok"] * 3
    with rasterio.open(cutter.files[0]) as source:
        row, _ = source.index(-180, 67.1)
        wanted = np.take(source.read(1)[row - 4 : row + 4], np.arange(1435, 1443), axis=1, mode="wrap")
    first = boxes.columns[0].name
    assert_array_equal(values[first][1].reshape(8, 8), wanted)
    assert_array_equal(values[first][0], values[first][2])


REAL = [("bioclim", "rasters_eu"), ("elevation", "rasters_eu"), ("land", "rasters_eu"), ("footprint", "glc23_sample")]


@pytest.mark.parametrize(("name", "folder"), REAL)
def test_tiles_of_real_rasters_are_what_rasterio_reads(shared_data, name, folder):
    cutter = RasterCutter(registry.covariates.get(name), [shared_data / folder], 128, "full", 128)
    rng = np.random.default_rng(8)
    with rasterio.open(cutter.files[0]) as source:
        west, south, east, north = source.bounds
    # inside, over each edge, in the sea, outside
    lon = [*rng.uniform(west, east, 8), west + 0.1, east - 0.1, 3.88, -30.0, west - 1]
    lat = [*rng.uniform(south, north, 8), north - 0.1, south + 0.1, 43.61, 45.0, 45.0]
    places = _places(lon, lat)
    values, valid, rank, problems = cutter.cut(places)
    assert problems == []
    for boxes in cutter.boxes:
        for band in boxes.grid.bands:
            for i, place in enumerate(places.itertuples()):
                pixels, known, flag = window(band.path, band.index, place.lon, place.lat, 128)
                assert FLAGS[rank[i]] == flag
                assert_allclose(valid[band.name][i], known.mean(), rtol=1e-5)
                assert_array_equal(values[band.name][i].reshape(128, 128)[known], pixels[known])


def bytes_read():
    """Bytes that this process has read from files so far."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("rchar"):
            return int(line.split()[1])
    raise OSError("/proc/self/io: no line rchar")


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes by /proc/self/io, which Linux has")
@pytest.mark.parametrize("gaps", [False, True])
def test_blocks_of_a_raster_larger_than_the_memory_are_read_about_once(tmp_path, gaps):
    pixels = np.random.default_rng(0).integers(0, 30_000, (1, 6_144, 1_024), np.int16)
    if gaps:
        pixels[:, 2_000:4_000, 300:420] = -1
    layout = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate", "zlevel": 1}
    path = geotiff(tmp_path / "raster.tif", pixels, nodata=-1, **layout)
    places = _around(path, 6_000, margin=-0.01)
    # half of it is GDAL's cache: four rows of blocks, 1 MB, and what a box needs around them
    cutter = RasterCutter(Raster("test", patterns=(path.name,)), [tmp_path], 128, 8, 8)
    places = places.iloc[cutter.order(places)]
    before = bytes_read()
    for part in np.split(np.arange(len(places)), 3):  # each opens the file again
        cutter.cut(places.iloc[part])
    times = (bytes_read() - before) / path.stat().st_size
    assert 0.95 < times < 1.25, "windows cover each pixel about 16 times"
