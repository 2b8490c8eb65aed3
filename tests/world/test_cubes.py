import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import world
from glc.world import SIZES, cubes, environment, images

TINY = SIZES["tiny"]


def test_cubes_have_the_contests_shape_and_some_are_missing(tmp_path):
    world.write_cubes(TINY, tmp_path)
    surveys = images.surveys_of(TINY, "pa_train")
    paths = [cubes.path(tmp_path, "pa_train", s) for s in surveys.surveyId]
    found = [np.load(p) for p in paths if p.exists()]
    assert 0.9 * len(paths) < len(found) < len(paths)
    assert {c.shape for c in found} == {(4, 19, 12)}
    assert {c.dtype for c in found} == {np.dtype("float32")}
    assert 0 < np.isnan(found).mean() < 0.03


def test_cubes_average_to_the_climate():
    surveys = images.surveys_of(TINY, "pa_train")
    lon, lat = surveys.lon.to_numpy(), surveys.lat.to_numpy()
    made = cubes.cubes(TINY.seed, lon, lat, np.random.default_rng(0))
    temperature, _, _ = environment.climate(TINY.seed, lon, lat, environment.elevation(TINY.seed, lon, lat))
    weather = environment.anomalies(TINY.seed)[0].mean()
    assert_allclose(np.nanmean(made[:, 1], axis=(1, 2)) / 10 - 273.15, temperature + weather, atol=0.4)
    known = ~np.isnan(made[:, 0])
    assert (made[:, 2][known] > made[:, 3][known]).all()


def test_names_and_units_are_those_of_a_real_cube():
    if "GLC_SHARED_DATA" not in os.environ:
        pytest.skip("GLC_SHARED_DATA is not set: no real cube to compare with")
    real = Path(os.environ["GLC_SHARED_DATA"]) / "fixtures" / "glc24_pre_extracted"
    cube = np.load(cubes.path(real, "pa_train", 1322301))
    ours = cubes.cubes(TINY.seed, np.array([10.0]), np.array([50.0]), np.random.default_rng(0))[0]
    assert cube.shape == ours.shape
    assert_allclose(np.nanmean(ours[1:]), cube[1:].mean(), rtol=0.05)  # tenths of a kelvin
    assert 0.1 < np.nanmean(ours[0]) / cube[0].mean() < 10
