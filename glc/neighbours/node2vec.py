"""Vectors of a graph's nodes: biased random walks read as sentences (node2vec, Grover and Leskovec 2016).

PecanPy walks, gensim's skip-gram learns. With one worker the same graph and seed give the same bytes; with more, both
halves depend on how the threads take turns.
"""

import sys
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt
from scipy import sparse

from glc.config import Count, Positive, section
from glc.errors import DataError
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
    """Threads; only 1 is reproducible."""


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
        names = [str(node) for node in range(len(linked))]
        walker = _walker(graph[linked][:, linked], names, walks, progress)
        paths = walker.simulate_walks(walks.count, walks.length)
        vectors[linked] = _skip_gram(paths, names, walks, progress)
    return vectors


def _checked(graph):
    graph = graph.tocsr().astype(np.float32)
    if graph.shape[0] != graph.shape[1]:
        raise DataError(f"graph: found shape {graph.shape}, expected as many rows as columns")
    graph.eliminate_zeros()
    if graph.nnz and not (np.isfinite(graph.data).all() and graph.data.min() > 0):
        raise DataError(f"graph: found weights from {graph.data.min()} to {graph.data.max()}, expected above 0")
    if graph.nnz >= 2**32:
        raise DataError(f"graph: found {graph.nnz:,} edges, expected fewer than 2^32; keep fewer neighbours")
    if (graph != graph.T).nnz:
        raise DataError("graph: found edges in one direction only; expected undirected ones: graph.maximum(graph.T)")
    graph.sort_indices()
    return graph


def _walker(graph, names, walks, progress):
    """PecanPy's walker over `graph`, whose every node has an edge; its walks are arrays of node numbers."""
    from pecanpy import pecanpy

    from glc.neighbours import _walks

    first_order = walks.p == walks.q == 1
    base = pecanpy.PreCompFirstOrder if first_order else pecanpy.SparseOTF

    class Walker(base):
        def _map_walk(self, walk):
            return walk[: walk[-1]]  # PecanPy's lists of names would take ten times the memory

    class OneThread(Walker):
        """PecanPy ignores `workers`: it walks in all of numba's threads, and seeds only the calling one."""

        def preprocess_transition_probs(self):
            if first_order:
                self.alias_j, self.alias_q = _walks.alias_tables(self.indptr, self.indices, self.data)

        def get_has_nbrs(self):
            return None

        def get_move_forward(self):
            return None

        def _random_walks(self, jobs, length, seed, starts, has_nbrs, move_forward, bar):
            if first_order:
                return _walks.first_order(
                    starts, length, seed, self.indptr, self.indices, self.alias_j, self.alias_q, bar
                )
            p, q = float(self.p), float(self.q)
            return _walks.second_order(starts, length, seed, self.indptr, self.indices, self.data, p, q, bar)

    shown = progress and sys.stderr.isatty()  # PecanPy's bar, ten lines a second, would drown a log
    kind = OneThread if walks.workers == 1 else Walker
    walker = kind(p=walks.p, q=walks.q, workers=walks.workers, verbose=shown, random_state=walks.seed)
    walker.set_node_ids(names)
    walker.indptr, walker.indices = graph.indptr.astype(np.uint32), graph.indices.astype(np.uint32)
    walker.data = graph.data
    return walker


class _Sentences:
    """Walks as sentences of names, to be read again for each epoch, with a bar over all of the readings."""

    def __init__(self, paths, names, bar):
        self.paths, self.names, self.bar = paths, names, bar

    def __iter__(self):
        for path in self.paths:
            yield [self.names[node] for node in path]
            self.bar.update()


def _skip_gram(paths, names, walks, progress):
    from gensim.models import Word2Vec

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
