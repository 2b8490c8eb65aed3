"""Which labelled surveys a model learns from."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glc import config
from glc.classical._sources import training_rows
from glc.registry import models
from tests.helpers import survey_data, with_other_labels

DATA = survey_data(n_train=60, n_po=50, n_test=8, n_species=12, seed=4)
ALTERNATIVES = {
    "label_space": {"rank": 4},
    "binned": {"bins": 3, "classifier": "naive_bayes", "features": "cells", "cells_m": [50_000]},
}


def scores(name, data, sources):
    member = models.get(name)
    chosen = config.Choice(name, ALTERNATIVES[name] | {"sources": sources})
    return member(config.options(member, chosen, "model")).scores(data, 1, data.valid(1)).toarray()


def test_training_rows_are_those_of_each_source_and_never_of_the_fold():
    assert_array_equal(training_rows(DATA, 1, ("train",)), DATA.train(1))
    both = training_rows(DATA, 1, ("train", "po"))
    assert_array_equal(both, np.concatenate([DATA.train(1), DATA.presence_only]))
    assert not set(both) & {*DATA.valid(1), *DATA.test}
    assert_array_equal(training_rows(DATA, None, ("po",)), DATA.presence_only)


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_presence_only_surveys_are_learned_from_where_they_are_wanted_and_nowhere_else(name):
    other = with_other_labels(DATA, DATA.presence_only)
    assert_array_equal(scores(name, DATA, ["train"]), scores(name, other, ["train"]))
    assert np.abs(scores(name, DATA, ["train", "po"]) - scores(name, other, ["train", "po"])).max() > 0.01
    hidden = with_other_labels(DATA, np.concatenate([DATA.valid(1), DATA.test]))
    assert_array_equal(scores(name, DATA, ["train", "po"]), scores(name, hidden, ["train", "po"]))
