"""The additive model: what its basis and penalty are, and that it finds the intensity of a Poisson process."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc.registry import sdms
from glc.sdm import gam
from tests.sdm import world

MEMBER = sdms.get("gam")


def fitted(presences, absences, sites, penalty=1.0, place=False, **options):
    model = MEMBER(MEMBER.Options(**options))
    return model._one(presences, absences, sites, penalty=penalty, place=place)


@pytest.mark.parametrize("knots", [3, 8])
def test_bends_cost_their_squared_second_differences_and_lines_nothing(knots):
    smooth = gam._smooth(knots)
    bends = np.diff(np.eye(knots + 2), n=2, axis=0)
    assert_allclose((bends @ smooth).T @ (bends @ smooth), np.eye(knots), atol=1e-9)
    score = np.linspace(-gam.EDGE, gam.EDGE, 50)
    splines = gam._splines(score, knots)
    assert_allclose(splines.sum(axis=1), 1)
    lines = splines @ np.arange(knots + 2)  # coefficients without bends
    assert_allclose(np.diff(lines, n=2), 0, atol=1e-7)


def test_the_log_intensity_of_a_poisson_process_is_found():
    rng = np.random.default_rng(0)
    place = rng.uniform(-2, 2, (40_000, 2))
    intensity = np.exp(1.2 * place[:, 0] - place[:, 0] ** 2 + np.sin(2 * place[:, 1]))
    presences = place[rng.random(len(place)) < intensity / intensity.max()]
    background, sites = rng.uniform(-2, 2, (10_000, 2)), rng.uniform(-1.8, 1.8, (500, 2))
    score = fitted(presences, background, sites, knots=16, background=1_000.0)
    truth = 1.2 * sites[:, 0] - sites[:, 0] ** 2 + np.sin(2 * sites[:, 1])
    error = (score - score.mean()) - (truth - truth.mean())
    assert np.sqrt(np.mean(error**2)) < 0.12  # of log intensities that spread by 1.5


def test_a_large_penalty_leaves_straight_lines():
    rng = np.random.default_rng(1)
    background = rng.normal(size=(4_000, 1))
    presences = background[rng.random(4_000) < np.exp(-3 * background[:, 0] ** 2)]
    at = np.quantile(background, np.linspace(0.1, 0.9, 9))[:, None]
    bent, straight = (fitted(presences, background, at, penalty, linear=1e-9) for penalty in (0.1, 1e9))
    assert np.ptp(bent) > 2
    assert np.ptp(straight) < 0.2  # the hump is symmetric, so that its line is level


def test_the_penalty_with_the_highest_blocked_auc_is_taken(monkeypatch):
    group = world.group()
    aucs = {0.3: [0.7, 0.9], 1.0: [0.95, np.nan], 3.0: [0.8, 0.9]}
    asked = []

    def crossed(model, groups, place, fold):
        asked.append((model.penalty, len(groups[0].species), len(fold[0]) == len(groups[0].table)))
        return np.array(aucs[model.penalty])

    monkeypatch.setattr(gam.coordinates, "cross_validated", crossed)
    model = MEMBER(MEMBER.Options(penalties=tuple(aucs), asked=2))
    assert model._chosen([group.examples], False) == 1.0
    assert asked == [(penalty, 2, True) for penalty in aucs]


def test_a_class_is_no_curve_and_a_constant_is_nothing():
    train = np.column_stack([np.linspace(0, 1, 30), np.arange(30) % 2, np.ones(30)]).astype(np.float32)
    basis = gam._Basis(train, MEMBER.Options(), False)
    assert (basis.curves, basis.classes) == ([0], [1])
    assert_allclose(basis(train).mean(axis=0), 0, atol=1e-9)
    joined = gam._Basis(train, MEMBER.Options(), True)  # the first two are the place
    assert (joined.curves, joined.classes) == ([], [])
    assert joined(train).shape == (30, 49)


def test_the_first_species_are_not_all_that_are_asked():
    examples = world.group().examples
    (some,) = gam.coordinates.some_species([examples], 2)
    assert some.species == ("a", "c")
    assert np.array_equal(some.present, examples.present[:, ::2])
    assert gam.coordinates.some_species([examples], 3) == [examples]
