import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import config, geo
from glc.classical import _classifiers
from glc.classical._cells import Cells, Coordinates
from glc.classical._classifiers import CLASSIFIERS
from glc.classical.binned import Binned, bins_of
from glc.errors import ConfigError, DataError
from glc.surveys import SurveyData
from tests.helpers import survey_data

SMALL = {"trees": 20, "least": 1, "iterations": 15, "sample": 400, "learning_rate": 0.3, "negatives": 2}
FEATURES = {"naive_bayes": "cells", "linear_svm": "cells", "factorisation_machine": "cells"}


def model(classifier="naive_bayes", features=None, **options):
    features = features or FEATURES.get(classifier, "coordinates")
    return Binned(Binned.Options(**SMALL | {"classifier": classifier, "features": features, "bins": 4} | options))


def two_regions():
    """200 surveys, the western half with species 0 to 3 alone, the eastern with 4 to 7 alone; equal frequencies."""
    data = survey_data(n_train=200, n_po=0, n_species=8, folds=4, seed=3)
    west = (data.places["lon"] < data.places["lon"].median()).to_numpy()
    labels = west[:, None] == (np.arange(8) < 4)
    labels[data.test] = False
    return SurveyData(data.places, data.species, sparse.csr_matrix(labels), "pa_train", "pa_test", False), west


