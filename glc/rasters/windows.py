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
    if mask.all() or not mask.any():
        return np.full(len(top), mask.flat[0], np.float32)
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32 if mask.size < 2**31 else np.int64)
    np.cumsum(np.cumsum(mask, axis=0, dtype=sums.dtype), axis=1, out=sums[1:, 1:])
    bottom, right = top + size, left + size
    count = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return (count / size**2).astype(np.float32)


def distinct(masks):
    """Index of the first equal mask of each: a list as long as (n, rows, cols) `masks`."""
    firsts, indices = [], []
    for i, mask in enumerate(masks):
        same = next((j for j in firsts if np.array_equal(masks[j], mask)), i)
        firsts += [i] if same == i else []
        indices.append(same)
    return indices


def fill(mosaic, valid, masks, means, reach, core=(slice(None), slice(None))):
    """Fill pixels without a value, in place: the nearest one's value within `reach` pixels, else the band's mean.

    The nearest (straight-line distance) is looked for beyond the window, so that a pixel has the same value in every
    window that it is part of.
    mosaic : (bands, rows, cols); valid : masks (n, rows, cols); masks, means : of each band, which of `valid` and what
    core : rows and columns to fill, slices; the rest only lends its values
    """
    for first in dict.fromkeys(masks):
        bad = ~valid[first]
        gaps = bad[core]
        if not gaps.any():
            continue
        near = None
        if not bad.all():
            nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)
            from_row, from_col = nearest[(slice(None), *core)]
            down = np.arange(bad.shape[0])[core[0], None]
            across = np.arange(bad.shape[1])[None, core[1]]
            near = gaps & ((from_row - down) ** 2 + (from_col - across) ** 2 <= reach**2)
            from_row, from_col = from_row[near], from_col[near]
        for band in np.flatnonzero(np.asarray(masks) == first):
            target = mosaic[(band, *core)]
            filling = None if near is None else mosaic[band, from_row, from_col]
            np.copyto(target, means[band], where=gaps, casting="unsafe")
            if near is not None:
                target[near] = filling
