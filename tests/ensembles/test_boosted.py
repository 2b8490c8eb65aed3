import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, logit

from glc.ensembles import boosted, calibration
from glc.ensembles.evidence import Records
from glc.ensembles.fit_options import FitOptions
from glc.ensembles.weights import Counts, Weights
from tests.helpers import survey_data

FOLDS = 3


def chosen(n, c, seed=0, folds=FOLDS, members=1):
    """Random candidates, half of them held, with records that say nothing."""
    rng = np.random.default_rng(seed)
    records = Records(
        rng.random((n, c, 1, folds + 1)).astype(np.float32), 5 + rng.random((n, 1, folds + 1)).astype(np.float32)
    )
    return boosted.Candidates(
        np.tile(np.arange(c), (n, 1)),
        rng.uniform(0.05, 0.9, (n, c, members)).astype(np.float32),
        np.arange(n) % folds,
        records,
        rng.normal(size=(n, 2)).astype(np.float32),
        rng.random((n, c)) < 0.5,
    )


def plain(members=1):
    """Weights of members whose scores are their rates."""
    x = np.linspace(0.01, 0.99, 99)
    curve = calibration.Curve(np.log(x), logit(x), -6.0)
    return Weights((curve,) * members, np.full(members, 1 / members), 0.0, 0.0)


def counts_of(c, folds=FOLDS):
    return Counts(np.full(folds, 50), np.full((folds, c), 10))


def test_trees_find_that_a_member_is_right_only_where_there_are_records():
    n, c = 3_000, 8
    found = chosen(n, c)
    near = np.random.default_rng(1).random(n) < 0.5
    found.records.total[:] = np.where(near, 50.0, 0.0)[:, None, None]
    # where there are records, the score is the chance; elsewhere it says nothing
    chance = np.where(near[:, None], found.scores[..., 0], 0.5)
    found.held[:] = np.random.default_rng(2).random((n, c)) < chance
    weights, counts, po = plain(), counts_of(c), np.full(c, 10)
    booster = boosted.fit(found, weights, counts, po, FitOptions(least=5.0), (0,))
    at = np.flatnonzero(found.fold == 0)
    before = expit(boosted.features(found.rows(at), weights, counts, po)[1]).reshape(-1, c)
    assert_allclose(before, found.scores[at, :, 0], atol=0.01)
    after = boosted.apply(booster, found.rows(at), weights, counts, po, before.copy())
    wrong = np.abs(after - chance[at])
    assert wrong[~near[at]].mean() < 0.35 * np.abs(before - chance[at])[~near[at]].mean()
    assert wrong[near[at]].mean() < 0.08


def test_effort_is_what_the_tables_say_and_not_a_number_where_they_do_not():
    places = pd.DataFrame({"areaInM2": [99.0, None, 0.0], "year": pd.array([2019, 2021, None], "Int32")})
    table = boosted.efforts(places, ("year", "areaInM2", "geoUncertaintyInM"))
    nothing = [np.nan] * 3
    assert_allclose(table.T, [[2019, 2021, np.nan], [np.log(100), np.nan, 0], nothing], rtol=1e-6)


def test_trees_find_more_where_more_was_looked_for():
    n, c = 3_000, 8
    found = chosen(n, c)
    found.effort[:, 0] = np.random.default_rng(1).choice([3.0, 6.0], n)
    chance = expit(logit(found.scores[..., 0]) + np.where(found.effort[:, :1] > 4, 1, -1))
    found.held[:] = np.random.default_rng(2).random((n, c)) < chance
    booster = boosted.fit(found, plain(), counts_of(c), np.full(c, 10), FitOptions(least=5.0), (0,))
    own = found.rows(np.flatnonzero(found.fold == 0))
    after = boosted.apply(booster, own, plain(), counts_of(c), np.full(c, 10), own.scores[..., 0].copy())
    wrong = np.abs(after - chance[found.fold == 0]).mean()
    assert wrong < 0.5 * np.abs(own.scores[..., 0] - chance[found.fold == 0]).mean()


def test_species_that_are_no_candidates_keep_their_probability():
    found = chosen(30, 4)
    booster = boosted.fit(found, plain(), counts_of(9), np.zeros(9), FitOptions(trees=3, least=0.0))
    given = np.full((10, 9), 0.125, np.float32)
    one = found.rows(np.flatnonzero(found.fold == 0))
    after = boosted.apply(booster, one, plain(), counts_of(9), np.zeros(9), given)
    assert after is given
    assert (after[:, 4:] == 0.125).all()
    assert (after[:, :4] != 0.125).all()


