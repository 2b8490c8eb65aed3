import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from glc.errors import ConfigError, DataError
from glc.neighbours import node2vec
from glc.neighbours.node2vec import Walks

SMALL = {"dim": 16, "length": 20, "count": 10}


def communities(size=30, seed=0):
    """Two groups of `size` nodes, ten times as many edges within as between; node 7 has none."""
    rng = np.random.default_rng(seed)
    of = np.arange(2 * size) // size
    adjacency = np.triu(rng.random((2 * size, 2 * size)) < np.where(of[:, None] == of, 0.3, 0.03), 1)
    adjacency[7] = adjacency[:, 7] = False
    return sparse.csr_matrix(adjacency | adjacency.T, dtype=float), of


@pytest.fixture(scope="module")
def vectors():
    return node2vec.embed(communities()[0], Walks(**SMALL))


def test_communities_lie_apart(vectors):
    _, of = communities()
    linked = np.arange(len(of)) != 7
    unit = vectors[linked] / np.linalg.norm(vectors[linked], axis=1, keepdims=True)
    centres = np.stack([unit[of[linked] == group].mean(axis=0) for group in (0, 1)])
    assert ((unit @ centres.T).argmax(axis=1) == of[linked]).mean() > 0.95


def test_a_node_without_an_edge_is_zeros(vectors):
    assert vectors.dtype == np.float32
    assert_array_equal(np.flatnonzero(~vectors.any(axis=1)), [7])
    assert not node2vec.embed(sparse.csr_matrix((3, 3)), Walks(**SMALL)).any()


def test_one_worker_and_one_seed_give_the_same_bytes(vectors):
    graph, _ = communities()
    assert_array_equal(node2vec.embed(graph, Walks(**SMALL)), vectors)
    assert np.abs(node2vec.embed(graph, Walks(**SMALL, seed=1)) - vectors).max() > 0.01


def path(n):
    """A path of `n` nodes."""
    return sparse.diags([np.ones(n - 1), np.ones(n - 1)], [1, -1]).tocsr()


def paths(graph, **settings):
    return node2vec._paths(node2vec._checked(graph), Walks(**settings), False).astype(int)


def test_each_node_starts_its_walks_and_steps_follow_edges():
    graph, _ = communities()
    linked = np.flatnonzero(np.diff(graph.indptr))
    for p, q in ((1.0, 1.0), (0.5, 4.0)):
        walked = paths(graph[linked][:, linked], p=p, q=q, length=9, count=3)
        assert walked.shape == (3 * len(linked), 10)
        assert_array_equal(np.bincount(walked[:, 0]), np.full(len(linked), 3))
        assert (np.diff(walked[:, 0]) < 0).any()  # the skip-gram learns in this order
        assert graph[linked[walked[:, :-1]].ravel(), linked[walked[:, 1:]].ravel()].all()


def test_p_and_q_bias_the_walks():
    """On a path of nodes a walk that shuns return runs on, and one that seeks it stays."""
    spans = []
    for p in (1e-3, 1e3):
        walked = paths(path(40), p=p, q=1.0, length=20, count=2)
        assert (np.abs(np.diff(walked)) == 1).all()
        spans.append(np.ptp(walked, axis=1).mean())
    assert spans[0] < 2
    assert spans[1] > 10


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (4.0, 0.5), (0.25, 3.0), (1.0, 2.0)])
def test_steps_have_the_chances_of_the_paper(p, q):
    """Counted over many walks, for each edge and each node that may follow (Grover and Leskovec, section 3.2.2)."""
    weights = np.array([[0, 1, 2, 0, 0], [1, 0, 3, 0, 0], [2, 3, 0, 1, 0], [0, 0, 1, 0, 5], [0, 0, 0, 5, 0]])
    walked = paths(sparse.csr_matrix(weights, dtype=float), p=p, q=q, length=40, count=4_000, seed=3)
    counts = np.zeros((5, 5, 5))
    np.add.at(counts, (walked[:, :-2], walked[:, 1:-1], walked[:, 2:]), 1)
    for before, node in zip(*np.nonzero(weights), strict=True):
        alpha = np.where(weights[before] > 0, 1.0, 1 / q)
        alpha[before] = 1 / p
        wanted = alpha * weights[node] / (alpha * weights[node]).sum()
        seen = counts[before, node].sum()
        error = np.sqrt(wanted * (1 - wanted) / seen)
        assert (np.abs(counts[before, node] / seen - wanted) <= 5 * error).all()
    first = np.zeros((5, 5))
    np.add.at(first, (walked[:, 0], walked[:, 1]), 1)  # the first step knows no p and q
    wanted = weights / weights.sum(axis=1, keepdims=True)
    assert np.abs(first / first.sum(axis=1, keepdims=True) - wanted).max() < 0.04


@pytest.mark.parametrize("q", [1.0, 1e-9, 1e9])
def test_small_weights_behind_large_ones_and_extreme_biases_keep_their_chances(q):
    """Two triangles, in which `p` = 1 and any `q` change nothing."""
    triangle = np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]])
    graph = sparse.csr_matrix(np.kron(np.diag([1e12, 1.0]), triangle))
    walked = paths(graph, p=1.0, q=q, length=30, count=2_000)
    assert ((walked >= 3) == (walked[:, :1] >= 3)).all()
    for first in (0, 3):
        after = walked[:, 1:][walked[:, :-1] == first]
        assert (after == first + 2).mean() == pytest.approx(2 / 3, abs=0.01)


def test_large_graphs_are_walked_in_parts(monkeypatch):
    graph, _ = communities()
    linked = np.flatnonzero(np.diff(graph.indptr))
    monkeypatch.setattr(node2vec, "_EDGES", 100)
    walked = paths(graph[linked][:, linked], p=0.5, q=2.0, length=5, count=2)
    assert graph[linked[walked[:, :-1]].ravel(), linked[walked[:, 1:]].ravel()].all()


def test_what_is_no_graph_is_refused():
    with pytest.raises(DataError, match="one direction only"):
        node2vec.embed(sparse.csr_matrix([[0, 1.0], [0, 0]]))
    with pytest.raises(DataError, match=r"weights from -1\.0 to -1\.0, expected above 0"):
        node2vec.embed(sparse.csr_matrix([[0, -1.0], [-1.0, 0]]))
    with pytest.raises(DataError, match="as many rows as columns"):
        node2vec.embed(sparse.csr_matrix((2, 3)))
    with pytest.raises(ConfigError, match="p: found 0"):
        Walks(p=0)


def test_gensim_is_not_imported_before_it_is_needed():
    code = "import sys, glc.classical.node2vec; print({'torch', 'gensim'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
