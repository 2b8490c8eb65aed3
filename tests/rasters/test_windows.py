"""Windows of an array against one window at a time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc import dct
from glc.rasters import windows


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_cut_and_compress_equal_each_window_alone(rng):
    mosaic = rng.normal(size=(3, 60, 90))
    # repeated rows, overlapping and far apart columns, unsorted, one window twice
    top = np.array([5, 0, 5, 44, 5, 44, 5, 44])
    left = np.array([70, 0, 3, 74, 9, 0, 70, 30])
    size = 16
    alone = np.stack([mosaic[:, r : r + size, c : c + size] for r, c in zip(top, left, strict=True)])
    assert_array_equal(windows.cut(mosaic, top, left, size), alone)
    for block in (1, 4, size):
        made = windows.compress(mosaic, top, left, size, block)
        assert_allclose(made, dct.compress(alone, block), atol=1e-12)
    assert windows.compress(mosaic, top[:0], left[:0], size, 4).shape == (0, 3, 4, 4)


def test_fractions_count_the_pixels(rng):
    mask = rng.random((40, 50)) < 0.7
    top, left = rng.integers(0, 31, 20), rng.integers(0, 41, 20)
    alone = [mask[r : r + 10, c : c + 10].mean() for r, c in zip(top, left, strict=True)]
    assert_allclose(windows.fractions(mask, top, left, 10), alone, rtol=1e-6)
    assert (windows.fractions(np.zeros_like(mask), top, left, 10) == 0).all()
    assert (windows.fractions(np.ones_like(mask), top, left, 10) == 1).all()


def test_equal_masks_are_found(rng):
    a, b = rng.random((2, 5, 5)) < 0.5
    assert windows.distinct(np.stack([a, b, a, b])) == [0, 1, 0, 1]


def test_fill_takes_the_nearest_within_reach_else_the_mean(rng):
    valid = rng.random((2, 30, 40)) < 0.02
    values = rng.normal(size=(3, 30, 40))
    filled, means = values.copy(), np.array([10.0, 20.0, 30.0])
    masks, reach = [0, 1, 0], 5
    windows.fill(filled, valid, masks, means, reach)
    far = near = 0
    for band, mask in enumerate(masks):
        rows, cols = np.nonzero(valid[mask])
        for row, col in np.ndindex(30, 40):
            distance = np.hypot(rows - row, cols - col)
            if distance.min() > reach:
                assert filled[band, row, col] == means[band]
                far += 1
            else:  # one of the nearest where several are
                nearest = distance == distance.min()
                assert filled[band, row, col] in values[band, rows[nearest], cols[nearest]]
                near += 1
    assert far > 100
    assert near > 100


def test_fill_of_a_core_alone_is_the_fill_of_all(rng):
    valid = rng.random((2, 30, 40)) < 0.02
    values = rng.normal(size=(3, 30, 40))
    whole, part, means, masks = values.copy(), values.copy(), np.array([10.0, 20.0, 30.0]), [0, 1, 0]
    core = (slice(4, 25), slice(9, 40))
    windows.fill(whole, valid, masks, means, 5)
    windows.fill(part, valid, masks, means, 5, core)
    assert_array_equal(part[(slice(None), *core)], whole[(slice(None), *core)])
    around = np.ones((30, 40), bool)
    around[core] = False
    assert_array_equal(part[:, around], values[:, around])


def test_fill_of_nothing_valid_is_the_mean():
    mosaic = np.zeros((1, 4, 4))
    windows.fill(mosaic, np.zeros((1, 4, 4), bool), [0], [7.5], 2)
    assert (mosaic == 7.5).all()
