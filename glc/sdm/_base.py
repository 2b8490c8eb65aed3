"""What every species distribution model of the benchmarks must do, and what it may offer."""

from typing import ClassVar

import numpy as np
import pandas as pd

from glc.config import section
from glc.sdm.sites import Examples
from glc.types import JSON, MemberOptions


class DistributionModel:
    """A model of presences against a background, on tables of sites.

    A new one is one new file in ``glc/sdm``, named as the model. It must have `scores`; all else has a default:

    >>> @sdms.register("centroid")
    ... class Centroid(DistributionModel):
    ...     '''The nearer a site's covariates are to the mean of a species' presences, the higher it scores.'''
    ...
    ...     def scores(self, groups, place):
    ...         return each_species("centroid", groups, place, self._species)
    ...
    ...     def _species(self, presences, absences, sites):
    ...         return -np.linalg.norm(sites - presences.mean(axis=0), axis=1)
    >>> (scores,) = Centroid(Centroid.Options()).scores([(group.examples, group.sites)], place=False)
    >>> scores.shape == (len(group.sites), len(group.examples.species))
    True
    """

    name: ClassVar[str] = ""
    """Given by the registry."""
    trial: ClassVar[dict[str, JSON]] = {}
    """Options with which it is fitted in seconds: those of the tests that every model passes."""

    @section
    class Options:
        """None."""

    def __init__(self, options: MemberOptions) -> None:
        """Keep the options; nothing is fitted before `scores`.

        options : the model's own `Options`
        """
        self.options = options

    @classmethod
    def check(cls) -> None:
        """Raise a ConfigError where something that the model needs is not installed."""

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Scores of each group's sites.

        groups : (training examples, frame of sites) of each group of species; all are there at once, for a model that
            learns from them together
        place : whether x and y are covariates
        returns : (site, species) float64 per group; higher is likelier, the scale is the model's own
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it scores")
