import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glc import world
from glc.covariates._base import file_name, places
from glc.errors import DataError
from glc.registry import covariates
from glc.world import SIZES, environment, images

TINY = SIZES["tiny"]


def test_tiles_are_jpegs_in_the_contests_folders_and_some_are_missing(tmp_path):
    world.write_images(TINY, tmp_path)
    surveys = images.surveys_of(TINY, "pa_train")
    rgb = [images.path(tmp_path, "pa_train", "rgb", s).exists() for s in surveys.surveyId]
    nir = [images.path(tmp_path, "pa_train", "nir", s).exists() for s in surveys.surveyId]
    assert 0.93 < np.mean(rgb) < 1
    assert np.mean(nir) <= np.mean(rgb)
    survey = surveys.surveyId[int(np.argmax(nir))]
    with Image.open(images.path(tmp_path, "pa_train", "rgb", survey)) as tile:
        assert (tile.mode, tile.size, tile.format) == ("RGB", (128, 128), "JPEG")
    with Image.open(images.path(tmp_path, "pa_train", "nir", survey)) as tile:
        assert (tile.mode, tile.size) == ("L", (128, 128))
    assert len(list((tmp_path / "PA_Test_SatellitePatches_NIR").rglob("*.jpeg"))) > 50


def test_the_path_rule_is_that_of_the_real_tiles(tmp_path):
    wanted = "PA_Train_SatellitePatches_RGB/pa_train_patches_rgb/01/23/1322301.jpeg"
    assert images.path(Path(), "pa_train", "rgb", 1322301) == Path(wanted)
    if "GLC_SHARED_DATA" not in os.environ:
        pytest.skip("GLC_SHARED_DATA is not set: no real tile to look for")
    real = Path(os.environ["GLC_SHARED_DATA"]) / "fixtures" / "glc24_pre_extracted"
    assert images.path(real, "pa_train", "nir", 1322301).exists()


def test_tiles_show_the_cover_of_their_place():
    surveys = images.surveys_of(SIZES["small"], "pa_train")[:100]
    lon, lat = surveys.lon.to_numpy(), surveys.lat.to_numpy()
    centre = images.tiles(2024, lon, lat, np.random.default_rng(0))[:, 56:72, 56:72].mean(axis=(1, 2))
    forest, field, _, _ = environment.cover_shares(*environment.cover(2024, lon, lat))
    assert np.corrcoef(centre[:, 0], forest)[0, 1] < -0.5
    assert np.corrcoef(centre[:, 0] - centre[:, 1], field)[0, 1] > 0.5


def test_tiles_are_north_up():
    # a tile's top row lies further north: its pixels agree with the tile centred there
    lat, north = 50.0, np.degrees(60 * images.PIXEL_M / images.EARTH_RADIUS_M)
    lon = np.linspace(5, 15, 200)
    here = images.tiles(1, lon, np.full(200, lat), np.random.default_rng(0)).astype(float)
    there = images.tiles(1, lon, np.full(200, lat + north), np.random.default_rng(1)).astype(float)
    top, bottom = here[:, :8, 56:72, 0].mean(axis=(1, 2)), here[:, -8:, 56:72, 0].mean(axis=(1, 2))
    centre = there[:, 56:72, 56:72, 0].mean(axis=(1, 2))
    assert np.corrcoef(top, centre)[0, 1] > np.corrcoef(bottom, centre)[0, 1] + 0.05


def test_presence_only_tiles_are_where_the_contests_are_and_the_covariate_finds_them(tmp_path):
    few = dataclasses.replace(TINY, n_po_surveys=40, n_po_rows=60)
    world.write(few, tmp_path, (world.PO_IMAGES,))
    wanted = "PO_Train_SatellitePatches_NIR/po_train_patches_nir/01/23/1322301.jpeg"
    assert images.path(Path(), "po", "nir", 1322301) == Path(wanted)
    folder, layers = covariates.get("sentinel2").find([tmp_path])
    surveys = images.surveys_of(few, "po")
    for layer in layers:
        ((place, below),) = places(folder, layer.templates["po"][0])
        there = [(place / file_name(below, survey)).is_file() for survey in surveys.surveyId]
        assert 0.8 < np.mean(there) <= 1


def test_an_unknown_dataset_is_refused(tmp_path):
    with pytest.raises(DataError, match="found dataset 'pb', expected one of: pa_train, pa_test, po"):
        world.write_images(TINY, tmp_path, datasets=("pb",))
