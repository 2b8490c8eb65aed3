"""Vectors of a graph's nodes: biased random walks read as sentences (node2vec, Grover and Leskovec 2016).

With one worker the same graph and seed give the same bytes; with more, gensim's skip-gram depends on how its threads
take turns.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt
from scipy import sparse

from glc.config import Count, Positive, section
from glc.errors import ConfigError, DataError
from glc.progress import tqdm


@section
class Walks:
    """How nodes become vectors."""

    p: Positive = 1.0
    """Return parameter; with p = q = 1 a walk is of first order, and its steps cost the same at a hub as elsewhere."""
    q: Positive = 1.0
    """In-out parameter."""
    length: Count = 40
    """Steps of a walk."""
    count: Count = 10
    """Walks from each node."""
    dim: Count = 64
    """Length of a node's vector."""
    window: Count = 5
    """Nodes of context on each side, of the skip-gram."""
    epochs: Count = 2
    """Passes of the skip-gram over the walks."""
    seed: Annotated[int, Ge(0), Lt(2**31)] = 0
    """Seed of the walks and the vectors."""
    workers: Count = 1
    """Threads of the skip-gram; only 1 is reproducible."""


def embed(graph: sparse.csr_matrix, walks: Walks | None = None, progress: bool = False) -> np.ndarray:
    """Vectors (n, dim) float32 of the nodes of a graph; nodes without an edge are zeros (`graph.isolated` counts them).

    graph : (n, n) CSR of undirected edges with weights above 0
    walks : `Walks`
    """
    walks = walks or Walks()
    graph = _checked(graph)
    vectors = np.zeros((graph.shape[0], walks.dim), np.float32)
    linked = np.flatnonzero(np.diff(graph.indptr))
    if len(linked):
        paths = _paths(graph[linked][:, linked], walks, progress)
        vectors[linked] = _skip_gram(paths, len(linked), walks, progress)
    return vectors


def _checked(graph):
    graph = graph.tocsr().astype(np.float32)
    if graph.shape[0] != graph.shape[1]:
        raise DataError(f"graph: found shape {graph.shape}, expected as many rows as columns")
    graph.eliminate_zeros()
    if graph.nnz and not (np.isfinite(graph.data).all() and graph.data.min() > 0):
        raise DataError(f"graph: found weights from {graph.data.min()} to {graph.data.max()}, expected above 0")
    if (graph != graph.T).nnz:
        raise DataError("graph: found edges in one direction only; expected undirected ones: graph.maximum(graph.T)")
    graph.sort_indices()
    return graph


def _paths(graph, walks, progress):
    """Walks (walks.count * n, walks.length + 1), `walks.count` from each node in random order: nodes as uint32.

    All walks take a step at once, along an edge that is drawn by its weight. With `p` or `q` it is kept with the chance
    that the two give it, relative to the greatest, and else drawn again: rejection sampling, which draws from the same
    distribution as the tables of each pair of nodes in the paper (section 3.2.2), and needs none.

    graph : CSR with sorted indices, an edge at every node
    """
    rng = np.random.default_rng(walks.seed)
    n, starts, neighbours = graph.shape[0], graph.indptr.astype(np.int64), graph.indices.astype(np.int64)
    sums = np.cumsum(graph.data, dtype=np.float64)  # of the weights of all edges up to each
    below = np.concatenate([[0.0], sums])[starts]
    edges = np.repeat(np.arange(n), np.diff(starts)) * n + neighbours  # sorted
    greatest = max(1.0, 1 / walks.p, 1 / walks.q)

    def draw(nodes):
        drawn = below[nodes] + rng.random(len(nodes)) * (below[nodes + 1] - below[nodes])
        # rounding may lead to a neighbour of the next node
        return neighbours[np.clip(np.searchsorted(sums, drawn, side="right"), starts[nodes], starts[nodes + 1] - 1)]

    def chances(before, to):
        edge = before * n + to
        near = edges[np.minimum(np.searchsorted(edges, edge), len(edges) - 1)] == edge
        return np.where(to == before, 1 / walks.p, np.where(near, 1.0, 1 / walks.q)) / greatest

    paths = np.empty((walks.count * n, walks.length + 1), np.uint32)
    paths[:, 0] = rng.permutation(np.tile(np.arange(n), walks.count))
    for step in tqdm(range(1, walks.length + 1), desc="walks", unit=" steps", delay=2, disable=not progress):
        nodes = paths[:, step - 1].astype(np.int64)
        chosen = draw(nodes)
        if step > 1 and not walks.p == walks.q == 1:
            before = paths[:, step - 2].astype(np.int64)
            open_ = np.flatnonzero(np.diff(starts)[nodes] > 1)  # from the others there is one way only
            while len(open_):
                kept = rng.random(len(open_)) < chances(before[open_], chosen[open_])
                open_ = open_[~kept]
                chosen[open_] = draw(nodes[open_])
        paths[:, step] = chosen
    return paths


class _Sentences:
    """Walks as sentences of names, to be read again for each epoch, with a bar over all of the readings."""

    def __init__(self, paths, names, bar):
        self.paths, self.names, self.bar = paths, names, bar

    def __iter__(self):
        for path in self.paths:
            yield [self.names[node] for node in path]
            self.bar.update()


def _skip_gram(paths, nodes, walks, progress):
    try:
        from gensim.models import Word2Vec
    except ImportError:
        raise ConfigError(
            "model node2vec: the package gensim is not installed; try: pip install -e '.[alternatives]'"
        ) from None

    names = [str(node) for node in range(nodes)]
    total = len(paths) * (walks.epochs + 1)  # once more for the vocabulary
    with tqdm(total=total, desc="skip-gram", unit=" walks", delay=2, disable=not progress) as bar:
        model = Word2Vec(
            _Sentences(paths, names, bar),
            vector_size=walks.dim,
            window=walks.window,
            sg=1,
            min_count=0,
            workers=walks.workers,
            epochs=walks.epochs,
            seed=walks.seed,
        )
    return model.wv[names]
