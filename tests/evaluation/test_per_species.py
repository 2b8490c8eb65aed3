"""The area under the ROC curve of each species at validation surveys."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.metrics import roc_auc_score

from glc.classical import run
from glc.classical.votes import Votes
from glc.evaluation import evaluate, metrics, per_species, suitability
from glc.prediction import blocks
from tests.helpers import records_alone, survey_data, with_other_labels

OPTIONS = Votes.Options(prior=5.0, scales_m=(20_000, 10_000))


def of_surveys(folder, data):
    """The table of the scores of validation in a folder."""
    table = blocks.Table(folder / "valid")
    actual = data.labels_of(data.rows_of(table.surveys, data.train_name))
    return per_species.of_folds(evaluate.of_scores(table, actual, data.species).areas, actual, data.species)


def scored(data, folder):
    """The folder of the votes' scores on two folds."""
    folder.mkdir()
    run.write(Votes(OPTIONS), data, folder, folds=[0, 1], keep=100, progress=lambda *_: None)
    return folder


@pytest.fixture
def surveys(tmp_path):
    data = survey_data(n_train=90)
    return data, scored(data, tmp_path / "scores")


def test_the_area_of_a_species_is_that_of_scikit_learn_and_nan_of_one_that_never_varies():
    rng = np.random.default_rng(0)
    scores = np.where(rng.random((50, 6)) < 0.5, rng.random((50, 6)), 0).round(1)  # ties, many at 0
    actual = rng.random((50, 6)) < 0.3
    actual[:, 4], actual[:, 5] = False, True
    areas = metrics.species_auc(sparse.csr_matrix(scores), sparse.csr_matrix(actual), block=2)
    assert_allclose(areas[:4], [roc_auc_score(actual[:, at], scores[:, at]) for at in range(4)])
    assert np.isnan(areas[4:]).all()
    both = metrics.macro_auc(sparse.csr_matrix(scores), sparse.csr_matrix(actual))
    assert both == pytest.approx(areas[:4].mean())


def test_each_survey_is_scored_by_the_model_that_has_not_seen_its_fold(surveys):
    data, folder = surveys
    frame = of_surveys(folder, data).set_index("speciesId")
    by_fold = []
    for fold in (0, 1):
        rows = data.valid(fold)
        scores = Votes(OPTIONS).fit(data, fold)(data.places.iloc[rows], None)
        by_fold.append(metrics.species_auc(scores, data.labels_of(rows)))
    wanted = pd.DataFrame(by_fold, columns=data.species)
    assert_allclose(frame["auc"], wanted.mean()[frame.index], rtol=1e-5)
    assert frame["folds"].tolist() == wanted.notna().sum()[frame.index].tolist()
    rows = np.concatenate([data.valid(0), data.valid(1)])
    presences = np.asarray(data.labels_of(rows).sum(axis=0)).ravel()
    assert frame["presences"].tolist() == presences[presences > 0].tolist()


def test_labels_of_the_test_count_nowhere(tmp_path):
    data = survey_data(n_train=90, held_out=True)
    other = with_other_labels(data, data.test)
    frames = [
        of_surveys(scored(data, tmp_path / "one"), data),
        of_surveys(scored(other, tmp_path / "other"), other),
    ]
    pd.testing.assert_frame_equal(*frames)


def test_records_alone_are_compared_with_sites_of_the_target_group(tmp_path):
    data = records_alone()
    measured = suitability.write(scored(data, tmp_path / "scores"), data, tmp_path)
    frame = suitability.by_species(tmp_path)
    table = pd.read_parquet(tmp_path / suitability.SPECIES)
    one = table[(table["split"] == "valid") & (table["speciesId"] == frame["speciesId"][0])]
    assert frame["auc"][0] == pytest.approx(one["auc"].mean())
    assert frame["presences"][0] == one["sites"].sum()
    assert len(frame) == measured["valid"]["species"]


def test_the_table_has_names(surveys, tmp_path):
    data, folder = surveys
    names = pd.DataFrame({"speciesId": data.species, "name": [None, *["Quercus ilex"] * (len(data.species) - 1)]})
    frame = of_surveys(folder, data)
    per_species.write(frame, names, tmp_path)
    read = pd.read_csv(tmp_path / per_species.TABLE, keep_default_na=False)
    assert list(read.columns) == ["speciesId", "name", "presences", "folds", "auc"]
    assert read["name"].tolist()[:2] == ["", "Quercus ilex"]
    assert_allclose(read["auc"], frame["auc"], rtol=1e-5)
