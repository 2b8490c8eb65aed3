"""PecanPy's walks on one thread, compiled once per process.

PecanPy compiles its walk again for every graph, which takes seconds, and starts numba's threads even for one worker.
With OpenMP, torch then uses as many threads for the rest of the process. The walks here are the same, draw by draw, for
graphs in which every node has an edge; they take the graph as arguments. Importing numba is slow, so this module is
imported only when walks are drawn.
"""

import numpy as np
from numba import njit
from pecanpy.pecanpy import SparseOTF, alias_draw, alias_setup

_first_order = SparseOTF.get_normalized_probs_first_order
_second_order = SparseOTF.get_normalized_probs


@njit(nogil=True)
def alias_tables(indptr, indices, weights):
    """Alias tables, positions and chances, of the first-order steps along all edges."""
    alias_j = np.zeros(len(indices), dtype=np.uint32)
    alias_q = np.zeros(len(indices), dtype=np.float32)
    for node in range(len(indptr) - 1):
        start, end = indptr[node], indptr[node + 1]
        probabilities = _first_order(weights, indices, indptr, node)
        alias_j[start:end], alias_q[start:end] = alias_setup(probabilities)
    return alias_j, alias_q


@njit(nogil=True)
def _begun(starts, length, seed):
    """Walks with only their first node filled in; seeds numba's generator."""
    np.random.seed(seed)
    walks = np.zeros((len(starts), length + 2), dtype=np.uint32)
    walks[:, 0] = starts
    walks[:, -1] = length + 1
    return walks


@njit(nogil=True)
def first_order(starts, length, seed, indptr, indices, alias_j, alias_q, progress):
    """Walks (n, length + 2) uint32, whose last column is the number of nodes, by the tables of `alias_tables`."""
    walks = _begun(starts, length, seed)
    for walk in range(len(starts)):
        for step in range(1, length + 1):
            start, end = indptr[walks[walk, step - 1]], indptr[walks[walk, step - 1] + 1]
            walks[walk, step] = indices[start + alias_draw(alias_j[start:end], alias_q[start:end])]
        progress.update(1)
    return walks


@njit(nogil=True)
def second_order(starts, length, seed, indptr, indices, weights, p, q, progress):
    """Walks as those of `first_order`, biased by the return parameter `p` and the in-out parameter `q`."""
    walks = _begun(starts, length, seed)
    for walk in range(len(starts)):
        for step in range(1, length + 1):
            node = walks[walk, step - 1]
            if step == 1:
                probabilities = _second_order(weights, indices, indptr, p, q, node, None, None)
            else:
                probabilities = _second_order(weights, indices, indptr, p, q, node, walks[walk, step - 2], None)
            choice = np.searchsorted(np.cumsum(probabilities), np.random.random())
            walks[walk, step] = indices[indptr[node] + choice]
        progress.update(1)
    return walks
