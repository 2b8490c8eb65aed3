"""Tiles of image files: real ones, made ones, and every way in which one can be bad."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from glc import dct, registry, world
from glc.covariates import Layer, Patches
from glc.errors import ConfigError, DataError
from glc.rasters import images
from glc.rasters.cutter import FLAGS
from tests.rasters.geotiffs import geotiff

SIDE = 32
LAYERS = (
    (
        Layer(("red", "green", "blue"), SIDE, {"po": ("rgb/{cd}/{id}.png",)}),
        Layer(("nir",), SIDE, {"po": ("nir/{cd}/{id}.jpeg",)}),
    ),
)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for survey in range(10):
        for kind, end, shape in (("rgb", "png", (SIDE, SIDE, 3)), ("nir", "jpeg", (SIDE, SIDE))):
            path = tmp_path / kind / f"{survey:02d}" / f"{survey}.{end}"
            path.parent.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return tmp_path


def _pixels(path):
    with rasterio.open(path) as source:
        return source.read(1)


def _places(surveys, dataset="po"):
    return pd.DataFrame({"dataset": dataset, "surveyId": np.asarray(surveys), "lon": 5.0, "lat": 45.0})


def _cutter(folder, size=SIDE, block="full", sample=range(10)):
    return images.ImageCutter(Patches("test", layers=LAYERS), [folder], size, block, _places(sample))


def test_pixels_and_coefficients_are_those_of_the_files(folder):
    values, valid, rank, problems = _cutter(folder).cut(_places([3, 7]))
    assert (problems, list(rank)) == ([], [0, 0])
    coeffs, *_ = _cutter(folder, block=4).cut(_places([3, 7]))
    for i, survey in enumerate((3, 7)):
        rgb = np.asarray(Image.open(folder / "rgb" / f"{survey:02d}" / f"{survey}.png"))
        for band, name in enumerate(("red", "green", "blue")):
            assert values[name].dtype == np.uint8
            assert_array_equal(values[name][i].reshape(SIDE, SIDE), rgb[..., band])
            wanted = dct.compress(rgb[..., band].astype(float), 4).ravel()
            assert_allclose(coeffs[name][i], wanted, atol=1e-2)
    assert all((share == 1).all() for share in valid.values())


def test_the_middle_is_cut_of_larger_images_and_smaller_ones_are_refused(folder):
    values, *_ = _cutter(folder, size=8).cut(_places([5]))
    nir = np.asarray(Image.open(folder / "nir" / "05" / "5.jpeg"))
    assert_array_equal(values["nir"][0].reshape(8, 8), nir[12:20, 12:20])
    with pytest.raises(ConfigError, match=r"size=64: images of covariate .* are 32 pixels wide"):
        _cutter(folder, size=64)


def _jpeg(shape, side=SIDE):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (side, side, *shape), dtype=np.uint8)).save(file, "jpeg")
    return file.getvalue()


def _blocks_of(side):
    """A TIFF of SIDE x SIDE pixels that stores them in one block of `side` x `side`."""
    with rasterio.MemoryFile() as file:
        profile = {"driver": "GTiff", "count": 1, "height": SIDE, "width": SIDE, "dtype": "uint8", "tiled": True}
        with file.open(**profile, blockxsize=side, blockysize=side, compress="deflate") as made:
            made.write(np.zeros((1, SIDE, SIDE), np.uint8))
        return file.read()


BAD = {
    "zero bytes": (b"", "found 0 bytes"),
    "truncated": (_jpeg(())[:-200], "premature end"),
    "not an image": (b"<html>no such tile</html>", "expected a JPEG, PNG or TIFF"),
    "wrong size": (_jpeg((), SIDE + 1), "found 1 bands of 33 x 33 pixels, expected 1 of 32 x 32"),
    "wrong channels": (_jpeg((3,)), "found 3 bands of 32 x 32 pixels, expected 1 of 32 x 32"),
    "truncated TIFF": (b"II*\0" + b"\0" * 30, "."),
    "huge blocks": (_blocks_of(2048), "found blocks of 2048 x 2048 pixels in an image of 32 x 32"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_told_of_and_costs_its_layer_alone(folder, case):
    data, cause = BAD[case]
    (folder / "nir" / "04" / "4.jpeg").write_bytes(data)
    cutter = _cutter(folder)
    values, valid, rank, problems = cutter.cut(_places([3, 4, 5]))
    assert list(FLAGS[rank]) == ["ok", "corrupt", "ok"]
    ((row, file, found),) = problems
    assert (row, file) == (1, str(folder / "nir" / "04" / "4.jpeg"))
    assert cause.lower() in found.lower()
    assert list(valid["nir"]) == [1, 0, 1]
    assert (values["nir"][1] == round(float(cutter.means[3]))).all()
    assert list(valid["red"]) == [1, 1, 1]


LIMITED = """
import resource, sys
import pandas as pd
from tests.rasters.test_images import FLAGS, _cutter, _places
cutter = _cutter(sys.argv[1], sample=[0])
cutter.cut(_places([0]))
pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (pages + (128 << 20),) * 2)
_, _, rank, problems = cutter.cut(_places([0, 1, 2, 3]))
print([str(FLAGS[flag]) for flag in rank])
print(*(f"{row}: {cause}" for row, _, cause in problems), sep="\\n")
"""


def test_images_that_unpack_to_gigabytes_are_told_of_and_take_little_memory(tmp_path):
    """128 MiB are enough for four surveys, of which three bring a bomb: a TIFF, a member of a zip, a sparse file."""
    profile = {"driver": "GTiff", "count": 3, "height": 30_000, "width": 30_000, "dtype": "uint8", "tiled": True}
    with rasterio.open(tmp_path / "bomb.tif", "w", **profile, compress="deflate", sparse_ok=True):
        pass
    assert (tmp_path / "bomb.tif").stat().st_size < 200_000
    rgb = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "green").save(rgb, "png")
    with zipfile.ZipFile(tmp_path / "rgb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for survey in (0, 3):
            file.writestr(f"{survey:02d}/{survey}.png", rgb.getvalue())
        file.write(tmp_path / "bomb.tif", "01/1.png")
        with file.open("02/2.png", "w") as member:
            for _ in range(512):
                member.write(bytes(1 << 20))
    for survey in range(4):
        path = tmp_path / "nir" / f"{survey:02d}" / f"{survey}.jpeg"
        path.parent.mkdir(parents=True)
        path.write_bytes(_jpeg(()))
    os.truncate(path, 1 << 40)
    ran = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "['ok', 'corrupt', 'corrupt', 'corrupt']",
        "1: found 3 bands of 30000 x 30000 pixels, expected 3 of 32 x 32",
        "2: found 536,870,912 bytes, expected at most 16,777,216",
        "3: found 1,099,511,627,776 bytes, expected at most 16,777,216",
    ]


def test_missing_files_and_undeclared_datasets_are_told_of(folder):
    shutil.rmtree(folder / "rgb" / "02")
    places = pd.concat([_places([2, 3]), _places([3], "pa_test")], ignore_index=True)
    _, valid, rank, problems = _cutter(folder).cut(places)
    assert list(FLAGS[rank]) == ["missing", "ok", "missing"]
    assert sorted(row for row, _, cause in problems if cause == "missing") == [0, 2, 2]
    assert problems[0][1] == str(folder / "rgb" / "02" / "2.png")
    assert list(valid["red"]) == [0, 1, 0]


@pytest.mark.parametrize("end", [".tar", ".zip"])
def test_archives_give_the_same_tiles_without_unpacking(folder, end):
    (folder / "nir" / "06" / "6.jpeg").write_bytes(b"")
    wanted = _cutter(folder).cut(_places(range(10)))
    for kind in ("rgb", "nir"):
        path = folder / f"{kind}{end}"
        if end == ".tar":
            with tarfile.open(path, "w") as file:
                file.add(folder / kind, kind)
        else:
            with zipfile.ZipFile(path, "w") as file:
                for image in (folder / kind).rglob("*.*"):
                    file.write(image, image.relative_to(folder / kind))
        shutil.rmtree(folder / kind)
    values, _, rank, problems = _cutter(folder).cut(_places(range(10)))
    assert_array_equal(rank, wanted[2])
    assert [cause for _, _, cause in problems] == ["found 0 bytes"]
    for name in values:
        assert_array_equal(values[name], wanted[0][name])


def test_no_readable_image_at_all_is_an_error(folder):
    with pytest.raises(DataError, match="none of 3 surveys tried has a readable image of bands red, green, blue"):
        _cutter(folder, sample=[90, 91, 92])


def test_where_few_surveys_have_an_image_they_are_found(folder):
    for kind, end, mode in (("rgb", "png", "RGB"), ("nir", "jpeg", "L")):
        path = folder / kind / "05" / f"505.{end}"  # between those that are tried first
        Image.new(mode, (SIDE, SIDE), "white").save(path)
    cutter = _cutter(folder, sample=range(100, 2100))
    assert_array_equal(cutter.means, [255] * 4)
    values, _, rank, _ = cutter.cut(_places([505, 506]))
    assert values["red"].dtype == np.uint8
    assert list(rank > 0) == [False, True]


def test_tiffs_keep_their_numbers_and_nodata(tmp_path):
    bands = np.random.default_rng(1).integers(0, 9000, (4, 64, 64)).astype("int16")
    bands[2, :3] = -1
    pixels, valid = images.decode(geotiff(tmp_path / "x.tiff", bands, nodata=-1).read_bytes(), 4, 64)
    assert_array_equal(pixels, bands)
    assert_array_equal(valid, bands != -1)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_tiles_of_the_virtual_world(tmp_path):
    world.write_images(world.SIZES["tiny"], tmp_path, ("pa_test",))
    from glc.world.images import path, surveys_of

    places = surveys_of(world.SIZES["tiny"], "pa_test").assign(dataset="pa_test")
    cutter = images.ImageCutter(registry.covariates.get("sentinel2"), [tmp_path], 128, "full", places)
    values, _, rank, _ = cutter.cut(places)
    for i, survey in enumerate(places["surveyId"]):
        there = path(tmp_path, "pa_test", "rgb", survey).exists(), path(tmp_path, "pa_test", "nir", survey).exists()
        assert FLAGS[rank[i]] == ("ok" if all(there) else "missing")
        if there[0]:
            assert_array_equal(values["red"][i].reshape(128, 128), _pixels(path(tmp_path, "pa_test", "rgb", survey)))


REAL = [
    ("sentinel2", "glc23_sample", "po", "SatelliteImages/nir/83/70/5217083.jpeg", "nir", 4),
    ("sentinel2", "fixtures/glc25_pre_extracted", "pa_test", "SatelitePatches/PA-test/08/01/5000108.tiff", "red", 4),
    ("aerial", "fixtures/glc22", "po", "patches-fr/00/19/10561900_rgb.jpg", "red", 4),
    ("landcover_patches", "fixtures/glc22", "po", "patches-us/00/81/22068100_landcover.tif", "landcover", 1),
    ("altitude_patches", "fixtures/glc22", "po", "patches-us/93/01/20000193_altitude.tif", "altitude", 1),
]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("name", "folder", "dataset", "file", "band", "bands"), REAL)
def test_real_images_are_what_rasterio_reads(shared_data, name, folder, dataset, file, band, bands):
    pixels = _pixels(shared_data / folder / file)
    places = _places([int(file.split("/")[-1].split("_")[0].split(".")[0])], dataset)
    cutter = images.ImageCutter(registry.covariates.get(name), [shared_data / folder], len(pixels), "full", places)
    values, valid, rank, problems = cutter.cut(places)
    assert (list(FLAGS[rank]), problems, len(values)) == (["ok"], [], bands)
    assert_array_equal(values[band][0].reshape(pixels.shape), pixels)
    assert all((share == 1).all() for share in valid.values())


def _classes(folder, codes, name="landcover"):
    for survey, one in enumerate(codes):
        path = folder / "patches-fr" / f"{survey:02d}" / "00" / f"{survey}_{name}.tif"
        path.parent.mkdir(parents=True)
        geotiff(path, np.asarray(one, np.uint8)[None])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("block", ["full", 4])
def test_classes_become_a_layer_of_zeros_and_ones_each_as_pixels_and_as_coefficients(tmp_path, block):
    codes = np.random.default_rng(3).choice([0, 3, 33, 34], (6, 256, 256), p=[0.3, 0.3, 0.3, 0.1])
    _classes(tmp_path, codes)
    covariate = registry.covariates.get("landcover_onehot")
    cutter = images.ImageCutter(covariate, [tmp_path], 256, block, _places(range(6)))
    values, valid, rank, _ = cutter.cut(_places([1, 5, 77]))
    assert list(values) == [f"landcover_{code}" for code in range(34)]
    assert list(FLAGS[rank]) == ["ok", "ok", "missing"]
    for i, survey in enumerate((1, 5)):
        inside = codes[survey] < 34  # 34 is no class
        for code in (0, 3, 7, 33):
            made, share = values[f"landcover_{code}"][i], valid[f"landcover_{code}"][i]
            assert share == pytest.approx(inside.mean())
            if block == "full":
                assert made.dtype == np.uint8
                assert_array_equal(made.reshape(256, 256)[inside], codes[survey][inside] == code)
            elif code != 7:  # the first coefficient is the mean times the side; gaps take their neighbours' class
                assert made[0] / 256 == pytest.approx((codes[survey] == code)[inside].mean(), abs=0.01)
    shares = [cutter.means[code] for code in (0, 3, 7, 33)]
    assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.01)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_class_numbers_are_kept_as_pixels_and_have_no_coefficients(tmp_path):
    codes = np.random.default_rng(3).integers(0, 34, (2, 256, 256))
    _classes(tmp_path, codes)
    covariate = registry.covariates.get("landcover_patches")
    values, *_ = images.ImageCutter(covariate, [tmp_path], 256, "full", _places(range(2))).cut(_places([1]))
    assert_array_equal(values["landcover"][0].reshape(256, 256), codes[1])
    with pytest.raises(ConfigError, match="'landcover_patches' contains class numbers, whose DCT is meaningless"):
        images.ImageCutter(covariate, [tmp_path], 256, 8, _places(range(2)))
