"""The bench compares the same forests it says it does."""

import numpy as np

from glc.bench import forest


def test_agreement_is_of_scikit_learn_with_itself_and_with_ours():
    lines = forest.agreement(600, 60, trees=3)
    own, again, sparse, ours, _ = lines
    assert own["largest"] == own["rms"] == 0
    assert sparse["largest"] < 1e-6 < 1e-3 < min(again["rms"], ours["rms"])
    assert (sparse["top30"], sparse["MB"] < 0.1 * own["MB"]) == (own["top30"], True)
    assert len(forest.table(lines).splitlines()) == 6


def test_scale_measures_what_it_fitted():
    found = forest.scale(1_000, 200, trees=3, rows=20)
    assert found["classes seen"] <= 200
    assert 3 * 100 < found["leaf entries"] <= 3 * 1_000
    assert 0 < found["disk GB"] < 2 * found["arrays GB"] < found["dense GB"]


def test_virtual_examples_follow_their_environment():
    X, species = forest.examples(20_000, 50)
    assert (X.shape, X.dtype, species.max()) == ((20_000, 27), np.float32, 49)
    X2, species2 = forest.examples(20_000, 50, seed=1)
    means = [np.array([values[chosen == one].mean(axis=0) for one in range(5)]) for values, chosen in
             ((X, species), (X2, species2))]  # fmt: skip
    assert np.abs(means[0] - means[1]).max() < 0.25 < np.ptp(means[0], axis=0).max()  # the same world, other draws


def test_the_command_prints_both_tables(capsys, monkeypatch):
    monkeypatch.setattr(forest, "_HELD_OUT", 100)
    monkeypatch.setattr(forest, "scale", lambda *size: {"nodes": 7, "disk GB": 0.5})
    forest.main(["--examples", "300", "--classes", "40", "--trees", "2"])
    out = capsys.readouterr().out
    assert "ours, seed 1" in out
    assert "disk GB" in out
