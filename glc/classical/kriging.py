"""Kriging of the composition of species, from presence-absence surveys and presence-only records together."""

from typing import Annotated

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc import scores as score_tables
from glc.classical._base import Classical, Scorer
from glc.config import SOME, Count, Positive, Seed, section
from glc.neighbours.fields import Field, Floats, Observations, estimate
from glc.neighbours.pools import pool
from glc.neighbours.uncertainty import Uncertainty, widened
from glc.registry import models
from glc.surveys import SurveyData

_THIN = (3.0, 100.0)
"""Surveys, and presence-only records, of which a square has half of its weight when axes and covariances are found."""
_POWER = 0.5
"""Species are divided by their standard deviation to this power, so that the axes also describe rare ones."""
_ROWS = 512


@models.register("kriging")
class Kriging(Classical):
    """Species by co-kriging of the principal axes of composition.

    Surveys are pooled in squares. A square of presence-absence surveys observes the probability of every species, with
    noise that falls as 1 / surveys; a square of presence-only records observes their shares of the records times the
    mean number of species in a survey, with noise that falls as 1 / records, and with another mean, because some
    species are recorded more readily than others. Both are projected on the leading axes of composition, and each axis
    is a Gaussian field with the covariance

        C(d) = sum_r a_r exp(-d / r),    a_r >= 0    (d: great-circle metres, r: `ranges_m`),

    which follows from the products of pairs of squares by distance (`glc.neighbours.fields`). Axes of similar variance
    share it: the leading ones reach far, the last ones often tell nothing and stay at their mean. A score is the best
    linear prediction from all squares, back from the axes and cut to 0..1; records in clusters do not count many times
    there, as they do in votes. A survey whose scores are all 0 takes the mean of the training surveys.
    """

    @section
    class Options:
        ranges_m: Annotated[tuple[Positive, ...], SOME] = (10_000, 40_000, 160_000)
        """Ranges of the covariances, metres, in any order."""
        square_m: Positive = 10_000
        """Side of the squares in which surveys are pooled, metres."""
        components: Count = 500
        """Maximum number of axes."""
        neighbours: Count = 500
        """Squares, at most, from which a place is predicted: the nearest to its region, which has a quarter as many."""
        squares: Count = 10_000
        """Maximum number of squares, drawn evenly, from which the axes are found."""
        uncertainty: Uncertainty = "edition"
        """widen: a record adds over all of its uncertainty (geoUncertaintyInM); ignore: at its place alone; edition:
        widen for records of Darwin Core, ignore for the contests' files."""
        seed: Seed = 0
        """Seed of that draw and of the SVD."""

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """`facts` then holds the squares, the axes, and how many of these vary over space."""
        o = self.options
        train = data.train(fold)
        mean = np.asarray(data.labels_of(train).mean(axis=0)).ravel()
        observed = [self._observed(data, train, surveys=True, richness=mean.sum())]
        if len(data.presence_only):
            observed.append(self._observed(data, data.presence_only, surveys=False, richness=mean.sum()))
        points, number = (np.concatenate([getattr(each, name) for each in observed]) for name in ("points", "number"))
        kind = np.repeat(np.arange(len(observed)), [len(each.points) for each in observed])
        scale = (mean * (1 - mean) + 0.5 / len(train)) ** (-_POWER / 2)
        weight = number / (number + np.asarray(_THIN)[kind])
        axes = self._axes(observed, weight, scale)
        decode = (axes / scale[:, None]).T
        values = np.concatenate([each.on(scale[:, None] * axes) for each in observed])
        seen = Observations(points, values, number, kind, weight)
        covariances = estimate(seen, np.sort(o.ranges_m).astype(float), o.square_m, seed=o.seed)
        field = Field(seen, covariances, o.neighbours)
        used = int(covariances.varying.sum())
        self.facts = {"squares": len(points), "components": len(covariances.groups), "components_used": used}

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            asked = geo.unit_sphere(places["lon"], places["lat"])
            blocks = [sparse.csr_matrix((0, len(mean)), dtype=np.float32)]
            for start in range(0, len(asked), _ROWS):
                shares = np.clip(mean + field.at(asked[start : start + _ROWS]) @ decode, 0, 1)
                shares[shares.max(axis=1) <= 0] = mean
                blocks.append(score_tables.from_dense(shares.astype(np.float32)))
            return sparse.vstack(blocks, format="csr")

        return score

    def _observed(self, data: SurveyData, rows: np.ndarray, surveys: bool, richness: float) -> "_Observed":
        """Squares of the surveys `rows`: of presence-absence `surveys`, or of records among all species."""
        labels = data.labels_of(rows).astype(np.float32)
        ones = sparse.csr_matrix(np.ones((len(rows), 1), np.float32))
        spread = self.options.square_m if widened(data, self.options.uncertainty) else None
        both = sparse.hstack([labels, ones], format="csr")
        cells = pool(data.places.iloc[rows], both, self.options.square_m, spread_m=spread)
        counts = cells.counts[:, :-1].astype(float)
        held = np.asarray(cells.counts[:, -1].todense() if surveys else counts.sum(axis=1)).ravel().astype(float)
        some = held > 0
        shares = sparse.diags((1.0 if surveys else richness) / held[some]) @ counts[some]
        return _Observed(cells.points[some], held[some], shares, np.asarray(held[some] @ shares).ravel() / held.sum())

    def _axes(self, observed: "list[_Observed]", weight: np.ndarray, scale: np.ndarray) -> Floats:
        """The leading axes (m, r) of the scaled shares, orthonormal columns, those of the most variance first."""
        from sklearn.utils.extmath import randomized_svd

        rows = np.arange(len(weight))
        if len(rows) > self.options.squares:
            rows = np.sort(np.random.default_rng(self.options.seed).choice(rows, self.options.squares, replace=False))
        parts, start = [], 0
        for each in observed:
            own = rows[(rows >= start) & (rows < start + len(each.points))]
            away = each.shares[own - start].astype(np.float32).toarray() - each.mean.astype(np.float32)
            parts.append(away * scale.astype(np.float32) * np.sqrt(weight[own, None]).astype(np.float32))
            start += len(each.points)
        matrix = np.concatenate(parts)
        rank = min(self.options.components, *matrix.shape)
        return randomized_svd(matrix, rank, random_state=self.options.seed)[2].T.astype(float)


class _Observed:
    """Squares of one kind.

    points : (n, 3) on the unit sphere; number : (n,) surveys or records; shares : (n, m) CSR; mean : (m,) of them
    """

    def __init__(self, points: Floats, number: Floats, shares: sparse.csr_matrix, mean: Floats) -> None:
        self.points, self.number, self.shares, self.mean = points, number, shares.tocsr(), mean

    def on(self, axes: Floats) -> Floats:
        """The shares (n, r), less their mean, on `axes` (m, r)."""
        return self.shares @ axes - self.mean @ axes
