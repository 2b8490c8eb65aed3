"""Ordinary kriging: the best linear prediction from labelled places alone, the geostatistician's own reference.

What places have in common falls with their distance as a sum of exponentials: labels may change within kilometres and
yet have much in common over hundreds. One variogram serves all targets that are known at the same places, the mean of
theirs (Bourgault and Marcotte 1991), so that each place to predict is solved for once (Cressie 1993, section 3.2).
Classes are kriged by their indicators (Journel 1983). Distances are chords in kilometres, which keeps exponential
covariances valid on the sphere.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from glc import geo
from glc.location.downstream.heads import Prediction, known_classes
from glc.progress import tqdm

NEAR = 200
"""Nearest labelled places that a prediction is made of."""
SPREAD = 100
"""Further ones, drawn at random from all, which tell of what lies beyond: inside a wide gap all near ones may be on one
side."""
_LEAST_NUGGET = 0.02  # keeps the equations solvable in float32, also of two places at one point
_RANGES = 6
_ANCHORS = 4_000
_BATCH = 128
_EARTH_KM = geo.EARTH_RADIUS_M / 1000


@dataclass(frozen=True)
class Variogram:
    """Half the mean square difference of two places h km apart: ``nugget + sum_l sill_l (1 - exp(-h / range_l))``.

    sills : (l,); ranges_km : (l,)
    """

    nugget: float
    sills: np.ndarray
    ranges_km: np.ndarray

    def __call__(self, km):
        return self.nugget + (1 - np.exp(-np.asarray(km)[..., None] / self.ranges_km)) @ self.sills

    def covariance(self, km):
        """What places `km` (a tensor) apart have in common."""
        total = torch.zeros_like(km)
        for sill, range_km in zip(self.sills, self.ranges_km, strict=True):
            if sill:
                total += torch.exp(km / -range_km).mul_(sill)
        return total


def fit_predict(places, targets, query, near=NEAR, spread=SPREAD, seed=0, progress=True):
    """Krige values, and indicators of classes, from the `near` nearest places and `spread` others.

    places, query : (lon, lat), arrays of degrees
    targets : name -> (n,) values, or labels with None where missing: such a place tells nothing of that target
    seed : of the other places, and of the pairs that the variogram is fitted to
    returns : name -> `glc.location.downstream.heads.Prediction`
    """
    points, at = geo.unit_sphere(*places), geo.unit_sphere(*query)
    groups = {}
    for name, target in targets.items():
        known = target.dtype != object or np.array([label is not None for label in target])
        rows = np.flatnonzero(np.broadcast_to(known, len(target)))
        groups.setdefault(rows.tobytes(), (rows, []))[1].append(name)
    predictions = {}
    for rows, names in groups.values():
        truth = {name: targets[name][rows] for name in names}
        values, classes = _columns(truth)
        model = variogram(points[rows], list(truth.values()), seed)
        kriged = _krige(points[rows], values, at, model, near, spread, seed, progress)
        widths = [1 if classes[name] is None else len(classes[name]) for name in names]
        for name, own in zip(names, np.split(kriged, np.cumsum(widths)[:-1], axis=1), strict=True):
            predictions[name] = _prediction(own, classes[name])
    return {name: predictions[name] for name in targets}


def variogram(points, targets, seed=0):
    """The Variogram of all `targets` together, each divided by its own variance.

    points : (n, 3) on the unit sphere; targets : arrays (n,) of values, or of labels, which differ by 1 or agree
    Fitted to pairs of places that are neighbours of rank 1, 3, 7, 15, ...: as many near ones as far ones.
    """
    rng = np.random.default_rng(seed)
    anchors = rng.choice(len(points), min(_ANCHORS, len(points)), replace=False)
    ranks = 2 ** np.arange(1, max(int(np.log2(len(points))), 1) + 1)
    ranks = ranks[ranks <= max(len(points) // 4, 2)]  # the variogram of a finite region bends where its far ends meet
    km, other = cKDTree(points).query(points[anchors], list(ranks))
    # of a single place there is no other, and among places at one point the nearest may be the place itself
    inside = np.isfinite(km) & (other != anchors[:, None])
    km, other, anchors = km[inside] * _EARTH_KM, other[inside], np.repeat(anchors, len(ranks))[inside.ravel()]
    half = np.zeros(len(km))
    for target in targets:
        if target.dtype == object:
            differ = (target[anchors] != target[other]).astype(float)
            # half the square distance of two one-hot vectors is 1 where they differ; its variance 1 - sum of shares²
            share = np.unique(target.astype(str), return_counts=True)[1] / len(target)
            half += differ / max(1 - np.square(share).sum(), 1e-12)
        else:
            target = target.astype(np.float64)
            half += np.square(target[anchors] - target[other]) / 2 / max(target.var(), 1e-12)
    return _fit(km, half / len(targets))


def _fit(km, half):
    if len(km) < 8 or np.ptp(km) == 0 or not half.any():
        return Variogram(_LEAST_NUGGET, np.ones(1), np.array([max(float(np.median(km)) if len(km) else 1.0, 1e-3)]))
    order = np.argsort(km)
    parts = [part for part in np.array_split(order, min(30, len(km) // 4)) if len(part)]
    h, gamma = (np.array([values[part].mean() for part in parts]) for values in (km, half))
    ranges = np.geomspace(max(h[0], 1e-3), max(h[-1], 1e-2), _RANGES)
    nugget, *sills = nnls(np.column_stack([np.ones(len(h)), 1 - np.exp(-h[:, None] / ranges)]), gamma)[0]
    return Variogram(float(nugget), np.array(sills), ranges)


def _columns(targets):
    """Values and one-hot classes side by side, (n, columns) float32; name -> classes, None of values."""
    parts, classes = [], {}
    for name, target in targets.items():
        if target.dtype == object:
            classes[name], codes = known_classes(target)
            parts.append(np.eye(len(classes[name]), dtype=np.float32)[codes])
        else:
            classes[name] = None
            parts.append(target.astype(np.float32)[:, None])
    return np.hstack(parts), classes


def _krige(points, values, at, model, near, spread, seed, progress):
    """(m, columns) float32 at `at` (m, 3); the weights of a place sum to 1."""
    near, rng = min(near, len(points)), np.random.default_rng(seed)
    beyond = rng.choice(len(points), min(spread, len(points) - near), replace=False)
    sill = model.sills.sum()
    tree, diagonal = cKDTree(points), sill + max(model.nugget, _LEAST_NUGGET * sill)
    mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = torch.from_numpy(values - mean)
    out = np.empty((len(at), values.shape[1]), np.float32)

    def likeness(a, b):
        return model.covariance(torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"))

    for start in tqdm(range(0, len(at), _BATCH), "kriging", leave=False, disable=not progress, unit="batch"):
        asked = at[start : start + _BATCH]
        used = tree.query(asked, range(1, near + 1))[1]
        used = np.hstack([used, np.broadcast_to(beyond, (len(asked), len(beyond)))])
        # seen from the place that is asked for, float32 tells metres apart nearby; from the Earth's centre it does not
        known = torch.from_numpy(((points[used] - asked[:, None]) * _EARTH_KM).astype(np.float32))
        covariance, beside = likeness(known, known), likeness(known, torch.zeros(len(asked), 1, 3))
        covariance.diagonal(dim1=1, dim2=2).copy_(torch.full(used.shape, diagonal))
        solved = torch.cholesky_solve(
            torch.cat([beside, torch.ones_like(beside)], 2), torch.linalg.cholesky(covariance)
        )
        weights, ones = solved.split(1, 2)
        # the multiplier of Lagrange: weights that sum to 1 (Cressie 1993, equation 3.2.12)
        weights = weights + ones * (1 - weights.sum(1, keepdim=True)) / ones.sum(1, keepdim=True)
        out[start : start + _BATCH] = torch.bmm(weights.transpose(1, 2), centred[used])[:, 0].numpy()
    return out + mean


def _prediction(kriged, classes):
    if classes is None:
        return Prediction(kriged[:, 0].astype(np.float64))
    shares = np.clip(kriged, 0, None)  # kriged indicators may leave 0 to 1 a little
    return Prediction(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12), classes)
