"""Graph feature vectors: the labels of a survey's neighbours in the ecological graph, weighted and summed.

GFV = (sum of weight x labels) / sqrt(degree), the degree being the sum of the weights, then normalised over all nodes
(Tighnari 2024, section 3.2, eq. 1 and Algorithm 1). Nodes are the training and the test surveys; presence-only surveys
are none.

What a row may hold is decided by the columns of its weights alone: they are the training surveys that a model of the
fold learns from. The labels of its validation fold, of the fold that stops it early and of the test have no column, and
a survey has no edge to itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc.config import NotNegative, section
from glc.errors import ConfigError
from glc.neighbours import ecological
from glc.neighbours._base import GraphFeature, GraphInput
from glc.registry import graphs
from glc.surveys import TEST, SurveyData
from glc.types import Facts

TRAINING = ("leave_one_out", "block", "fold")
NORMALISE = ("scale", "standard", "none")


@section
class Options(ecological.Edges):
    """How vectors are made; also `radius_m` and `same`, see `ecological.Edges`."""

    training: Literal[TRAINING] = "leave_one_out"
    """What a training survey sees. leave_one_out: all other training surveys, as published; block: those of other
    spatial blocks; fold: those of other folds. A validation or test survey of a held-out block has no neighbour near
    by, so that a net which learnt from leave_one_out vectors trusts them too much."""
    block_m: NotNegative = 0.0
    """Side of those blocks, metres; 0 takes the blocks that the folds are made of."""
    normalise: Literal[NORMALISE] = "scale"
    """Normalise by mean and deviation of the non-zero values of training rows. scale divides by the deviation, so that
    a zero stays the smallest value and the matrix sparse; standard gives the non-zero values mean 0 and variance 1, as
    published, by which a species seen a little ranks below one never seen; none."""
    leaky: bool = False
    """The published variant: labels of all training surveys of all folds but the node's own, whatever `training` says.
    Scores on validation folds are then far too good."""
    mask: Literal["none", "test", "valid"] = "none"
    """test or valid: while training, hide vectors of training surveys, newly drawn in each batch, so that as many lack
    one as of those surveys; none."""


@graphs.register("gfv")
class Gfv(GraphFeature):
    """Graph feature vectors, as an experiment names them among a net's inputs."""

    Options = Options

    @staticmethod
    def features(
        data: SurveyData,
        fold: int,
        stop: int | None,
        options: Options,
        classes: np.ndarray,
        progress: bool = False,
    ) -> tuple[GraphInput, Facts]:
        """What `Features.add_graph` (glc.nets.inputs) takes, and facts; of all species, not only the `classes`."""
        graph = build(data, options, progress)
        made, hidden = vectors(data, fold, stop, options, graph), None
        if options.mask != "none":
            hidden = np.zeros(len(data.places), np.float32)
            hidden[_roles(data, fold, stop)["train"]] = mask(data, fold, stop, options, graph, options.mask)
        return {"matrix": made.matrix, "species": data.species, "hidden": hidden}, made.facts

    @classmethod
    def anywhere(
        cls, data: SurveyData, fold: int, stop: int | None, options: Options, classes: np.ndarray, hidden: bool
    ) -> Callable[[pd.DataFrame], GraphInput]:
        """As of the base class; the surveys' own vectors are made once, for the normalisation, and no more."""
        known = cache(lambda: vectors(data, fold, stop, options).facts)

        def around(places: pd.DataFrame) -> GraphInput:
            wider, rows = data.with_places(places, fold if hidden else TEST)
            moments = known()["mean"], known()["deviation"]
            made = vectors(wider, fold, stop, options, build(wider, options, rows=rows), moments=moments)
            return {"matrix": made.matrix[rows], "species": data.species}

        return around


@dataclass(frozen=True)
class Graph:
    """The ecological graph of a dataset, of all folds; it holds no labels.

    nodes : (q,) row numbers of all training and test surveys, or of those that are asked for; sources : (s,) those of
        training surveys; both ascending
    weights : (q, s) CSR float32 of kilometres, see `ecological.edges`
    facts : ``radius_m``, ``same`` and those of `ecological.conditions`
    """

    nodes: np.ndarray
    sources: np.ndarray
    weights: sparse.csr_matrix
    facts: Facts


