"""Kriging by a covariance of several ranges, from the distance of neighbours to the width of the region.

The covariance is a sum of exponentials that all targets known at the same places share, each divided by its standard
deviation (Bourgault and Marcotte 1991); classes are kriged by their indicators (Journel 1983). Where labels change
within kilometres and yet have much in common over hundreds, one exponential cannot follow both; where one can, as over
the whole Earth, `kriging` is better, which adds a mean that is not known and places of elsewhere.
"""

import numpy as np
from scipy.spatial import cKDTree

from glc import geo
from glc.location.downstream import kriging
from glc.neighbours.fields import Field, Observations, Values, estimate

NEIGHBOURS = 1_500
"""Labelled places, at most, that a prediction is made of: the nearest to its region."""
_RANGES = 5


def fit_predict(places, targets, query, neighbours=NEIGHBOURS, seed=0):
    """Krige values, and indicators of classes, from the nearest places.

    places, query : (lon, lat), arrays of degrees
    targets : name -> (n,) values, or labels with None where missing: such a place tells nothing of that target
    seed : of the places whose pairs with others the covariance is fitted to
    returns : name -> `glc.location.downstream.heads.Prediction`
    """

    def krige(points, _, values, target, at):
        values = values.astype(np.float64)
        mean = values.mean(axis=0)
        variance = np.bincount(target, values.var(axis=0))
        scale = np.sqrt(np.where(variance > 0, variance, 1))[target]
        fields = Values.of((values - mean) / scale)
        every, ranges_m = len(points), _ranges(points)
        seen = Observations(
            points, fields, np.zeros(len(mean), np.int64), np.ones(every), np.zeros(every, np.int64), np.ones(every)
        )
        field = Field(seen, estimate(seen, ranges_m, ranges_m[0], seed), neighbours)
        return mean + scale * field.at(at)

    return kriging.by_columns(places, targets, query, krige)


def _ranges(points):
    """Metres, ascending: from the distance of neighbours to a quarter of the extent."""
    apart = geo.arc(cKDTree(points).query(points, [min(2, len(points))])[0].ravel())
    apart = apart[np.isfinite(apart) & (apart > 0)]
    spacing = float(np.median(apart)) if len(apart) else 1.0
    extent = float(geo.arc(min(np.linalg.norm(np.ptp(points, axis=0)), 2.0)))
    return np.geomspace(spacing, max(extent / 4, 2 * spacing), _RANGES)
