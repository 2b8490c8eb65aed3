"""Square windows of an array: gathered, filled and compressed many at a time, sharing what overlapping ones share.

A mosaic is (bands, rows, cols); windows are given by their top left pixels in it.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import distance_transform_edt

from glc import dct


def cut(mosaic, top, left, size):
    """Pixels of windows: (n, bands, size, size), a copy. top, left : (n,) int, inside the mosaic."""
    out = np.empty((len(top), len(mosaic), size, size), mosaic.dtype)
    for tile, row, col in zip(out, top, left, strict=True):
        tile[:] = mosaic[:, row : row + size, col : col + size]
    return out


def compress(mosaic, top, left, size, block):
    """Low frequencies of windows, as `glc.dct.compress` of `cut` gives, but without cutting them.

    The transform is separable: windows of the same rows share the transform down their columns, which is made once for
    all columns that they cover together.
    mosaic : (bands, rows, cols) float; returns (n, bands, block, block) of its type
    """
    basis = dct.basis(size, block, mosaic.dtype)
    out = np.empty((len(top), len(mosaic), block, block), mosaic.dtype)
    if not len(top):
        return out
    order = np.lexsort((left, top))
    apart = (np.diff(top[order]) != 0) | (np.diff(left[order]) > size)
    for run in np.split(order, np.flatnonzero(apart) + 1):
        row, first, last = top[run[0]], left[run[0]], left[run[-1]] + size
        down = basis @ mosaic[:, row : row + size, first:last]
        views = sliding_window_view(down, size, axis=2)[:, :, left[run] - first]
        out[run] = (views @ basis.T).transpose(2, 0, 1, 3)
    return out


def fractions(mask, top, left, size):
    """Share of true pixels of windows: (n,) float32. mask : (rows, cols) boolean."""
    if mask.all():
        return np.ones(len(top), np.float32)
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(mask, axis=0), axis=1, out=sums[1:, 1:])
    bottom, right = top + size, left + size
    count = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return (count / size**2).astype(np.float32)


def distinct(masks):
    """Index of the first equal mask of each: a list as long as (n, rows, cols) `masks`."""
    firsts, found = [], []
    for i, mask in enumerate(masks):
        same = next((j for j in firsts if np.array_equal(masks[j], mask)), i)
        firsts += [i] if same == i else []
        found.append(same)
    return found


def fill(mosaic, valid, masks, means, reach):
    """Fill pixels without a value, in place: the nearest one's value within `reach` pixels, else the band's mean.

    The nearest (straight-line distance) is looked for beyond the window, so that a pixel has the same value in every
    window that it is part of.
    mosaic : (bands, rows, cols); valid : masks (n, rows, cols); masks, means : of each band, which of `valid` and what
    """
    for first in dict.fromkeys(masks):
        bad = ~valid[first]
        if not bad.any():
            continue
        bands = np.flatnonzero(np.asarray(masks) == first)
        rows, cols = np.nonzero(bad)
        near = np.zeros(len(rows), bool)
        if not bad.all():
            distance, nearest = distance_transform_edt(bad, return_indices=True)
            near = distance[rows, cols] <= reach
            from_row, from_col = nearest[:, rows[near], cols[near]]
        for band in bands:
            mosaic[band, rows[~near], cols[~near]] = means[band]
            if near.any():
                mosaic[band, rows[near], cols[near]] = mosaic[band, from_row, from_col]
