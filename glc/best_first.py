"""Scores of surveys in order: the best first, the lower column first among equals."""

import numpy as np


def best_first(columns: np.ndarray, scores: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns int32 and scores float32 of each row in order, both (n, w), w the length of the longest row.

    columns, scores : (nnz,) of rows with `lengths` (n,) entries, as in a CSR matrix; scores float32

    Behind the entries of a row, and where a score is not positive, scores are zero. Positive floats are in the order
    of their bits, so that one whole number holds a score and its column, and sorting numbers is several times as fast
    as sorting positions.
    """
    bits = np.where(scores > 0, scores, np.float32(0)).view(np.uint32)  # a negative zero has a bit set
    packed = np.invert(bits, out=bits).astype(np.uint64)
    packed <<= np.uint64(32)
    packed |= columns.astype(np.uint32, copy=False)
    keys = rectangle(packed, lengths, np.uint64(0xFFFFFFFF) << np.uint64(32))
    keys.sort(axis=1)
    order = (keys & np.uint64(0xFFFFFFFF)).astype(np.int32)
    keys >>= np.uint64(32)
    bits = keys.astype(np.uint32)
    return order, np.invert(bits, out=bits).view(np.float32)


def rectangle(values: np.ndarray, lengths: np.ndarray, fill: float | np.uint64) -> np.ndarray:
    """Values of rows (nnz,) as (n, w), each row filled up with `fill`."""
    width = int(lengths.max(initial=0))
    if (lengths == width).all():
        return values.reshape(len(lengths), width)
    filled = np.full((len(lengths), width), fill, values.dtype)
    filled[np.arange(width) < lengths[:, None]] = values
    return filled
