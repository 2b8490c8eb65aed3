import dataclasses

import numpy as np
import pytest
import rasterio
from PIL import Image

from glc import registry, world
from glc.rasters import images
from glc.world import SIZES, environment, occurrences, patches
from glc.world.areas import AREAS

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
TINY = dataclasses.replace(SIZES["glc20-tiny"], n=60, n_species=10)
KINDS = ("rgb.jpg", "near_ir.jpg", "altitude.tif", "landcover.tif")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    world.write_images(TINY, folder)
    return folder


def test_the_files_are_those_of_the_contest(folder, shared_data):
    real = shared_data / "fixtures" / "glc22"
    found = occurrences.sites(TINY)
    for number, (area, survey) in enumerate(zip(AREAS, (10561949, 20000173), strict=True)):
        ids = found["id"][found["area"] == number]
        made = next(i for i in ids if patches.path(folder, area, i, KINDS[0]).exists())
        for kind in KINDS:
            mine, theirs = patches.path(folder, area, made, kind), patches.path(real, area, survey, kind)
            with rasterio.open(mine) as one, rasterio.open(theirs) as other:
                assert (one.driver, one.count, one.shape) == (other.driver, other.count, other.shape)
                assert one.dtypes == other.dtypes


def test_covariates_read_what_was_written(folder):
    places = occurrences.sites(TINY).rename(columns={"id": "surveyId"}).assign(dataset="po")
    for name, bands in (("aerial", 4), ("altitude_patches", 1), ("landcover_patches", 1)):
        cutter = images.ImageCutter(registry.covariates.get(name), [folder], 256, "full", places)
        values, valid, _, problems = cutter.cut(places)
        assert len(values) == bands
        known = zip(places.area, places.surveyId, strict=True)
        there = [patches.path(folder, AREAS[area], survey, KINDS[0]).exists() for area, survey in known]
        assert all((share == there).all() for share in valid.values())
        assert len(problems) == (len(places) - sum(there)) * (2 if name == "aerial" else 1)
    survey = int(np.argmax(there))
    with Image.open(patches.path(folder, AREAS[places.area[survey]], places.surveyId[survey], "landcover.tif")) as one:
        np.testing.assert_array_equal(values["landcover"][survey].reshape(256, 256), np.asarray(one))


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.code)
def test_patches_tell_the_cover_soil_and_height_of_their_place(area):
    west, south, east, north = area.bounds
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(west, east, 240), rng.uniform(south, north, 240)
    pixels, altitude, cover = patches.patches(TINY, area, lon, lat, patches.paint(TINY.seed), rng)
    assert (pixels.shape, altitude.dtype, cover.dtype) == ((240, 256, 256, 4), np.int16, np.uint8)
    seed, frame = area.seed(TINY), area.frame(lon, lat)
    forest, _, water, _ = environment.cover_shares(*environment.cover(seed, *frame))
    codes = patches.LAND_COVER[area.code]
    trees, wet, cleared = (np.isin(cover, own).mean(axis=(1, 2)) for own in (codes[:2], codes[3], codes[6]))
    # land that is not cleared has the shares of its place
    land = 1 - wet - cleared
    keep = land > 0.4
    shown, wanted = (trees / land)[keep], (forest / (1 - water))[keep]
    assert np.abs(shown - wanted).mean() < 0.05
    assert np.corrcoef(shown, wanted)[0, 1] > 0.95
    assert np.corrcoef(wet, water)[0, 1] > 0.9
    assert (
        np.corrcoef((cleared / (1 - wet + 1e-9))[wet < 0.9], environment.disturbance(seed, *frame)[wet < 0.9])[0, 1]
        > 0.8
    )
    brightness = pixels[..., 0].mean(axis=(1, 2))
    assert np.corrcoef(brightness, trees)[0, 1] < -0.5
    height = environment.elevation(seed, *frame)
    np.testing.assert_allclose(altitude.mean(axis=(1, 2)), height, atol=3)


def test_pixels_of_a_class_look_alike_and_unlike_others():
    area, rng = AREAS[0], np.random.default_rng(2)
    lon, lat = rng.uniform(0, 8, 30), rng.uniform(44, 50, 30)
    pixels, _, cover = patches.patches(TINY, area, lon, lat, patches.paint(TINY.seed), rng)
    names = patches.LAND_COVER["fr"]
    found = {code: pixels[cover == code].mean(axis=0) for code in np.unique(cover)}
    warm, bare = found[names[1]], found[names[6]]
    assert bare[0] > warm[0] + 40
    assert warm[3] > bare[3] + 15  # leaves shine in the near infrared
    assert set(found) <= set(names)
