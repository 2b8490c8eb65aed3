"""Graphs of species and surveys for node2vec: who occurs with whom, here and in neighbouring surveys.

Both are symmetric weighted `scipy.sparse` matrices made by sparse algebra from the labels L (survey x species) and the
neighbour structure A (survey x survey), so that they stay as sparse as `edges` and `k` say (Miyaguchi et al. 2024,
section 7.1.3, met one billion edges).
"""

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Gt, Le
from scipy import sparse

from glc.config import Count, Positive, Sources, section
from glc.neighbours import exact
from glc.neighbours.places import ranks
from glc.progress import tqdm

DAMPING = ("ppmi", "sqrt", "none")


@section
class Edges:
    """What makes an edge."""

    k: Count = 10
    """A survey's neighbours are its k nearest."""
    radius_m: Annotated[float, Gt(0), Le(500_000)] = 50_000
    """Greatest distance of a neighbour, metres of great circle."""
    sources: Sources = ("train",)
    """Labelled surveys that enter: train, po or both."""
    damping: Literal[DAMPING] = "sqrt"
    """Of a count c between nodes of sums r and s in a graph of sum t: ppmi is max(0, ln(c t / r s)), the positive
    pointwise mutual information; sqrt the square root of c; none c itself."""
    edges: Count = 100
    """Strongest edges that a species keeps in the co-occurrence graph."""
    neighbour_weight: Positive = 1.0
    """Weight of a neighbour edge in the survey-species graph; the mean survey-species edge has 1."""


def near(
    queries: pd.DataFrame,
    sources: pd.DataFrame,
    k: int,
    radius_m: float,
    *,
    other_group: bool = False,
    never_alone: bool = False,
) -> sparse.csr_matrix:
    """Boolean CSR (queries, sources): the k nearest sources of each query within `radius_m` metres, never itself.

    queries, sources : frames of places, see `exact.nearest`
    other_group : neighbours never share the query's `group`, -1 standing for none
    never_alone : a query with nothing within `radius_m` takes the nearest source, however far
    """
    row, column, _ = exact.nearest(queries, sources, k=k, radius_m=radius_m, exclude_group=other_group)
    alone = np.setdiff1d(np.arange(len(queries)), row)
    if never_alone and len(alone):
        far, nearest, _ = exact.nearest(queries.iloc[alone], sources, k=1, radius_m=np.inf, exclude_group=other_group)
        row, column = np.concatenate([row, alone[far]]), np.concatenate([column, nearest])
    return sparse.csr_matrix((np.ones(len(row), bool), (row, column)), shape=(len(queries), len(sources)))


def co_occurrence(
    labels: sparse.csr_matrix,
    neighbours: sparse.csr_matrix,
    *,
    damping: str = "sqrt",
    edges: int = 100,
    block: int = 512,
    progress: bool = False,
) -> sparse.csr_matrix:
    """The species graph, (m, m) CSR float64: how often two species occur in the same survey or in neighbouring ones.

    labels : (n, m) CSR
    neighbours : (n, n) CSR, an entry in one direction is enough
    damping, edges : see `Edges`; an edge stays where it is among the strongest of either of its species, so that there
        are at most ``2 * edges * m`` entries; of equally strong ones the species of lower number stays
    block : species counted at once, which bounds the memory

    The counts are L^T (I + A) L without their diagonal, A being symmetric: a pair of neighbouring surveys counts once
    for each species of the one and each of the other.
    """
    labels = labels.astype(np.float64).tocsc()
    m = labels.shape[1]
    around = (labels + neighbours.maximum(neighbours.T).astype(np.float64) @ labels).tocsr()
    own = np.asarray(labels.multiply(around).sum(axis=0)).ravel()
    sums = labels.T @ np.asarray(around.sum(axis=1)).ravel() - own
    parts = []
    with tqdm(total=m, desc="co-occurrence", unit=" species", delay=2, disable=not progress) as bar:
        for start in range(0, m, block):
            counts = (labels[:, start : start + block].T.tocsr() @ around).tocoo()
            row, column, count = counts.row + start, counts.col, counts.data
            other = row != column
            row, column, count = row[other], column[other], count[other]
            weight = damp(count, sums[row], sums[column], sums.sum(), damping)
            order = np.lexsort((column, -weight, row))
            row, column, weight = row[order], column[order], weight[order]
            keep = (ranks(row) <= edges) & (weight > 0)
            parts.append((row[keep], column[keep], weight[keep]))
            bar.update(counts.shape[0])
    row, column, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    graph = sparse.csr_matrix((weight, (row, column)), shape=(m, m))
    return _sorted(graph.maximum(graph.T))


def survey_species(
    labels: sparse.csr_matrix, neighbours: sparse.csr_matrix, *, damping: str = "sqrt", neighbour_weight: float = 1.0
) -> sparse.csr_matrix:
    """The graph of surveys (first n nodes) and species (next m), (n + m, n + m) CSR float64.

    labels : (n, m) CSR, the rows of surveys that may not show theirs empty: those hang on by their neighbours alone
    neighbours : (n, n) CSR, an entry in one direction is enough
    damping, neighbour_weight : see `Edges`
    """
    held = labels.astype(np.float64).tocoo()
    richness, count = np.bincount(held.row, minlength=held.shape[0]), np.bincount(held.col, minlength=held.shape[1])
    weight = damp(held.data, richness[held.row], count[held.col], held.nnz, damping)
    held = sparse.csr_matrix((weight, (held.row, held.col)), shape=held.shape)
    held.eliminate_zeros()
    beside = neighbours.maximum(neighbours.T).astype(np.float64) * (
        neighbour_weight * (held.data.mean() if held.nnz else 1.0)
    )
    return _sorted(sparse.bmat([[beside, held], [held.T, None]], format="csr"))


def damp(count, row_sum, column_sum, total, rule):
    """Weights of counts, arrays of equal length, by a rule of `Edges.damping`."""
    if rule == "ppmi":
        return np.maximum(np.log(count * total / (np.asarray(row_sum, float) * column_sum)), 0)
    return np.sqrt(count) if rule == "sqrt" else count


def isolated(graph: sparse.csr_matrix) -> int:
    """Number of nodes without an edge."""
    return int((_degree(graph) == 0).sum())


def _degree(graph):
    graph = graph.tocsr()
    return np.diff(graph.indptr) + np.bincount(graph.indices, minlength=graph.shape[1])


def _sorted(graph):
    graph = graph.tocsr()
    graph.sort_indices()
    return graph
