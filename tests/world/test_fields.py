import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glc import geo
from glc.world import fields


@pytest.mark.parametrize("length", [1_000, 40_000])
def test_noise_has_unit_variance_and_the_correlation_length_asked_for(length):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-60 * length, 60 * length, (2, 40_000))
    here, there = fields.noise(1, "a", x, y, length), fields.noise(1, "a", x + length, y, length)
    assert abs(here.mean()) < 0.1
    assert abs(here.std() - 1) < 0.1
    assert np.corrcoef(here, there)[0, 1] == pytest.approx(np.exp(-1), abs=0.06)
    assert abs(np.corrcoef(here, fields.noise(1, "a", x + 4 * length, y, length))[0, 1]) < 0.06


def test_noise_depends_on_seed_name_and_place_only():
    x, y = np.random.default_rng(0).uniform(0, 1e6, (2, 500))
    all_at_once = fields.noise(1, "a", x, y, 5_000)
    assert_array_equal(fields.noise(1, "a", x[100:200], y[100:200], 5_000), all_at_once[100:200])
    assert abs(np.corrcoef(all_at_once, fields.noise(1, "b", x, y, 5_000))[0, 1]) < 0.2
    assert abs(np.corrcoef(all_at_once, fields.noise(2, "a", x, y, 5_000))[0, 1]) < 0.2


def test_the_plane_is_metric_near_its_meridian():
    x, y = fields.plane([10.0, 10.1], [50.0, 50.1])
    assert np.hypot(*np.diff([x, y]))[0] == pytest.approx(geo.great_circle_m(10.0, 50.0, 10.1, 50.1), rel=1e-3)


def test_generators_differ_by_every_key():
    keys = [(1, "a"), (2, "a"), (1, "b"), (1, "a", 0), (1, "a", 1)]
    assert len({fields.generator(*key).integers(2**60) for key in keys}) == len(keys)
