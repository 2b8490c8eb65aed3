import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import geo
from glc.classical import votes
from glc.classical.votes import Votes
from tests.helpers import survey_data


def shares(data, pool, records, queries, scales, prior):
    """The formula of the docstring survey by survey, without pooling into squares or cutting at three scales."""
    lon, lat = data.places["lon"].to_numpy(), data.places["lat"].to_numpy()
    out = []
    for q in queries:
        metres = geo.great_circle_m(lon[q], lat[q], lon[pool], lat[pool])
        share = records.sum(axis=0) / records.sum()
        for scale in sorted(scales, reverse=True):
            votes = np.exp(-0.5 * (metres / scale) ** 2) @ records
            share = (votes + prior * share) / (votes.sum() + prior)
        out.append(share)
    return np.array(out)


def shrinkage(held, expected):
    """The prior of the rates, pair of folds by pair of folds; held, expected : (folds, m)."""
    products = squares = 0
    for a in range(len(held)):
        for b in range(len(held)):
            if a != b:
                products += ((held[a] - expected[a]) * (held[b] - expected[b])).sum()
                squares += (expected[a] * expected[b]).sum()
    own = (held.sum(axis=0) + 1) / (expected.sum(axis=0) + 1) * expected
    noise = ((held - own) ** 2).sum() / own.sum() * len(held) / (len(held) - 1)
    return max(noise, 1) / (products / squares)


def brute(data, fold, queries, scales, prior, po_weight, corrected):
    """Scores of the surveys `queries`, presence-only records weighted by species where they are corrected."""
    train, po, held = data.train(fold), data.presence_only, data.label_matrix.toarray().astype(float)
    weight = np.full(held.shape[1], po_weight)
    if corrected:
        around = shares(data, po, po_weight * held[po], train, scales, prior)
        expected = held[train].sum(axis=1)[:, None] * around
        assert expected.sum() == pytest.approx(held[train].sum())
        folds = data.places["fold"].to_numpy()[train]
        by_fold = [np.array([x[folds == own].sum(axis=0) for own in np.unique(folds)]) for x in (held[train], expected)]
        k = shrinkage(*by_fold)
        assert 0 < k < 1_000
        weight *= (held[train].sum(axis=0) + k) / (expected.sum(axis=0) + k)
    records = np.concatenate([held[train], weight * held[po]])
    share = shares(data, np.concatenate([train, po]), records, queries, scales, prior)
    return np.minimum(share * held[train].sum() / len(train), 1)


def test_scores_are_the_smoothed_shares(monkeypatch):
    monkeypatch.setattr("glc.classical.votes._ROWS", 7)
    data = survey_data(n_train=300, n_po=300, seed=1)
    for fold, queries in ((0, data.valid(0)), (None, data.test)):
        options = Votes.Options(scales_m=(20_000.0, 60_000.0), prior=15.0, po_weight=0.5, po_bias="corrected")
        got = Votes(options).scores(data, fold, queries).toarray()
        wanted = brute(data, fold, queries, (20_000, 60_000), 15.0, 0.5, True)
        # squares of a quarter of the scale and the cut at three scales cost a percent
        assert_allclose(got, wanted, rtol=0.05, atol=2e-3)


@pytest.mark.parametrize(("po_weight", "po_bias"), [(1.0, "corrected"), (0.3, "corrected"), (0.3, "ignored")])
def test_scores_are_exact_where_surveys_share_a_place(po_weight, po_bias):
    """Four places far from each other: neither the squares nor the cut at three scales takes anything away."""
    data = survey_data(n_train=200, n_po=200, seed=2)
    spot = np.random.default_rng(0).integers(0, 4, len(data.places))
    lon, lat = np.array([2.0, 4.0, 8.0, 11.0])[spot], np.array([43.0, 46.0, 44.0, 48.0])[spot]
    easting, northing = geo.project(lon, lat, 3035)
    places = data.places.assign(lon=lon, lat=lat, easting=easting, northing=northing, crs=3035)
    data = dataclasses.replace(data, places=places)
    options = Votes.Options(scales_m=(40_000.0, 10_000.0, 5_000.0), prior=15.0, po_weight=po_weight, po_bias=po_bias)
    got = Votes(options).scores(data, 0, data.valid(0)).toarray()
    wanted = brute(data, 0, data.valid(0), options.scales_m, 15.0, po_weight, po_bias == "corrected")
    assert_allclose(got, wanted, rtol=1e-5)


