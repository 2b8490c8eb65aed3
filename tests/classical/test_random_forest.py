import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier

from glc.bench.forest import examples
from glc.classical.random_forest import Forest, RandomForest, fit
from glc.errors import ConfigError, DataError
from tests.helpers import survey_data


def model(**options):
    return RandomForest(RandomForest.Options(**{"trees": 5, "depth": 4} | options))


def table_of(data, features=6, seed=0):
    """Values at the surveys of `data` of which the first follows its first two species."""
    table = np.random.default_rng(seed).normal(size=(len(data.places), features)).astype(np.float32)
    table[:, 0] += 2 * data.label_matrix[:, :2].toarray() @ [1, -1]
    return table


def test_it_is_the_forest_of_scikit_learn():
    X, species = examples(1_500, 200)
    asked, _ = examples(300, 200, seed=1)
    theirs = RandomForestClassifier(8, max_depth=6, random_state=3).fit(X, species)
    ours = fit(X.copy(), species, RandomForest.Options(trees=8, depth=6, seed=3, grower="scikit-learn"))
    assert_array_equal(ours.species, theirs.classes_)
    assert_allclose(ours.probabilities(asked), theirs.predict_proba(asked), atol=1e-6)


@pytest.mark.slow
def test_our_trees_predict_as_well_as_those_of_scikit_learn():
    X, species = examples(3_000, 30)
    asked, truth = examples(2_000, 30, seed=1)
    found = {}
    for grower, seed in (("gini", 0), ("scikit-learn", 0), ("scikit-learn", 1)):
        forest = fit(X.copy(), species, RandomForest.Options(trees=30, depth=7, seed=seed, grower=grower))
        found[grower, seed] = forest.probabilities(asked)[:, np.searchsorted(forest.species, truth)].diagonal()
    ours, theirs, again = found.values()
    assert abs(ours.mean() - theirs.mean()) < 0.01 < 0.1 < ours.mean()
    spread = np.sqrt(((theirs - again) ** 2).mean())
    assert np.sqrt(((ours - theirs) ** 2).mean()) < 1.1 * spread  # no further off than another seed


def test_the_leaves_are_compact():
    X, species = examples(4_000, 3_000)
    forest = fit(X, species, RandomForest.Options(trees=4))
    nodes = sum(len(tree.feature) for tree in forest.trees)
    entries = sum(len(tree.counts) for tree in forest.trees)
    assert entries <= 4 * 4_000  # an example is in one leaf of a tree
    assert forest.bytes < 4 * entries + 40 * nodes + 8 * len(forest.species) + 200
    assert forest.bytes < 0.01 * nodes * len(forest.species) * 8  # scikit-learn's


def test_the_best_are_those_of_the_probabilities(monkeypatch):
    X, species = examples(600, 80)
    X[::7, 3] = np.nan
    X[5] = np.nan
    forest = fit(X.copy(), species, RandomForest.Options(trees=6))
    whole = forest.probabilities(X)
    monkeypatch.setattr("glc.classical.random_forest._BLOCK", 50 * len(forest.species))
    best = forest.best(X, 10)
    assert best.dtype == np.float32
    assert np.diff(best.indptr).max() == 10
    assert_allclose(np.sort(best.toarray())[:, -10:], np.sort(whole)[:, -10:])  # ties may fall either way
    row, column = best.nonzero()
    assert_array_equal(best.toarray()[row, column], whole[row, column])
    assert_allclose(forest.best(X, 10_000).toarray(), whole)
    assert_allclose(whole.sum(axis=1), 1, atol=1e-5)


def test_off_the_rasters_the_class_frequencies_and_single_gaps_the_mean():
    X, species = examples(500, 20)
    X[:50] = np.nan
    X[60:90, 4] = np.nan
    forest = fit(X.copy(), species, RandomForest.Options(trees=5))
    assert_allclose(forest.means[4], np.nanmean(X[:, 4].astype(float)), rtol=1e-6)
    frequency = np.bincount(species, minlength=20)[forest.species] / 500
    assert_allclose(forest.probabilities(X[:1])[0], frequency, rtol=1e-6)
    filled = X[60:61].copy()
    filled[0, 4] = forest.means[4]
    assert_array_equal(forest.probabilities(X[60:61]), forest.probabilities(filled))
    alone = fit(X[50:].copy(), species[50:], RandomForest.Options(trees=5))
    assert_array_equal(alone.trees[0].feature, forest.trees[0].feature)
    with pytest.raises(DataError, match="none of 50 training examples has any environmental value"):
        fit(X[:50], species[:50], RandomForest.Options())


