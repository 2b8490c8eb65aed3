"""``history.csv``: one row per epoch, nothing stale, and a stop when a measure is no number."""

import csv
import math
from types import SimpleNamespace

import pytest

from glc.errors import GlcError
from glc.training.history import HISTORY, History

COLUMNS = ("epoch", "learning_rate", "train_loss", "valid_loss", "seconds")


class Epochs:
    """What Lightning tells a callback, epoch by epoch."""

    def __init__(self, path, finite=("train_loss",)):
        self.history = History(path, COLUMNS, finite, "train.learning_rate")
        self.trainer = SimpleNamespace(current_epoch=0, callback_metrics={}, optimizers=[])

    def run(self, rate, validated, **measures):
        group = {"lr": rate}
        self.trainer.optimizers = [SimpleNamespace(param_groups=[group])]
        self.history.on_train_epoch_start(self.trainer, None)
        group["lr"] = 99.0  # a schedule's step for the next epoch
        self.trainer.callback_metrics |= measures
        if validated:
            self.history.on_validation_end(self.trainer, None)
        self.history.on_train_epoch_end(self.trainer, None)
        self.trainer.current_epoch += 1


@pytest.fixture
def epochs(tmp_path):
    return Epochs(tmp_path / HISTORY)


def rows(epochs):
    with open(epochs.history.path, newline="") as file:
        return list(csv.DictReader(file))


def test_each_epoch_is_a_row_with_its_own_rate(epochs):
    epochs.run(0.1, True, train_loss=2.0, valid_loss=3.0, unasked=1.0)
    epochs.run(0.05, True, train_loss=1.0, valid_loss=2.5)
    first, second = rows(epochs)
    assert tuple(first) == COLUMNS
    assert [float(first[name]) for name in COLUMNS[:4]] == [0, 0.1, 2.0, 3.0]
    assert [float(second[name]) for name in COLUMNS[:4]] == [1, 0.05, 1.0, 2.5]
    assert 0 <= float(first["seconds"]) < 60


def test_an_epoch_without_validation_does_not_repeat_the_last_one(epochs):
    epochs.run(0.1, True, train_loss=2.0, valid_loss=3.0)
    epochs.run(0.1, False, train_loss=1.5)
    epochs.run(0.1, True, train_loss=1.2, valid_loss=2.0)
    assert [row["valid_loss"] for row in rows(epochs)] == ["3.0", "", "2.0"]


def test_the_best_epoch_is_the_highest_or_the_lowest_that_was_measured(epochs):
    for validated, valid_loss in ((True, 3.0), (False, 0.0), (True, 1.0), (True, 2.0)):
        epochs.run(0.1, validated, train_loss=1.0, valid_loss=valid_loss)
    assert epochs.history.best("valid_loss", highest=False)["epoch"] == 2
    assert epochs.history.best("valid_loss", highest=True)["epoch"] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_training_that_diverges_is_stopped_after_its_row_is_written(epochs, value):
    epochs.run(0.1, False, train_loss=1.0)
    with pytest.raises(GlcError, match=rf"train_loss is {value} in epoch 1; lower train.learning_rate \(found 0.25\)"):
        epochs.run(0.25, False, train_loss=value)
    assert len(rows(epochs)) == 2


def test_only_the_measures_asked_for_must_be_finite(epochs):
    epochs.run(0.1, True, train_loss=1.0, valid_loss=math.inf)
    assert rows(epochs)[0]["valid_loss"] == "inf"
