"""Boosted regression trees: XGBoost, a species at a time, presences weighing as much as the background."""

from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge

from glc.config import Count, NotNegative, Rate, Seed, section
from glc.registry import sdms
from glc.sdm._base import DistributionModel
from glc.sdm.per_species import each_species
from glc.sdm.sites import Examples


@sdms.register("boosted")
class Boosted(DistributionModel):
    """Gradient-boosted trees on all presences and background points, whose weights add up to the same.

    A presence weighs 1 and a background point presences / background, as in Elith et al. 2008 and Valavi et al. 2022.
    """

    @section
    class Options:
        rounds: Count = 100
        """Trees per species."""
        learning_rate: Rate = 0.03
        """Share of each tree's step that is taken."""
        depth: Count = 5
        """Maximum depth of the trees."""
        least: NotNegative = 0.1
        """Minimum weight of a leaf."""
        rows: Rate = 0.5
        """Share of the rows that each tree sees."""
        columns: Rate = 0.3
        """Share of the columns that each split sees."""
        l2: NotNegative = 0.3
        """L2 penalty of the leaves."""
        bins: Annotated[int, Ge(2)] = 64
        """Histogram bins per column."""
        balanced: Annotated[int, Ge(0)] = 0
        """Members of an ensemble that are each fitted to all presences and as many background points; their scores are
        averaged. 0: one model of all points, weighted."""
        seed: Seed = 0
        """Seed of the draws."""

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Scores of each group's sites, see `glc.sdm.per_species.each_species`."""
        return each_species("boosted", groups, place, self._one)

    def _one(self, presences, absences, sites):
        o = self.options
        if not o.balanced:
            return self._fit(presences, absences, sites, o.seed)
        draw, size = np.random.default_rng(o.seed), min(len(presences), len(absences))
        total = np.zeros(len(sites))
        for member in range(o.balanced):
            drawn = absences[draw.choice(len(absences), size, replace=False)]
            total += self._fit(presences, drawn, sites, o.seed + member)
        return total / o.balanced

    def _fit(self, presences, absences, sites, seed):
        import xgboost

        o = self.options
        settings = {
            "objective": "binary:logistic",
            "base_score": 0.5,
            "tree_method": "hist",
            "max_depth": o.depth,
            "eta": o.learning_rate,
            "min_child_weight": o.least,
            "subsample": o.rows,
            "colsample_bynode": o.columns,
            "lambda": o.l2,
            "seed": seed,
            "nthread": 1,
            "max_bin": o.bins,
        }
        weight = np.repeat([1.0, len(presences) / len(absences)], [len(presences), len(absences)])
        label = np.repeat([1.0, 0.0], [len(presences), len(absences)])
        matrix = xgboost.QuantileDMatrix(np.concatenate([presences, absences]), label, weight=weight, max_bin=o.bins)
        return xgboost.train(settings, matrix, o.rounds).inplace_predict(sites, predict_type="margin")
