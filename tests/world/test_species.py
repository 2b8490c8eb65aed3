import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc.world import SIZES, environment, places, species

TINY = SIZES["tiny"]


@pytest.fixture(scope="module")
def niches():
    return species.niches(TINY)


@pytest.fixture(scope="module")
def surveys():
    return places.pa(TINY)[0]


def test_log_odds_are_the_quadratic_of_the_docstring(niches, surveys):
    e = environment.at(TINY.seed, surveys.lon, surveys.lat)[:40]
    wanted = np.array(
        [
            [niches.height[s] - (niches.weight[s] * (row - niches.optimum[s]) ** 2).sum() / 2 for s in range(60)]
            for row in e.astype(float)
        ]
    )
    assert_allclose(niches.log_odds(e), wanted, atol=2e-3)
    chosen = np.random.default_rng(0).integers(0, 60, (40, 5))
    assert_allclose(niches.log_odds_of(e, chosen), np.take_along_axis(wanted, chosen, 1), atol=2e-3)


def test_expected_richness_is_near_the_rows_asked_for(niches, surveys):
    known = niches.subset(niches.in_pa)
    e = environment.at(TINY.seed, surveys.lon, surveys.lat)
    p = known.probability(e, species.efforts(surveys.areaInM2))
    assert p.sum() == pytest.approx(TINY.n_pa_rows, rel=0.15)
    assert (p <= known.detection + 1e-6).all()
    # prevalence spreads over orders of magnitude and records are not all alike everywhere
    prevalence = p.mean(axis=0)
    assert prevalence.max() > 8 * np.median(prevalence) or np.log(prevalence).std() > 0.5
    assert p.std(axis=0).mean() > 0.1


def test_ids_are_a_permutation_and_some_species_are_presence_only(niches):
    assert sorted(niches.ids) == list(range(TINY.n_species))
    assert niches.in_pa.sum() == TINY.n_pa_species


def test_larger_plots_find_more():
    assert list(species.efforts([100.0, None]).round(6)) == [0, 0]
    assert species.efforts([400.0])[0] > 0 > species.efforts([25.0])[0]
