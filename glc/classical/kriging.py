"""Kriging of the composition of species, from presence-absence surveys and presence-only records together."""

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from glc import geo
from glc import scores as score_tables
from glc.classical._base import Classical, Scorer
from glc.classical.votes import Votes
from glc.config import SOME, Count, Positive, Seed, section
from glc.neighbours.fields import Field, Floats, Observations, Values, estimate, geometric_groups
from glc.neighbours.pools import pool
from glc.neighbours.uncertainty import Uncertainty, widened
from glc.registry import models
from glc.surveys import SurveyData
from glc.types import MemberOptions

_THIN = (3.0, 100.0)
"""Surveys, and presence-only records, of which a square has half of its weight when axes and covariances are found."""
_POWER = 0.5
"""Species are divided by their standard deviation to this power, so that the axes also describe rare ones."""
_PASSES = 4
"""Of the randomized SVD, over the squares."""
_ROWS = 512
"""Places that are scored at once."""


@models.register("kriging")
class Kriging(Classical):
    """Species by co-kriging of the composition of squares.

    Surveys are pooled in squares. A square of presence-absence surveys observes the probability of every species, with
    noise that falls as 1 / surveys; a square of presence-only records observes their shares of the records times the
    mean number of species in a survey, with noise that falls as 1 / records, and with another mean. Because some
    species are recorded more readily than others, a record weighs as `votes` corrects it.

    The leading axes of composition, and what these leave of each species, are Gaussian fields with the covariance

        C(d) = sum_r a_r exp(-d / r),    a_r >= 0    (d: great-circle metres, r: `ranges_m`),

    which follows from the products of pairs of squares by distance (`glc.neighbours.fields`). Axes of similar variance
    share it, and species of similar frequency: the leading axes reach far, and what tells nothing stays at its mean. A
    score is the best linear prediction from the squares around, back from the axes and cut to 0..1; records in clusters
    do not count many times there, as they do in votes. A survey whose scores are all 0 takes the mean of the training
    surveys.
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
        po_bias: Literal["ignored", "corrected"] = "corrected"
        """ignored: presence-only records of all species weigh the same; corrected: they are corrected for how readily
        each species is recorded, as surveys show it (`votes`)."""
        uncertainty: Uncertainty = "edition"
        """widen: a record adds over all of its uncertainty (geoUncertaintyInM); ignore: at its place alone; edition:
        widen for records of Darwin Core, ignore for the contests' files."""
        seed: Seed = 0
        """Seed of the SVD, and of the squares of which the covariances follow."""

    def __init__(self, options: MemberOptions) -> None:
        super().__init__(options)
        # one for all folds, which have the presence-only records in common
        self._votes = Votes(Votes.Options(po_bias=self.options.po_bias, uncertainty=self.options.uncertainty))

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """`facts` then holds the squares, the axes, and how many of these, and of the species, vary over space."""
        o = self.options
        train = data.train(fold)
        mean = np.asarray(data.labels_of(train).mean(axis=0)).ravel()
        observed = [self._observed(data, train, np.ones(len(mean)))]
        if len(data.presence_only):
            weights = self._votes.record_weights(data, fold)
            observed.append(self._observed(data, data.presence_only, weights, richness=mean.sum()))
        points, number = (np.concatenate([getattr(each, name) for each in observed]) for name in ("points", "number"))
        kind = np.repeat(np.arange(len(observed)), [len(each.points) for each in observed])
        scale = (mean * (1 - mean) + 0.5 / len(train)) ** (-_POWER / 2)
        weight = number / (number + np.asarray(_THIN)[kind])
        basis = _Basis(self._axes(observed, weight, scale), scale)
        seen = Observations(points, basis.values(observed), basis.groups(observed), number, kind, weight)
        covariances = estimate(seen, np.sort(o.ranges_m).astype(float), o.square_m, seed=o.seed)
        field = Field(seen, covariances, o.neighbours)
        used = np.add.reduceat(covariances.varying, [0, basis.rank]) if basis.remainder else [covariances.varying.sum()]
        self.facts = {"squares": len(points), "components": basis.rank, "components_used": int(used[0])}
        if basis.remainder:
            self.facts["species_used"] = int(used[1])

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            from threadpoolctl import threadpool_limits

            asked = geo.unit_sphere(places["lon"], places["lat"])
            order = np.argsort(field.regions(asked), kind="stable")
            blocks = [sparse.csr_matrix((0, len(mean)), dtype=np.float32)]
            for start in range(0, len(asked), _ROWS):
                with threadpool_limits(1):  # small matrices: more threads only wait for each other
                    fields = field.at(asked[order[start : start + _ROWS]])
                shares = np.clip(mean + basis.shares(fields), 0, 1)
                shares[shares.max(axis=1) <= 0] = mean
                blocks.append(score_tables.from_dense(shares.astype(np.float32)))
            return sparse.vstack(blocks, format="csr")[np.argsort(order)]

        return score

    def _observed(
        self, data: SurveyData, rows: np.ndarray, weights: Floats, richness: float | None = None
    ) -> "_Observed":
        """Squares of the surveys `rows`: of presence-absence surveys, or with `richness` of records among all species.

        weights : (m,) of a record of each species
        """
        labels = data.labels_of(rows).astype(np.float32) @ sparse.diags(weights.astype(np.float32))
        ones = sparse.csr_matrix(np.ones((len(rows), 1), np.float32))
        spread = self.options.square_m if widened(data, self.options.uncertainty) else None
        both = sparse.hstack([labels, ones], format="csr")
        cells = pool(data.places.iloc[rows], both, self.options.square_m, spread_m=spread)
        counts = cells.counts[:, :-1].astype(float)
        held = np.asarray(cells.counts[:, -1].todense() if richness is None else counts.sum(axis=1)).ravel()
        some = held > 0
        held = held[some].astype(float)
        shares = sparse.diags((1.0 if richness is None else richness) / held) @ counts[some]
        return _Observed(cells.points[some], held, shares, np.asarray(held @ shares).ravel() / held.sum())

    def _axes(self, observed: "list[_Observed]", weight: Floats, scale: Floats) -> Floats:
        """The leading axes (m, r) of the scaled shares, orthonormal columns, the first of the most variance.

        The shares are sparse as they are, and would not be less their mean, which one axis more describes as well.
        """
        from sklearn.utils.extmath import randomized_svd

        shares = sparse.vstack([each.shares for each in observed])
        matrix = (sparse.diags(np.sqrt(weight)) @ shares @ sparse.diags(scale)).tocsr().astype(np.float32)
        rank = min(self.options.components, *matrix.shape)
        return randomized_svd(matrix, rank, n_iter=_PASSES, random_state=self.options.seed)[2].T.astype(float)