@pytest.mark.parametrize("grower", ["gini", "scikit-learn"])
def test_a_species_seen_only_off_the_rasters_is_a_class_all_the_same(grower):
    X, species = examples(300, 20)
    X[:30] = np.nan
    species[:30] = 5_000
    species[30:60] = 6_000
    forest = fit(X.copy(), species, RandomForest.Options(trees=3, grower=grower))
    assert_array_equal(forest.species[-2:], [5_000, 6_000])
    assert_allclose(forest.share[-2:], 0.1)
    assert_allclose(forest.probabilities(X[:1])[0], forest.share)
    found = forest.probabilities(X[30:])
    assert (found[:, -2] == 0).all()
    assert found[:30, -1].mean() > 2 * found[30:, -1].mean()


def test_saved_and_read_it_predicts_the_same(tmp_path):
    X, species = examples(400, 300)
    forest = fit(X.copy(), species + 1_000, RandomForest.Options(trees=3))
    forest.save(tmp_path / "forest.npz")
    again = Forest.load(tmp_path / "forest.npz")
    assert_array_equal(again.species, forest.species)
    assert_array_equal(again.probabilities(X[:50]), forest.probabilities(X[:50]))
    assert_array_equal(np.unique(species) + 1_000, again.species)


@pytest.mark.parametrize("grower", ["gini", "scikit-learn"])
def test_scores_are_the_probabilities_of_records(grower):
    data = survey_data()
    table = table_of(data)
    table[data.train()[3]] = np.nan
    table[data.test[0]] = np.nan
    own = model(grower=grower)
    scores = own.scores(data, None, data.test, table=table)
    assert scores.shape == (len(data.test), len(data.species))
    train = data.train()
    records = data.labels_of(train).sum(axis=0).A1
    assert_allclose(scores[0].toarray().ravel(), records / records.sum(), rtol=1e-5)
    assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert own.facts["training_surveys_off_rasters"] == own.facts["query_surveys_off_rasters"] == 1
    assert own.facts["examples"] == records.sum() - data.labels_of(train[[3]]).sum()
    assert own.facts["values_imputed"] == 0


def test_labels_of_the_fold_and_the_test_do_not_matter():
    data = survey_data()
    table = table_of(data)
    before = model().scores(data, 1, data.valid(1), table=table).toarray()
    other = data.label_matrix.tolil()
    other[data.valid(1)] = 1
    other[data.test] = 1
    changed = type(data)(data.places, data.species, other.tocsr(), "pa_train", "pa_test", False)
    assert_array_equal(model().scores(changed, 1, data.valid(1), table=table).toarray(), before)
    outside = table.copy()
    outside[np.setdiff1d(np.arange(len(table)), np.concatenate([data.train(1), data.valid(1)]))] += 100
    outside[data.valid(1)[0]] += 100  # another query's values
    after = model().scores(data, 1, data.valid(1), table=outside).toarray()
    assert_array_equal(after[1:], before[1:])


def test_options_are_checked():
    for options, error in (
        ({"trees": 0}, "trees: found 0, expected at least 1"),
        ({"leaf_keep": -1}, "leaf_keep: found -1"),
        ({"grower": "spark"}, "grower: found 'spark', expected one of 'gini', 'scikit-learn'"),
    ):
        with pytest.raises(ConfigError, match=error):
            RandomForest.Options(**options)
    data = survey_data()
    empty = type(data)(data.places, data.species, 0 * data.label_matrix, "pa_train", "pa_test", False)
    with pytest.raises(DataError, match="have no species"):
        model().scores(empty, None, data.test, table=table_of(data))
