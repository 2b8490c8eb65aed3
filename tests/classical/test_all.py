"""What every registered classical model must do; a new one is found here by itself."""

import functools
import json

import numpy as np
import pytest

from glc import config
from glc.registry import models
from tests.helpers import neighbour_table, survey_data, with_other_labels

MODELS = [name for name in models.choices() if models.get(name).kind == "classical"]
# fits of Spark take seconds each; their own tests fit each of them too
every = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if models.get(name).spark else []) for name in MODELS]
)


@functools.cache
def world():
    """Surveys, and values of three rasters at them, of which some are missing."""
    data = survey_data(n_train=90, n_po=60, n_test=12, n_species=12, seed=2, held_out=True)
    table = np.random.default_rng(0).normal(size=(len(data.places), 3)).astype(np.float32)
    table[::17, 1] = np.nan
    return data, table


def made(name):
    member = models.get(name)
    return member(config.options(member, config.Choice(name, member.trial), "model"))


def fitted(name, data, fold):
    """The model that scored the validation surveys of `fold`, or the test where it is None, and its scores, dense."""
    model, queries = made(name), data.test if fold is None else data.valid(fold)
    wanted, near = model.neighbours(), None
    if wanted is not None:
        near = neighbour_table(data, fold, queries, wanted.k, wanted.radius_m, wanted.sources)
    table = world()[1] if "table" in model.reads else None
    matrix = model.scores(data, fold, queries, near, table)
    assert matrix.shape == (len(queries), len(data.species))
    return model, matrix.toarray()


def scores(name, data, fold):
    return fitted(name, data, fold)[1]


@functools.cache
def first(name, fold):
    """What `fitted` gives on `world`, once for all tests."""
    return fitted(name, world()[0], fold)


@pytest.fixture(autouse=True)
def _session(request, name):
    if made(name).spark:
        request.getfixturevalue("spark")


@every
def test_every_survey_is_scored_from_0_to_1_and_alike_each_time(name):
    data, _ = world()
    for fold in (0, None):
        values = first(name, fold)[1]
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-6
        assert (values.max(axis=1) > 0).all(), "a decoder has no set for a survey without a positive score"
        np.testing.assert_array_equal(scores(name, data, fold), values)


@every
def test_labels_that_it_may_not_see_change_nothing_and_those_of_training_do(name):
    """Those of the validation fold and of the test, as in `tests/test_no_leakage.py`."""
    data, _ = world()
    for fold in (0, None):
        values, seen = first(name, fold)[1], np.concatenate([data.train(fold), data.presence_only])
        hidden = np.setdiff1d(np.arange(len(data.places)), seen)
        assert set(data.test) | set(() if fold is None else data.valid(fold)) <= set(hidden)
        np.testing.assert_array_equal(scores(name, with_other_labels(data, hidden), fold), values)
    assert np.abs(scores(name, with_other_labels(data, data.train(0)), 0) - first(name, 0)[1]).max() > 0


@every
def test_what_it_says_of_a_fit_goes_into_a_manifest_and_what_it_saves_into_a_folder(name, tmp_path):
    assert made(name).facts == {}
    model, _ = first(name, 0)
    assert json.loads(json.dumps(model.facts)) == model.facts
    model.save(tmp_path)


@every
def test_a_model_that_was_saved_scores_as_the_fitted_one_does(name, tmp_path):
    data, table = world()
    for fold in (0, None):
        model, values = first(name, fold)
        folder = tmp_path / str(fold)
        folder.mkdir()
        model.save(folder)
        restored = made(name).restore(folder, data) if any(folder.iterdir()) else None
        if restored is not None and model.neighbours() is None:
            queries = data.test if fold is None else data.valid(fold)
            again = restored(data.places.iloc[queries], table[queries] if model.reads else None)
            np.testing.assert_allclose(again.toarray(), values, atol=1e-6)
