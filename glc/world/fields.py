"""Smooth random fields over the plane: filtered noise on a periodic grid, looked up anywhere.

A field is known by (seed, name); its correlation length is metres. Two copies of its grid, turned against each other,
are added, so that the period (128 lengths) is never seen.
"""

import zlib
from functools import lru_cache

import numpy as np
from scipy import ndimage

from glc.geo import EARTH_RADIUS_M

_CELLS = 512
_CELLS_PER_LENGTH = 4
_MERIDIAN = 10.0
_TURN = np.radians(33.7)


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """A NumPy generator that depends on `seed` and on `keys` (strings or non-negative integers), nothing else."""
    words = [zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys]
    return np.random.default_rng([seed, len(words), *words])  # NumPy takes [1, 2] and [1, 2, 0] for one seed


def plane(lon, lat):
    """Metres (x, y) of degrees on a sinusoidal plane, cheap and equal-area; only the world's own fields live on it."""
    lon, lat = np.radians(np.asarray(lon, float) - _MERIDIAN), np.radians(np.asarray(lat, float))
    return EARTH_RADIUS_M * lon * np.cos(lat), EARTH_RADIUS_M * lat


def noise(seed, name, x, y, length_m):
    """A Gaussian field of mean 0 and variance 1 with correlation length `length_m`.

    x, y : metres of `plane`, of one shape; returns float32 of that shape
    """
    grid = _grid(seed, name)
    u = np.asarray(x) * (_CELLS_PER_LENGTH / length_m)
    v = np.asarray(y) * (_CELLS_PER_LENGTH / length_m)
    turned = u * np.cos(_TURN) - v * np.sin(_TURN) + 0.37 * _CELLS, u * np.sin(_TURN) + v * np.cos(_TURN)
    total = _look_up(grid, v, u) + _look_up(grid, *turned)
    return total / np.float32(np.sqrt(2))


def texture(seed, name, length, side=256):
    """A periodic (side, side) float32 noise image of mean 0 and variance 1; `length` is in pixels, 0 is white noise."""
    return _filtered(generator(seed, "texture", name), side, length)


def _look_up(grid, row, column):
    return ndimage.map_coordinates(grid, [row, column], order=1, mode="grid-wrap", output=np.float32)


@lru_cache(maxsize=64)
def _grid(seed, name):
    return _filtered(generator(seed, "field", name), _CELLS, _CELLS_PER_LENGTH)


def _filtered(rng, side, length):
    white = rng.standard_normal((side, side))
    frequency = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.rfftfreq(side)[None, :] ** 2
    # a Gaussian filter of standard deviation length/2 gives the correlation exp(-(d / length)^2)
    smooth = np.fft.irfft2(np.fft.rfft2(white) * np.exp(-2 * np.pi**2 * frequency * (length / 2) ** 2), s=white.shape)
    return ((smooth - smooth.mean()) / smooth.std()).astype(np.float32)
