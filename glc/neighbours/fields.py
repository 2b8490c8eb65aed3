"""Gaussian fields on the sphere that share their places: covariances from pairs of places, predictions by kriging."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from glc import geo

Floats: TypeAlias = NDArray[np.float64]
_GROUPS = 16
"""Of ordered fields, at most: a group shares a covariance."""
_BINS = 10
"""Of distance."""
_CENTRES = 1_000
"""Places, at most, whose pairs with all others give the covariances."""
_PAIRS = 15_000_000
"""Of places, at most: of very many places fewer are such centres."""
_ROWS = 5_000
"""Observations of a kind, at most, that tell the noise."""
_BLOCK = 500
"""Observations of which all values are held at once."""
_TRUSTED = 20_000
"""Pairs in a bin of distance beyond which more do not make its mean surer."""
_LEAST = 1e-3
"""Noise, at least, as a share of the variance."""
_ROUNDING = 1e-6
"""Of the variance, which is added so that a covariance can be inverted."""
_KEPT = 4
"""Regions whose factors are held for the next places."""


@dataclass(frozen=True)
class Values:
    """Values (n, r) of r fields at n places, as a low-rank matrix `left` (n, q) @ `right` (q, r) and a `rest` (n, r).

    Of many species the rest is sparse, and the matrix is never held whole.
    """

    left: Floats
    right: Floats
    rest: sparse.csr_matrix

    @staticmethod
    def of(values: Floats) -> "Values":
        """A matrix that is held whole."""
        return Values(values, np.eye(values.shape[1]), sparse.csr_matrix(values.shape))

    def rows(self, rows: NDArray[np.int64]) -> Floats:
        """The values (k, r) of `rows` (k,)."""
        return self.left[rows] @ self.right + self.rest[rows].toarray()

    def fields(self, fields: NDArray[np.int64]) -> "Values":
        """Some fields, at all places."""
        return Values(self.left, self.right[:, fields], self.rest[:, fields])

    def sums(self, weights: Floats | sparse.csr_matrix, rows: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """Sums (k, r) of the values of `rows`, by default of all, by `weights` (k, rows)."""
        rest = weights @ self.rest[rows]
        return (weights @ self.left[rows]) @ self.right + (rest.toarray() if sparse.issparse(rest) else rest)


@dataclass(frozen=True)
class Observations:
    """r fields that were observed at n places with noise.

    points : (n, 3) on the unit sphere; values : (n, r); groups : (r,) group 0, 1, ... of each field
    number : (n,) what each value is a mean of: its noise falls as 1 / number
    kind : (n,) 0, 1, ...: kinds of observation, each with its own noise
    weight : (n,) how much an observation counts where covariances are estimated
    """

    points: Floats
    values: Values
    groups: NDArray[np.int64]
    number: Floats
    kind: NDArray[np.int64]
    weight: Floats


@dataclass(frozen=True)
class Covariances:
    """Covariances of groups of fields, sum_l sill_l exp(-d / range_l) at great-circle metres d, and their noise.

    groups : (r,) group 0, 1, ... of each field; ranges_m : (l,)
    sills : (groups, l); noise : (groups, kinds), the variance of an observation of number 1
    """

    groups: NDArray[np.int64]
    ranges_m: Floats
    sills: Floats
    noise: Floats

    @property
    def varying(self) -> NDArray[np.bool_]:
        """Which fields (r,) vary over space; the others are their mean everywhere."""
        return (self.sills.sum(axis=1) > 0)[self.groups]

    def fields(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """The groups that vary over space, and the numbers of their fields."""
        for group in np.flatnonzero(self.sills.sum(axis=1) > 0):
            yield int(group), np.flatnonzero(self.groups == group)


def estimate(seen: Observations, ranges_m: Floats, nearest_m: float, seed: int = 0) -> Covariances:
    """Covariances from the mean products of pairs of places by distance, by non-negative least squares.

    Fields of a group share them. What is seen at one place never meets itself, so that noise makes nothing of the
    covariance; it is what the squares of the values are above that, times their number.

    nearest_m : metres; pairs that are nearer share a bin of distance
    """
    groups = seen.groups
    member = np.equal.outer(groups, np.arange(groups.max() + 1)) / np.bincount(groups)
    design, products = [], []
    for waves, product, trust in _by_distance(seen, ranges_m, nearest_m, seed):
        design.append(trust * waves)
        products.append(trust * (product @ member))
    sills = np.zeros((member.shape[1], len(ranges_m)))
    if design:
        sills = np.array([nnls(np.array(design), column)[0] for column in np.array(products).T])
    noise = np.zeros((len(sills), seen.kind.max() + 1))
    for kind in np.unique(seen.kind):
        rows = _drawn(np.flatnonzero(seen.kind == kind), _ROWS, seed)
        parts = np.array_split(rows, len(rows) // _BLOCK + 1)
        squares = np.concatenate([seen.values.rows(part) ** 2 @ member for part in parts])
        above = ((squares - sills.sum(axis=1)) * seen.number[rows, None]).mean(axis=0)
        noise[:, kind] = np.maximum(above, _LEAST * squares.mean(axis=0))
    return Covariances(groups, ranges_m, sills, noise)


def geometric_groups(fields: int) -> NDArray[np.int64]:
    """Groups 0, 1, ... (r,) of ordered fields, each a little larger than the one before."""
    first = np.unique(np.round(np.geomspace(1, fields + 1, _GROUPS + 1)).astype(int)) - 1
    return np.searchsorted(first, np.arange(fields), side="right") - 1


def _drawn(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _by_distance(
    seen: Observations, ranges_m: Floats, nearest_m: float, seed: int
) -> Iterator[tuple[Floats, Floats, float]]:
    """For each bin of distance: mean exp(-d / range) (l,), mean product of each field (r,), and how far to trust it."""
    every = np.arange(len(seen.points))
    drawn = _drawn(every, min(_CENTRES, max(_PAIRS // len(every), 1)), seed)
    values = seen.values.rows(drawn)
    edges = np.concatenate([[0], np.geomspace(nearest_m, 2 * max(ranges_m.max(), nearest_m), _BINS)])
    away = geo.arc(cdist(seen.points[drawn], seen.points))
    row, column = np.nonzero((away <= edges[-1]) & (drawn[:, None] != np.arange(len(seen.points))))
    away = away[row, column]
    pairs = seen.weight[drawn[row]] * seen.weight[column]
    bins = np.minimum(np.searchsorted(edges, away, side="right") - 1, _BINS - 1)
    for number in np.unique(bins):
        own = bins == number
        together = sparse.csr_matrix((pairs[own], (row[own], column[own])), shape=(len(drawn), len(seen.points)))
        product = np.einsum("nr,nr->r", values, seen.values.sums(together)) / pairs[own].sum()
        waves = (pairs[own, None] * np.exp(-away[own, None] / ranges_m)).sum(axis=0) / pairs[own].sum()
        # few pairs tell little; the near ones matter the most
        trust = np.sqrt(min(own.sum(), _TRUSTED)) / max(away[own].mean(), nearest_m / 2) ** 0.25
        yield waves, product, float(trust)


class Field:
    """Fields known at places with noise, predicted anywhere by simple kriging (Rasmussen and Williams 2006, eq. 2.25).

    Where there are more than `neighbours` observations, a place is predicted from the `neighbours` that are nearest to
    the middle of its region.
    """

    def __init__(self, seen: Observations, covariances: Covariances, neighbours: int) -> None:
        self.seen, self.covariances, self.neighbours = seen, covariances, neighbours
        every = len(seen.points)
        self._regions = _Regions(seen.points, max(neighbours // 4, 1) if every > neighbours else every)
        self._tree = cKDTree(seen.points)
        self._groups = [(group, fields, seen.values.fields(fields)) for group, fields in covariances.fields()]
        self._factors: dict[int, tuple[NDArray[np.int64], list[tuple[Floats, bool]]]] = {}

    def regions(self, points: Floats) -> NDArray[np.int64]:
        """Regions (n,) of `points` (n, 3): places of one region, asked one after another, take the least time."""
        return self._regions.of(points)

    def at(self, points: Floats) -> Floats:
        """Predictions (n, r) at `points` (n, 3) on the unit sphere."""
        predicted = np.zeros((len(points), len(self.covariances.groups)))
        regions = self.regions(points)
        for region in np.unique(regions):
            own = regions == region
            near, factors = self._factored(int(region))
            waves = self._waves(self.seen.points[near], points[own])
            for (group, fields, values), factor in zip(self._groups, factors, strict=True):
                covariance = np.tensordot(self.covariances.sills[group], waves, 1)
                weights = cho_solve(factor, covariance, overwrite_b=True, check_finite=False).T
                predicted[np.ix_(own, fields)] = values.sums(weights, near)
        return predicted

    def _factored(self, region: int) -> tuple[NDArray[np.int64], list[tuple[Floats, bool]]]:
        """Observations near a region, and the Cholesky factor of their covariance in each group that varies."""
        if region in self._factors:
            return self._factors[region]
        near = np.arange(len(self.seen.points))
        if len(near) > self.neighbours:
            near = np.sort(self._tree.query(self._regions.middles[region], self.neighbours)[1].reshape(-1))
        waves = self._waves(self.seen.points[near], self.seen.points[near])
        factors = []
        for group, _, _ in self._groups:
            sills = self.covariances.sills[group]
            matrix = np.tensordot(sills, waves, 1)
            noise = self.covariances.noise[group, self.seen.kind[near]] / self.seen.number[near]
            matrix[np.diag_indices(len(near))] += noise + _ROUNDING * sills.sum()
            factors.append(cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False))
        if len(self._factors) >= _KEPT:
            del self._factors[next(iter(self._factors))]
        self._factors[region] = near, factors
        return self._factors[region]

    def _waves(self, points: Floats, others: Floats) -> Floats:
        """exp(-d / range) (l, n, k) between two sets of points on the unit sphere."""
        away = geo.arc(cdist(points, others))
        return np.exp(-away / self.covariances.ranges_m[:, None, None])


_Node: TypeAlias = "int | tuple[int, float, _Node, _Node]"


class _Regions:
    """A division of the sphere by medians of coordinates, so that each region holds at most `most` of the points."""

    def __init__(self, points: Floats, most: int) -> None:
        self.middles: list[Floats] = []
        self._root = self._divided(points, most)

    def _divided(self, points: Floats, most: int) -> _Node:
        """The number of a region, or an axis, a threshold, and what is below and above it."""
        extent = np.ptp(points, axis=0)
        axis = int(extent.argmax())
        threshold = float(np.median(points[:, axis]))
        below = points[:, axis] < threshold
        if len(points) <= most or not below.any():
            self.middles.append(points.mean(axis=0))
            return len(self.middles) - 1
        return axis, threshold, self._divided(points[below], most), self._divided(points[~below], most)

    def of(self, points: Floats) -> NDArray[np.int64]:
        """Numbers (n,) of the regions in which `points` (n, 3) lie."""
        numbers = np.empty(len(points), np.int64)
        waiting: list[tuple[_Node, NDArray[np.int64]]] = [(self._root, np.arange(len(points)))]
        while waiting:
            node, rows = waiting.pop()
            if isinstance(node, int):
                numbers[rows] = node
                continue
            axis, threshold, below, above = node
            less = points[rows, axis] < threshold
            waiting += [(below, rows[less]), (above, rows[~less])]
        return numbers
