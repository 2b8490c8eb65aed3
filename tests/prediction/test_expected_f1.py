import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc.prediction import expected_f1


def brute_force(p, k):
    """E[F1] of the first k species over all 2^m outcomes."""
    total = 0.0
    for outcome in itertools.product((0, 1), repeat=len(p)):
        y = np.array(outcome)
        weight = np.prod(np.where(y == 1, p, 1 - p))
        total += weight * 2 * y[:k].sum() / (k + y.sum())
    return total


@pytest.mark.parametrize("shape", [(0.5, 1.0), (0.05, 2.0), (3.0, 1.0)])
def test_curve_is_the_sum_over_all_outcomes(shape):
    p = np.sort(np.random.default_rng(0).beta(*shape, size=(4, 10)), axis=1)[:, ::-1]
    wanted = [[brute_force(row, k) for k in range(1, 11)] for row in p]
    assert_allclose(expected_f1.curve(p, 10), wanted, atol=1e-9)


def test_certain_species_are_exactly_the_set():
    p = np.zeros((1, 50))
    p[0, :7] = 1
    size, value = expected_f1.best_sizes(p)
    assert size[0] == 7
    assert value[0] == pytest.approx(1)


def test_quadrature_has_enough_nodes_for_thousands_of_species():
    p = np.sort(np.random.default_rng(1).beta(0.02, 3, size=(20, 4_000)), axis=1)[:, ::-1]
    assert_allclose(expected_f1.curve(p, 150), expected_f1.curve(p, 150, nodes=300), atol=1e-7)


def test_chosen_size_beats_every_fixed_size_when_probabilities_are_true():
    rng = np.random.default_rng(2)
    p = np.sort(rng.beta(0.1, 1.0, size=(400, 60)) * rng.uniform(0.1, 1, (400, 1)), axis=1)[:, ::-1]
    sizes, value = expected_f1.best_sizes(p)
    truth = rng.random((200, *p.shape)) < p
    hits, total = np.cumsum(truth, axis=2), truth.sum(axis=2, keepdims=True)
    f1 = (2 * hits / (np.arange(1, 61) + np.maximum(total, 0))).mean(axis=0)
    chosen = f1[np.arange(400), sizes - 1].mean()
    assert chosen > f1.mean(axis=0).max()
    assert_allclose(chosen, value.mean(), atol=0.01)


def test_spread_is_the_mean_over_the_common_factor():
    p = np.sort(np.random.default_rng(3).beta(0.5, 4.0, size=(3, 8)), axis=1)[:, ::-1]
    values = expected_f1.factors(0.5)
    assert values.mean() == pytest.approx(1)
    assert values.std() == pytest.approx(0.5, abs=0.1)
    wanted = np.mean(
        [[[brute_force(np.minimum(row * f, 0.99), k) for k in (1, 4, 8)] for row in p] for f in values], axis=0
    )
    assert_allclose(expected_f1.curve(p, 8, spread=0.5)[:, [0, 3, 7]], wanted, atol=1e-9)


def direct(p, largest, spread, nodes=48):
    """The curve of one survey as the formula has it: every species, factor and node by itself."""
    t, weight = np.polynomial.legendre.leggauss(nodes)
    t, weight = (t + 1) / 2, weight / 2
    curves = []
    for factor in expected_f1.factors(spread) if spread else [1.0]:
        q = np.minimum(p * factor, 0.99) if spread else p
        divisor = 1 - q[:, None] * (1 - t)
        generating = np.exp(np.log(divisor).sum(axis=0))
        gain = np.cumsum(2 * q[:, None] / divisor, axis=0)
        sizes = np.arange(1, largest + 1)[:, None]
        curves.append((gain[:largest] * t**sizes * generating * weight).sum(axis=1))
    return np.mean(curves, axis=0)


@pytest.mark.parametrize("spread", [0, 0.5, 1.0])
@pytest.mark.parametrize("largest", [1, 20, 150])
def test_the_curve_is_the_formula_for_poor_and_rich_surveys_of_thousands_of_species(largest, spread):
    rng = np.random.default_rng(4)
    # from a few species to hundreds of likely ones, beyond the largest set; one of the surveys has certain species
    p = np.concatenate([rng.beta(a, 3, (3, 1_500)) for a in (0.01, 0.1, 1.0)])
    p[4, :10] = 1
    p = np.sort(p, axis=1)[:, ::-1]
    wanted = [direct(row, largest, spread) for row in p]
    assert_allclose(expected_f1.curve(p, largest, spread=spread), wanted, rtol=1e-9, atol=1e-12)


def test_surveys_taken_together_do_not_change_a_curve():
    p = np.sort(np.random.default_rng(5).beta(0.1, 2, (19, 400)), axis=1)[:, ::-1]
    together = expected_f1.curve(p, 50, spread=0.4)
    alone = np.concatenate([expected_f1.curve(row[None], 50, spread=0.4) for row in p])
    assert_allclose(together, alone, rtol=1e-12)


@pytest.mark.parametrize("spread", [0.0, 0.5])
@pytest.mark.parametrize(
    ("shape", "species"), [((0.15, 1.5), 400), ((0.05, 2.0), 900), ((3.0, 1.0), 160), ((1, 30), 90)]
)
def test_the_best_size_is_that_of_the_whole_curve(shape, species, spread):
    """Sizes beyond the usual ones are left out only where a bound says that none of them can be better."""
    p = np.sort(np.random.default_rng(1).beta(*shape, size=(60, species)), axis=1)[:, ::-1]
    sizes, values = expected_f1.best_sizes(p, spread=spread)
    whole = expected_f1.curve(p, 150, spread=spread)
    assert_array_equal(sizes, whole.argmax(axis=1) + 1)
    assert_allclose(values, whole.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_no_larger_set_exceeds_its_bound(spread):
    p = np.sort(np.random.default_rng(2).beta(0.3, 1.5, size=(8, 200)), axis=1)[:, ::-1]
    whole, few = expected_f1.curve(p, 150, spread=spread), expected_f1._Quadrature(20, 48, spread)
    assert_allclose(few.curves(p), whole[:, :20], rtol=1e-12)
    bounds = few.bounds(p, 150)
    assert (bounds >= whole[:, 20:] - 1e-12).all()
    assert (bounds - whole[:, 20:]).max() < 0.1, "close enough to be of use"
