import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import geo
from glc.errors import ConfigError
from glc.neighbours import gfv
from glc.neighbours.gfv import Options, mask, vectors
from tests.neighbours.test_ecological import brute_force, world

FOLD, STOP = 0, 1


@pytest.fixture(scope="module")
def data():
    return world(folds=4)


def dense(data, fold, stop, training="leave_one_out", leaky=False):
    """Algorithm 1 survey by survey in double precision: vectors before normalisation, and degrees."""
    places, labels = data.places, data.label_matrix.toarray().astype(float)
    fold_of, block = places["fold"].to_numpy(), places["block"].to_numpy()
    train = [i for i in data.train(fold) if fold_of[i] != stop]
    sources = list(data.train()) if leaky else train
    weight = np.zeros((len(places), len(places)))
    nodes = [*data.train(), *data.test]
    weight[np.ix_(nodes, sources)] = np.nan_to_num(brute_force(places.iloc[nodes], places.iloc[sources]))
    for i in train if not leaky else ():
        for j in sources:
            part = {"block": block, "fold": fold_of}.get(training, np.arange(len(places)))
            if part[i] == part[j]:
                weight[i, j] = 0
    degree = weight.sum(axis=1)
    return (weight @ labels) / np.sqrt(np.where(degree > 0, degree, 1))[:, None], degree


def relabelled(data, rows, seed=0):
    """The same surveys with other labels at `rows`."""
    labels = data.label_matrix.toarray()
    labels[rows] = ~labels[rows]
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


@pytest.mark.parametrize("training", gfv.TRAINING)
@pytest.mark.parametrize(("fold", "stop"), [(FOLD, STOP), (FOLD, None), (None, None), (None, STOP)])
def test_vectors_are_those_of_the_algorithm(data, training, fold, stop):
    found = vectors(data, fold, stop, Options(training=training, normalise="none"))
    expected, degree = dense(data, fold, stop, training)
    assert found.matrix.dtype == np.float32
    assert found.matrix.shape == (len(data.places), len(data.species))
    assert_allclose(found.matrix.toarray(), expected, rtol=1e-5, atol=1e-5)
    assert_allclose(found.degree, degree, rtol=1e-5, atol=1e-6)
    assert_allclose(found.dense([3, 1]), expected[[3, 1]], rtol=1e-5, atol=1e-5)
    assert 0 < (degree[data.train(fold)] == 0).mean() < 1


def test_the_leaky_variant_is_the_published_one(data):
    found = vectors(data, FOLD, STOP, Options(leaky=True, normalise="none"))
    assert_allclose(found.matrix.toarray(), dense(data, FOLD, STOP, leaky=True)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalise", gfv.NORMALISE)
def test_normalisation_is_fitted_on_the_non_zero_values_of_training_rows(data, normalise):
    raw = dense(data, FOLD, STOP)[0]
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    known = raw[train][raw[train] > 0]
    found = vectors(data, FOLD, STOP, Options(normalise=normalise))
    assert_allclose([found.facts["mean"], found.facts["deviation"]], [known.mean(), known.std()], rtol=1e-5)
    values = found.matrix[train].data
    if normalise == "standard":
        assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-4)
        assert_allclose(found.matrix.data, (raw[raw > 0] - known.mean()) / known.std(), atol=1e-4)
    elif normalise == "scale":
        assert_allclose(values.std(), 1, rtol=1e-4)
        assert_allclose(found.matrix.toarray(), raw / known.std(), rtol=1e-4, atol=1e-5)
    assert_array_equal(found.matrix.nonzero(), raw.nonzero())


