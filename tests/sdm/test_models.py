"""Every registered model: it learns known niches, and answers for the sites it is asked in their order."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc.errors import ConfigError
from glc.registry import sdms
from glc.sdm import measures
from glc.sdm.ensemble import rank_mean
from glc.sdm.maxent import features_of
from tests.sdm import world


def made(name, **options):
    sdm = sdms.get(name)
    return sdm(sdm.Options(**sdm.trial | options))


@pytest.fixture(scope="module")
def group():
    return world.group()


@pytest.mark.parametrize("name", sdms.choices())
def test_a_model_finds_known_niches_from_presences_alone(name, group):
    other = world.group(seed=1, n=100, names=("d", "e", "f"), sites=50)
    both = [(one.examples, one.sites) for one in (group, other)]
    scores = made(name).scores(both, place=False)
    assert [one.shape for one in scores] == [(400, 3), (50, 3)]
    best = measures.auc(world.chances(group.sites), group.truth)
    assert (measures.auc(scores[0], group.truth) > best - 0.15).all()
    again = made(name).scores(both, place=False)
    assert all(np.array_equal(a, b) for a, b in zip(scores, again, strict=True))


@pytest.mark.parametrize("name", sdms.choices())
def test_the_place_counts_only_when_asked(name, group):
    moved = group.sites.assign(x=group.sites["x"].to_numpy()[::-1])
    apart, joined = [
        [made(name).scores([(group.examples, sites)], place)[0] for sites in (group.sites, moved)]
        for place in (False, True)
    ]
    assert_allclose(apart[0], apart[1])
    assert not np.allclose(joined[0], joined[1])


def test_maxent_without_its_library_tells_the_extra(group, monkeypatch):
    monkeypatch.setitem(sys.modules, "elapid", None)
    with pytest.raises(ConfigError, match=r"the package elapid is not installed; try: pip install -e '\.\[sdm\]'"):
        made("maxent").scores([(group.examples, group.sites)], place=False)


@pytest.mark.parametrize(
    ("presences", "expected"),
    [
        (1, "linear"),
        (9, "linear"),
        (10, "linear quadratic"),
        (14, "linear quadratic"),
        (15, "linear quadratic hinge"),
        (79, "linear quadratic hinge"),
        (80, "linear quadratic hinge product"),
        (5_000, "linear quadratic hinge product"),
    ],
)
def test_maxent_chooses_its_features_by_the_presences_as_maxnet_does(presences, expected, monkeypatch):
    import elapid

    assert " ".join(features_of(presences)) == expected
    taken = []
    fit = elapid.MaxentModel

    def recorded(feature_types, **options):
        taken.append(" ".join(feature_types))
        return fit(feature_types=feature_types, **options)

    monkeypatch.setattr(elapid, "MaxentModel", recorded)
    if presences < 100:
        rng = np.random.default_rng(0)
        places = rng.normal(size=(presences, 2)), rng.normal(size=(200, 2)), rng.normal(size=(5, 2))
        for features in ("presences", "elapid"):
            assert np.isfinite(made("maxent", features=features)._one(*places)).all()
        assert taken == [expected, "linear hinge product"]


@pytest.mark.parametrize("loss", ["full", "asl", "hill", "deepmaxent"])
def test_the_net_learns_by_each_of_its_losses(loss, group):
    scores = made("net", losses=(loss,)).scores([(group.examples, group.sites)], place=False)[0]
    assert measures.auc(scores, group.truth).mean() > 0.8


def test_a_trees_draws_are_balanced_and_bounded(group, monkeypatch):
    from sklearn import tree

    seen = []

    class Spy(tree.DecisionTreeClassifier):
        def fit(self, X, y, **kwargs):
            seen.append((len(y), y.sum()))
            return super().fit(X, y, **kwargs)

    monkeypatch.setattr(tree, "DecisionTreeClassifier", Spy)
    made("forest", trees=2, most=40).scores([(group.examples, group.sites)], place=False)
    assert set(seen) == {(80, 40)}
    seen.clear()
    made("forest", trees=1).scores([(group.examples, group.sites)], place=False)
    assert [pair[1] for pair in seen] == group.examples.present.sum(axis=0).tolist()


def test_balanced_trees_see_as_many_background_points_as_presences(group, monkeypatch):
    import xgboost

    seen = []
    matrix = xgboost.QuantileDMatrix
    monkeypatch.setattr(xgboost, "QuantileDMatrix", lambda X, y, **more: seen.append(y.copy()) or matrix(X, y, **more))
    examples = group.examples
    single = made("boosted", balanced=1).scores([(examples, group.sites)], place=False)[0]
    counts = examples.present.sum(axis=0)
    assert [(len(y), y.sum()) for y in seen] == [(2 * count, count) for count in counts]
    three = made("boosted", balanced=3).scores([(examples, group.sites)], place=False)[0]
    assert len(seen) == 3 + 9
    assert not np.allclose(single, three)
    assert measures.auc(three, group.truth).mean() > 0.8


def test_weights_of_the_full_loss_balance_each_species(group):
    from glc.sdm.net import _weights

    weights, present = _weights(group.examples, 0.2), group.examples.present
    background = group.examples.background[:, None]
    assert_allclose((weights * present).sum(axis=0), 0.5)
    assert_allclose((weights * (background & ~present)).sum(axis=0), 0.4)
    assert_allclose((weights * (~background & ~present)).sum(axis=0), 0.1)


def test_the_ensemble_is_the_mean_of_ranks():
    a, b = np.array([[1.0], [2], [3], [3]]), np.array([[40.0], [10], [20], [30]])
    assert_allclose(rank_mean([a, b])[:, 0], np.array([1 + 4, 2 + 1, 3.5 + 2, 3.5 + 3]) / 8)
    assert_allclose(rank_mean([np.exp(a), b]), rank_mean([a, b]))


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(
        ConfigError, match=r"losses\.0: found 'bce', expected one of 'asl', 'hill', 'full', 'deepmaxent'"
    ):
        made("net", losses=("bce",))
    with pytest.raises(ConfigError, match="trees: found 0"):
        made("forest", trees=0)
