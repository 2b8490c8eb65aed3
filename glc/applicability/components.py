"""The leading principal components of a net's embedding."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from glc.errors import DataError

COMPONENTS = 32
"""Principal components of an embedding that are kept: distances hardly need the others, which would fill the file."""


@dataclass(frozen=True)
class Components:
    """The leading principal components of a net's embedding.

    mean : (d,) float32, of the training surveys
    axes : (d, k) float32, orthonormal
    share : of the variance that they keep
    """

    mean: np.ndarray
    axes: np.ndarray
    share: float

    @classmethod
    def fit(cls, values: np.ndarray, most: int = COMPONENTS) -> Self:
        """The components of an embedding (n, d); rows that are not finite are left out.

        most : components kept
        """
        known = np.asarray(values, np.float64)[np.isfinite(values).all(axis=1)]
        if len(known) < 2:
            raise DataError(f"embedding: found {len(known)} surveys with imagery, expected at least two")
        mean = known.mean(axis=0)
        spread, axes = np.linalg.eigh((known - mean).T @ (known - mean))
        spread, axes = np.maximum(spread[::-1], 0), axes[:, ::-1][:, :most]
        share = float(spread[:most].sum() / spread.sum()) if spread.sum() > 0 else 1.0
        return cls(mean.astype(np.float32), np.ascontiguousarray(axes, np.float32), share)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Components (n, k) float32 of an embedding (n, d)."""
        return (np.asarray(values, np.float32) - self.mean) @ self.axes
