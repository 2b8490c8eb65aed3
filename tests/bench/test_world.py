import numpy as np
import pandas as pd
import pytest

from glc.bench import world


def test_best_size_is_the_best_fixed_size():
    labels = np.zeros((3, 40), np.float32)
    labels[:, :8] = 1
    scores = np.tile(-np.arange(40, dtype=np.float32), (3, 1))
    assert world._best_size(scores, labels) == pytest.approx([1, 1, 1])
    assert world._best_size(-scores, labels) == pytest.approx([0, 0, 0])


def test_a_planted_signal_is_found_and_noise_is_not():
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(60), 20)
    signal, noise = rng.normal(size=(1_200, 1)), rng.normal(size=(1_200, 30))
    labels = (signal * np.linspace(-2, 2, 40) + rng.normal(size=(1_200, 40)) > 1).astype(np.float32)
    floor = world._best_size(world._fold_means(labels, block), labels)
    gains = {}
    for name, features in (("signal", signal), ("noise", noise)):
        found = world._best_size(world.cross_validated(features, labels, block), labels)
        gains[name] = world.row(name, found, floor, block)
    assert gains["signal"]["low"] > 0.05
    assert gains["noise"]["low"] <= 0


def test_no_survey_is_scored_by_a_model_that_saw_its_block():
    # each block has a species of its own, seen through a feature of its own: only cheating finds it
    block = np.repeat(np.arange(25), 8)
    labels = np.eye(25, dtype=np.float32)[block]
    scores = world.cross_validated(np.eye(25)[block], labels, block)
    assert (scores[labels > 0] <= 1e-6).all()


def test_row_bootstraps_whole_blocks():
    block = np.repeat(np.arange(10), 100)
    gain = np.repeat(np.random.default_rng(0).normal(size=10), 100)
    line = world.row("x", gain, np.zeros(1_000), block)
    assert line["gain"] == pytest.approx(gain.mean())
    assert line["high"] - line["low"] > 0.6  # 1,000 independent surveys would give 0.12


@pytest.mark.parametrize(("low", "status"), [(0.01, 0), (-0.001, 1)])
def test_the_exit_status_says_whether_every_gain_is_above_zero(monkeypatch, capsys, low, status):
    lines = [{"what": "floor", "f1": 0.2, "gain": np.nan, "low": np.nan, "high": np.nan}]
    lines.append({"what": "images", "f1": 0.25, "gain": 0.05, "low": low, "high": 0.09})
    monkeypatch.setattr(world.world, "write", lambda *_: None)
    monkeypatch.setattr(world, "measure", lambda *_: pd.DataFrame(lines))
    assert world.main(["--size", "tiny"]) == status
    assert ("not clearly above zero: images" in capsys.readouterr().out) == bool(status)


@pytest.mark.slow
def test_every_modality_of_the_small_world_gains():
    assert world.main(["--size", "small"]) == 0
