"""A generalised additive model of each species as an inhomogeneous Poisson process over the places.

Presences are points of a process whose log intensity is a sum of smooth functions of the covariates. Logistic
regression against a background of great weight has the process's estimates in the limit (Fithian and Hastie 2013).
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge
from scipy.stats import norm

from glc.config import SOME, Count, NotNegative, Positive, section
from glc.registry import sdms
from glc.sdm import coordinates
from glc.sdm._base import DistributionModel
from glc.sdm.per_species import each_species
from glc.sdm.sites import Examples

EDGE = 2.5
"""Normal scores beyond which a smooth function stays constant."""
_DEGREE = 3


@sdms.register("gam")
class Gam(DistributionModel):
    """Penalised cubic splines of the covariates, each of its normal scores; classes join as random effects.

    A penalty of second differences makes the functions smooth (Eilers and Marx 1996); what it leaves free, straight
    lines, has a weak penalty. Where the place joins, it has a smooth function of both coordinates. One penalty serves
    all species of a region: the one with the highest AUC of blocked cross-validation on the training data.
    """

    trial = {"penalties": (1.0,), "knots": 5}

    @section
    class Options:
        knots: Annotated[int, Ge(3)] = 8
        """Knots of the function of each covariate."""
        place_knots: Annotated[int, Ge(2)] = 5
        """Knots along each coordinate."""
        penalties: Annotated[tuple[Positive, ...], SOME] = (0.1, 0.3, 1.0, 3.0, 10.0)
        """Penalties that are tried."""
        linear: NotNegative = 0.1
        """Penalty of straight lines, as a share of that of the bends."""
        place: Positive = 3.0
        """Penalty of the function of the place, as a multiple of that of the bends."""
        background: Positive = 100.0
        """Weight of the background, as a multiple of that of the presences."""
        asked: Count = 30
        """Species that the penalty is chosen by, evenly over all of them."""

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Log intensities, less a constant, of each group's sites: a list of (site, species) float64.

        groups : list of (`glc.sdm.sites.Examples`, frame of sites)
        place : whether the place joins the covariates
        """
        chosen = self._chosen([examples for examples, _ in groups], place)
        return each_species("gam", groups, place, partial(self._one, penalty=chosen, place=place))

    def _chosen(self, groups: Sequence[Examples], place: bool) -> float:
        """The penalty by blocked cross-validation of the species that are asked."""
        penalties = self.options.penalties
        if len(penalties) == 1:
            return penalties[0]
        some = coordinates.some_species(groups, self.options.asked)
        fold = [coordinates.folds(group.table) for group in some]
        mean = {}
        for penalty in penalties:
            fixed = _Fixed(self, penalty)
            mean[penalty] = float(np.nanmean(coordinates.cross_validated(fixed, some, place, fold)))
        return max(mean, key=mean.__getitem__)

    def _one(self, presences, absences, sites, *, penalty, place):
        from sklearn.linear_model import LogisticRegression

        o = self.options
        train = np.concatenate([presences, absences])
        basis = _Basis(train, o, place)
        label = np.repeat([1, 0], [len(presences), len(absences)])
        weight = np.repeat([1.0, o.background * len(presences) / len(absences)], [len(presences), len(absences)])
        # of the mean loss, in which presences weigh little
        tolerance = 1e-4 / (1 + o.background)
        model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=tolerance)
        model.fit(basis(train), label, sample_weight=weight)
        return model.decision_function(basis(sites))


class _Fixed:
    """A model whose penalty is given, for cross-validation."""

    def __init__(self, gam: Gam, penalty: float) -> None:
        self.gam, self.penalty = gam, penalty

    def scores(self, groups: list[tuple[Examples, pd.DataFrame]], place: bool) -> list[np.ndarray]:
        """Scores of each group's sites."""
        return each_species("gam", groups, place, partial(self.gam._one, penalty=self.penalty, place=place))


class _Basis:
    """Columns whose coefficients all have the penalty 1: smooth functions, lines and classes.

    train : (n, features) of an `Encoder`: x and y first where `place`, classes as 0 and 1
    """

    def __init__(self, train: np.ndarray, options: Gam.Options, place: bool) -> None:
        self.options, self.place = options, place
        self.sorted = np.sort(train.astype(np.float64), axis=0)
        distinct = (np.diff(self.sorted, axis=0) > 0).sum(axis=0) + 1
        covariates = range(2 * place, train.shape[1])
        self.curves = [column for column in covariates if distinct[column] > 2]
        self.classes = [column for column in covariates if distinct[column] == 2]
        self.smooth = _smooth(options.knots)
        self.centre = np.zeros(1)
        self.centre = self(train).mean(axis=0)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Matrix (n, columns) float64 of the features (n, features)."""
        o, parts = self.options, []
        for column in self.curves:
            score = self._scores(values, column)
            parts += [_splines(score, o.knots) @ self.smooth, score[:, None] / max(o.linear, 1e-6) ** 0.5]
        if self.place:
            x, y = (_splines(self._scores(values, column), o.place_knots) for column in (0, 1))
            parts.append((x[:, :, None] * y[:, None, :]).reshape(len(values), -1) / o.place**0.5)
        parts.append(values[:, self.classes])
        return np.concatenate(parts, axis=1) - self.centre

    def _scores(self, values, column):
        """Normal scores of the training ranks."""
        known, value = self.sorted[:, column], values[:, column].astype(np.float64)
        rank = np.searchsorted(known, value) + np.searchsorted(known, value, side="right")
        share = np.clip(rank / (2 * len(known)), norm.cdf(-EDGE), norm.cdf(EDGE))
        return norm.ppf(share)


def _splines(score, knots):
    """B-splines (n, knots + 2) of scores between -`EDGE` and `EDGE`, with equal distances between knots."""
    from scipy.interpolate import BSpline

    step = 2 * EDGE / (knots - 1)
    places = -EDGE + step * np.arange(-_DEGREE, knots + _DEGREE)
    inside = np.clip(score, -EDGE, EDGE - 1e-9)
    return BSpline.design_matrix(inside, places, _DEGREE).toarray()


def _smooth(knots):
    """Turns B-splines into functions whose bends, as second differences, cost their squared coefficient.

    returns : (knots + 2, knots); the two straight lines are left out
    """
    count = knots + _DEGREE - 1
    bends = np.diff(np.eye(count), n=2, axis=0)
    values, vectors = np.linalg.eigh(bends.T @ bends)
    return vectors[:, 2:] / np.sqrt(values[2:])
