"""The virtual globe: exact from its seed, with imagery that shows climate, altitude and country."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from glc.location.downstream import labelled, problems
from glc.location.pretraining import patches
from glc.world import globe

TINY = globe.GLOBES["globe-tiny"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("globe")
    for part in globe.PARTS:
        globe.write(TINY, folder, part)
    return folder


def test_it_is_exact_from_its_seed(made, tmp_path):
    for part in globe.PARTS:
        globe.write(TINY, tmp_path, part)
    for name in (globe.PATCHES, globe.RASTER, labelled.TASKS, labelled.QUERY):
        assert (made / name).read_bytes() == (tmp_path / name).read_bytes()
    lon, lat = np.linspace(-170, 170, 50), np.linspace(-80, 80, 50)
    other = globe.ground(replace(TINY, seed=1), lon, lat)
    assert not np.allclose(other.prec_mm, globe.ground(TINY, lon, lat).prec_mm)


def test_its_patches_are_in_the_layout_of_s2_100k(made):
    with zipfile.ZipFile(made / globe.PATCHES) as archive:
        assert archive.namelist()[:2] == ["index.csv", "images/patch_00000.tif"]
    patches.check(made / globe.PATCHES, 8)
    folder = patches.Folder(made / globe.PATCHES)
    assert folder.layout(8) == patches.Layout(globe.BANDS, TINY.side)
    assert globe.ground(TINY, folder.index["lon"].to_numpy(), folder.index["lat"].to_numpy()).land.all()


def test_its_places_are_tables_of_downstream_tasks(made):
    problem = problems.location(made)
    assert len(problem.places) + len(problem.query) == TINY.places
    assert problem.places["country_code"].nunique() > 4
    assert problem.places["koeppen_main"].isin(list("ABCDE")).all()
    blocks = [set(map(tuple, np.floor(x[["lat", "lon"]].to_numpy() / 10))) for x in (problem.places, problem.query)]
    assert not blocks[0] & blocks[1]
    here = globe.ground(TINY, *problem.places[["lon", "lat"]].to_numpy().T)
    np.testing.assert_allclose(here.prec_mm, problem.places["prec_annual_mm"], rtol=1e-3)


def test_its_raster_has_the_values_of_the_ground(made):
    lon, lat = np.array([-179.0, 1.0, 91.0]), np.array([1.0, 45.0, -29.0])  # middles of pixels
    values, names = problems.nearest_pixel(made / globe.RASTER, lon, lat)
    assert names == list(globe.RASTER_BANDS)
    here = globe.ground(TINY, lon, lat)
    np.testing.assert_allclose(values[:, 2], here.prec_mm, rtol=1e-5)
    assert (values[:, 3] == 100 * here.land).all()


def test_a_patch_shows_climate_altitude_and_country():
    rng = np.random.default_rng(0)
    lon, lat = globe._on_land(TINY, 300, "test")
    here = globe.ground(TINY, lon, lat)
    images = globe.pixels(TINY, lon, lat, rng).astype(float)
    means = images.mean(axis=(2, 3))
    green = (means[:, 3] - means[:, 0]) / (means[:, 3] + means[:, 0])
    warm = here.tmean_c > 12
    assert np.corrcoef(green[warm], np.clip(here.prec_mm[warm], 0, 1500))[0, 1] > 0.6
    assert np.corrcoef(means[:, 2], here.tmean_c)[0, 1] < -0.6  # snow is bright
