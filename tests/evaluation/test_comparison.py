"""Paired differences and scores by group, compared with loops over draws, surveys and species."""

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from glc import results
from glc.evaluation import comparison, evaluate, grouped, strata
from tests import finished


@pytest.fixture(scope="module")
def data():
    return finished.data_of(held_out=True, n_test=0)


@pytest.fixture(scope="module")
def compared(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    finished.add(root, "few", data, k=3)
    finished.add(root, "many", data, k=8)
    finished.add(root, "country", data, level="country", k=8, folds=(0,))
    return comparison.compare(results.finished(root), against="country")


def drawn_by_hand(values, weights, blocks, resamples=2_000):
    """Interval of a ratio of sums, draw by draw and survey by survey."""
    names = np.unique(blocks)
    rng = np.random.default_rng(0)
    draws = rng.integers(len(names), size=(resamples, len(names)))
    ratios = []
    for draw in draws:
        rows = np.concatenate([np.flatnonzero(blocks == names[number]) for number in draw])
        if weights[rows].sum() > 0:
            ratios.append(values[rows].sum() / weights[rows].sum())
    return np.quantile(ratios, [0.025, 0.975])


def test_a_paired_interval_is_that_of_differences_drawn_block_by_block(compared, data):
    frames = {result.name: result.surveys for result in compared.results}
    for name in ("few", "many"):
        own, other = (frame[frame["split"] == "valid"] for frame in (frames[name], frames[compared.against]))
        both = own.merge(other[["surveyId", "fold", "f1"]], on=["surveyId", "fold"], suffixes=("", "_other"))
        gain = (both["f1"] - both["f1_other"]).to_numpy()
        low, high = drawn_by_hand(gain, np.ones(len(gain)), both["block"].to_numpy())
        pairs = compared.pairs.set_index(["experiment", "against", "split"])
        row = pairs.loc[(name, compared.against, "valid")]
        assert row["surveys"] == len(both) == len(data.valid(0))  # the other has no other fold
        assert row[["difference", "low", "high"]].tolist() == pytest.approx([gain.mean(), low, high])
        assert row["verdict"] == ("better" if low > 0 else "worse" if high < 0 else "no clear difference")


def test_the_best_baseline_is_compared_on_the_same_surveys(compared, data):
    assert compared.baseline.startswith("top 25 of ")
    rows = compared.pairs[compared.pairs["against"] == compared.baseline]
    assert set(rows["experiment"]) == {"few", "many", "country"}
    assert set(rows["split"]) == {"valid", "test"}
    # 20 species and sets of 25: all species are predicted for every survey
    for row in rows[rows["split"] == "valid"].itertuples():
        queries = np.concatenate([data.valid(0), [] if row.experiment == "country" else data.valid(1)]).astype(int)
        count = np.asarray(data.labels_of(queries).sum(axis=1)).ravel()
        assert row.other == pytest.approx(np.mean(2 * count / (20 + count)), abs=0.02)
        assert row.surveys == len(queries)


def test_a_test_without_blocks_gets_squares_of_their_size(compared):
    frames = {result.name: result.surveys for result in compared.results}
    one, other = (name for name in ("few", "many"))
    gain = evaluate.compare(frames[one], frames[other], "test", size_m=20_000)
    own = frames[one][frames[one]["split"] == "test"]
    theirs = frames[other][frames[other]["split"] == "test"].set_index("surveyId")["f1"]
    difference = own["f1"].to_numpy() - theirs[own["surveyId"]].to_numpy()
    blocks = strata.spatial_blocks(own, 20_000)
    assert len(np.unique(blocks)) > 3
    assert [gain["low"], gain["high"]] == pytest.approx(list(drawn_by_hand(difference, np.ones(len(own)), blocks)))
    assert "low" not in evaluate.compare(frames[one], frames[other], "test")


def test_groups_are_of_the_surveys_that_all_have_evaluated(compared, data):
    assert compared.shared == len(data.valid(0)) < len(data.valid(0)) + len(data.valid(1))
    by_region = compared.groups[compared.groups["by"] == "region"]
    assert set(by_region["group"]) == {"ALPINE", strata.UNKNOWN}
    assert by_region.groupby("experiment")["surveys"].sum().unique() == [compared.shared]
    (result,) = [result for result in compared.results if result.name == "few"]
    own = result.surveys[(result.surveys["split"] == "valid") & (result.surveys["fold"] == 0)]
    expected = own[own["region"] == "ALPINE"]["f1"].mean()
    row = by_region[(by_region["experiment"] == "few") & (by_region["group"] == "ALPINE")].iloc[0]
    assert row["value"] == pytest.approx(expected)
    assert row["low"] < row["value"] < row["high"]


def test_the_f1_of_a_class_pools_the_decisions_on_its_species(compared, data):
    rows = compared.groups[(compared.groups["by"] == "frequency") & (compared.groups["experiment"] == "many")]
    records = np.asarray(data.labels_of(data.train()).sum(axis=0)).ravel()
    assert rows["surveys"].sum() == len(data.species)
    (result,) = [result for result in compared.results if result.name == "many"]
    ids, sets = result.predictions("valid", data.species)
    actual = data.labels_of(data.rows_of(ids, "pa_train")).toarray()
    inside = np.isin(ids, data.places["surveyId"].to_numpy()[data.valid(0)])
    blocks = data.places["block"].to_numpy()[data.rows_of(ids, "pa_train")][inside]
    predicted, actual = sets.toarray()[inside], actual[inside]
    for row in rows.itertuples():
        low, _, high = row.group.partition("–")
        columns = (records >= int(low)) & (records <= int(high))
        right = 2 * (predicted & actual)[:, columns].sum(axis=1)
        both = predicted[:, columns].sum(axis=1) + actual[:, columns].sum(axis=1)
        assert row.value == pytest.approx(right.sum() / both.sum())
        assert [row.low, row.high] == pytest.approx(list(drawn_by_hand(right, both, blocks)))


def test_f1_parts_give_the_f1_of_one_survey():
    predicted, actual = (sparse.csr_matrix(np.array(row, bool)) for row in ([[1, 1, 0, 0]], [[1, 0, 1, 1]]))
    right, both = grouped.f1_parts(predicted, actual)
    assert right / both == pytest.approx(2 / 5)


def test_relative_suitability_is_compared_by_species(tmp_path):
    data = finished.data_of(relative=True)
    finished.add(tmp_path, "everywhere", data)
    finished.add(tmp_path, "country", data, level="country")
    compared = comparison.compare(results.finished(tmp_path))
    assert compared.relative
    assert compared.baseline.startswith("frequency of ")
    assert set(compared.scores["measure"]) == {"auc", "boyce", "recall_at_10", "recall_at_25", "recall_at_100"}
    assert set(compared.pairs["against"]) == {compared.against, compared.baseline}
    # the same for all sites
    scores = compared.scores[compared.scores["split"] == "valid"].set_index(["experiment", "measure"])
    assert scores.loc[("everywhere", "auc"), "value"] == pytest.approx(0.5)


def test_experiments_of_other_folds_are_another_comparison_and_blocks_come_first(tmp_path):
    data = finished.data_of()
    for name in ("a", "b", "c"):
        finished.add(tmp_path, f"{name}+validation.scheme=random", data, split="r", scheme="random")
    finished.add(tmp_path, "votes", data)
    groups = comparison.by_folds(results.finished(tmp_path))
    assert [result.name for result in groups[0]] == ["votes"]
    assert len(groups[1]) == 3
    assert all(result.optimism == "random split: optimistic for new places" for result in groups[1])


def test_removed_tables_and_predictions_are_named(tmp_path):
    data = finished.data_of()
    finished.add(tmp_path, "few", data, k=3)
    finished.add(tmp_path, "many", data, k=8)
    shutil.rmtree(tmp_path / "store" / finished.DATASET / "Predictions-few")
    compared = comparison.compare(results.finished(tmp_path))
    assert compared.left_out == ["The predictions of few have been removed: it has no classes of species."]
    assert "few" not in set(compared.groups[compared.groups["by"] == "frequency"]["experiment"])
    shutil.rmtree(tmp_path / "store" / finished.DATASET / "Surveys-0")
    compared = comparison.compare(results.finished(tmp_path))
    assert compared.baseline == ""
    assert len(compared.pairs)
    assert "baselines" in compared.left_out[0]


def test_richness_bins_say_which_numbers_they_hold():
    groups = strata.by_richness(np.array([1] * 10 + [4] * 10 + [12] * 10))
    assert list(groups.labels) == ["1", "2–4", "5–14"]
    assert np.bincount(groups.index).tolist() == [10, 10, 10]


def test_names_after_the_most_frequent_are_others():
    names = pd.Series(["a"] * 5 + ["b"] * 3 + ["c", "d", None])
    groups = strata.by_name(names, most=2)
    assert list(groups.labels) == ["a", "b", strata.OTHERS, strata.UNKNOWN]
    assert groups.index.tolist() == [0] * 5 + [1] * 3 + [2, 2, 3]


def test_classes_of_species_hold_their_first_and_last_number():
    groups = strata.by_frequency(np.array([0, 1, 9, 10, 1_000, 50_000]))
    assert list(groups.labels) == ["0", "1–9", "10–49", "≥ 1,000"]
    assert groups.index.tolist() == [0, 1, 1, 2, 3, 3]
