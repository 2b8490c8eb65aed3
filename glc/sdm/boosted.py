"""Boosted regression trees: XGBoost, a species at a time, presences weighing as much as the background."""

from dataclasses import dataclass

import numpy as np

from glc.config.fields import require
from glc.registry import sdms
from glc.sdm.per_species import each_species


@sdms.register("boosted")
class Boosted:
    """Gradient-boosted trees on all presences and background points, whose weights add up to the same.

    A presence weighs 1 and a background point presences / background, as in Elith et al. 2008 and Valavi et al. 2022.
    """

    @dataclass(frozen=True)
    class Options:
        """Rounds, learning rate, depth, least weight of a leaf, rows a tree and columns a split sees, L2, bins."""

        rounds: int = 100
        learning_rate: float = 0.03
        depth: int = 5
        least: float = 0.1
        rows: float = 0.5
        columns: float = 0.3
        l2: float = 0.3
        bins: int = 64
        seed: int = 0

        def __post_init__(self):
            require(self.rounds >= 1, "rounds", self, "at least 1")
            require(self.depth >= 1, "depth", self, "at least 1")
            for key in ("rows", "columns", "learning_rate"):
                require(0 < getattr(self, key) <= 1, key, self, "above 0 and at most 1")

    def __init__(self, options):
        self.options = options

    def scores(self, groups, place):
        """Scores of each group's sites, see `glc.sdm.per_species.each_species`."""
        return each_species("boosted", groups, place, self._one)

    def _one(self, presences, absences, sites):
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
            "seed": o.seed,
            "nthread": 1,
            "max_bin": o.bins,
        }
        weight = np.repeat([1.0, len(presences) / len(absences)], [len(presences), len(absences)])
        label = np.repeat([1.0, 0.0], [len(presences), len(absences)])
        matrix = xgboost.QuantileDMatrix(np.concatenate([presences, absences]), label, weight=weight, max_bin=o.bins)
        return xgboost.train(settings, matrix, o.rounds).inplace_predict(sites, predict_type="margin")
