"""F1 by distance to the nearest training survey: bins that follow the data, with block-bootstrap intervals."""

from itertools import pairwise

import numpy as np

from glc.evaluation import evaluate

EDGES_KM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Ends that a bin may have."""
_DEGREE_M = 111_195  # of the meridian, on the sphere of `glc.geo`


def by_distance(splits, size_m):
    """Mean F1 of the surveys in each bin of distance.

    splits : name -> frame with lon, lat (degrees), block, nearest_train_m and f1; size_m : side of a spatial block
    returns : (labels, series, lacking): the text of each bin in km; name -> list, a (count, mean, low, high) or None
        for each bin; and the number of surveys left out because they have no distance
    """
    known = {name: frame.dropna(subset="nearest_train_m") for name, frame in splits.items()}
    lacking = sum(len(frame) - len(known[name]) for name, frame in splits.items())
    known = {name: frame for name, frame in known.items() if len(frame)}
    km = [frame["nearest_train_m"].to_numpy() / 1000 for frame in known.values()]
    ends = edges(np.concatenate([*km, np.zeros(0)]))
    labels = [f"{low:g}–{high:g}" if np.isfinite(high) else f"≥ {low:g}" for low, high in pairwise(ends)]
    series = {}
    for distances, (name, frame) in zip(km, known.items(), strict=True):
        index = np.minimum(np.searchsorted(ends, distances, side="right"), len(labels)) - 1
        f1, block = frame["f1"].to_numpy(), _blocks(frame, size_m)
        series[name] = [_mean(f1[index == i], block[index == i]) for i in range(len(labels))]
    return labels, series, lacking


def edges(km, share=0.03):
    """Edges, from 0 to infinity, of bins that each hold at least `share` of the distances `km`, (n,).

    A bin holds its lower edge and not its upper one. The inner edges are some of `EDGES_KM`; the last bin is open where
    an end beyond all distances would be far from its beginning.
    """
    km = np.sort(km)
    least, below, bounds = max(1, share * len(km)), 0, [0.0]
    for edge in EDGES_KM:
        count = int(np.searchsorted(km, edge))
        if count - below >= least and (count == len(km) or len(km) - count >= least):
            bounds.append(edge)
            below = count
    closed = below == len(km) > 0
    if closed and bounds[-1] > 5 * bounds[-2] > 0:
        bounds[-1] = np.inf
    return np.array(bounds if closed else [*bounds, np.inf])


def _mean(values, blocks):
    """(count, mean, low, high) of a bin, the bounds NaN where one block holds it all; None when it is empty."""
    if not len(values):
        return None
    low, high = evaluate.bootstrap(values, blocks) if len(np.unique(blocks)) > 1 else (np.nan, np.nan)
    return len(values), float(values.mean()), low, high


def _blocks(frame, size_m):
    """Spatial block of each survey: its own, or a square of degrees of about that size where the split has none."""
    if frame["block"].nunique() > 1:
        return frame["block"].to_numpy()
    side = size_m / _DEGREE_M
    row = np.floor(frame["lat"].to_numpy() / side)
    column = np.floor(frame["lon"].to_numpy() * np.cos(np.radians((row + 0.5) * side)) / side)
    return np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)[1].ravel()
