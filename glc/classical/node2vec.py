"""Species from node2vec vectors of surveys, learned on graphs of the training surveys (Miyaguchi et al. 2024)."""

import logging
from collections.abc import Iterator
from dataclasses import field
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from glc.classical._base import Classical, Scorer
from glc.classical._sources import without_po
from glc.config import Count, OpenShare, Positive, section
from glc.neighbours import graph, node2vec
from glc.neighbours.node2vec import Walks
from glc.registry import models
from glc.surveys import SurveyData
from glc.types import MemberOptions

log = logging.getLogger(__name__)


@models.register("node2vec")
class Node2Vec(Classical):
    """A node2vec vector for every survey, then a step from vectors to species (section 7.1.3 of the paper).

    A survey that is asked about has no species of its own, so a vector must come from its surroundings, and for a
    survey that is learned from it must come in the same way, or its own labels would be read off it:

    - mode ``species``: the mean of the species' vectors (of the co-occurrence graph of all training surveys) over all
      records of its neighbouring training surveys. Those of a training survey are of other folds than its own, as they
      are for a validation survey; itself is never among them.
    - mode ``survey``: the survey's own node in the graph of surveys and species. The surveys asked about are in it by
      their neighbour edges to training surveys alone; so is a share `withheld` of the training surveys, whole blocks
      of them, and the step ``ridge`` learns from those. The step ``nearest`` looks for the others, whose nodes hang on
      their species too.

    A survey with no neighbour within the radius takes its nearest training survey.
    """

    trial = {"edges": {"k": 4}, "walks": {"dim": 8, "length": 10, "count": 4, "epochs": 1}}

    @section
    class Options:
        mode: Literal["species", "survey"] = "species"
        """species: a survey's vector is the mean of those of the species around; survey: that of its own node."""
        edges: graph.Edges = field(default_factory=graph.Edges)
        """What makes an edge of the graph."""
        walks: node2vec.Walks = field(default_factory=node2vec.Walks)
        """How nodes become vectors."""
        predict: Literal["ridge", "nearest"] = "ridge"
        """ridge: a linear map to all species; nearest: the share of the `votes` nearest training surveys (Euclidean, of
        standardised vectors)."""
        alpha: Positive = 0.01
        """Penalty of the ridge, times the surveys learned from."""
        votes: Count = 25
        """Surveys that nearest asks."""
        coordinates: bool = True
        """Append longitude and latitude, standardised, to the vector."""
        withheld: OpenShare = 0.3
        """Of the mode survey: share of the training surveys, whole blocks, that are in the graph without their
        species."""

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        return without_po(options.edges.sources, "edges.sources")

    def blocks(
        self,
        data: SurveyData,
        fold: int | None,
        queries: np.ndarray,
        neighbours: pd.DataFrame | None = None,
        table: np.ndarray | None = None,
    ) -> Iterator[sparse.csr_matrix]:
        """Scores (n, m) CSR of the rows `queries` from the training surveys that a model of `fold` may see."""
        if self.options.mode == "species":
            yield from super().blocks(data, fold, queries, neighbours, table)
            return
        learned, known, asked = self._survey_vectors(data, fold, queries)
        yield self._predict(data, learned, known)(data.places.iloc[queries], asked)

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """In the mode survey the graph holds what is to be scored, so that it is embedded again for each call."""
        o, train = self.options, data.train(fold)
        if o.mode == "survey":

            def embedded(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
                wider, rows = data.with_places(places)
                return self.scores(wider, fold, rows)

            return embedded
        vectors = species_vectors(data, fold, o.edges, o.walks)
        sources, labels = data.places.iloc[train].rename(columns={"fold": "group"}), data.labels_of(train)
        predict = self._predict(data, train, surroundings(labels, sources, sources, vectors, o.edges))

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            asked = places.rename(columns={"fold": "group"})
            return predict(places, surroundings(labels, asked, sources, vectors, o.edges))

        return score

    def _predict(self, data, learned, known):
        """Scores as a function of places and their vectors, from the vectors `known` of the surveys `learned`."""
        labels = data.labels_of(learned).astype(np.float32)
        known = self._with_coordinates(known, data.places.iloc[learned])
        mean, spread = known.mean(axis=0), known.std(axis=0)
        spread[spread == 0] = 1
        known = (known - mean) / spread

        def predict(places, vectors):
            asked = (self._with_coordinates(vectors, places) - mean) / spread
            if self.options.predict == "nearest":
                return nearest_votes(known, labels, asked, self.options.votes)
            return ridge(known, labels, asked, self.options.alpha)

        return predict

    def _with_coordinates(self, vectors, places):
        return np.hstack([vectors, places[["lon", "lat"]].to_numpy()]) if self.options.coordinates else vectors

    def _survey_vectors(self, data, fold, queries):
        """Training rows to learn from, and the vectors of those and of `queries`."""
        o, train = self.options, data.train(fold)
        hidden = withheld(data.places["block"].to_numpy()[train], o.withheld, o.walks.seed)
        if o.predict == "nearest":
            hidden[:] = False
        shown = _pool(data, train[~hidden], o.edges.sources)
        rows = np.concatenate([shown, train[hidden], queries])
        labels = sparse.vstack(
            [data.labels_of(shown), sparse.csr_matrix((len(rows) - len(shown), len(data.species)), dtype=bool)],
            format="csr",
        )
        beside = graph.near(
            data.places.iloc[rows], data.places.iloc[shown], o.edges.k, o.edges.radius_m, never_alone=True
        )
        beside.resize((len(rows), len(rows)))
        made = graph.survey_species(labels, beside, damping=o.edges.damping, neighbour_weight=o.edges.neighbour_weight)
        vectors = node2vec.embed(made, o.walks, progress=True)
        first = len(shown) if o.predict == "ridge" else 0
        learned = rows[first : len(rows) - len(queries)]
        if o.predict == "nearest":  # presence-only surveys hold too few species each to vote
            at = np.flatnonzero(np.isin(learned, train))
            return learned[at], vectors[at], vectors[len(rows) - len(queries) : len(rows)]
        return learned, vectors[first : len(rows) - len(queries)], vectors[len(rows) - len(queries) : len(rows)]


def species_vectors(data: SurveyData, fold: int | None, edges: graph.Edges, walks: Walks | None) -> np.ndarray:
    """Vectors (m, dim) float32 of all species from the co-occurrence graph of the training surveys of `fold`.

    A species without an edge, such as one in no training survey, is zeros; their number is logged.
    """
    pool = _pool(data, data.train(fold), edges.sources)
    places, labels = data.places.iloc[pool], data.labels_of(pool)
    beside = graph.near(places, places, edges.k, edges.radius_m)
    made = graph.co_occurrence(labels, beside, damping=edges.damping, edges=edges.edges, progress=True)
    log.info("species graph: %d species, %d edges, %d without an edge", *_facts(made))
    return node2vec.embed(made, walks, progress=True)


def surroundings(labels, places, sources, vectors, edges):
    """Vectors (n, dim) float32 of `places`: the mean of the species' `vectors` over the records of their neighbours.

    labels : (s, m) CSR of the frame `sources`; places, sources : frames with dataset, surveyId, lon, lat and `group`;
    no neighbour is the survey itself or of its own group (-1 stands for none)
    """
    beside = graph.near(places, sources, edges.k, edges.radius_m, other_group=True, never_alone=True)
    records = beside.astype(np.float32) @ labels.astype(np.float32)
    count = np.asarray(records.sum(axis=1)).ravel()
    return (records @ vectors / np.maximum(count, 1)[:, None]).astype(np.float32)


def withheld(blocks, share, seed):
    """Boolean (n,): surveys of randomly chosen whole blocks, at least one survey and as many as are in `share`.

    blocks : (n,) ids; where all surveys are in one block, each is a block by itself
    """
    _, block = np.unique(blocks, return_inverse=True)
    if block.max() == 0:
        block = np.arange(len(block))
    order = np.random.default_rng(seed).permutation(block.max() + 1)
    ends = np.cumsum(np.bincount(block)[order])
    return np.isin(block, order[: max(1, np.searchsorted(ends, share * len(block), side="right"))])


def ridge(known, labels, asked, alpha, rows=2_048):
    """Scores (q, m) CSR within 0 to 1 of `asked` (q, d) by ridge regression of `labels` (n, m) on `known` (n, d).

    The penalty is `alpha` times n for each standardised column; the mean of the labels is not penalised.
    """
    base = np.asarray(labels.mean(axis=0)).ravel()
    known = known.astype(np.float64)
    mean = known.mean(axis=0)
    centred = known - mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += alpha * len(known)
    # the columns are centred, so the labels need not be, which would make them dense
    weights = np.linalg.solve(gram, (labels.T @ centred).T)
    blocks = [
        sparse.csr_matrix(np.clip((asked[start : start + rows] - mean) @ weights + base, 0, 1).astype(np.float32))
        for start in range(0, len(asked), rows)
    ]
    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix((0, labels.shape[1]), dtype=np.float32)


def nearest_votes(known, labels, asked, votes):
    """Scores (q, m) CSR: the share of the `votes` rows of `known` (n, d) nearest to each of `asked` (q, d)."""
    from sklearn.neighbors import NearestNeighbors

    votes = min(votes, len(known))
    index = NearestNeighbors(n_neighbors=votes, algorithm="brute").fit(known)
    return (index.kneighbors_graph(asked).astype(np.float32) @ labels / votes).tocsr()


def _pool(data, train, sources):
    pools = {"train": train, "po": data.presence_only}
    if data.relative:  # presence-only records are what is trained on
        pools = {"train": data.presence_only, "po": train}
    return np.concatenate([pools[name] for name in sources])


def _facts(made):
    return made.shape[0], made.nnz // 2, graph.isolated(made)
