import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from glc import config
from glc.classical import logistic
from glc.classical._places import place_features
from glc.classical.logistic import Logistic
from glc.errors import ConfigError, DataError
from tests.helpers import survey_data


def model(**options):
    return Logistic(Logistic.Options(**{"grid": (1e-5,), "folds": 2, **options}))


def with_labels(data, labels):
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


@pytest.mark.slow
def test_scores_are_those_of_an_unpooled_unpenalised_regression(spark):
    data = survey_data(n_train=200, seed=6)
    fitted = model(species=4, cell_m=0.0, grid=(0.0,))
    got = fitted.scores(data, 0, data.valid(0)).toarray()

    train = data.train(0)
    y = data.label_matrix.toarray()[train]
    chosen = np.argsort(-y.sum(axis=0), kind="stable")[:4]
    survey, label = np.nonzero(y[:, chosen])
    place = data.places.iloc[train]
    x, asked = (place_features(each, place, fitted.options) for each in (place, data.places.iloc[data.valid(0)]))
    wanted = LogisticRegression(C=np.inf, tol=1e-8).fit(x[survey], label).predict_proba(asked)
    assert_allclose(got[:, chosen], wanted, atol=2e-3)
    assert (np.delete(got, chosen, axis=1) == 0).all()
    assert fitted.facts["species"] == data.species[chosen].tolist()
    assert fitted.facts["occurrences"] == len(label)

    always = f1_score(label, np.zeros(len(label)), average="macro", zero_division=0)
    assert_allclose(fitted.facts["macro_f1_of_most_frequent"], always)


def test_species_that_follow_the_place_are_found_and_the_better_penalty_is_taken(spark):
    data = survey_data(n_train=300, n_test=60, seed=2)
    third = np.digitize(data.places["easting"], data.places["easting"].quantile([1 / 3, 2 / 3]))
    labels = np.zeros(data.label_matrix.shape, bool)
    labels[np.arange(len(third)), 4 + third] = True
    # the middle species is everywhere: with a heavy penalty nothing but it is ever the likeliest
    labels[:, 5] |= np.arange(len(third)) % 4 == 0
    labels[data.test] = False
    fitted = model(species=3, grid=(1e-4, 100.0), iterations=25)
    got = fitted.scores(with_labels(data, labels), None, data.test).toarray()
    assert_allclose(got.sum(axis=1), 1, rtol=1e-5)
    easting = data.places["easting"].to_numpy()
    edges = np.quantile(easting, [1 / 3, 2 / 3])
    clear = (np.abs(easting[data.test, None] - edges) > 15_000).all(axis=1)
    assert clear.sum() > 5
    assert set(third[data.test][clear]) >= {0, 2}
    assert (got.argmax(axis=1) == 4 + third[data.test])[clear].all()
    light, heavy = fitted.facts["macro_f1"].values()
    assert light > 0.7
    assert heavy < 0.4


def test_labels_of_the_fold_the_test_and_presence_only_do_not_matter(spark):
    data = survey_data()
    few = {"species": 3, "iterations": 10}
    before = model(**few).scores(data, 1, data.valid(1)).toarray()
    other = data.label_matrix.tolil()
    for rows in (data.valid(1), data.test, data.presence_only):
        other[rows] = 0
        other[rows, 0] = 1
    got = model(**few).scores(with_labels(data, other.tocsr()), 1, data.valid(1)).toarray()
    assert_allclose(got, before, atol=1e-6)


def test_cases_pool_the_occurrences_of_a_square_a_species_and_a_fold():
    data = survey_data(n_train=400)
    place = data.places.iloc[data.train()]
    records = data.labels_of(data.train())[:, :5].tocoo()
    features = place_features(place, place, model().options)
    cases = model(cell_m=30_000.0)._cases(features, place, records)
    assert cases["weight"].sum() == records.nnz
    assert len(cases["label"]) < records.nnz / 2
    assert_allclose(np.bincount(cases["label"], cases["weight"]), np.bincount(records.col))
    assert_allclose(cases["weight"] @ cases["features"], features[records.row].sum(axis=0), atol=1e-6)
    alone = model(cell_m=0.0)._cases(features, place, records)
    assert len(alone["label"]) == records.nnz
    assert set(alone["weight"]) == {1}


def test_macro_f1_is_the_mean_over_species():
    rng = np.random.default_rng(0)
    actual, predicted = rng.integers(0, 5, 300), rng.integers(0, 4, 300)
    confusion = np.zeros((5, 5))
    np.add.at(confusion, (actual, predicted), 1)
    assert_allclose(logistic.macro_f1(confusion), f1_score(actual, predicted, average="macro"))
    assert logistic.macro_f1(np.diag([3.0, 4.0])) == 1
    assert logistic.macro_f1(np.diag([3.0, 0.0])) == 0.5


def test_one_species_is_refused():
    data = survey_data()
    labels = np.zeros(data.label_matrix.shape, bool)
    labels[:, 3] = True
    with pytest.raises(DataError, match="1 species; expected two or more"):
        model().scores(with_labels(data, labels), None, data.test)


@pytest.mark.parametrize(
    "wrong", [{"species": 1}, {"folds": 1}, {"grid": []}, {"grid": [-0.1]}, {"cell_m": -1}, {"iterations": 0}]
)
def test_wrong_options_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        config.options(Logistic, config.Choice("logistic", wrong), "model")