def test_bins_hold_equally_many_records_in_order_of_frequency():
    assert_array_equal(bins_of([10, 40, 20, 10], 2), [1, 0, 1, 1])
    assert_array_equal(bins_of([1, 1, 1, 1], 4), [0, 1, 2, 3])
    assert_array_equal(bins_of([1, 97, 0, 1], 3), [1, 0, 1, 1])  # one species takes most: fewer bins, none empty
    records = np.random.default_rng(0).geometric(0.01, 2_000)
    bin = bins_of(records, 32)
    totals = np.bincount(bin, records)
    assert len(bin) == 2_000
    assert len(totals) == 32
    assert np.abs(totals - records.sum() / 32).max() < records.max()
    assert (np.diff(bin[np.argsort(-records, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("classifier", "features"),
    [
        ("xgboost", "coordinates"),
        ("xgboost", "cells"),
        ("naive_bayes", "coordinates"),
        ("naive_bayes", "cells"),
        ("linear_svm", "coordinates"),
        ("linear_svm", "cells"),
        ("forest", "coordinates"),
        pytest.param("factorisation_machine", "cells", marks=pytest.mark.slow),
    ],
)
def test_each_classifier_learns_a_world_of_two_regions(classifier, features, request):
    if classifier == "factorisation_machine":
        request.getfixturevalue("spark")
    data, west = two_regions()
    queries = data.valid(1)
    scores = model(classifier, features).scores(data, 1, queries).toarray()
    own = west[queries][:, None] == (np.arange(8) < 4)
    right = (np.where(own, scores, 0).sum(axis=1) / scores.sum(axis=1)).reshape(-1)
    # squares of 25 km may lie across the border
    assert np.median(right) > 0.9
    assert (right > 0.5).mean() > 0.9


@pytest.mark.parametrize("classifier", ["naive_bayes", "linear_svm", "forest", "xgboost"])
def test_scores_are_expected_presences(classifier):
    data = survey_data(n_train=150, n_species=200, seed=4)
    labels = sparse.random(len(data.places), 200, 0.03, random_state=1, format="csr").astype(bool)
    data = SurveyData(data.places, np.arange(200), labels, "pa_train", "pa_test", False)
    train = data.labels_of(data.train(0))
    scores = model(classifier, bins=5, trees=5).scores(data, 0, data.valid(0)).toarray()
    assert scores.max() < 1  # nothing was cut
    assert_allclose(scores.sum(axis=1), train.sum() / train.shape[0], rtol=1e-4)
    # within a bin species share by their frequency
    records = np.asarray(train.sum(axis=0)).ravel()
    assert not scores[:, records == 0].any()
    bin = bins_of(records, 5)
    inside = np.flatnonzero((bin == 3) & (records > 0))
    ratio = scores[:, inside] / records[inside]
    assert_allclose(ratio, np.tile(ratio[:, :1], len(inside)), rtol=1e-4)


@pytest.mark.parametrize("classifier", ["naive_bayes", "linear_svm", "forest", "xgboost"])
def test_labels_of_the_fold_and_the_test_do_not_matter(classifier):
    data = survey_data(n_train=120)
    other = data.label_matrix.tolil()
    other[data.valid(1)] = 1
    other[data.test] = 1
    changed = SurveyData(data.places, data.species, other.tocsr(), "pa_train", "pa_test", False)
    one, two = (model(classifier, trees=5).scores(d, 1, d.valid(1)) for d in (data, changed))
    assert_array_equal(one.toarray(), two.toarray())
    # and those of the training surveys do
    other[data.train(1)[:40]] = 1
    changed = SurveyData(data.places, data.species, other.tocsr(), "pa_train", "pa_test", False)
    assert (model(classifier, trees=5).scores(changed, 1, data.valid(1)) != one).nnz


@pytest.mark.parametrize("features", ["cells", "coordinates"])
def test_a_weight_is_a_repetition(features):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    X = sparse.csr_matrix(X > 0.5, dtype=np.float32) if features == "cells" else X
    counts = sparse.csr_matrix(rng.integers(0, 4, (60, 3)).astype(np.float32))
    row, bin = _classifiers.draw(counts, 10**6, rng)
    assert_array_equal(sparse.csr_matrix((np.ones(len(row)), (row, bin))).toarray(), counts.toarray())
    repeated = sparse.csr_matrix((np.ones(len(row), np.float32), (np.arange(len(row)), bin)))
    options = model(features=features).options
    weighted = CLASSIFIERS["naive_bayes"](options).fit(X, counts).probabilities(X)
    assert_allclose(CLASSIFIERS["naive_bayes"](options).fit(X[row], repeated).probabilities(X), weighted, rtol=1e-5)


def test_xgboost_of_counts_is_its_own_softprob_of_repeated_rows():
    import xgboost

    rng = np.random.default_rng(6)
    X = rng.integers(0, 8, (80, 2)).astype(np.float32)
    counts = rng.integers(0, 4, (80, 3)) + 4 * (X[:, [0]] > np.arange(1, 7, 2))
    place, bin = np.nonzero(counts)
    repeat = counts[place, bin]
    settings = {"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "eta": 0.3, "min_child_weight": 5}
    rows = xgboost.QuantileDMatrix(X[np.repeat(place, repeat)], np.repeat(bin, repeat))
    wanted = xgboost.train(settings | {"base_score": 0.5}, rows, 10).inplace_predict(X)
    options = model("xgboost", trees=10, depth=3, least=5).options
    got = CLASSIFIERS["xgboost"](options).fit(X, sparse.csr_matrix(counts.astype(np.float32))).probabilities(X)
    assert_allclose(got, wanted, atol=1e-4)
    assert np.ptp(got, axis=0).min() > 0.1


def test_naive_bayes_in_chunks_is_naive_bayes(monkeypatch):
    data = survey_data(n_train=100)
    whole = model().scores(data, 0, data.valid(0)).toarray()
    monkeypatch.setattr(_classifiers, "_CHUNK_ROWS", 7)
    assert_allclose(model().scores(data, 0, data.valid(0)).toarray(), whole, rtol=1e-6)


def test_one_hot_naive_bayes_of_one_size_is_the_share_in_the_square():
    """With one square a place and next to no smoothing, P(bin | square) is the share of its records."""
    data = survey_data(n_train=150, n_species=6)
    fold, size = 0, 30_000.0
    got = model(cells_m=(size,), smoothing=1e-9, bins=3).scores(data, fold, data.valid(fold)).toarray()
    train, queries = data.train(fold), data.valid(fold)
    labels = data.label_matrix.toarray()[train]
    records = labels.sum(axis=0)
    bin = bins_of(records, 3)
    square = geo.block_ids(data.places["easting"], data.places["northing"], size, data.places["crs"])
    for row, query in zip(got, queries, strict=True):
        here = labels[square[train] == square[query]].sum(axis=0)
        if here.sum():
            chance = np.bincount(bin, here) / here.sum()
            wanted = chance[bin] * records / np.bincount(bin, records)[bin] * records.sum() / len(train)
            assert_allclose(row, np.minimum(wanted, 1), rtol=1e-4, atol=1e-6)


def test_blocks_of_queries_do_not_matter(monkeypatch):
    data = survey_data()
    whole = model().scores(data, None, data.test)
    monkeypatch.setattr("glc.classical.binned._ROWS", 3)
    assert_array_equal(model().scores(data, None, data.test).toarray(), whole.toarray())


def test_places_as_features():
    places = pd.DataFrame({"easting": [5.0, 15, 15, -5], "northing": [5.0, 5, 5, 5], "crs": [1, 1, 2, 1]})
    cells = Cells(places[:3], (10, 100))
    got = cells.encode(cells.keys(places)).toarray()
    # sizes 10: (5, 5), (15, 5) and that of the other CRS; 100: one square in each CRS; the last place is in none
    assert_array_equal(got, [[1, 0, 0, 1, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0]])
    coordinates = Coordinates(places)
    got = coordinates.encode(coordinates.keys(places))
    assert_allclose(got[:, 0], (places["easting"] - 7.5) / places["easting"].std(ddof=0), rtol=1e-6)
    assert_array_equal(got[:, 1:], [[0, 0], [0, 0], [0, 1], [0, 0]])


def test_draws_are_proportional_to_the_weights():
    counts = sparse.csr_matrix([[6.0, 0], [1, 3]])
    row, bin = _classifiers.draw(counts, 5, np.random.default_rng(0))
    got = sparse.csr_matrix((np.ones(5), (row, bin)), shape=(2, 2)).toarray()
    assert (np.abs(got - counts.toarray() / 2) < 1).all()


def test_odd_training_sets():
    data = survey_data(n_species=1)
    only = model().scores(data, 0, data.valid(0)).toarray()
    assert_allclose(only, 1)
    nothing = sparse.csr_matrix(data.label_matrix.shape, dtype=bool)
    with pytest.raises(DataError, match="have no species"):
        model().scores(SurveyData(data.places, data.species, nothing, "pa_train", "pa_test", False), 0, data.valid(0))


@pytest.mark.parametrize(
    "options",
    [{"bins": 1}, {"classifier": "svm"}, {"features": "rasters"}, {"cells_m": [0.0]}, {"trees": 0}, {"c": 0.0}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        config.build(Binned.Options, options, "model")


@pytest.mark.parametrize("name", ["xgboost", "naive-bayes", "linear-svm", "factorisation-machine", "forest"])
def test_the_experiments_load(name):
    experiment = config.load(name)
    assert experiment.model.options["classifier"] == name.replace("-", "_")
    assert experiment.validation.run == 2
