import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import Ridge

from glc.classical import node2vec
from glc.classical.node2vec import Node2Vec
from glc.errors import ConfigError
from glc.neighbours.graph import Edges
from glc.neighbours.node2vec import Walks
from tests.helpers import survey_data

WALKS = Walks(dim=8, length=10, count=4, epochs=1)
EDGES = Edges(k=4, radius_m=15_000.0)


def model(**options):
    return Node2Vec(Node2Vec.Options(**{"edges": EDGES, "walks": WALKS} | options))


def changed(data, rows, seed=9):
    """The same surveys with other labels of `rows`."""
    labels = data.label_matrix.toarray()
    labels[rows] = np.random.default_rng(seed).random((len(rows), labels.shape[1])) < 0.5
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


def split_world():
    """Species 0 to 9 grow in the west and the others in the east."""
    data = survey_data(n_train=240, n_test=40, seed=3)
    east = (data.places["lon"] > 2.75).to_numpy()
    labels = data.label_matrix.toarray()
    truth = np.arange(20)[None, :] // 10 == east[:, None]
    labels &= truth
    labels[data.test] = False
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels)), truth


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["species", "survey"])
@pytest.mark.parametrize("predict", ["ridge", "nearest"])
def test_species_are_scored_where_they_grow(mode, predict):
    data, truth = split_world()
    queries = np.concatenate([data.valid(0), data.test])
    walks = Walks(dim=8, length=20, count=10, epochs=5)
    got = model(mode=mode, predict=predict, coordinates=False, walks=walks).scores(data, 0, queries)
    assert got.shape == (len(queries), 20)
    assert got.min() >= 0
    assert got.max() <= 1
    got = got.toarray()
    assert got[truth[queries]].mean() > 3 * got[~truth[queries]].mean()


@pytest.mark.parametrize("mode", [pytest.param("species", marks=pytest.mark.slow), "survey"])
def test_labels_of_the_fold_and_of_the_test_do_not_matter(mode):
    data = survey_data(held_out=True)
    queries = np.concatenate([data.valid(1), data.test])
    method = model(mode=mode)
    got = method.scores(data, 1, queries).toarray()
    assert_array_equal(method.scores(changed(data, queries), 1, queries).toarray(), got)
    assert_array_equal(method.scores(changed(data, data.presence_only), 1, queries).toarray(), got)
    assert np.abs(method.scores(changed(data, data.train(1)), 1, queries).toarray() - got).max() > 0.01


@pytest.mark.parametrize("mode", ["species", "survey"])
def test_presence_only_surveys_enter_by_option(mode):
    data = survey_data()
    method = model(mode=mode, edges=dataclasses.replace(EDGES, sources=("train", "po")))
    got = method.scores(data, 0, data.valid(0)).toarray()
    other = method.scores(changed(data, data.presence_only), 0, data.valid(0)).toarray()
    assert np.abs(other - got).max() > 0.01


def test_a_vector_is_the_mean_over_the_records_around_and_never_of_its_own():
    data = survey_data()
    train = data.train(0)
    places = data.places.rename(columns={"fold": "group"}).iloc[train]
    labels = data.labels_of(train)
    vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    got = node2vec.surroundings(labels, places, places, vectors, EDGES)
    beside = node2vec.graph.near(places, places, 4, 15_000, other_group=True, never_alone=True).toarray()
    group = places["group"].to_numpy()
    for row, own in enumerate(beside):
        assert not (group[own] == group[row]).any()
        records = np.concatenate([labels[s].indices for s in np.flatnonzero(own)])
        assert_allclose(got[row], vectors[records].mean(axis=0), rtol=1e-5, atol=1e-6)
    for row in np.flatnonzero(beside.any(axis=0))[:3]:
        other = labels.toarray()
        other[row] = ~other[row]
        again = node2vec.surroundings(sparse.csr_matrix(other), places, places, vectors, EDGES)
        assert_array_equal(again[row], got[row])
        assert (again != got).any()


def test_a_survey_node_that_is_learned_from_has_no_edge_to_its_own_species(monkeypatch):
    data = survey_data()
    seen = []
    real = node2vec.graph.survey_species
    monkeypatch.setattr(
        node2vec.graph,
        "survey_species",
        lambda labels, *rest, **more: seen.append(labels) or real(labels, *rest, **more),
    )
    queries = data.valid(0)
    learned, known, asked = model(mode="survey")._survey_vectors(data, 0, queries)
    shown = len(data.train(0)) - len(learned)
    assert 0 < len(learned) < shown
    assert (len(known), len(asked)) == (len(learned), len(queries))
    assert seen[0].shape[0] == shown + len(learned) + len(queries)
    assert seen[0][shown:].nnz == 0
    assert (np.diff(seen[0][:shown].indptr) > 0).all()
    assert known.any(axis=1).all()
    assert asked.any(axis=1).all()
    # whole blocks are withheld
    block = data.places["block"].to_numpy()
    assert not set(block[learned]) & set(block[np.setdiff1d(data.train(0), learned)])


def test_withheld_surveys_are_whole_blocks_of_about_the_share():
    blocks = np.random.default_rng(0).integers(0, 40, 1_000)
    got = node2vec.withheld(blocks, 0.3, seed=1)
    assert 0.25 < got.mean() <= 0.3
    assert not set(blocks[got]) & set(blocks[~got])
    assert node2vec.withheld(np.zeros(10, int), 0.3, seed=1).sum() == 3


def test_ridge_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    known, asked = rng.normal(1, 2, size=(50, 6)), rng.normal(1, 20, size=(9, 6))
    labels = sparse.csr_matrix(rng.random((50, 4)) < 0.4, dtype=np.float32)
    got = node2vec.ridge(known, labels, asked, 0.1, rows=4).toarray()
    wanted = Ridge(alpha=0.1 * 50).fit(known, labels.toarray()).predict(asked)
    assert (wanted < 0).any()
    assert_allclose(got, np.clip(wanted, 0, 1), atol=1e-6)


def test_votes_are_shares_of_the_nearest():
    rng = np.random.default_rng(0)
    known, asked = rng.normal(size=(30, 3)), rng.normal(size=(7, 3))
    labels = rng.random((30, 5)) < 0.4
    got = node2vec.nearest_votes(known, sparse.csr_matrix(labels, dtype=np.float32), asked, 6).toarray()
    order = np.linalg.norm(asked[:, None] - known, axis=2).argsort(axis=1)[:, :6]
    assert_allclose(got, labels[order].mean(axis=1), atol=1e-6)


def test_options_are_checked():
    for wrong in ({"mode": "both"}, {"predict": "tree"}, {"alpha": 0.0}, {"votes": 0}, {"withheld": 1.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Node2Vec.Options(**wrong)
    assert model().neighbours() is None