def test_labels_of_the_fold_do_not_matter_and_presence_only_can_be_left_out():
    data = survey_data()
    other = data.label_matrix.tolil()
    other[data.valid(1)] = 1
    other[data.presence_only] = 1
    changed = type(data)(data.places, data.species, other.tocsr(), "pa_train", "pa_test", False)
    without = Votes(Votes.Options(po_weight=0.0))
    assert_allclose(
        without.scores(changed, 1, data.valid(1)).toarray(), without.scores(data, 1, data.valid(1)).toarray()
    )
    with_po = Votes(Votes.Options())
    assert abs(with_po.scores(changed, 1, data.valid(1)) - with_po.scores(data, 1, data.valid(1))).sum() > 0


def test_a_species_that_surveys_never_hold_needs_more_than_many_records():
    """Where presence-only records name a species that 300 surveys among them lack, they are not believed."""
    data = survey_data(n_train=300, n_po=300, seed=4)
    held = data.label_matrix.tolil()
    held[data.train(), 0] = 0
    held[data.presence_only, 0] = 1
    data = dataclasses.replace(data, label_matrix=held.tocsr())
    alike, corrected = (
        Votes(options).scores(data, 0, data.valid(0)).toarray()
        for options in (Votes.Options(po_bias="ignored"), Votes.Options())
    )
    assert alike[:, 0].mean() > 0.2
    assert corrected[:, 0].mean() < 0.02


def test_labels_of_the_fold_do_not_say_how_readily_species_are_recorded():
    data = survey_data(n_train=200, n_po=200, seed=5)
    other = data.label_matrix.tolil()
    other[data.valid(1)] = 1 - data.label_matrix[data.valid(1)].toarray()
    changed = dataclasses.replace(data, label_matrix=other.tocsr())
    options = Votes.Options()
    first, second = (Votes(options).scores(each, 1, data.valid(1)).toarray() for each in (data, changed))
    assert_allclose(second, first, rtol=1e-6)
    first, second = (Votes(options).scores(each, 0, data.valid(1)).toarray() for each in (data, changed))
    assert abs(second - first).max() > 0.01


@pytest.mark.parametrize(("shape", "noisy"), [(4.0, 1), (0.5, 1), (2.0, 6)])
def test_the_prior_is_the_noise_by_the_variance_of_the_rates(shape, noisy):
    """Rates from a gamma distribution of mean 1, variance 1 / shape; counts of folds with Poisson's noise, or more."""
    rng = np.random.default_rng(6)
    expected = rng.gamma(1, 30, (1, 4_000)) * rng.dirichlet(np.full(10, 20.0), 4_000).T
    mean = rng.gamma(shape, 1 / shape, 4_000) * expected
    # clumps of equal counts have a variance as many times their mean
    held = rng.poisson(mean / noisy) * float(noisy)
    bias = votes._Bias(np.arange(10), held, expected)
    assert bias.prior(None) == pytest.approx(noisy * shape, rel=0.25)
    assert bias.prior(3) == pytest.approx(bias.prior(None), rel=0.1)


def test_records_that_are_drawn_as_surveys_are_keep_their_weights():
    rng = np.random.default_rng(7)
    expected = rng.gamma(1, 30, (10, 4_000))
    weights = votes._Bias(np.arange(10), rng.poisson(expected).astype(float), expected).weights(None)
    assert abs(weights - 1).max() < 0.15
    alone = votes._Bias(np.arange(1), expected[:1], expected[:1])
    assert alone.prior(None) == np.inf
    assert (alone.weights(None) == 1).all()