@dataclass(frozen=True)
class GraphVectors:
    """Graph feature vectors for the models of one fold.

    matrix : (n_places, m) CSR float32 over the dataset's species; empty rows for isolated nodes and presence-only
    degree : (n_places,) float32, sum of edge weights in km; 0 where isolated
    facts : edges, ``isolated`` share and ``nodes`` by role (train, valid, stop, test), mean and deviation before
        normalisation, and the graph's own
    """

    matrix: sparse.csr_matrix
    degree: np.ndarray
    facts: Facts

    def dense(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of surveys by row number, (n, m) float32: for one batch at a time."""
        return self.matrix[rows].toarray()


def build(data, options=None, progress=False, rows=None):
    """The `Graph` of a `glc.surveys.SurveyData`; one serves all folds.

    rows : row numbers of the nodes that are asked for; None: all
    """
    options = options or Options()
    sources = data.train()
    nodes = np.union1d(sources, data.test)
    pool = data.places.iloc[sources]
    agree, nulls = ecological.conditions(data.places.iloc[nodes], pool, options.same)
    if rows is not None:
        nodes = np.intersect1d(nodes, rows)
    weights = ecological.edges(data.places.iloc[nodes], pool, options, progress=progress, agree=agree)
    return Graph(nodes, sources, weights, _rule(options) | nulls)


def vectors(
    data: SurveyData,
    fold: int | None,
    stop: int | None = None,
    options: Options | None = None,
    graph: Graph | None = None,
    progress: bool = False,
    moments: tuple[float, float] | None = None,
) -> GraphVectors:
    """`GraphVectors` for a model of `fold` whose training is stopped by the scores of the fold `stop`.

    data : `glc.surveys.SurveyData`; fold : None for a model of all training surveys
    graph : of `build` with the same options; built here unless given
    moments : mean and deviation by which values are normalised; None: those of this graph's training rows
    No row depends on a label of `fold`, of `stop` or of a test survey, unless `options.leaky`. It never holds its own:
    a training survey's label reaches its row only through the mean and deviation, two numbers for all rows.
    """
    options = options or Options()
    graph = _checked(graph or build(data, options, progress), options)
    roles = _roles(data, fold, stop)
    weights, sources = _visible(data, roles, options, graph)
    degree = _row_sums(weights)
    root = np.sqrt(degree, where=degree > 0, out=np.ones_like(degree))
    weights.data /= np.repeat(root, np.diff(weights.indptr)).astype(np.float32)
    sums = weights @ data.labels_of(sources).astype(np.float32)
    edges = weights.nnz
    del weights
    sums.eliminate_zeros()
    sums.sort_indices()
    lengths = np.diff(sums.indptr)
    own = sums.data[np.repeat(np.isin(graph.nodes, roles["train"]), lengths)]
    mean, deviation = _moments(own) if moments is None else moments
    if options.normalise == "standard":
        sums.data -= np.float32(mean)
    if options.normalise != "none":
        sums.data /= np.float32(deviation)
    matrix, degrees = _spread(sums, graph.nodes, len(data.places)), np.zeros(len(data.places), np.float32)
    degrees[graph.nodes] = degree
    facts = graph.facts | {
        "edges": int(edges),
        "values": int(matrix.nnz),
        "nodes": {role: len(rows) for role, rows in roles.items()},
        "isolated": {
            role: float((degrees[inside] == 0).mean())
            for role, rows in roles.items()
            if len(inside := np.intersect1d(rows, graph.nodes))
        },
        "mean": mean,
        "deviation": deviation,
    }
    return GraphVectors(matrix, degrees, facts)


def mask(data, fold, stop=None, options=None, graph=None, match="test"):
    """Probability that a training survey shows no vector, so that as many lack one in training as at the test.

    match : ``test`` or ``valid``, the surveys whose share of isolated nodes is to be met; places alone decide it
    returns : (n,) float32 for the training surveys `data.train(fold)` without those of `stop`, in this order; 1 for
        isolated ones, so that the mean is the share wanted, or the training share where that is larger

    The first to lose theirs are surveys that would be isolated were their own block hidden (of `options.block_m`), as
    the held-out blocks are; only if these are too few does chance take others.
    """
    options = options or Options()
    graph = _checked(graph or build(data, options), options)
    roles = _roles(data, fold, stop)
    if match not in ("test", "valid") or not len(roles.get(match, ())):
        raise ConfigError(f"match: found {match!r}, expected 'test' or 'valid', whichever has surveys")
    seen = {
        training: _isolated(data, roles, options, training, graph) for training in {"block", options.training}
    }  # own block hidden, and as the vectors are
    train, target = (np.isin(graph.nodes, roles[role]) for role in ("train", match))
    wanted = seen["block"][target].mean()
    alone = seen[options.training][train]
    exposed = seen["block"][train] & ~alone
    others = ~exposed & ~alone
    missing = max(wanted * len(alone) - alone.sum(), 0)
    probability = alone.astype(np.float32)
    probability[exposed] = min(missing / max(exposed.sum(), 1), 1)
    probability[others] = min(max(missing - exposed.sum(), 0) / max(others.sum(), 1), 1)
    return probability


def _rule(options):
    return {"radius_m": options.radius_m, "same": list(options.same)}


def _checked(graph, options):
    actual = {name: graph.facts[name] for name in _rule(options)}
    if actual != _rule(options):
        raise ConfigError(f"graph: found one of {actual}, expected {_rule(options)}; build it with the same options")
    return graph


def _roles(data, fold, stop):
    """Row numbers of the surveys that train, validate, stop and test."""
    if stop is not None and stop == fold:
        raise ConfigError(f"stop: found {stop}, the validation fold itself; expected another fold, or none")
    train = data.train(fold)
    roles = {"train": train, "valid": data.valid(fold) if fold is not None else train[:0], "test": data.test}
    if stop is not None:
        roles["stop"] = data.valid(stop)
        roles["train"] = train[data.places["fold"].to_numpy()[train] != stop]
    return roles


def _visible(data, roles, options, graph, training=None):
    """A copy of the weights without what a node may not see, (q, s') CSR, and the row numbers of its columns."""
    if options.leaky:
        return graph.weights.copy(), graph.sources
    chosen = np.flatnonzero(np.isin(graph.sources, roles["train"]))
    weights, sources = graph.weights[:, chosen], graph.sources[chosen]
    training = training or options.training
    if training == "leave_one_out":
        return weights, sources
    part = _partition(data, options, training)
    row = np.repeat(graph.nodes, np.diff(weights.indptr))
    hidden = np.isin(graph.nodes, roles["train"])
    hidden = np.repeat(hidden, np.diff(weights.indptr)) & (part[row] == part[sources[weights.indices]])
    kept = np.concatenate([[0], np.cumsum(~hidden)])
    weights = sparse.csr_matrix(
        (weights.data[~hidden], weights.indices[~hidden], kept[weights.indptr]), shape=weights.shape
    )
    return weights, sources


def _isolated(data, roles, options, training, graph):
    return _row_sums(_visible(data, roles, options, graph, training)[0]) == 0


def _partition(data, options, training):
    places = data.places
    if training == "fold":
        return places["fold"].to_numpy()
    if options.block_m:
        return geo.block_ids(places["easting"], places["northing"], options.block_m, places["crs"])
    return places["block"].to_numpy()


def _row_sums(weights):
    return np.asarray(weights.sum(axis=1, dtype=np.float64)).ravel()


def _moments(values):
    """Mean and deviation of float32 values in double precision; 0 and 1 where there are none or all are equal."""
    if not len(values):
        return 0.0, 1.0
    mean = float(values.mean(dtype=np.float64))
    deviation = float(values.std(dtype=np.float64))
    return mean, deviation if deviation > 1e-6 * abs(mean) else 1.0


def _spread(matrix, rows, n):
    """The rows of a CSR matrix as the ascending `rows` of one with n rows."""
    lengths = np.zeros(n, np.int64)
    lengths[rows] = np.diff(matrix.indptr)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((matrix.data, matrix.indices, indptr), shape=(n, matrix.shape[1]))
