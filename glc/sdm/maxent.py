"""MaxEnt: the library elapid's, a species at a time (Phillips et al. 2006; Anderson 2023)."""

import importlib.util
import warnings

import numpy as np
import pandas as pd

from glc.config import Positive, Seed, section
from glc.errors import ConfigError
from glc.registry import sdms
from glc.sdm._base import DistributionModel
from glc.sdm.per_species import each_species
from glc.sdm.sites import Examples


@sdms.register("maxent")
class MaxEnt(DistributionModel):
    """Penalised fit of linear, hinge and product features, elapid's own defaults; classes join one-hot."""

    @section
    class Options:
        beta: Positive = 1.5
        """Multiplier of the penalties; larger is smoother."""
        seed: Seed = 0
        """Seed of the solver."""

    @classmethod
    def check(cls) -> None:
        """A ConfigError where the library is not installed."""
        if importlib.util.find_spec("elapid") is None:
            raise ConfigError("model maxent: the package elapid is not installed; try: pip install 'glc[sdm]'")

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Scores of each group's sites, see `glc.sdm.per_species.each_species`; a ConfigError without the library."""
        self.check()
        return each_species("maxent", groups, place, self._one)

    def _one(self, presences, absences, sites):
        from elapid import MaxentModel

        X = np.concatenate([presences, absences])
        varied = np.ptp(X, axis=0) > 0  # elapid divides by the range
        y = np.repeat([1, 0], [len(presences), len(absences)])
        with warnings.catch_warnings():
            # elapid calls scikit-learn by names that it deprecates
            warnings.simplefilter("ignore")
            model = MaxentModel(beta_multiplier=self.options.beta, n_cpus=1)
            before = np.random.get_state()
            np.random.seed(self.options.seed)  # the solver below elapid draws from NumPy's global state
            try:
                model.fit(X[:, varied], y)
            finally:
                np.random.set_state(before)
            return np.asarray(model.predict(sites[:, varied])).ravel()
