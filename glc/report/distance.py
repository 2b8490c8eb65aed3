"""F1 by distance to the nearest training survey: bins that follow the data, with block-bootstrap intervals."""

from itertools import pairwise

import numpy as np

from glc.evaluation import evaluate
from glc.evaluation.strata import edges, spatial_blocks


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
        f1, block = frame["f1"].to_numpy(), spatial_blocks(frame, size_m)
        series[name] = [_mean(f1[index == i], block[index == i]) for i in range(len(labels))]
    return labels, series, lacking


def _mean(values, blocks):
    """(count, mean, low, high) of a bin, the bounds NaN where one block holds it all; None when it is empty."""
    if not len(values):
        return None
    low, high = evaluate.bootstrap(values, blocks) if len(np.unique(blocks)) > 1 else (np.nan, np.nan)
    return len(values), float(values.mean()), low, high
