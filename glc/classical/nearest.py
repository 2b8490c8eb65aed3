"""Nearest-neighbour models as published (Miyaguchi et al. 2024, section 5.1), read from a neighbour table."""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Gt, Le
from scipy import sparse

from glc import config
from glc.classical._base import Scorer
from glc.classical._sources import ChoosesSources
from glc.config import Count, Natural, NotNegative, OpenShare, Sources, section
from glc.neighbours import exact
from glc.registry import models
from glc.surveys import SurveyData


@models.register("nearest")
class Nearest(ChoosesSources):
    """NN and k-NN: a species scores the share of the neighbours that have it, or by `power` of their weights.

    With the decoder ``all`` every species of the neighbours is predicted, as in the paper; with ``top_k`` the most
    voted ones. A survey without neighbours takes the species of the nearest survey, however far. No survey is its own
    neighbour, and none of its own validation fold is.
    """

    @section
    class Options:
        k: Natural = 10
        """Neighbours asked; 0: all within `radius_m`."""
        radius_m: Annotated[float, Gt(0), Le(500_000)] = 50_000
        """Greatest distance of a neighbour, metres."""
        power: NotNegative = 0.0
        """A neighbour counts 1 / (1 + km) ** power; 0: all alike, as published."""
        sources: Sources = ("train", "po")
        """Surveys that are looked in: train, po or both."""
        method: Literal["exact", "lsh"] = "exact"
        """exact; or lsh: Spark's BucketedRandomProjectionLSH."""
        bucket_length: NotNegative = 20.0
        """Length of the LSH's buckets, metres of the projection (20 as published); 0 chooses it for `wanted_recall`."""
        tables: Count = 5
        """Hash tables of the LSH (5 as published)."""
        wanted_recall: OpenShare = 0.9
        """Share of the pairs 10 km apart (or `radius_m`, if that is less) that the LSH should find."""

    @property
    def distances(self) -> bool:
        """Whether neighbours are weighted."""
        return self.options.power > 0

    def neighbours(self) -> config.Neighbours:
        """The neighbour table that this model reads, as a `config.Neighbours`."""
        o = self.options
        return config.Neighbours(o.method, o.k, o.radius_m, o.sources, o.bucket_length, o.tables, o.wanted_recall)

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """The neighbours of any place, found exactly, also where another `method` found the surveys' own."""
        pool = np.concatenate([data.labelled(name, fold) for name in self.options.sources])
        sources, labels = data.places.iloc[pool], data.labels_of(pool).astype(np.float32)

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            places = places.assign(
                dataset="place", surveyId=np.arange(len(places))
            )  # a survey is no neighbour of itself
            o = self.options
            at, source, metres = exact.nearest(places, sources, k=o.k, radius_m=o.radius_m, exclude_group=False)
            lonely = np.setdiff1d(np.arange(len(places)), at)
            if len(lonely):
                at, source, metres = (
                    np.concatenate([at, lonely]),
                    np.concatenate([source, _nearest_one(places.iloc[lonely], sources)]),
                    np.concatenate([metres, np.zeros(len(lonely))]),
                )
            return _shares(at, source, self._weights(metres), len(places), labels)

        return score

    def blocks(
        self,
        data: SurveyData,
        fold: int | None,
        queries: np.ndarray,
        neighbours: pd.DataFrame | None = None,
        table: np.ndarray | None = None,
    ) -> Iterator[sparse.csr_matrix]:
        """Scores (n, m) CSR of the rows `queries`; `neighbours` is a frame of schema ``neighbours``."""
        places = data.places
        row_of = {
            name: (ids.to_numpy(), ids.index.to_numpy())
            for name, ids in (
                (name, group["surveyId"].sort_values()) for name, group in places.groupby("dataset", sort=False)
            )
        }

        def rows(dataset, ids):
            known, index = row_of[dataset]
            return index[np.searchsorted(known, ids)]

        query_at = np.full(len(places), -1)
        query_at[queries] = np.arange(len(queries))
        parts = []
        for (asked, dataset), part in neighbours.groupby(["survey_dataset", "dataset"], sort=False, observed=True):
            at = query_at[rows(asked, part["survey_id"].to_numpy())]
            source = rows(dataset, part["neighbour_id"].to_numpy())
            metres = part["distance_m"].to_numpy() if self.distances else np.zeros(len(part), np.float32)
            parts.append((at[at >= 0], source[at >= 0], metres[at >= 0]))
        empty = (np.zeros(0, int), np.zeros(0, int), np.zeros(0))
        at, source, metres = (np.concatenate(columns) for columns in zip(empty, *parts, strict=True))
        lonely = np.setdiff1d(np.arange(len(queries)), at)
        if len(lonely):
            pool = np.concatenate([data.labelled(name, fold) for name in self.options.sources])
            asked = places.iloc[queries[lonely]]
            at = np.concatenate([at, lonely])
            source = np.concatenate([source, pool[_nearest_one(asked, places.iloc[pool])]])
            metres = np.concatenate([metres, np.zeros(len(lonely))])
        yield _shares(at, source, self._weights(metres), len(queries), data.label_matrix.astype(np.float32))

    def _weights(self, metres: np.ndarray) -> np.ndarray:
        """float32 weight of each neighbour, in its own query; that of a single one does not matter."""
        return ((1 + metres / 1000) ** -self.options.power).astype(np.float32)


def _shares(at, source, weights, n, labels):
    """CSR (n, m): the weighted mean of the `labels` (s, m) of the rows `source` (pairs,) of each of n queries `at`."""
    vote = sparse.csr_matrix((weights, (at, source)), shape=(n, labels.shape[0]))
    count = np.asarray(vote.sum(axis=1)).ravel()
    return (sparse.diags((1 / count).astype(np.float32)) @ vote @ labels).tocsr()


def _nearest_one(queries, sources):
    query, source, _ = exact.nearest(queries, sources, k=1, radius_m=np.inf, exclude_group=False)
    return source[np.argsort(query)]
