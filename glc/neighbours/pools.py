"""Pools: the surveys of a square taken together, and the Gaussian weights with which pools count around a place.

At scale s a record at great-circle distance d counts ``exp(-d^2 / 2 s^2)``. Surveys are pooled in squares of a quarter
of the scale, within which that hardly varies, so that the sums around any number of places are one sparse product:
``sums(kernel(queries, pool.points, s), pool.counts)``.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree

from glc import geo
from glc.neighbours.uncertainty import spread

CELLS_PER_SCALE = 4
REACH = 3.0
"""Scales; beyond, a record weighs less than 0.011 and does not count."""
_DENSE_SHARE = 0.04
"""Of the counts that are not zero, from which a product with a dense matrix is faster; measured."""
_DENSE_ENTRIES = 16_000_000
"""Counts that may be held dense."""


@dataclass(frozen=True)
class Pool:
    """c pools of surveys: their mean places, and the sums of their records.

    points : (c, 3) float64 on the unit sphere
    counts : (c, m) CSR of records by species
    first : (c,) row of the first survey of each among those that were pooled
    """

    points: np.ndarray
    counts: sparse.csr_matrix
    first: np.ndarray

    @cached_property
    def tree(self) -> cKDTree:
        """KD-tree of the points, for who asks for a `kernel` more than once."""
        return cKDTree(self.points)


def pool(
    places: pd.DataFrame,
    records: sparse.csr_matrix,
    size_m: float | None,
    *apart: np.ndarray,
    spread_m: float | None = None,
    points: np.ndarray | None = None,
) -> Pool:
    """The `Pool` of surveys by squares of `size_m` metres; None pools surveys from everywhere.

    places : frame (n) with lon, lat (degrees), easting, northing and crs
    records : (n, m) CSR
    apart : arrays (n,); surveys that differ in one are never pooled. Pools come by square, then by these, ascending
    spread_m : scale, metres, at which surveys of uncertain place (geoUncertaintyInM) are many points, each with a part
        of the records (`glc.neighbours.uncertainty`); None: each survey is one point
    points : (n, 3) `geo.unit_sphere` of the places, for who pools them more than once; not with `spread_m`
    """
    owner, weight = np.arange(len(places)), np.ones(len(places), np.float32)
    if spread_m is not None:
        owner, places, weight = spread(places, spread_m)
    keys = [key[owner] for key in apart]
    if size_m is not None:
        keys.insert(0, geo.block_ids(places["easting"], places["northing"], size_m, places["crs"]))
    code = keys[0] if keys else np.zeros(len(places), np.int64)
    for key in keys[1:]:
        rank = np.unique(code, return_inverse=True)[1]
        values, own = np.unique(key, return_inverse=True)
        code = rank * len(values) + own
    _, first, cell, count = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    shape = (len(count), len(cell))
    member = sparse.csr_matrix((weight, (cell, np.arange(len(cell)))), shape=shape)
    total = count if spread_m is None else np.asarray(member.sum(axis=1)).ravel()
    if points is None or spread_m is not None:
        points = geo.unit_sphere(places["lon"], places["lat"])
    centre = member @ points / total[:, None]
    # the surveys of a pool from everywhere may cancel out
    centre /= np.maximum(np.linalg.norm(centre, axis=1, keepdims=True), 1e-12)
    if spread_m is None:
        return Pool(centre, (member @ records).tocsr(), first)
    share = sparse.csr_matrix((weight, (cell, owner)), shape=(len(count), records.shape[0]))
    return Pool(centre, (share @ records).tocsr(), owner[first])


def kernel(queries: np.ndarray, points: np.ndarray | cKDTree, scale_m: float) -> sparse.csr_matrix:
    """Gaussian weights of the points within `REACH` scales of each query: (n, c) CSR float32.

    queries : (n, 3), points : (c, 3), or a KD-tree of them, both on the unit sphere
    scale_m : great-circle metres
    """
    reach = float(geo.chord(REACH * scale_m))
    tree = points if isinstance(points, cKDTree) else cKDTree(points)
    near = cKDTree(queries).sparse_distance_matrix(tree, reach, output_type="coo_matrix")
    weight = np.exp(-0.5 * (geo.arc(near.data) / scale_m) ** 2).astype(np.float32)
    return sparse.csr_matrix((weight, (near.row, near.col)), shape=near.shape)


def sums(weights: sparse.csr_matrix, counts: sparse.csr_matrix) -> np.ndarray:
    """The weighted sums of the counts of pools, ``(weights @ counts).toarray()`` to the bit, but faster.

    weights : (n, c) CSR of `kernel`
    counts : (c, m) CSR of a `Pool`
    """
    used = np.unique(weights.indices)
    share = np.diff(counts.indptr)[used].sum() / max(len(used) * counts.shape[1], 1)
    if share < _DENSE_SHARE or len(used) * counts.shape[1] > _DENSE_ENTRIES:
        return (weights @ counts).toarray()
    # pools near all places have most of the species: what a product of sparse matrices spends on finding them is lost
    columns = np.searchsorted(used, weights.indices)
    near = sparse.csr_matrix((weights.data, columns, weights.indptr), shape=(weights.shape[0], len(used)))
    return np.asarray(near @ counts[used].toarray())
