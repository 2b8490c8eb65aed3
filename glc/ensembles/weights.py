"""The weights of a stack: fitted on pairs, applied to members' scores, written and read.

The model is that of `glc.ensembles.stack`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, logit

from glc.ensembles import calibration
from glc.ensembles.fit_options import FitOptions
from glc.ensembles.pairs import Pairs
from glc.errors import DataError
from glc.surveys import SurveyData
from glc.types import Facts


@dataclass(frozen=True)
class Counts:
    """Surveys and occurrences of each training fold: `surveys` (folds,), `species` (folds, m)."""

    surveys: np.ndarray
    species: np.ndarray

    def terms(self, *without: int) -> np.ndarray:
        """Logit (m,) of the species' frequency in all folds but those `without`, one survey with half of it added."""
        seen = np.setdiff1d(np.arange(len(self.surveys)), without)
        return logit((self.species[seen].sum(axis=0) + 0.5) / (self.surveys[seen].sum() + 1))

    @classmethod
    def of(cls, data: SurveyData) -> Self:
        """Those of all training folds of a dataset."""
        per_fold = [data.labels_of(data.valid(fold)) for fold in range(int(data.places["fold"].max()) + 1)]
        return cls(
            np.array([matrix.shape[0] for matrix in per_fold]),
            np.stack([np.asarray(matrix.sum(axis=0, dtype=np.int64)).ravel() for matrix in per_fold]),
        )


@dataclass(frozen=True)
class Weights:
    """A fitted stack: a `calibration.Curve` and a weight for each member, the slope of the frequency, the intercept."""

    curves: tuple[calibration.Curve, ...]
    members: np.ndarray
    frequency: float
    intercept: float

    def facts(self, names: Sequence[str]) -> Facts:
        """Rounded, for the manifest; names : of the members."""
        members = {name: round(float(weight), 4) for name, weight in zip(names, self.members, strict=True)}
        return {"members": members, "frequency": round(self.frequency, 4), "intercept": round(self.intercept, 4)}

    def save(self, path: Path) -> None:
        """Write them as a .npz, which `load` reads."""
        arrays = {"members": self.members, "frequency": self.frequency, "intercept": self.intercept}
        for number, curve in enumerate(self.curves):
            arrays |= {f"x{number}": curve.x, f"y{number}": curve.y, f"missing{number}": curve.missing}
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            curves = tuple(
                calibration.Curve(arrays[f"x{number}"], arrays[f"y{number}"], float(arrays[f"missing{number}"]))
                for number in range(len(arrays["members"]))
            )
            return cls(curves, arrays["members"], float(arrays["frequency"]), float(arrays["intercept"]))


def fit_weights(pairs: Pairs, counts: Counts, options: FitOptions, without: Sequence[int] = ()) -> Weights:
    """Weights from the `pairs` of all folds but `without`, and from `counts` of all but those and the pair's own."""
    pairs = pairs.where(~np.isin(pairs.fold, without))
    if not pairs.held.any():
        raise DataError(f"stack: no occurrence in the {len(pairs.held)} validation pairs; run more folds")
    fitted = tuple(calibration.fit(scores, pairs.held, pairs.weight, options.bins) for scores in pairs.scores.T)
    features = [curve(scores) for curve, scores in zip(fitted, pairs.scores.T, strict=True)]
    if options.frequency:
        term = np.empty(len(pairs.fold), np.float32)
        for fold in np.unique(pairs.fold):
            at = pairs.fold == fold
            term[at] = counts.terms(*without, fold)[pairs.column[at]]
        features.append(term)
    k = len(fitted)
    start = np.zeros(len(features) + 1)
    start[:k] = 1 / k
    bounds = [(0, None)] * k + [(None, None)] * (len(start) - k)
    x = np.column_stack([*features, np.ones(len(pairs.fold))])
    # the loss an occurrence: a penalty means the same however few of the pairs are held
    weight = pairs.weight / pairs.weight[pairs.held].sum()

    def loss(beta):
        z = x @ beta
        gap = beta[:k] - 1 / k
        value = weight @ (np.logaddexp(0, z) - pairs.held * z) + options.penalty * gap @ gap
        slope = x.T @ (weight * (expit(z) - pairs.held))
        slope[:k] += 2 * options.penalty * gap
        return value, slope

    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return Weights(fitted, optimum.x[:k], float(optimum.x[k]) if options.frequency else 0.0, float(optimum.x[-1]))


def apply(weights: Weights, matrices: Sequence[sparse.csr_matrix], frequency: np.ndarray) -> np.ndarray:
    """Stacked probabilities (n, m) float32, dense.

    matrices : the members' scores (n, m) CSR; frequency : (m,), see `Counts.terms`
    """
    n = matrices[0].shape[0]
    z = np.tile((weights.intercept + weights.frequency * frequency).astype(np.float32), (n, 1))
    for curve, weight, matrix in zip(weights.curves, weights.members, matrices, strict=True):
        if weight > 0:
            matrix = matrix.tocsr()
            row = np.repeat(np.arange(n), np.diff(matrix.indptr))
            z += np.float32(weight * curve.missing)
            z[row, matrix.indices] += np.float32(weight) * (curve(matrix.data) - np.float32(curve.missing))
    return expit(z)
