"""Scores on another split of the surveys, from the finished metrics next to those of an experiment."""

import pytest

from glc import config
from glc.config import Variant
from glc.report import other_split
from tests import finished

METRICS = {"valid": {"sample_f1": 0.25, "sample_f1_low": 0.24, "sample_f1_high": 0.26}, "stop": "next"}


@pytest.fixture
def folder(tmp_path):
    """Metrics of votes on both splits, and of others that are not the same experiment or not another split."""
    schemes = {
        "votes": "block",
        "votes+validation.scheme=random": "random",
        "votes+validation.run=2": "block",
        "votes+model.prior=50+validation.scheme=random": "random",
        "knn+validation.scheme=random": "random",
        "gone+validation.scheme=random": "random",
    }
    for name, scheme in schemes.items():
        path = finished.metrics(tmp_path, "ds", Variant.parse(name).name, METRICS | {"scheme": scheme})
    return path.parent


def test_the_random_split_of_the_same_experiment_comes_with_its_caveat(folder):
    (other,) = other_split.read(folder, config.load("votes"))
    assert other.experiment == config.load("votes+validation.scheme=random").name
    assert other.sentence() == (
        "Validated on a random split: F1 0.250 (95% interval 0.240 to 0.260); random split: optimistic for new places."
    )


def test_blocks_are_the_other_split_of_a_random_one(folder):
    others = other_split.read(folder, config.load("votes+validation.scheme=random"))
    assert [other.experiment for other in others] == ["votes", "votes+validation.run=2"]
    assert others[0].sentence() == "Validated on spatial blocks: F1 0.250 (95% interval 0.240 to 0.260)."


def test_an_experiment_that_was_run_on_one_split_has_no_other(folder):
    assert other_split.read(folder, config.load("knn+validation.scheme=random")) == []
    assert other_split.read(folder / "nowhere", config.load("votes")) == []


def test_metrics_that_were_edited_are_no_other_split(folder):
    (path,) = folder.glob("votes+validation.scheme*")
    path.write_text(path.read_text().replace("0.25,", "0.99,"))
    assert other_split.read(folder, config.load("votes")) == []