class _Observed:
    """Squares of one kind.

    points : (n, 3) on the unit sphere; number : (n,) surveys or records; shares : (n, m) CSR; mean : (m,) of them
    """

    def __init__(self, points: Floats, number: Floats, shares: sparse.csr_matrix, mean: Floats) -> None:
        self.points, self.number, self.shares, self.mean = points, number, shares.tocsr(), mean

    def on(self, axes: Floats) -> Floats:
        """The shares (n, r), less their mean, on `axes` (m, r)."""
        return self.shares @ axes - self.mean @ axes


class _Basis:
    """Composition as r fields on axes, and as the m remainders of the scaled shares that the axes leave.

    Without the remainders, species that the axes do not describe would be at their mean everywhere.

    axes : (m, r) orthonormal columns; scale : (m,)
    """

    def __init__(self, axes: Floats, scale: Floats) -> None:
        self.axes, self.scale = axes, scale
        self.rank = axes.shape[1]
        self.remainder = self.rank < len(axes)

    def values(self, observed: list[_Observed]) -> Values:
        """The fields at all squares."""
        on = np.concatenate([each.on(self.scale[:, None] * self.axes) for each in observed])
        if not self.remainder:
            return Values.of(on)
        kinds = np.repeat(np.eye(len(observed)), [len(each.points) for each in observed], axis=0)
        means = np.array([each.mean for each in observed]) * self.scale
        right = np.block([[np.eye(self.rank), -self.axes.T], [np.zeros((len(observed), self.rank)), -means]])
        shares = sparse.vstack([each.shares for each in observed]) @ sparse.diags(self.scale)
        none = sparse.csr_matrix((len(on), self.rank))
        return Values(np.hstack([on, kinds]), right, sparse.hstack([none, shares], format="csr"))

    def groups(self, observed: list[_Observed]) -> NDArray[np.int64]:
        """Groups of axes by variance, and of remainders by the frequency of their species."""
        axes = geometric_groups(self.rank)
        if not self.remainder:
            return axes
        frequency = np.max([each.mean for each in observed], axis=0)
        place = np.empty(len(frequency), np.int64)
        place[np.argsort(-frequency, kind="stable")] = np.arange(len(frequency))
        return np.concatenate([axes, axes[-1] + 1 + geometric_groups(len(frequency))[place]])

    def shares(self, predicted: Floats) -> Floats:
        """Shares (n, m), less their mean, from predicted fields (n, r), or (n, r + m) with remainders."""
        scaled = predicted[:, : self.rank] @ self.axes.T
        if self.remainder:
            scaled += predicted[:, self.rank :]
        return scaled / self.scale