@pytest.mark.parametrize("normalise", gfv.NORMALISE)
@pytest.mark.parametrize("training", gfv.TRAINING)
def test_hidden_labels_change_nothing(data, training, normalise):
    options = Options(training=training, normalise=normalise)
    before = vectors(data, FOLD, STOP, options)
    for rows in (data.valid(FOLD), data.valid(STOP), data.test, data.presence_only):
        after = vectors(relabelled(data, rows), FOLD, STOP, options)
        assert_array_equal(after.matrix.toarray(), before.matrix.toarray())
        assert_array_equal(after.degree, before.degree)
    assert all(before.matrix[rows].nnz for rows in (data.valid(FOLD), data.valid(STOP), data.test))
    leaky = dataclasses.replace(options, leaky=True)
    before = vectors(data, FOLD, STOP, leaky)
    for rows in (data.valid(FOLD), data.valid(STOP)):
        after = vectors(relabelled(data, rows), FOLD, STOP, leaky).matrix
        others = np.setdiff1d(data.train(), rows)
        assert np.abs((after - before.matrix)[others]).max() > 0.1


def test_a_fold_that_stands_in_for_the_test_stays_hidden():
    data = world(folds=4, held_out=True)
    for leaky in (False, True):
        options = Options(leaky=leaky)
        before = vectors(data, FOLD, STOP, options)
        after = vectors(relabelled(data, data.test), FOLD, STOP, options)
        assert_array_equal(after.matrix.toarray(), before.matrix.toarray())
        assert before.matrix[data.test].nnz


@pytest.mark.parametrize("leaky", [False, True])
def test_a_survey_never_sees_its_own_label(data, leaky):
    options = Options(normalise="none", leaky=leaky)
    before = vectors(data, FOLD, STOP, options)
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    for row in train[::6]:
        after = vectors(relabelled(data, [row]), FOLD, STOP, options)
        assert_array_equal(after.matrix[row].toarray(), before.matrix[row].toarray())
        changed = np.flatnonzero(np.abs(after.matrix - before.matrix).sum(axis=1))
        neighbours = brute_force(data.places, data.places.iloc[[row]])[:, 0] > 0
        neighbours[data.presence_only] = False
        assert_array_equal(changed, np.flatnonzero(neighbours))


@pytest.mark.parametrize(("training", "column"), [("block", "block"), ("fold", "fold")])
def test_a_training_survey_does_not_see_the_labels_of_its_own_part(data, training, column):
    options = Options(training=training, normalise="none")
    before = vectors(data, FOLD, STOP, options).matrix
    part = data.places[column].to_numpy()
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    seen = 0
    for value in np.unique(part[train]):
        rows = train[part[train] == value]
        after = vectors(relabelled(data, rows), FOLD, STOP, options).matrix
        assert_array_equal(after[rows].toarray(), before[rows].toarray())
        seen += np.abs(after - before).sum()
    assert seen > 0


def test_blocks_of_another_size(data):
    one = vectors(data, FOLD, STOP, Options(training="block", block_m=8_000))
    assert_array_equal(one.degree, vectors(data, FOLD, STOP, Options(training="block")).degree)
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    assert not vectors(data, FOLD, STOP, Options(training="block", block_m=1e6)).degree[train].any()


def test_isolated_and_presence_only_rows_are_empty_and_counted(data):
    found = vectors(data, FOLD, STOP)
    empty = np.diff(found.matrix.indptr) == 0
    assert empty[data.presence_only].all()
    assert empty[found.degree == 0].all()
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    rows = {"train": train, "valid": data.valid(FOLD), "stop": data.valid(STOP), "test": data.test}
    assert found.facts["nodes"] == {role: len(members) for role, members in rows.items()}
    for role, members in rows.items():
        assert found.facts["isolated"][role] == pytest.approx((found.degree[members] == 0).mean())


def test_test_surveys_have_no_edges_among_themselves(data):
    graph = gfv.build(data)
    assert not np.isin(graph.sources, data.test).any()
    assert np.isin(data.test, graph.nodes).all()
    alone = dataclasses.replace(
        data,
        places=data.places.assign(lon=np.where(np.isin(np.arange(len(data.places)), data.test), -3, data.places.lon)),
    )
    assert not vectors(alone, FOLD, STOP).degree[data.test].any()


