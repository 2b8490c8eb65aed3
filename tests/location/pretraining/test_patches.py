"""Patches around the globe: read from folders and archives, checked, and read in place."""

import io
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glc import storage
from glc.config import EncoderPretraining
from glc.errors import ConfigError, DataError
from glc.location import LocationEncoder
from glc.location.pretraining import patches, train
from tests.rasters.geotiffs import geotiff

SIDE = 8
OPTIONS = EncoderPretraining(places=64, batch_size=16, size=4, epochs=1, dim=4, apart_km=0.0, holdout=0.2)


def values(row):
    return np.random.default_rng(row).integers(0, 255, (4, SIDE, SIDE), dtype=np.uint8)


def write(folder, n=60, names=("red", "green", "blue", "nir")):
    """A folder in the layout of S2-100K; returns its index."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    index = pd.DataFrame({"fn": [f"patch_{row}.tif" for row in range(n)]})
    index["lon"], index["lat"] = rng.uniform(-180, 180, n).round(3), rng.uniform(-60, 60, n).round(3)
    for row, name in enumerate(index["fn"]):
        geotiff(folder / "images" / name, values(row), step=0.1, names=names)
    index.to_csv(folder / "index.csv", index=False)
    return index


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "patches")
    return tmp_path / "patches"


def prepared(path, out, size=4):
    with storage.atomic_directory(out) as scratch:
        storage.note(scratch, **patches.prepare(path, scratch, size, progress=False))
    return out


def test_patches_are_averaged_and_read_in_place(folder, tmp_path):
    out = prepared(folder, tmp_path / "out")
    facts = storage.manifest(out)
    assert (facts["bands"], facts["patches"], facts["missing"]) == (["red", "green", "blue", "nir"], 60, 0)
    scenes = patches.scenes(out, replace(OPTIONS, places=1000, batch_size=16))
    assert isinstance(scenes.tiles.array, np.memmap)
    assert scenes.tiles.shape == (60, 4, 4, 4)
    wanted = values(7).reshape(4, 4, 2, 4, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(scenes.tiles[np.array([7])][0], wanted, rtol=1e-6)
    np.testing.assert_allclose(scenes.tiles[np.array([7, 8]), 2][0], wanted[2], rtol=1e-6)
    fewer = patches.scenes(out, replace(OPTIONS, leave_out=("n*",), bounds=(-180.0, -90.0, 0.0, 90.0)))
    assert fewer.bands == ("red", "green", "blue")
    assert fewer.tiles.shape[1] == 3
    assert (fewer.lon <= 0).all()
    assert fewer.lost["causes"]["out_of_bounds"] == 60 - len(fewer.lon)
    assert len(patches.scenes(out, replace(OPTIONS, places=32)).lon) == 32


def test_archives_hold_the_same_as_their_folder(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder))
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        archive.add(folder, "p")
    paths = (folder, tmp_path / "p.zip", tmp_path / "p.tar")
    tiles = [np.load(prepared(path, tmp_path / f"out{i}") / "tiles.npy") for i, path in enumerate(paths)]
    assert np.array_equal(tiles[0], tiles[1])
    assert np.array_equal(tiles[0], tiles[2])
    assert patches.is_patches(folder)
    assert patches.is_patches(tmp_path / "p.tar")


def test_a_tile_whose_pixels_do_not_divide_is_averaged_by_area():
    weights = patches.averaging(5, 2)
    np.testing.assert_allclose(weights, np.array([[2, 2, 1, 0, 0], [0, 0, 1, 2, 2]]) / 5)
    pixels, valid = np.ones((1, 5, 5)), np.ones((1, 5, 5), bool)
    pixels[0, :3], valid[0, :3] = 99, False
    tile = patches.averaged(pixels, valid, weights)[0]
    assert np.isnan(tile[0]).all()  # nothing of it is known
    np.testing.assert_allclose(tile[1], 1)


def test_what_is_missing_or_damaged_is_left_out_and_listed(folder, tmp_path):
    (folder / "images" / "patch_3.tif").unlink()
    (folder / "images" / "patch_5.tif").write_bytes(b"II*\0broken")
    out = prepared(folder, tmp_path / "out")
    facts = storage.manifest(out)
    assert (facts["patches"], facts["missing"], facts["unreadable"]) == (58, 1, 1)
    left = pd.read_csv(out / "left_out.csv")
    assert list(left["fn"]) == ["patch_3.tif", "patch_5.tif"]
    assert left["reason"][0] == "missing"
    scenes = patches.scenes(out, replace(OPTIONS, places=1000))
    np.testing.assert_allclose(scenes.tiles[np.array([4])][0], values(6).reshape(4, 4, 2, 4, 2).mean(axis=(2, 4)))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: (folder / "index.csv").unlink(), "found no CSV file, expected one index.csv"),
        (lambda folder: (folder / "index.csv").write_text("fn,lon\na,1\n"), "column 'lat' is missing; found fn, lon"),
        (lambda folder: (folder / "index.csv").write_text("fn,lon,lat\n"), "found no rows"),
        (
            lambda folder: (folder / "index.csv").write_text("fn,lon,lat\na.tif,1,2\nb.tif,1,95\n"),
            r"column 'lat': found 95 in line 3 \(1 such rows\), expected degrees from -90 to 90",
        ),
        (
            lambda folder: (folder / "index.csv").write_text("fn,lon,lat\n../a,1,2\n"),
            "expected a file below this folder",
        ),
        (
            lambda folder: [(folder / "images" / f"patch_{row}.tif").unlink() for row in range(4)],
            r"4 of 60 patches are missing or cannot be used, more than 5%: patch_0.tif: missing; patch_1.tif",
        ),
        (
            lambda folder: [
                geotiff(folder / "images" / f"patch_{row}.tif", values(row)[:3], step=0.1) for row in range(2, 6)
            ],
            r"patch_2.tif has 3 bands of 8 x 8 pixels, expected 4 of 8 x 8 as of 28 of the first 32",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_read(folder, break_it, words):
    break_it(folder)
    with pytest.raises(DataError, match=words):
        patches.check(folder, 4)


def test_patches_smaller_than_the_encoder_sees_are_refused(folder):
    with pytest.raises(ConfigError, match=r"location.size: found 16, expected at most 8"):
        patches.check(folder, 16)


def test_an_encoder_is_trained_on_patches(folder, tmp_path):
    out = prepared(folder, tmp_path / "out")
    for name, options in {"plain": OPTIONS, "shuffled": replace(OPTIONS, shuffled=True)}.items():
        (tmp_path / name).mkdir()
        facts = train.pretrain_on_patches(out, tmp_path / name, options)
        assert facts["places"] + facts["places_validated"] == 60
        assert facts["source"] == "patches"
    one, other = (LocationEncoder.load(tmp_path / name / "location.ckpt") for name in ("plain", "shuffled"))
    assert not np.allclose(one.embed([7], [42]), other.embed([7], [42]))


def test_a_shuffled_place_has_the_tile_of_another(folder, tmp_path):
    scenes = patches.scenes(prepared(folder, tmp_path / "out"), OPTIONS)
    plain, shuffled = (train.Loader(scenes, np.arange(40), 40, 0.0, 0, shuffled=way) for way in (False, True))
    first, second = next(iter(plain)), next(iter(shuffled))
    assert np.array_equal(first["lon"], second["lon"])
    same = [bool((a == b).all()) for a, b in zip(first["tiles"], second["tiles"], strict=True)]
    assert np.mean(same) < 0.2
    assert sorted(map(float, first["tiles"].sum(dim=(1, 2, 3)))) == pytest.approx(
        sorted(map(float, second["tiles"].sum(dim=(1, 2, 3))))
    )


def test_a_user_s_image_is_read_by_band_names_or_by_order(tmp_path):
    bands = ("red", "green", "blue", "nir")
    path = geotiff(tmp_path / "a.tif", values(1)[::-1], step=0.1, names=bands[::-1])
    wanted = values(1).reshape(4, 4, 2, 4, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(patches.read_image(path, bands, 4)[0], wanted, rtol=1e-6)
    Image.fromarray(np.moveaxis(values(1)[:3], 0, 2)).save(tmp_path / "a.png")
    np.testing.assert_allclose(patches.read_image(tmp_path / "a.png", bands[:3], 4)[0], wanted[:3], rtol=1e-6)
    with pytest.raises(DataError, match=r"a.png: found 3 bands \(red, green, blue\), expected the 4 of the encoder"):
        patches.read_image(tmp_path / "a.png", bands, 4)
    with pytest.raises(DataError, match="found 8 x 8 pixels, expected at least 16 x 16"):
        patches.read_image(path, bands, 16)
    with pytest.raises(DataError, match="no such image"):
        patches.read_image(tmp_path / "none.png", bands, 4)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match="expected a JPEG, PNG or TIFF"):
        patches.read_image(tmp_path / "text.png", bands, 4)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "PNG")
    (tmp_path / "wide.png").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="found 6 x 8 pixels, expected a square"):
        patches.read_image(tmp_path / "wide.png", bands[:3], 4)
