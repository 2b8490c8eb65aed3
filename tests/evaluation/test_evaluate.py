import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc import config, geo
from glc import scores as score_tables
from glc.classical import run
from glc.classical.frequency import Frequency
from glc.errors import DataError
from glc.evaluation import baselines, evaluate, metrics
from glc.prediction import sets
from tests.helpers import survey_data


@pytest.fixture
def made(tmp_path):
    """Data with scores and predictions of a frequency model in folders."""
    data = survey_data(n_train=90)
    for name in ("scores", "predictions", "out"):
        (tmp_path / name).mkdir()
    run.write(
        Frequency(Frequency.Options()), data, tmp_path / "scores", folds=[0, 1], keep=100, progress=lambda *_: None
    )
    sets.write(tmp_path / "scores", data, tmp_path / "predictions", config.Choice("top_k", {"k": 4}))
    return data, tmp_path


def write(made, truth=None):
    data, folder = made
    return evaluate.write(folder / "predictions", folder / "scores", data, folder / "out", truth=truth)


def test_validation_is_measured_by_hand(made):
    data, folder = made
    found = write(made)
    assert set(found) == {"valid", "scheme", "stop"}
    model = Frequency(Frequency.Options())
    f1 = []
    for fold in (0, 1):
        queries = data.valid(fold)
        f1 += list(metrics.survey_f1(metrics.top_k(model.scores(data, fold, queries), 4), data.labels_of(queries)))
    assert found["valid"]["sample_f1"] == pytest.approx(np.mean(f1))
    assert found["valid"]["sample_f1_low"] < np.mean(f1) < found["valid"]["sample_f1_high"]
    assert json.loads((folder / "out" / "metrics.json").read_text()) == found


def test_scores_of_nets_that_saw_the_labels_are_measured_apart(made):
    data, folder = made
    honest = score_tables.read(folder / "scores" / "valid")
    rows = data.rows_of(honest.surveys, data.train_name)
    knowing = dataclasses.replace(honest, matrix=data.labels_of(rows).astype(np.float32) + 0.1 * honest.matrix)
    score_tables.write(knowing, folder / "scores" / sets.OPTIMISTIC)
    sets.write(folder / "scores", data, folder / "predictions", config.Choice("threshold", {"threshold": 0.5}))
    measured = write(made)
    assert set(measured) == {"valid", sets.OPTIMISTIC, "scheme", "stop"}
    assert measured[sets.OPTIMISTIC]["sample_f1"] == measured[sets.OPTIMISTIC]["macro_auc"] == 1
    assert measured["valid"]["sample_f1"] < 0.9


def test_the_test_counts_species_that_training_never_saw(made):
    data, folder = made
    ids = data.places["surveyId"].to_numpy()[data.test]
    predicted = sets.read(folder / "predictions" / "test", data.species)[2]
    first = data.species[predicted[0].indices[0]]
    truth = pd.DataFrame({"surveyId": np.repeat(ids, 2), "speciesId": np.tile([first, 9_999], len(ids))})
    found = write(made, truth)
    # 1 hit among 4 predicted and 2 true for every survey, as the model predicts the same everywhere
    assert found["test"]["sample_f1"] == pytest.approx(2 * 1 / (4 + 2))
    with pytest.raises(DataError, match="names none of its surveys"):
        write(made, pd.DataFrame({"surveyId": [-5], "speciesId": [1]}))


def test_distances_are_to_the_nearest_survey_the_model_saw(made):
    data, folder = made
    write(made)
    table = pd.read_parquet(folder / "out" / "surveys.parquet")
    row = table[(table["split"] == "valid") & (table["fold"] == 1)].iloc[3]
    train = data.places.iloc[data.train(1)]
    metres = geo.great_circle_m(row["lon"], row["lat"], train["lon"], train["lat"])
    assert row["nearest_train_m"] == pytest.approx(metres.min(), abs=0.01)


def test_the_interval_is_over_blocks_not_surveys():
    rng = np.random.default_rng(0)
    level = rng.normal(size=30)
    blocks = np.repeat(np.arange(30), 50)
    values = level[blocks] + rng.normal(size=1_500) * 0.1
    low, high = evaluate.bootstrap(values, blocks)
    # the standard error of 30 block means, not of 1,500 surveys
    assert_allclose(high - low, 2 * 1.96 * level.std() / np.sqrt(30), rtol=0.2)


def test_the_floor_is_the_frequency_model_with_25_species(made):
    data, folder = made
    rows = baselines.write(data, folder / "out", [0, 1])
    assert [row["level"] for row in rows] == ["global", "country", "region", "district"]
    f1 = np.concatenate(
        [
            metrics.survey_f1(
                metrics.top_k(Frequency(Frequency.Options()).scores(data, fold, data.valid(fold)), 25),
                data.labels_of(data.valid(fold)),
            )
            for fold in (0, 1)
        ]
    )
    assert rows[0]["valid"] == pytest.approx(f1.mean())
    assert rows[0]["test"] is None


