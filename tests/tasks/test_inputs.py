"""What a net's task gives it of the surveys around: all of it in a prediction, part of it in training."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glc import config, schema
from glc.config import Choice, Input
from glc.nets import examples
from glc.tasks.inputs import InputsMixin
from tests.helpers import survey_data

GRAPH = Choice("gfv", {"radius_m": 20_000, "same": [], "training": "block", "mask": "test"})


@pytest.fixture
def opened(tmp_path):
    """A function (seed, training) that gives graph vectors of the dataset's surveys as a task of fold 0 reads them."""
    data = survey_data(n_train=120, n_test=20, folds=4)
    # a third of the test is far away: as many training surveys shall do without
    data.places.loc[data.test[:7], "lon"] += 5
    (tmp_path / examples.CLASSES).write_text(json.dumps(data.species.tolist()))

    class Task(InputsMixin):
        root, fold, dataset, inputs = str(tmp_path), 0, "here", (Input(graph=GRAPH),)
        validation = config.Validation(count=4)

        def __init__(self, seed):
            self.train = config.Train(seed=seed)

        def read_surveys(self):
            return data

        def input(self):
            return {"examples": SimpleNamespace(path=tmp_path)}

        def status(self, text):
            pass

    def take(rows, seed=0, **more):
        with Task(seed).open_features(**more) as found:
            numbers = schema.dataset_numbers(data.places["dataset"].iloc[rows])
            return found.of(numbers, data.places["surveyId"].to_numpy()[rows])["gfv"].numpy()[:, :, 0, 0]

    return data, take


def test_neighbours_are_hidden_by_chance_in_training_and_shown_in_a_prediction(opened):
    data, take = opened
    rows = np.setdiff1d(data.train(0), data.valid(1))  # what trains fold 0; clones of other nets predict such surveys
    shown, hidden = take(rows, training=False), take(rows)
    lost = shown.any(axis=1) & ~hidden.any(axis=1)
    assert 0.05 < lost.mean() < 0.6
    assert_array_equal(hidden[~lost], shown[~lost])
    for other in (data.valid(0), data.valid(1), data.test):
        assert_array_equal(take(other), take(other, training=False))


def test_which_neighbours_are_hidden_follows_from_the_seed_of_the_training(opened):
    data, take = opened
    rows = np.setdiff1d(data.train(0), data.valid(1))
    assert_array_equal(take(rows, seed=1), take(rows, seed=1))
    assert (take(rows, seed=1) != take(rows, seed=2)).any()
    assert_array_equal(take(rows, seed=1, training=False), take(rows, seed=2, training=False))