def test_candidates_are_the_best_species_with_their_scores():
    data = survey_data(folds=FOLDS)
    surroundings = boosted.evidence.Surroundings(data, (20_000.0,))
    rows = data.valid(1)
    scores = sparse.random(len(rows), 20, 0.7, format="csr", random_state=0, dtype=np.float32)
    total = scores.toarray()
    fold, places = np.ones(len(rows), int), data.places.iloc[rows]
    options = FitOptions(candidates=6, effort=("areaInM2",))
    found = boosted.candidates([scores], total, fold, places, surroundings, options, data.labels_of(rows))
    assert_array_equal(found.effort, boosted.efforts(places, ("areaInM2",)))
    assert found.columns.shape == (len(rows), 6)
    for i in range(len(rows)):
        assert set(found.columns[i]) == set(np.argsort(-total[i])[:6])
        assert_array_equal(found.scores[i, :, 0], total[i, found.columns[i]])
        assert_array_equal(found.held[i], data.labels_of(rows).toarray()[i, found.columns[i]])
    every = boosted.candidates([scores], total, fold, places, surroundings, FitOptions(candidates=99))
    assert every.columns.shape == (len(rows), 20)
    assert every.effort.shape == (len(rows), 0)
    assert every.held is None


@pytest.mark.parametrize("without", [(), (2,)])
def test_features_leave_out_the_own_fold_and_the_hidden_ones(without):
    found = chosen(6, 5, members=2)
    counts = counts_of(5)
    table, margin = boosted.features(found, plain(2), counts, np.ones(5), without)
    at = np.flatnonzero(found.fold == 1)
    for fold in (1, *without):
        found.records.known[at, ..., fold] = 1e6
        found.records.total[at, ..., fold] = 1e6
        counts.species[fold] = np.arange(5) * 7 + 1
    again, margin_again = boosted.features(found, plain(2), counts, np.ones(5), without)
    survey = np.repeat(np.isin(np.arange(6), at), 5)
    assert_array_equal(again[survey], table[survey])
    assert_array_equal(margin_again[survey], margin[survey])
    assert (again[~survey] != table[~survey]).any()  # the counts of fold 1 are seen from the others


def test_a_missing_score_is_missing_to_the_trees_and_has_its_rate_in_the_log_odds():
    found = chosen(3, 4)
    found.scores[0, 2, 0] = 0
    table, margin = boosted.features(found, plain(), counts_of(4), np.ones(4))
    assert_array_equal(np.flatnonzero(np.isnan(table).any(axis=1)), [2])
    assert margin[2] == pytest.approx(-6)


def test_the_trees_are_grown_as_the_options_say(monkeypatch):
    import xgboost

    grown = {}

    def train(settings, matrix, rounds, callbacks):
        grown.update(settings, rounds=rounds, rows=matrix.num_row(), margin=matrix.get_base_margin())

    monkeypatch.setattr(xgboost, "train", train)
    found, options = chosen(40, 6), FitOptions(trees=7, depth=3, learning_rate=0.2, least=4.0, seed=11)
    boosted.fit(found, plain(), counts_of(6), np.ones(6), options, (1,), 3)
    at = np.flatnonzero(found.fold != 1)
    assert grown.pop("rows") == len(at) * 6
    assert_array_equal(
        grown.pop("margin"), boosted.features(found.rows(at), plain(), counts_of(6), np.ones(6), (1,))[1]
    )
    # the shares and bins are those that the experiments' scores were measured with
    assert grown == {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": 3,
        "eta": 0.2,
        "min_child_weight": 4.0,
        "subsample": 0.7,
        "colsample_bytree": 0.5,
        "max_bin": 64,
        "seed": 11,
        "nthread": 3,
        "rounds": 7,
    }


