import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc import config
from glc.evaluation import species
from glc.prediction import calibration, decode, sets
from glc.prediction.blocks import Held


def csr(rows):
    return sparse.csr_matrix(np.array(rows, bool))


def test_counts_and_f1_per_species_and_only_of_those_that_occur():
    predicted, actual = csr([[1, 1, 0, 0], [1, 0, 0, 0]]), csr([[1, 0, 1, 0], [1, 0, 0, 0]])
    table = species.by_species(np.array([5, 6, 7, 8]), predicted, actual, np.array([90, 4, 0, 3]))
    assert table["speciesId"].tolist() == [5, 6, 7]
    assert table[["present", "predicted", "correct"]].to_numpy().tolist() == [[2, 2, 2], [0, 1, 0], [1, 0, 0]]
    assert table["f1"].tolist() == [1, 0, 0]
    classes = species.by_class(table)
    assert classes["surveys"].tolist() == ["none", "1 to 9", "50 to 199"]
    assert classes["species"].tolist() == [1, 1, 1]
    assert classes["f1"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(("known", "best", "worst"), [(0, 0, 0), (1, 1, 0), (5, 3, 2), (40, 12, 12)])
def test_best_and_worst_share_no_species_and_are_in_order(known, best, worst):
    table = pd.DataFrame({"speciesId": range(known + 3), "f1": np.linspace(1, 0, known + 3), "present": 10})
    table.loc[known:, "present"] = 9
    first, last = species.extremes(table)
    assert (len(first), len(last)) == (best, worst)
    assert not set(first["speciesId"]) & set(last["speciesId"])
    assert first["f1"].is_monotonic_decreasing
    assert last["f1"].is_monotonic_increasing
    assert (pd.concat([first, last])["present"] == 10).all()


def test_probabilities_of_a_group_do_not_depend_on_its_labels():
    rng = np.random.default_rng(0)
    chance = rng.random((60, 20))
    table, actual = Held(sparse.csr_matrix(chance), np.zeros(60)), sparse.csr_matrix(rng.random((60, 20)) < chance)
    group = np.arange(60) % 3

    def calibrated(actual):
        learned = sets.statistics(table, actual, group, decode.make(config.Choice("expected_f1")))
        return species.Calibrated(learned, group, 20).probabilities(table, np.arange(60))

    before = calibrated(actual)
    changed = actual.toarray()
    changed[group == 1] = ~changed[group == 1]
    after = calibrated(sparse.csr_matrix(changed))
    np.testing.assert_array_equal(before[group == 1].toarray(), after[group == 1].toarray())
    assert abs(before[group == 0] - after[group == 0]).max() > 0.01


def test_calibrated_scores_are_reliable_and_every_pair_is_counted(tmp_path):
    rng = np.random.default_rng(1)
    chance = rng.random((400, 50)).astype(np.float32)
    table, actual = Held(sparse.csr_matrix(chance), np.zeros(400)), sparse.csr_matrix(rng.random((400, 50)) < chance)
    group = np.arange(400) % 2
    # of any decoder
    calibration.save(sets.statistics(table, actual, group, decode.make(config.Choice("top_k"))), tmp_path / "one.npz")
    calibrated = species.Calibrated(calibration.read(tmp_path / "one.npz"), group, 50)
    found = calibrated.reliability()
    assert found["pairs"].sum() == 20_000
    large = found[found["pairs"] > 500]
    assert_allclose(large["rate"], large["probability"], atol=0.06)
    assert ((found["low"] <= found["probability"]) & (found["probability"] <= found["high"])).all()
    # the same from every pair, one by one: only pairs near an edge may be in the bin next to it
    every = calibrated.probabilities(table, np.arange(400)).toarray()
    edges = np.array([*found["low"], found["high"].iloc[-1]])
    pairs, _ = np.histogram(every, edges)
    assert_allclose(found["pairs"], pairs, atol=0.01 * pairs.sum())
    hits, _ = np.histogram(every[actual.toarray()], edges)
    assert_allclose(found["rate"] * found["pairs"], hits, atol=0.01 * pairs.sum())


def test_reliability_by_frequency_is_that_of_every_likely_pair_one_by_one():
    rng = np.random.default_rng(3)
    surveys = np.array([0, 5, 9, 10, 60, 3_000] * 5)
    chance = rng.random((300, 30)).astype(np.float32)
    # rare species are there less often than their scores say, so that only a class shows it
    actual = sparse.csr_matrix(rng.random((300, 30)) < chance * np.where(surveys < 10, 0.4, 1))
    table, group = Held(sparse.csr_matrix(chance), np.zeros(300)), np.arange(300) % 2
    learned = sets.statistics(table, actual, group, decode.make(config.Choice("expected_f1")))
    calibrated = species.Calibrated(learned, group, 30)
    frame = calibrated.by_class(table, actual, surveys).set_index("surveys")
    assert frame.index.tolist() == ["none", "1 to 9", "10 to 49", "50 to 199", "1,000 or more"]
    every = calibrated.probabilities(table, np.arange(300)).toarray()
    rare = (every >= species.LIKELY) & np.isin(surveys, [5, 9])
    row = frame.loc["1 to 9"]
    assert row["pairs"] == rare.sum() > 1_000
    assert_allclose(row[["score", "probability"]].tolist(), [chance[rare].mean(), every[rare].mean()], rtol=1e-6)
    assert_allclose(row["rate"], actual.toarray()[rare].mean())
    assert row["rate"] < row["probability"] - 0.1
    assert frame.loc["50 to 199", "rate"] > frame.loc["50 to 199", "probability"] + 0.1


def test_examples_are_a_good_a_typical_and_a_bad_survey_with_all_their_species():
    rng = np.random.default_rng(2)
    actual = rng.random((200, 30)) < 0.4
    wrong = rng.random((200, 30)) < np.linspace(0, 0.8, 200)[:, None]
    predicted = actual ^ wrong
    chances = sparse.csr_matrix(rng.random((200, 30)))
    rows = species.example_rows(np.arange(200) + 1_000, csr(predicted), csr(actual))
    of_rows = chances[np.sort(list(rows.values()))]
    shown = species.examples(rows, np.arange(200) + 1_000, np.arange(30), csr(predicted), csr(actual), of_rows)
    assert [one.title for one in shown] == list(species.QUANTILES)
    assert len({one.survey for one in shown}) == 3
    f1 = [one.f1 for one in shown]
    assert f1[0] > f1[1] > f1[2]
    for one in shown:
        row = one.survey - 1_000
        assert set(one.species["speciesId"]) == set(np.flatnonzero(predicted[row] | actual[row]))
        assert one.species["predicted"].tolist() == predicted[row][one.species["speciesId"]].tolist()
        both = (one.species["predicted"] & one.species["present"]).sum()
        assert one.f1 == pytest.approx(2 * both / (predicted[row].sum() + actual[row].sum()))
        assert one.species["predicted"].is_monotonic_decreasing
        given = np.asarray(chances[row].todense()).ravel()[one.species["speciesId"]]
        assert_allclose(one.species["probability"], given)


def test_surveys_without_any_species_give_no_example():
    nothing = csr(np.zeros((3, 4)))
    assert species.example_rows(np.arange(3), csr(np.ones((3, 4))), nothing) == {}
