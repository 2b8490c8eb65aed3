"""Kriging: the best linear prediction from labelled places alone, the geostatistician's own reference.

What places have in common falls with their distance as a sum of exponentials, whose ranges go from the distance of
neighbours to the width of the region. One covariance serves all targets that are known at the same places (Bourgault
and Marcotte 1991), each divided by its standard deviation. Classes are kriged by their indicators (Journel 1983).
`glc.neighbours.fields` fits and solves.
"""

import numpy as np
from scipy.spatial import cKDTree

from glc import geo
from glc.location.downstream.heads import Prediction, known_classes
from glc.neighbours.fields import Field, Observations, estimate

NEIGHBOURS = 1_500
"""Labelled places, at most, that a prediction is made of: the nearest to its region."""
_RANGES = 5
"""Of the covariance."""


def fit_predict(places, targets, query, neighbours=NEIGHBOURS, seed=0):
    """Krige values, and indicators of classes, from the nearest places.

    places, query : (lon, lat), arrays of degrees
    targets : name -> (n,) values, or labels with None where missing: such a place tells nothing of that target
    seed : of the places whose pairs with others the covariance is fitted to
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
        columns, classes = _columns({name: targets[name][rows] for name in names})
        kriged = _krige(points[rows], columns, at, neighbours, seed)
        predictions |= {name: _prediction(kriged[name], classes[name]) for name in names}
    return {name: predictions[name] for name in targets}


def _columns(targets):
    """Name -> values (n, 1), or one-hot classes (n, classes); and name -> classes, None of values."""
    columns, classes = {}, {}
    for name, target in targets.items():
        if target.dtype == object:
            classes[name], codes = known_classes(target)
            columns[name] = np.eye(len(classes[name]))[codes]
        else:
            classes[name] = None
            columns[name] = target.astype(np.float64)[:, None]
    return columns, classes


def _krige(points, columns, at, neighbours, seed):
    """Name -> predictions (m, columns) at `at` (m, 3) of columns (n, columns) known at `points` (n, 3)."""
    names = list(columns)
    means = {name: columns[name].mean(axis=0) for name in names}
    spread = {name: np.sqrt(np.square(columns[name] - means[name]).sum(axis=1).mean()) or 1.0 for name in names}
    values = np.hstack([(columns[name] - means[name]) / spread[name] for name in names])
    every = len(points)
    seen = Observations(points, values, np.ones(every), np.zeros(every, np.int64), np.ones(every))
    ranges_m = _ranges(points)
    covariances = estimate(seen, ranges_m, ranges_m[0], np.zeros(values.shape[1], np.int64), seed)
    kriged = Field(seen, covariances, neighbours).at(at)
    parts = np.split(kriged, np.cumsum([columns[name].shape[1] for name in names])[:-1], axis=1)
    return {name: part * spread[name] + means[name] for name, part in zip(names, parts, strict=True)}


def _ranges(points):
    """Metres, ascending: from the distance of neighbours to a quarter of the extent."""
    apart = geo.arc(cKDTree(points).query(points, [min(2, len(points))])[0].ravel())
    spacing = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    extent = float(geo.arc(min(np.linalg.norm(np.ptp(points, axis=0)), 2.0)))
    return np.geomspace(spacing, max(extent / 4, 2 * spacing), _RANGES)


def _prediction(kriged, classes):
    if classes is None:
        return Prediction(kriged[:, 0].astype(np.float64))
    shares = np.clip(kriged, 0, None)  # kriged indicators may leave 0 to 1 a little
    return Prediction(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12), classes)
