"""Down-sampled random forest: each tree sees as many absences as presences (Valavi et al. 2021)."""

import numpy as np
import pandas as pd

from glc.config import Count, Seed, section
from glc.registry import sdms
from glc.sdm._base import DistributionModel
from glc.sdm.per_species import each_species
from glc.sdm.sites import Examples


@sdms.register("forest")
class Forest(DistributionModel):
    """`trees` fully grown trees, each on a bootstrap of the presences and as many background points.

    R's randomForest calls it sampsize; scikit-learn's own forests have no such draw, so the trees are scikit-learn's
    and the bootstraps ours. A tree votes with the share of presences in the leaf, a forest with the trees' mean.
    """

    trial = {"trees": 30}

    @section
    class Options:
        trees: Count = 200
        """Trees per species."""
        leaf: Count = 1
        """Least draws in a leaf."""
        most: Count = 1000
        """Most draws of a class for one tree; it bounds the time."""
        seed: Seed = 0
        """Seed of the draws."""

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Scores of each group's sites, see `glc.sdm.per_species.each_species`."""
        self.rng = np.random.default_rng(self.options.seed)
        return each_species("forest", groups, place, self._one)

    def _one(self, presences, absences, sites):
        from sklearn.tree import DecisionTreeClassifier

        o = self.options
        size = min(len(presences), o.most)
        y = np.repeat([1.0, 0.0], size)
        total = np.zeros(len(sites))
        for _ in range(o.trees):
            X = np.concatenate(
                [
                    presences[self.rng.integers(len(presences), size=size)],
                    absences[self.rng.integers(len(absences), size=size)],
                ]
            )
            tree = DecisionTreeClassifier(
                max_features="sqrt", min_samples_leaf=o.leaf, random_state=int(self.rng.integers(2**31))
            ).fit(X, y, check_input=False)
            total += tree.predict_proba(sites, check_input=False)[:, 1]
        return total / o.trees
