"""Heads on features against closed forms and scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from glc.config import Head
from glc.errors import ConfigError, DataError
from glc.location.downstream.heads import Dropout, Prediction, fit_predict, known_classes

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 3)).astype(np.float32) * [1, 100, 0.01]
QUICK = Head(width=32, least_steps=400, batch=128)


def labels(x):
    return np.where(x[:, 0] > 0.5, "b", np.where(x[:, 0] < -0.5, "c", "a")).astype(object)


def test_ridge_is_that_of_scikit_learn():
    y = X @ [1, 0.02, 50] + rng.normal(size=600)
    found = fit_predict(X[:500], {"y": y[:500]}, X[500:], Head("linear", alpha=0.1))["y"].values
    scaled = (X - X[:500].mean(axis=0)) / X[:500].std(axis=0)
    expected = Ridge(alpha=0.1 * 500).fit(scaled[:500], y[:500]).predict(scaled[500:])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_logistic_regression_is_that_of_scikit_learn():
    c = labels(X + rng.normal(size=X.shape))
    found = fit_predict(X[:500], {"c": c[:500]}, X[500:], Head("linear", alpha=0.01))["c"].values
    scaled = (X - X[:500].mean(axis=0)) / X[:500].std(axis=0)
    expected = LogisticRegression(C=1 / (0.01 * 500), tol=1e-8, max_iter=1000).fit(scaled[:500], c[:500])
    np.testing.assert_allclose(found, expected.predict_proba(scaled[500:]), atol=2e-3)


def test_heads_learn_values_and_classes_in_their_own_units():
    y = 5000 + 300 * X[:, 0]
    c = labels(X)
    c[::7] = None
    found = fit_predict(X[:500], {"y": y[:500], "c": c[:500]}, X[500:], QUICK)
    assert np.abs(found["y"].values - y[500:]).mean() < 30
    assert (found["c"].best == labels(X[500:])).mean() > 0.9
    assert found["c"].classes.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found["c"].values.sum(axis=1), 1, rtol=1e-5)


def test_a_seed_repeats_itself_and_another_differs():
    y = {"y": X[:, 0] ** 2}
    one, two, other = (fit_predict(X, y, X[:20], QUICK, seed)["y"].values for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-3


def test_a_query_does_not_change_what_another_is_told():
    y = {"y": X[:, 0]}
    alone = fit_predict(X, y, X[:5], QUICK)["y"].values
    among = fit_predict(X, y, np.concatenate([X[:5], 1e3 * X]), QUICK)["y"].values[:5]
    np.testing.assert_allclose(alone, among, rtol=1e-4, atol=1e-5)


def test_a_constant_feature_is_no_nan_and_counts_nothing():
    constant = np.column_stack([X, np.full(600, 7)])
    query = np.column_stack([X[:9], rng.normal(size=9) * 1e6])
    found = fit_predict(constant, {"y": X[:, 0]}, query, Head("linear"))["y"].values
    np.testing.assert_allclose(found, X[:9, 0], atol=1e-2)


def test_codes_of_labels_and_labels_that_are_all_missing():
    classes, codes = known_classes(np.array(["b", None, "a", "b"], object))
    assert classes.tolist() == ["a", "b"]
    assert codes.tolist() == [1, -1, 0, 1]
    with pytest.raises(DataError, match="found no label"):
        known_classes(np.array([None, None], object))


def test_predictions_are_joined_over_all_classes():
    a = Prediction(np.array([[0.75, 0.25]], np.float32), np.array(["a", "c"], object))
    b = Prediction(np.array([[0.5, 0.5]], np.float32), np.array(["b", "c"], object))
    mean = Prediction.mean([a, b])
    assert mean.classes.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(mean.values, [[0.375, 0.25, 0.375]])
    assert a.top(2).tolist() == [["a", "c"]]
    joined = Prediction.join([b, a], [np.array([2]), np.array([0])], 3)
    assert joined.values[0].tolist() == [0.75, 0, 0.25]
    assert joined.values[2].tolist() == [0, 0.5, 0.5]
    assert np.isnan(joined.values[1]).all()


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="kind: found 'tree', expected one of 'mlp', 'linear'"):
        Head("tree")
    with pytest.raises(ConfigError, match="dropout: found 1"):
        Head(dropout=1)


def test_dropout_drops_its_share_keeps_the_mean_and_spares_predictions():
    torch.manual_seed(0)
    dropout, x = Dropout(0.25), torch.ones(1000, 999, requires_grad=True)
    out = dropout(x)
    assert sorted(out.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.002)
    # no row, column or order is favoured
    assert (out == 0).float().mean(dim=0).std().item() == pytest.approx((0.25 * 0.75 / 1000) ** 0.5, rel=0.1)
    out.sum().backward()
    assert torch.equal(x.grad == 0, out == 0)
    assert dropout.eval()(x) is x


def test_bfloat16_learns_the_same():
    features = np.random.default_rng(1).normal(size=(2000, 5))
    targets = {"sum": features.sum(axis=1), "side": np.where(features[:, 0] > 0, "a", "b").astype(object)}
    head = Head(width=32, least_steps=300, batch=256)
    whole, half = (
        fit_predict(features, targets, features, replace(head, precision=kind), progress=False)
        for kind in ("float32", "bfloat16")
    )
    assert np.corrcoef(half["sum"].values, targets["sum"])[0, 1] > 0.99
    assert (half["side"].best == targets["side"]).mean() > 0.95
    assert np.abs(whole["sum"].values - half["sum"].values).std() < 0.1 * targets["sum"].std()
    assert not np.array_equal(whole["sum"].values, half["sum"].values)
