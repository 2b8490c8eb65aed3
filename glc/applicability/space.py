"""Predictor space: the points between which dissimilarity is a distance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from glc import geo
from glc.errors import ConfigError, DataError, did_you_mean

TABLE, EMBEDDING, COORDINATES = "table", "embedding", "coordinates"
_PLACE = ("lon", "lat")


@dataclass(frozen=True)
class Space:
    """How predictors become points.

    kind : ``table``, standardised columns times their importance; ``embedding``, a net's own, centred, its scale kept;
        ``coordinates``, places on the sphere, so that distances are chords in metres
    names : (d,) the predictors
    mean : (d,) float64, of the training places, also what a missing value becomes
    scale : (d,) float64, what a predictor is divided by; 0 for one that never varies, which counts for nothing
    weight : (d,) float64, at least 0
    """

    kind: str
    names: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray

    @classmethod
    def of_table(
        cls,
        values: pd.DataFrame,
        weights: Mapping[str, float] | None = None,
        categories: Mapping[str, Sequence[str]] | None = None,
    ) -> "Space":
        """Columns standardised by their training mean and standard deviation, times their weight.

        values : frame (n, d) of the training places, numbers, NaN where missing
        weights : importance per column or categorical band; a negative one (permutation made the score better) counts
            as 0, as in CAST; a column without one as 0 where any are given; default: all 1
        categories : band -> its columns, 1 for the class of a place and 0 for others. Two classes are one standard
            deviation apart however rare they are: standardised, a rare one would outweigh all other predictors

        Source: Meyer & Pebesma 2021, equations 1 and 2. The standard deviation is that of n - 1, as R's ``scale``.
        """
        names, categories = tuple(map(str, values.columns)), categories or {}
        weight = _weights(names, weights, categories)
        mean, scale = _moments(values.to_numpy(np.float64))
        classes = {column for columns in categories.values() for column in columns}
        scale = np.where([name in classes for name in names], np.sqrt(2), scale)
        if not (weight * scale).any():
            raise DataError(
                f"predictors: none of {', '.join(names[:8])} both varies over the training places and has a weight "
                "above 0; give weights, or measure dissimilarity by coordinates"
            )
        return cls(TABLE, names, mean, scale, weight)

    @classmethod
    def of_embedding(cls, values: np.ndarray) -> "Space":
        """A net's embedding, (n, d) of the training places: the scale of its dimensions is the net's."""
        mean, scale = _moments(np.asarray(values, np.float64))
        if not scale.any():
            raise DataError("predictors: the embedding is the same at all training places, expected one that varies")
        names = tuple(f"embedding_{number}" for number in range(len(mean)))
        return cls(EMBEDDING, names, mean, np.where(scale > 0, 1.0, 0.0), np.ones(len(mean)))

    @classmethod
    def of_coordinates(cls) -> "Space":
        """Places on the sphere, for a model that reads nothing but where a place is."""
        return cls(COORDINATES, _PLACE, np.zeros(2), np.ones(2), np.ones(2))

    def matrix(self, predictors: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Predictors (n, d) float64 in the order of `names`; a DataError names a column that is missing."""
        if isinstance(predictors, np.ndarray):
            if predictors.ndim != 2 or predictors.shape[1] != len(self.names):
                names = ", ".join(self.names[:8])
                raise DataError(f"predictors: shape {predictors.shape}, expected (n, {len(self.names)}): {names}")
            return predictors.astype(np.float64)
        lost = [name for name in self.names if name not in predictors.columns]
        if lost:
            known = list(map(str, predictors.columns))
            raise DataError(
                f"predictors: no column {lost[0]!r} ({len(lost)} missing), expected all of the training's "
                f"{len(self.names)}{did_you_mean(lost[0], known)}"
            )
        return predictors[list(self.names)].to_numpy(np.float64)

    def points(self, predictors: pd.DataFrame | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (n, k) float64 and the number of missing predictors of each, (n,) int64.

        A missing value (NaN, infinite) becomes the training mean, as for the nets. Where all are missing, or a
        coordinate is, the point is NaN: nothing is known of how similar the place is.
        """
        values = self.matrix(predictors)
        known = np.isfinite(values)
        if self.kind == COORDINATES:
            points = geo.unit_sphere(values[:, 0], values[:, 1]) * geo.EARTH_RADIUS_M
            points[~known.all(axis=1)] = np.nan
            return points, (~known).sum(axis=1)
        counts = self.weight * self.scale > 0
        values = np.where(known, values, self.mean)[:, counts] - self.mean[counts]
        values *= self.weight[counts] / self.scale[counts]
        values[~known[:, counts].any(axis=1)] = np.nan
        return values, (~known[:, counts]).sum(axis=1)


def _moments(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n - 1) of columns over their finite values; 0 where there are fewer than two."""
    known = np.isfinite(matrix)
    count = known.sum(axis=0)
    filled = np.where(known, matrix, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    spread = np.where(known, filled - mean, 0.0)
    scale = np.sqrt((spread**2).sum(axis=0) / np.maximum(count - 1, 1))
    # a constant column of floats has a tiny deviation by rounding, which would blow up every difference
    return mean, np.where(scale > 1e-9 * np.maximum(np.abs(mean), 1e-30), scale, 0.0)


def _weights(
    names: Sequence[str], weights: Mapping[str, float] | None, categories: Mapping[str, Sequence[str]]
) -> np.ndarray:
    if weights is None:
        return np.ones(len(names))
    known = [*names, *categories]
    unknown = [name for name in weights if name not in known]
    if unknown:
        raise ConfigError(
            f"weights: unknown predictor {unknown[0]!r}, expected some of: {', '.join(known)}"
            f"{did_you_mean(unknown[0], known)}"
        )
    of_classes = {column: weights.get(band, 0.0) for band, columns in categories.items() for column in columns}
    values = np.array([weights.get(name, of_classes.get(name, 0.0)) for name in names], np.float64)
    if not np.isfinite(values).all():
        raise ConfigError("weights: found a weight that is no number, expected numbers; 0 leaves a predictor out")
    return np.maximum(values, 0.0)
