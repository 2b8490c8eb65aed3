"""Species by their frequency among the training surveys: of everywhere, of a country, a region or a district."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc.classical._base import Scorer
from glc.classical._sources import ChoosesSources
from glc.config import Count, Positive, Sources, section
from glc.registry import models
from glc.surveys import SurveyData

LEVELS = ("global", "country", "region", "district")


@models.register("frequency")
class Frequency(ChoosesSources):
    """The organisers' baseline: the share of the training surveys in an area that have a species."""

    @section
    class Options:
        level: Literal[LEVELS] = "global"
        """The area counted; a district is a square of `district_m`, because the data name no administrative unit."""
        district_m: Positive = 50_000
        """Side of a district, metres."""
        least: Count = 5
        """Areas with fewer training surveys fall back on the whole training set."""
        sources: Sources = ("train",)
        """Surveys that are counted: train, po or both."""

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        share, rows = self.shares(data, fold)
        return lambda places, _: share[rows(places)]

    def shares(
        self, data: SurveyData, fold: int | None
    ) -> tuple[sparse.csr_matrix, Callable[[pd.DataFrame], np.ndarray]]:
        """Shares of the species in each area, (areas, species) CSR float32, and the row (n,) that places (n) score by.

        data, fold : as of `fit`
        """
        pool = np.concatenate([data.labelled(name, fold) for name in self.options.sources])
        pool_labels = data.labels_of(pool)
        overall = sparse.csr_matrix(pool_labels.mean(axis=0), dtype=np.float32)
        names = pd.Index(pd.unique(pd.Series(self._areas(data.places.iloc[pool]))))
        areas = names.get_indexer(self._areas(data.places.iloc[pool]))
        members = sparse.csr_matrix(
            (np.ones(len(pool)), (areas, np.arange(len(pool)))), (len(names), len(pool)), np.float32
        )
        count = np.asarray(members.sum(axis=1)).ravel()
        share = sparse.diags(1 / np.maximum(count, 1)) @ (members @ pool_labels.astype(np.float32))
        share = sparse.vstack([share, overall], format="csr").astype(np.float32)

        def rows(places: pd.DataFrame) -> np.ndarray:
            area = names.get_indexer(self._areas(places))
            enough = (area >= 0) & (count[area] >= self.options.least)
            return np.where(enough, area, len(count))

        return share, rows

    def _areas(self, places):
        level = self.options.level
        if level == "global":
            return np.zeros(len(places), np.int64)
        if level == "district":
            return geo.block_ids(places["easting"], places["northing"], self.options.district_m, places["crs"])
        return places[level].fillna("").to_numpy()
