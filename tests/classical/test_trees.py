import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.tree import DecisionTreeClassifier

from glc.classical import _trees


def examples(n, classes, features, seed=0, levels=0):
    """Values (n, features), labels by them, and bootstrap weights; whole numbers of `levels` values, or continuous."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, features)).astype(np.float32)
    labels = ((X[:, 0] + 0.5 * X[:, 1] + rng.normal(size=n)) * classes / 6 + classes / 2).clip(0, classes - 1)
    if levels:
        X = np.round(X * levels / 6)
    return X, labels.astype(int), np.bincount(rng.integers(0, n, n), minlength=n)


def shares(tree, X, classes):
    out = np.zeros((len(X), classes), np.float32)
    tree.add(tree.leaves(X), out)
    return out


def gini(labels, weight):
    p = np.bincount(labels, weight) / weight.sum()
    return weight.sum() * (1 - p @ p)


def brute(X, labels, weight):
    """The least summed impurity of two children over all cuts of all features."""
    found = []
    for column in X.T:
        for low in np.unique(column)[:-1]:
            left = column <= low
            found.append(gini(labels[left], weight[left]) + gini(labels[~left], weight[~left]))
    return min(found)


@pytest.mark.parametrize("levels", [0, 5])
@pytest.mark.parametrize("seed", range(5))
def test_a_split_is_the_best_of_all_cuts(seed, levels):
    X, labels, weight = examples(60, 8, 4, seed, levels)
    tree = _trees.grow(_trees.Values(X), labels, weight, 8, depth=1, features=4, rng=np.random.default_rng(0))
    side, there = tree.leaves(X), weight > 0
    found = sum(gini(labels[there & (side == i)], weight[there & (side == i)]) for i in (0, 1))
    assert_allclose(found, brute(X[there], labels[there], weight[there]), rtol=1e-9)


@pytest.mark.parametrize("levels", [0, 40])
def test_a_tree_is_that_of_scikit_learn(levels):
    X, labels, weight = examples(4_000, 5, 6, levels=levels)
    grown = _trees.grow(_trees.Values(X), labels, weight, 5, depth=4, features=6, rng=np.random.default_rng(0))
    fitted = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, labels, sample_weight=weight)
    assert_array_equal(grown.feature, np.where(fitted.tree_.children_left < 0, -1, fitted.tree_.feature))
    assert_allclose(grown.threshold, fitted.tree_.threshold)
    assert_allclose(shares(grown, X, 5), fitted.predict_proba(X), atol=1e-6)


def test_more_than_65536_values_or_classes_are_sorted_too():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 1 << 20, 5_000).astype(np.uint32)
    assert_array_equal(_trees._order(keys), np.argsort(keys, kind="stable"))
    X = rng.permutation(70_000).astype(np.float32)[:, None]
    labels = np.where(X[:, 0] < 12_345, 69_999, 3)
    tree = _trees.grow(_trees.Values(X), labels, np.ones(70_000, int), 70_000, depth=3, features=1, rng=rng)
    assert tree.threshold[0] == 12_344.5
    assert_array_equal(tree.classes, [69_999, 3])  # both leaves are pure
    assert_array_equal(tree.counts, [12_345, 70_000 - 12_345])


def test_leaves_of_scikit_learn_become_sparse_and_the_same():
    X, labels, weight = examples(800, 40, 5)
    present, own = np.unique(labels[labels % 2 == 0], return_inverse=True)
    X, weight = X[labels % 2 == 0], weight[labels % 2 == 0]
    fitted = DecisionTreeClassifier(max_depth=6, random_state=0).fit(X, own, sample_weight=weight)
    tree = _trees.of_sklearn(fitted, present, 40, nodes=7)
    found = shares(tree, X, 40)
    assert_allclose(found[:, present], fitted.predict_proba(X), atol=1e-6)
    assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert tree.total.sum() == weight.sum()


def test_a_leaf_keeps_its_most_frequent_classes_and_its_whole_weight():
    counts = sparse.csr_matrix(np.array([[0, 0, 0, 0], [5, 1, 5, 9], [0, 2, 0, 300]]))
    nodes = (np.array([0, -1, -1]), np.zeros(3), np.array([1, -1, -1]), np.array([2, -1, -1]))
    tree = _trees.tree(*nodes, counts, keep=2)
    out = np.zeros((2, 4), np.float32)
    tree.add(np.array([0, 1]), out)
    assert_allclose(out, [[0.25, 0, 0, 0.45], [0, 2 / 302, 0, 300 / 302]], rtol=1e-6)
    assert (tree.classes.dtype, tree.counts.dtype) == (np.uint8, np.uint16)


def test_constant_features_and_pure_nodes_end_a_branch():
    X = np.zeros((50, 3), np.float32)
    X[:, 2] = np.arange(50)
    labels = np.arange(50) // 25
    settings = {"depth": 5, "features": 1, "rng": np.random.default_rng(0)}
    tree = _trees.grow(_trees.Values(X), labels, np.ones(50, int), 2, **settings)
    assert_array_equal(tree.feature, [2, -1, -1])  # found though only one feature is tried, and two are constant
    assert tree.threshold[0] == 24.5
    same = _trees.grow(_trees.Values(X[:, :2]), labels, np.ones(50, int), 2, **settings)
    assert_array_equal(same.feature, [-1])
    assert_allclose(shares(same, X, 2), 0.5)
