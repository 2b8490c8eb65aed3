"""Tables of predictions: each survey's set is decided without its own labels."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from glc import config
from glc import scores as score_tables
from glc.errors import DataError
from glc.prediction import sets
from glc.prediction.correction import Lists, Options, lists
from tests.helpers import survey_data

FITTED = config.Choice("threshold_top_k", {"largest": 20})


def scores_of(data, rows, fold, seed=0):
    """Scores that know a little of the labels; the first species is always the best."""
    noise = 0.3 * np.random.default_rng(seed).random((len(rows), len(data.species)))
    noise[:, 0] += 0.3
    matrix = sparse.csr_matrix((noise + 0.4 * data.labels_of(rows).toarray()).astype(np.float32))
    return score_tables.Scores(
        data.places["surveyId"].to_numpy()[rows], np.asarray(fold, np.int32), data.species, matrix
    )


@pytest.fixture
def world(tmp_path):
    """Surveys, and random scores of two of the three folds and of the test."""
    data = survey_data(n_train=90, folds=3)
    rows = np.flatnonzero(np.isin(data.places["fold"], (0, 1)))
    valid = scores_of(data, rows, data.places["fold"].to_numpy()[rows])
    test = scores_of(data, data.test, np.full(len(data.test), -1), seed=1)
    score_tables.write(valid, tmp_path / "scores" / "valid")
    score_tables.write(test, tmp_path / "scores" / "test")
    return data, rows, valid, test


def relabelled(data, rows, present):
    """The same surveys, those in `rows` with all species or with one."""
    matrix = data.label_matrix.tolil()
    matrix[rows] = present
    matrix[rows, 0] = True
    return type(data)(data.places, data.species, matrix.tocsr(), data.train_name, data.test_name, data.held_out)


def test_sets_are_the_best_species_of_their_survey(world, tmp_path):
    data, _, valid, test = world
    facts = sets.write(tmp_path / "scores", data, tmp_path / "out", FITTED)
    assert facts["decoder"] == "threshold_top_k"
    assert set(facts) == {"decoder", "fitted"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"valid", "test", sets.DECODER, sets.CALIBRATION}
    for name, scores in (("valid", valid), ("test", test)):
        surveys, fold, chosen = sets.read(tmp_path / "out" / name, data.species)
        assert_array_equal(surveys, scores.surveys)
        assert_array_equal(fold, scores.fold)
        dense, chosen = scores.matrix.toarray(), chosen.toarray()
        for score, present in zip(dense, chosen, strict=True):
            assert present.any()
            assert score[present].min() > score[~present].max(initial=-1)


def test_the_sets_of_a_fold_do_not_depend_on_its_labels(world, tmp_path):
    data, rows, valid, _ = world
    sizes = {}
    for fold in (0, 1):
        for present in (False, True):
            out = tmp_path / f"out-{fold}-{present}"
            changed = relabelled(data, rows[valid.fold == fold], present)
            sets.write(tmp_path / "scores", changed, out, FITTED)
            chosen = sets.read(out / "valid", data.species)[2]
            sizes[fold, present] = np.asarray(chosen.sum(axis=1)).ravel()
    for fold in (0, 1):
        own, other = valid.fold == fold, valid.fold != fold
        assert_array_equal(sizes[fold, False][own], sizes[fold, True][own])
        assert (sizes[fold, False][other] < sizes[fold, True][other]).all()


def test_one_fold_is_decided_by_halves_of_its_blocks(world, tmp_path):
    data, *_ = world
    rows = np.flatnonzero(data.places["fold"] == 0)
    score_tables.write(scores_of(data, rows, np.zeros(len(rows))), tmp_path / "scores" / "valid")
    sets.write(tmp_path / "scores", data, tmp_path / "out", FITTED)
    assert len(sets.read(tmp_path / "out" / "valid", data.species)[0]) == len(rows)


def test_halves_are_whole_blocks_of_about_as_many_surveys():
    rng = np.random.default_rng(0)
    blocks = rng.permutation(np.repeat([7, 1, 5, 3, 9], [10, 6, 5, 4, 3]))
    half = sets.halves(blocks)
    assert set(half) == {0, 1}
    for block in np.unique(blocks):
        assert len(set(half[blocks == block])) == 1
    assert abs(2 * half.sum() - len(half)) <= 2
    with pytest.raises(DataError, match="one validation block cannot be cross-fitted"):
        sets.halves(np.full(5, 3))


def test_optimistic_scores_are_decided_by_the_honest_decoders(world, tmp_path):
    data, _, valid, _ = world
    score_tables.write(valid, tmp_path / "scores" / sets.OPTIMISTIC)
    sets.write(tmp_path / "scores", data, tmp_path / "out", FITTED)
    honest, seen = (sets.read(tmp_path / "out" / name, data.species)[2] for name in ("valid", sets.OPTIMISTIC))
    assert (honest != seen).nnz == 0


def test_a_correction_adds_the_lists_made_without_the_labels_of_the_fold(world, tmp_path):
    data, rows, valid, _ = world
    options = Options(radius_m=200_000, same=(), train_nearest=3, train_above=1, sources=("train",))
    sets.write(tmp_path / "scores", data, tmp_path / "plain", FITTED)
    score_tables.write(valid, tmp_path / "scores" / sets.OPTIMISTIC)
    facts = sets.write(tmp_path / "scores", data, tmp_path / "out", FITTED, Lists(options))
    assert set(facts["corrected"]) == {"fold 0", "fold 1", "test"}

    def read(out, name):
        return sets.read(tmp_path / out / name, data.species)[2].toarray()

    added = 0
    for fold in (0, 1):
        at = np.flatnonzero(valid.fold == fold)
        listed, told = lists(data, fold, rows[at], options)
        assert facts["corrected"][f"fold {fold}"] == told
        expected = read("plain", "valid")[at] | listed.toarray()
        assert_array_equal(read("out", "valid")[at], expected)
        assert_array_equal(read("out", sets.OPTIMISTIC)[at], expected)
        added += (expected & ~read("plain", "valid")[at]).sum()
    assert added > 0
    listed = lists(data, None, data.test, options)[0].toarray()
    assert_array_equal(read("out", "test"), read("plain", "test") | listed)


@pytest.mark.parametrize("empty", [False, True])
def test_empty_sets_are_allowed_by_the_other_folds_and_said_otherwise(world, tmp_path, caplog, empty):
    data, rows, valid, test = world
    poor = np.arange(len(rows)) // 2 % 2 == 0  # half of each fold
    matrix = data.label_matrix.tolil()
    matrix[rows[poor]] = False
    barren = type(data)(data.places, data.species, matrix.tocsr(), data.train_name, data.test_name, data.held_out)
    low = valid.matrix.multiply(np.where(poor, 0.01, 1)[:, None]).tocsr().astype(np.float32)
    low_scores = score_tables.Scores(valid.surveys, valid.fold, valid.species, low)
    score_tables.write(low_scores, tmp_path / "low" / "valid")
    score_tables.write(test, tmp_path / "low" / "test")
    facts = sets.write(tmp_path / "low", barren, tmp_path / "out", config.Choice("expected_f1", {"empty": empty}))
    *_, chosen = sets.read(tmp_path / "out" / "valid", data.species)
    without = chosen.getnnz(axis=1) == 0
    assert not without[~poor].any()
    assert without[poor].mean() > 0.9 if empty else not without.any()
    assert ("empty_below" in facts["fitted"]) == empty
    assert ("30 of 60 validation surveys have no species" in caplog.text) == (not empty)
