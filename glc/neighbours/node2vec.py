"""Vectors of a graph's nodes: biased random walks read as sentences (node2vec, Grover and Leskovec 2016).

With one worker the same graph and seed give the same bytes; with more, gensim's skip-gram depends on how its threads
take turns.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt
from scipy import sparse

from glc.config import Count, Positive, section
from glc.errors import DataError
from glc.progress import tqdm

_EDGES = 2_000_000
"""Edges whose bias is computed at once, which take 100 MB."""


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

    All walks take a step at once: the first along an edge that is drawn by its weight, the others by the weight times
    the bias of `p` and `q` (section 3.2.2), which for all edges of the nodes where walks are is computed anew.

    graph : CSR with sorted indices, an edge at every node
    """
    rng = np.random.default_rng(walks.seed)
    n, starts, neighbours = graph.shape[0], graph.indptr.astype(np.int64), graph.indices.astype(np.int64)
    edges = np.repeat(np.arange(n), np.diff(starts)) * n + neighbours  # sorted
    sums = _sums(graph.data.astype(np.float64), starts)

    def biased(before, nodes):
        degrees = starts[nodes + 1] - starts[nodes]
        own = np.concatenate([[0], np.cumsum(degrees)])
        at = np.arange(own[-1]) + np.repeat(starts[nodes] - own[:-1], degrees)
        came, to = np.repeat(before, degrees), neighbours[at]
        edge = came * n + to
        near = edges[np.minimum(np.searchsorted(edges, edge), len(edges) - 1)] == edge
        bias = np.where(to == came, 1 / walks.p, np.where(near, 1.0, 1 / walks.q))
        return to[_drawn(_sums(graph.data[at] * bias, own), own[:-1], own[1:], rng)]

    paths = np.empty((walks.count * n, walks.length + 1), np.uint32)
    paths[:, 0] = rng.permutation(np.tile(np.arange(n), walks.count))
    for step in tqdm(range(1, walks.length + 1), desc="walks", unit=" steps", delay=2, disable=not progress):
        nodes = paths[:, step - 1].astype(np.int64)
        if step == 1 or walks.p == walks.q == 1:
            paths[:, step] = neighbours[_drawn(sums, starts[nodes], starts[nodes + 1], rng)]
            continue
        before = paths[:, step - 2].astype(np.int64)
        parts = 1 + int((starts[nodes + 1] - starts[nodes]).sum()) // _EDGES
        for rows in np.array_split(np.arange(len(nodes)), parts):
            paths[rows, step] = biased(before[rows], nodes[rows])
    return paths


def _sums(weights, starts):
    """Sums of `weights` up to each, where those of each part from `starts` on, to the next, are divided by their sum.

    Of undivided ones, small parts behind large ones would be lost to rounding.
    """
    return np.cumsum(weights / np.repeat(np.add.reduceat(weights, starts[:-1]), np.diff(starts)))


def _drawn(sums, first, end, rng):
    """The number of a weight of each part from `first` to `end`, drawn by its size."""
    low = np.where(first > 0, sums[first - 1], 0.0)
    number = np.searchsorted(sums, low + rng.random(len(first)) * (sums[end - 1] - low), side="right")
    return np.clip(number, first, end - 1)  # rounding may lead to the next part


class _Sentences:
    """Walks as sentences of names, to be read again for each epoch, with a bar over all of the readings."""

    def __init__(self, paths, names, bar):
        self.paths, self.names, self.bar = paths, names, bar

    def __iter__(self):
        for path in self.paths:
            yield [self.names[node] for node in path]
            self.bar.update()


def _skip_gram(paths, nodes, walks, progress):
    from gensim.models import Word2Vec

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