def test_features_are_what_their_formulas_say():
    """Each column of the trees' table, of three surveys one after the other, by plain loops."""
    n, c, members = 3, 4, 2
    found, counts = chosen(n, c, members=members), counts_of(c)
    counts.species[:] = np.random.default_rng(1).integers(5, 40, counts.species.shape)
    found.scores[1, 2, 0] = 0
    po = np.array([0, 3, 9, 1])
    weights = Weights(plain(members).curves, np.array([0.7, 0.4]), -0.2, 0.3)
    table, margin = boosted.features(found, weights, counts, po)
    table, margin = table.reshape(n, c, -1), margin.reshape(n, c)
    po_share = (po + 0.5) / (po + 0.5).sum()
    for i in range(n):
        own = int(found.fold[i])
        others = [fold for fold in range(FOLDS) if fold != own]
        terms = counts.terms(own)
        logits = np.stack([curve(found.scores[i, :, k]) for k, curve in enumerate(weights.curves)], axis=1)
        log_odds = weights.intercept + weights.frequency * terms + logits @ weights.members
        assert_allclose(margin[i], log_odds, rtol=1e-5)
        known = counts.species[others].sum(axis=0) + 0.5
        share = known / known.sum()
        total = np.array([found.records.total[i, 0, others].sum(), found.records.total[i, 0, -1]])
        seen = np.stack([found.records.known[i, :, 0][:, others].sum(axis=1), found.records.known[i, :, 0, -1]], axis=1)
        expected = np.concatenate(
            [
                np.where(found.scores[i] > 0, logits, np.nan),
                logits - logits.mean(axis=0),
                np.stack([log_odds, terms, np.log(po_share), terms - np.log(po_share)], axis=1),
                (log_odds[None] > log_odds[:, None]).sum(axis=1)[:, None],
                np.tile(np.log1p(total), (c, 1)),
                seen,
                np.log((seen + 1) / (total * np.stack([share, po_share], axis=1) + 1)),
                np.tile(found.effort[i], (c, 1)),
            ],
            axis=1,
        )
        assert_allclose(table[i], expected, rtol=2e-5, atol=2e-5)


def test_features_of_a_few_surveys_at_a_time_are_those_of_all(monkeypatch):
    found, rows = chosen(20, 5, members=2), np.flatnonzero(np.arange(20) % FOLDS != 1)
    monkeypatch.setattr(boosted, "_ROWS", 3)
    parts = boosted._features_of(found, rows, plain(2), counts_of(5), np.ones(5), (1,))
    whole = boosted.features(found.rows(rows), plain(2), counts_of(5), np.ones(5), (1,))
    for part, all_at_once in zip(parts, whole, strict=True):
        assert_array_equal(part, all_at_once)


def test_parts_are_joined_and_rows_taken_in_order():
    found = chosen(9, 4, members=2)
    parts = [found.rows(np.arange(0, 5)), found.rows(np.arange(5, 9))]
    joined = boosted.Candidates.join(parts)
    for name in ("columns", "scores", "fold", "effort", "held"):
        assert_array_equal(getattr(joined, name), getattr(found, name))
    assert_array_equal(joined.records.known, found.records.known)
    assert_array_equal(joined.records.total, found.records.total)


def test_the_trees_of_a_fold_do_not_see_its_labels_and_those_of_the_test_see_all(monkeypatch):
    data = survey_data(folds=FOLDS)
    trees = boosted.Trees(data, counts_of(20), FitOptions())
    told = []
    monkeypatch.setattr(boosted.threads, "cores", lambda: 7)
    monkeypatch.setattr(boosted, "fit", lambda *arguments: arguments[-2:])
    trees.fit(chosen(6, 4), {0: plain(), 2: plain(), -1: plain()}, lambda *words: told.append(words))
    assert trees.boosters == {0: ((0,), 2), 2: ((2,), 2), -1: ((), 2)}
    assert told == [("stack: trees for fold 0", 50), ("stack: trees for fold 2", 60), ("stack: trees for the test", 70)]
    po = data.labels_of(data.presence_only)
    assert_array_equal(trees.po_counts, po.toarray().sum(axis=0))


def test_a_place_without_effort_is_as_most_surveys_unless_surveys_lack_it_too():
    data = survey_data(folds=FOLDS)
    rows = data.valid(1)
    data.places["areaInM2"], data.places["geoUncertaintyInM"] = 10.0, 3.0
    data.places.loc[data.train()[:5], "areaInM2"] = 99.0
    data.places.loc[data.train()[0], "geoUncertaintyInM"] = np.nan
    trees = boosted.Trees(data, counts_of(20), FitOptions(effort=("areaInM2", "geoUncertaintyInM")))
    scores = sparse.csr_matrix(np.ones((len(rows), 20), np.float32))
    places = data.places.iloc[rows].assign(areaInM2=np.nan, geoUncertaintyInM=np.nan)
    found = trees.candidates([scores], scores.toarray(), np.ones(len(rows), int), places)
    assert_allclose(found.effort, np.tile([np.log(11), np.nan], (len(rows), 1)), rtol=1e-6)
