"""MaxEnt: the library elapid's, a species at a time (Phillips et al. 2006; Anderson 2023)."""

import importlib.util
import warnings
from typing import Literal

import numpy as np
import pandas as pd

from glc.config import Positive, Seed, section
from glc.errors import ConfigError
from glc.registry import sdms
from glc.sdm._base import DistributionModel
from glc.sdm.per_species import each_species
from glc.sdm.sites import Examples

BY_PRESENCES = (
    (10, ("linear",)),
    (15, ("linear", "quadratic")),
    (80, ("linear", "quadratic", "hinge")),
)
"""Features of species with fewer presences than a number, as R's maxnet chooses them (Phillips et al. 2017); from the
last number on product joins."""
EVERY = ("linear", "quadratic", "hinge", "product")
ELAPID = ("linear", "hinge", "product")
"""What the library takes for every species."""


def features_of(presences: int) -> tuple[str, ...]:
    """Feature classes of a species with so many presences, as R's maxnet chooses them."""
    return next((features for fewer_than, features in BY_PRESENCES if presences < fewer_than), EVERY)


@sdms.register("maxent")
class MaxEnt(DistributionModel):
    """Penalised fit of linear, quadratic, hinge and product features of the covariates; classes join one-hot."""

    @section
    class Options:
        features: Literal["presences", "elapid"] = "presences"
        """presences: by the number of presences, as R's maxnet: linear below 10, and quadratic from 10, hinge from 15,
        product from 80 on; elapid: linear, hinge and product for every species, the library's default."""
        beta: Positive = 1.5
        """Multiplier of the penalties; larger is smoother."""
        seed: Seed = 0
        """Seed of the solver."""

    @classmethod
    def check(cls) -> None:
        """A ConfigError where the library is not installed."""
        if importlib.util.find_spec("elapid") is None:
            raise ConfigError("model maxent: the package elapid is not installed; try: pip install -e '.[sdm]'")

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Scores of each group's sites, see `glc.sdm.per_species.each_species`; a ConfigError without the library."""
        self.check()
        return each_species("maxent", groups, place, self._one)

    def _one(self, presences, absences, sites):
        from elapid import MaxentModel

        X = np.concatenate([presences, absences])
        varied = np.ptp(X, axis=0) > 0  # elapid divides by the range
        y = np.repeat([1, 0], [len(presences), len(absences)])
        features = features_of(len(presences)) if self.options.features == "presences" else ELAPID
        with warnings.catch_warnings():
            # elapid calls scikit-learn by names that it deprecates
            warnings.simplefilter("ignore")
            model = MaxentModel(feature_types=list(features), beta_multiplier=self.options.beta, n_cpus=1)
            before = np.random.get_state()
            np.random.seed(self.options.seed)  # the solver below elapid draws from NumPy's global state
            try:
                model.fit(X[:, varied], y)
            finally:
                np.random.set_state(before)
            return np.asarray(model.predict(sites[:, varied])).ravel()
