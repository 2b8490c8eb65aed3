import subprocess
import sys

import numba
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from glc.errors import ConfigError, DataError
from glc.neighbours import _walks, node2vec
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


def test_p_and_q_bias_the_walks():
    """On a path of nodes a walk that shuns return runs on, and one that seeks it stays."""
    n = 40
    path = sparse.diags([np.ones(n - 1), np.ones(n - 1)], [1, -1]).tocsr()
    spans = []
    for p in (1e-3, 1e3):
        walks = Walks(p=p, q=1.0, length=20, count=2)
        walker = node2vec._walker(node2vec._checked(path), [str(i) for i in range(n)], walks, False)
        paths = [np.asarray(walk, int) for walk in walker.simulate_walks(walks.count, walks.length)]
        assert len(paths) == 2 * n
        assert all((np.abs(np.diff(walk)) == 1).all() for walk in paths)
        spans.append(np.mean([np.ptp(walk) for walk in paths]))
    assert spans[0] < 2
    assert spans[1] > 10


@pytest.mark.parametrize(
    ("p", "q", "paths"),
    [
        (1.0, 1.0, ["dcacdeded", "edcdedede", "bacacdede", "acbcbcabc", "cbacbcded"]),
        (4.0, 0.5, ["dedcbcded", "edcabcacb", "bacbacded", "acdedcbcd", "cdedcbacb"]),
    ],
)
def test_walks_are_those_of_pecanpy_draw_by_draw(p, q, paths):
    """Frozen from PecanPy's own walks, compiled for one thread."""
    weights = [[0, 1, 2, 0, 0], [1, 0, 3, 0, 0], [2, 3, 0, 1, 0], [0, 0, 1, 0, 5], [0, 0, 0, 5, 0]]
    walks = Walks(p=p, q=q, length=8, count=1, seed=3)
    walker = node2vec._walker(node2vec._checked(sparse.csr_matrix(weights, dtype=float)), list("abcde"), walks, False)
    walked = walker.simulate_walks(walks.count, walks.length)
    assert ["".join("abcde"[node] for node in walk) for walk in walked] == paths


def test_another_graph_compiles_nothing_and_starts_no_thread_of_numba(vectors):
    """Threads that numba starts would be as many for torch, which shares its OpenMP."""
    compiled = [len(kernel.signatures) for kernel in (_walks.alias_tables, _walks.first_order)]
    node2vec.embed(communities(seed=1)[0], Walks(**SMALL))
    assert [len(kernel.signatures) for kernel in (_walks.alias_tables, _walks.first_order)] == compiled
    with pytest.raises(ValueError, match="not initialized"):
        numba.threading_layer()


def test_what_is_no_graph_is_refused():
    with pytest.raises(DataError, match="one direction only"):
        node2vec.embed(sparse.csr_matrix([[0, 1.0], [0, 0]]))
    with pytest.raises(DataError, match=r"weights from -1\.0 to -1\.0, expected above 0"):
        node2vec.embed(sparse.csr_matrix([[0, -1.0], [-1.0, 0]]))
    with pytest.raises(DataError, match="as many rows as columns"):
        node2vec.embed(sparse.csr_matrix((2, 3)))
    with pytest.raises(ConfigError, match="p: found 0"):
        Walks(p=0)


def test_neither_torch_nor_pecanpy_is_imported_before_it_is_needed():
    code = (
        "import sys, glc.classical.node2vec; print({'torch', 'pecanpy', 'gensim'} & set(sys.modules));"
        "import pecanpy.pecanpy; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["set()", "False"]
