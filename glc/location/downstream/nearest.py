"""The k nearest labelled places on the sphere: the reference that a location encoder has to beat."""

import numpy as np
from scipy.spatial import cKDTree

from glc import geo
from glc.location.downstream.heads import Prediction, known_classes


def fit_predict(places, targets, query, k=10):
    """Mean (values) or votes (classes) of the `k` nearest places, great-circle.

    places, query : (lon, lat), arrays of degrees
    targets : name -> (n,) values, or labels with None where missing: such a place is no neighbour for that target
    returns : name -> `glc.location.downstream.heads.Prediction`; among classes with as many votes the nearer ones win
    """
    points, at = geo.unit_sphere(*places), geo.unit_sphere(*query)
    nearest, predictions = {}, {}
    for name, target in targets.items():
        known = target.dtype != object or np.array([label is not None for label in target])
        rows = np.flatnonzero(np.broadcast_to(known, len(target)))
        key = rows.tobytes()  # targets mostly have their labels at the same places
        if key not in nearest:
            count = min(k, len(rows))
            nearest[key] = cKDTree(points[rows]).query(at, range(1, count + 1))[1]
        predictions[name] = _mean(target[rows], nearest[key])
    return predictions


def _mean(target, nearest):
    if target.dtype != object:
        return Prediction(target.astype(np.float64)[nearest].mean(axis=1))
    classes, codes = known_classes(target)
    votes = np.zeros((len(nearest), len(classes)))
    count = nearest.shape[1]
    for rank, column in enumerate(codes[nearest].T):
        # all the tie-breaks of a place together stay below one vote
        votes[np.arange(len(votes)), column] += 1 + (count - rank) / (2 * count * (count + 1))
    return Prediction((votes / votes.sum(axis=1, keepdims=True)).astype(np.float32), classes)
