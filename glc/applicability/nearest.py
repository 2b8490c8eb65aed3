"""Distances between points of many dimensions, exactly: to the nearest point, and the mean over pairs."""

import numpy as np
from scipy.spatial import cKDTree

_TREE_DIMENSIONS = 6.0
"""Effective dimensions up to which a KD-tree is faster than all distances by matrix multiplication."""
_BLOCK = 4_000_000  # distances held at once
_QUERIES, _POINTS = 512, 4_096  # of one product, whose result stays in the cache
_EXACT = 20_000  # points up to which all pairs are measured


class Nearest:
    """Points ready to be searched.

    points : (n, d) float64, finite

    The points are rotated to their principal axes, which keeps all distances and lets a KD-tree prune by the axes that
    vary most. Where the variance is spread over too many axes for a tree, candidates come from a matrix product in
    float32 with a bound on its error, and the distances to them are computed in float64: exact as well.
    """

    def __init__(self, points: np.ndarray) -> None:
        if not len(points):
            raise ValueError("points: found none, expected at least one to search")
        self._centre = points.mean(axis=0)
        centred = np.unique(points, axis=0) - self._centre
        spread, self._axes = np.linalg.eigh(centred.T @ centred / len(centred))
        self._axes = self._axes[:, ::-1]
        spread = np.maximum(spread, 0)
        total = (spread**2).sum()
        self.dimensions = float(spread.sum() ** 2 / total) if total > 0 else 0.0
        self._points = centred @ self._axes
        self._tree = cKDTree(self._points) if self.dimensions <= _TREE_DIMENSIONS else None
        if self._tree is None:
            self._squares = (self._points**2).sum(axis=1)
            # squared distance less the query's own square, as one product with a query and a 1 behind it
            self._product = np.vstack([-2 * self._points.T, self._squares]).astype(np.float32)

    def distance(self, queries: np.ndarray) -> np.ndarray:
        """Euclidean distance from each query to its nearest point, (n,); NaN for a query that holds NaN."""
        result = np.full(len(queries), np.nan)
        rows = np.flatnonzero(np.isfinite(queries).all(axis=1))
        if self._tree is not None:
            result[rows] = self._tree.query((queries[rows] - self._centre) @ self._axes)[0]
            return result
        for start in range(0, len(rows), _QUERIES):
            part = rows[start : start + _QUERIES]
            result[part] = self._block((queries[part] - self._centre) @ self._axes)
        return result

    def _block(self, queries: np.ndarray) -> np.ndarray:
        """As `distance`, for finite queries on the principal axes."""
        extended = np.column_stack([queries, np.ones(len(queries))]).astype(np.float32)
        largest = np.sqrt(self._squares.max())
        length = np.sqrt((queries**2).sum(axis=1))
        # of the product (Higham 2002, section 3.5), its operands and the squares, for the minimum and what is near it
        unit = np.finfo(np.float32).eps
        error = (2 * unit * ((queries.shape[1] + 4) * (2 * length * largest + largest**2))).astype(np.float32)
        lowest = np.full(len(queries), np.inf, np.float32)
        squared = np.full(len(queries), np.inf)
        for start in range(0, len(self._points), _POINTS):
            score = extended @ self._product[:, start : start + _POINTS]
            least = score.min(axis=1)
            better = np.flatnonzero(least <= lowest + error)
            lowest = np.minimum(lowest, least)
            row, column = np.nonzero(score[better] <= (least + error)[better, None])
            row = better[row]
            exact = ((queries[row] - self._points[start + column]) ** 2).sum(axis=1)
            np.minimum.at(squared, row, exact)
        return np.sqrt(squared)


def mean_distance(points: np.ndarray, exact: int = _EXACT, seed: int = 0) -> tuple[float, float]:
    """Mean distance over all pairs of different points, and the half width of its 95 % interval.

    points : (n, d) float64, finite, at least two; equal ones are different points
    exact : number of points of which all pairs are measured, so that the half width is 0; of more points, a random
        sample of as many is taken, whose mean is a U-statistic (Hoeffding 1948)
    seed : of the sample
    """
    count = len(points)
    if count < 2:
        raise ValueError(f"points: found {count}, expected at least two for a mean distance")
    if count > exact:
        points = points[np.random.default_rng(seed).choice(count, exact, replace=False)]
    centred = points - points.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    means = np.empty(len(points))
    step = max(1, _BLOCK // len(points))
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        squared = squares[part, None] + squares
        squared -= 2 * (centred[part] @ centred.T)
        np.maximum(squared, 0, out=squared)
        own = np.arange(squared.shape[0])
        squared[own, start + own] = 0  # rounding would leave a distance of a point to itself
        means[part] = np.sqrt(squared, out=squared).sum(axis=1) / (len(points) - 1)
    left_out = 1 - len(points) / count
    return float(means.mean()), float(2 * 1.96 * means.std(ddof=1) * np.sqrt(left_out / len(points)))