def test_a_held_out_test_is_measured_with_its_own_labels(tmp_path):
    data = survey_data(n_train=90, held_out=True)
    for name in ("scores", "predictions", "out"):
        (tmp_path / name).mkdir()
    run.write(
        Frequency(Frequency.Options()), data, tmp_path / "scores", folds=[0, 1], keep=100, progress=lambda *_: None
    )
    sets.write(tmp_path / "scores", data, tmp_path / "predictions", config.Choice("top_k", {"k": 4}))
    found = write((data, tmp_path))
    assert found["test"]["surveys"] == len(data.test)


def test_experiments_are_compared_on_the_surveys_in_common():
    rng = np.random.default_rng(3)
    one = pd.DataFrame({"split": "valid", "surveyId": np.arange(200), "block": np.arange(200) // 10, "fold": 0})
    noise = rng.uniform(0, 0.5, 200)
    one["f1"] = noise + 0.1
    other = one.assign(f1=noise)[50:].sample(frac=1, random_state=0)
    found = evaluate.compare(one, other, "valid")
    assert found["surveys"] == 150
    assert found["difference"] == pytest.approx(0.1)
    assert found["low"] == pytest.approx(0.1)  # the same gain everywhere: surer than either score
    assert found["own"] == pytest.approx(one["f1"][50:].mean())
    assert evaluate.compare(one, other.assign(f1=np.nan), "valid") is None
    assert evaluate.compare(one, other, "test") is None


def test_experiments_of_other_folds_are_not_compared():
    one = pd.DataFrame({"split": "valid", "surveyId": np.arange(60), "block": 0, "fold": 0, "f1": 0.2})
    assert evaluate.compare(one, one.assign(fold=1), "valid") is None
    half = one.assign(fold=np.arange(60) % 2)
    assert evaluate.compare(one, half, "valid")["surveys"] == 30


def test_measures_of_2020_are_there_for_single_labels_alone():
    rng = np.random.default_rng(2)
    scores = sparse.csr_matrix(rng.random((50, 90)))
    label = rng.integers(0, 90, 50)
    single = sparse.csr_matrix((np.ones(50, bool), (np.arange(50), label)), shape=(50, 90))
    found = evaluate.measure(single, single, scores, np.zeros(50))
    assert found["top_30"] == pytest.approx(metrics.top_k_recall(scores, single, 30))
    assert 0 < found["adaptive_top_30"] < 1
    assert found["adaptive_top_30"] == metrics.adaptive_top_30(scores, label)
    double = single.tolil()
    double[0, (label[0] + 1) % 90] = True
    double = double.tocsr()
    assert not {"top_30", "adaptive_top_30"} & set(evaluate.measure(double, double, scores, np.zeros(50)))


def test_the_recall_of_the_k_best_counts_k_species_and_none_more():
    scores = sparse.csr_matrix(np.linspace(1, 0.1, 130)[None].repeat(4, axis=0))
    place = np.array([24, 25, 99, 100])
    actual = sparse.csr_matrix((np.ones(4, bool), (np.arange(4), place)), shape=scores.shape)
    facts = evaluate.measure(actual, actual, scores, np.zeros(4))
    assert (facts["recall_at_25"], facts["recall_at_100"]) == (0.25, 0.75)


def test_the_area_under_the_curve_is_the_mean_of_the_folds_whose_scores_are_not_comparable():
    rng = np.random.default_rng(3)
    actual = sparse.csr_matrix(rng.random((90, 12)) < 0.3)
    fold = np.repeat([0, 1, 4], 30)
    # constant within a fold, and higher where a species is rarer: pooled, a model that knows nothing looks perverse
    constant = np.empty((90, 12))
    for number in np.unique(fold):
        constant[fold == number] = 1 - actual[fold == number].mean(axis=0)
    facts = evaluate.measure(actual, actual, sparse.csr_matrix(constant), fold)
    assert facts["macro_auc"] == 0.5 != metrics.macro_auc(sparse.csr_matrix(constant), actual)
    assert [(row["fold"], row["surveys"], row["macro_auc"]) for row in facts["by_fold"]] == [
        (0, 30, 0.5),
        (1, 30, 0.5),
        (4, 30, 0.5),
    ]
    scores = sparse.csr_matrix(rng.random((90, 12)))
    facts = evaluate.measure(actual, actual, scores, fold)
    areas = [metrics.macro_auc(scores[fold == number], actual[fold == number]) for number in (0, 1, 4)]
    assert facts["macro_auc"] == pytest.approx(np.mean(areas))
    assert [row["macro_auc"] for row in facts["by_fold"]] == areas
    alone = evaluate.measure(actual, actual, scores, np.full(90, -1))
    assert alone["macro_auc"] == metrics.macro_auc(scores, actual)
    assert "by_fold" not in alone


def test_surveys_that_could_not_be_read_are_named(made):
    data, folder = made
    for names in ((), ("12x", "7")):
        metrics_of_all = evaluate.write(folder / "predictions", folder / "scores", data, folder / "out", unscored=names)
        assert metrics_of_all.get("unscored", []) == list(names)


def test_metrics_say_how_surveys_were_dealt_to_folds_and_which_fold_stopped(made):
    data, folder = made
    for split in ({"scheme": "block", "stop": "next"}, {"scheme": "random", "stop": "own"}):
        metrics_of_all = evaluate.write(folder / "predictions", folder / "scores", data, folder / "out", **split)
        assert {key: metrics_of_all[key] for key in split} == split