def test_one_graph_serves_all_folds(data):
    graph = gfv.build(data)
    weights = graph.weights.copy()
    for fold, stop in ((0, 2), (None, None), (1, 2)):
        for options in (*(Options(training=training) for training in gfv.TRAINING), Options(leaky=True)):
            shared = vectors(data, fold, stop, options, graph)
            assert_array_equal(shared.matrix.toarray(), vectors(data, fold, stop, options).matrix.toarray())
    assert_array_equal(weights.toarray(), graph.weights.toarray())


def test_twice_the_weights_scale_vectors_by_the_root_of_two(data):
    graph = gfv.build(data)
    double = dataclasses.replace(graph, weights=graph.weights * np.float32(2))
    for normalise, factor in (("none", np.sqrt(2)), ("scale", 1), ("standard", 1)):
        options = Options(normalise=normalise)
        one, two = (vectors(data, FOLD, STOP, options, g).matrix for g in (graph, double))
        assert_allclose(two.toarray(), factor * one.toarray(), rtol=1e-4, atol=1e-4)


def test_the_mask_drops_as_many_vectors_as_the_test_lacks():
    data = world(folds=4, n_train=200, n_test=60)
    places = data.places.copy()
    places.loc[data.test[:40], "lon"] += 3  # two thirds of the test, at least, are isolated
    data = dataclasses.replace(data, places=places)
    train = np.setdiff1d(data.train(FOLD), data.valid(STOP))
    for training in gfv.TRAINING:
        options = Options(training=training)
        degree = vectors(data, FOLD, STOP, options).degree
        share = (degree[data.test] == 0).mean()
        probability = mask(data, FOLD, STOP, options)
        assert probability.shape == train.shape
        assert ((probability >= 0) & (probability <= 1)).all()
        assert_allclose(probability.mean(), share, atol=1e-4)
        assert (probability[degree[train] == 0] == 1).all()
        exposed = (vectors(data, FOLD, STOP, Options(training="block")).degree[train] == 0) & (degree[train] > 0)
        others = ~exposed & (degree[train] > 0)
        if exposed.any():
            assert probability[exposed].min() >= probability[others].max()
    relabelled_too = mask(relabelled(data, data.train()), FOLD, STOP)
    assert_array_equal(relabelled_too, mask(data, FOLD, STOP))


def test_the_mask_takes_surveys_that_only_their_own_block_serves_first():
    data = world(folds=4, n_train=200)
    places, train = data.places.copy(), data.train(FOLD)
    west = places["lon"] < 2.4
    places["block"] = np.where(west, -1, np.arange(len(places)))
    places.loc[data.valid(FOLD)[::3], "lat"] += 3
    data = dataclasses.replace(data, places=places)
    isolated, exposed = (dense(data, FOLD, None, training)[1] == 0 for training in ("leave_one_out", "block"))
    assert west[train[exposed[train] & ~isolated[train]]].all()
    probability = mask(data, FOLD, match="valid")
    assert_allclose(probability.mean(), isolated[data.valid(FOLD)].mean(), atol=1e-4)
    assert (probability[exposed[train]] > 0).all()
    assert not probability[~exposed[train]].any()
    assert (probability == 0).sum() > 20


def test_errors(data):
    with pytest.raises(ConfigError, match="stop"):
        vectors(data, 1, 1)
    with pytest.raises(ConfigError, match="same options"):
        vectors(data, 1, None, Options(radius_m=5_000), gfv.build(data))
    with pytest.raises(ConfigError, match="match"):
        mask(data, None, match="valid")
    for wrong in ({"training": "none"}, {"normalise": "rows"}, {"block_m": -1}, {"radius_m": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Options(**wrong)


def test_blocks_follow_the_surveys_own_projection(data):
    places = data.places
    expected = geo.block_ids(places["easting"], places["northing"], 5_000, places["crs"])
    train = data.train(FOLD)
    weight = np.nan_to_num(brute_force(places.iloc[train], places.iloc[train]))
    weight[expected[train][:, None] == expected[train]] = 0
    found = vectors(data, FOLD, None, Options(training="block", block_m=5_000))
    assert_allclose(found.degree[train], weight.sum(axis=1), rtol=1e-5, atol=1e-6)
