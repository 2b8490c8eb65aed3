"""Species by their frequency among the training surveys: of everywhere, of a country, a region or a district."""

from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
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

    def scores(
        self,
        data: SurveyData,
        fold: int | None,
        queries: np.ndarray,
        neighbours: pd.DataFrame | None = None,
        table: np.ndarray | None = None,
    ) -> sparse.csr_matrix:
        """Scores (n, m) CSR of the rows `queries` from the training surveys that a model of `fold` may see."""
        pool = np.concatenate([data.labelled(name, fold) for name in self.options.sources])
        pool_labels = data.labels_of(pool)
        overall = sparse.csr_matrix(pool_labels.mean(axis=0), dtype=np.float32)
        areas = pd.factorize(self._areas(data.places))[0]
        members = sparse.csr_matrix((np.ones(len(pool)), (areas[pool], np.arange(len(pool)))), dtype=np.float32)
        members.resize((areas.max() + 1, len(pool)))
        count = np.asarray(members.sum(axis=1)).ravel()
        share = sparse.diags(1 / np.maximum(count, 1)) @ (members @ pool_labels.astype(np.float32))
        share = sparse.vstack([share, overall], format="csr")
        row = np.where((count[areas[queries]] >= self.options.least) & (areas[queries] >= 0), areas[queries], -1)
        return share[np.where(row >= 0, row, len(count))].astype(np.float32)

    def _areas(self, places):
        level = self.options.level
        if level == "global":
            return np.zeros(len(places), np.int64)
        if level == "district":
            return geo.block_ids(places["easting"], places["northing"], self.options.district_m, places["crs"])
        return places[level].fillna("").to_numpy()
