"""Places as features: their standardised coordinates, or one-hot squares of several sizes."""

import numpy as np
from scipy import sparse

from glc import geo


class Coordinates:
    """Standardised easting and northing, and a column for each further CRS where the training has several."""

    def __init__(self, places):
        keys = self.keys(places)
        self.mean = keys[:, :2].mean(axis=0)
        self.scale = np.maximum(keys[:, :2].std(axis=0), 1.0)  # metres: surveys may all stand on one spot or line
        self.crs = np.unique(keys[:, 2])[1:]

    @staticmethod
    def keys(places):
        """(n, 3) easting, northing, CRS: what two places must share to have equal features."""
        return places[["easting", "northing", "crs"]].to_numpy(float)

    def encode(self, keys):
        """(n, 2 + further CRSs) float32 for `keys`."""
        return np.column_stack([(keys[:, :2] - self.mean) / self.scale, keys[:, 2:] == self.crs]).astype(np.float32)


class Cells:
    """One column for each square of `sizes_m` that holds a training place; 1 where the place is inside."""

    def __init__(self, places, sizes_m):
        self.sizes_m = sizes_m
        self.cells = [np.unique(column) for column in self.keys(places).T]

    def keys(self, places):
        """(n, sizes) int64 squares: what two places must share to have equal features."""
        ids = [geo.block_ids(places["easting"], places["northing"], size, places["crs"]) for size in self.sizes_m]
        return np.column_stack(ids)

    def encode(self, keys):
        """(n, squares) float32 CSR for `keys`; a square without training places has no column and adds nothing."""
        parts = []
        for column, cells in zip(keys.T, self.cells, strict=True):
            at = np.minimum(np.searchsorted(cells, column), len(cells) - 1)
            row = np.flatnonzero(cells[at] == column)
            ones = np.ones(len(row), np.float32)
            parts.append(sparse.csr_matrix((ones, (row, at[row])), shape=(len(keys), len(cells))))
        return sparse.hstack(parts, format="csr")
