"""Which places are learned from: uniform on land by area, and batches without near-identical ones."""

import numpy as np
from scipy.spatial import cKDTree

from glc import geo
from glc.errors import ConfigError, DataError

_TRIES = 100
_AT_ONCE = 200_000
POINTS = 100_000
"""Places over the whole Earth, as the poster's C and D have."""


def fibonacci(n: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """`n` places evenly over the sphere: (lon, lat) in degrees, arrays (n,), of the golden-angle spiral."""
    i = np.arange(n)
    lat = np.degrees(np.arcsin(1 - (2 * i + 1) / n))
    lon = np.remainder(360 * i * (np.sqrt(5) - 1) / 2 + 180, 360) - 180
    return lon, lat


def uniform(n, bounds, rng):
    """`n` places, lon and lat in degrees, uniform by area between west, south, east and north."""
    west, south, east, north = bounds
    height = rng.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), n)
    return rng.uniform(west, east, n), np.degrees(np.arcsin(height))


def on_land(n, is_land, bounds, rng, where):
    """`n` places on land, uniform by area.

    is_land : function of lon, lat (m,) to (m,) boolean; where : names the source of it in the error
    """
    parts, count, share = [], 0, 0.3
    for tried in range(1, _TRIES + 1):
        lon, lat = uniform(min(_AT_ONCE, int(1.1 * (n - count) / share) + 100), bounds, rng)
        land = is_land(lon, lat)
        parts.append((lon[land], lat[land]))
        count += int(land.sum())
        share = max(land.mean(), 0.001)
        if count >= n:
            lon, lat = np.concatenate(parts, axis=1)[:, :n]
            return lon, lat
        if tried >= 5 and not count:
            break
    raise DataError(
        f"{where}: found {count:,} places on land of {n:,} within {tuple(round(x, 2) for x in bounds)}; expected more; "
        "name the band of land (land_band, land_least), or other bounds"
    )


def squares(lon, lat, degrees):
    """Numbers (n,) of the squares, `degrees` per side, that places lie in."""
    row, column = (np.floor((np.asarray(x, float) + half) / degrees) for x, half in ((lat, 90), (lon, 180)))
    return (row * 10_000_000 + column).astype(np.int64)


def held_out(lon, lat, share, rng, degrees):
    """Boolean (n,): places of randomly chosen whole squares, `degrees` per side, that together have about `share`."""
    cell = squares(lon, lat, degrees)
    ids, member, size = np.unique(cell, return_inverse=True, return_counts=True)
    order = rng.permutation(len(ids))
    before = size[order].cumsum() - size[order]
    return np.isin(member, order[before < share * len(cell)])


class Batches:
    """Row numbers of places by batches of exactly `size`, no two of one batch nearer than `apart_km`.

    Each `iter` is a new order that follows from `seed` and the number of the pass, or with `shuffle` off always the
    first. A place that is too near another waits for the next batch; what does not fill a batch at the end of a pass
    is left out of it (`left`), for the loss depends on the number of the others. A ConfigError tells where not one
    batch can be filled.
    """

    def __init__(self, lon, lat, size, apart_km=0.0, seed=0, shuffle=True):
        self.sphere = geo.unit_sphere(lon, lat)
        self.size, self.apart_km, self.seed, self.shuffle = size, apart_km, seed, shuffle
        self._passes, self.left = 0, 0

    def __iter__(self):
        rng = np.random.default_rng([self.seed, self._passes if self.shuffle else 0])
        self._passes += 1
        rows, made = rng.permutation(len(self.sphere)), 0
        while len(rows) >= self.size:
            batch, rows = self._take(rows)
            if len(batch) < self.size:
                rows = np.concatenate([batch, rows])
                break
            made += 1
            self.left = len(rows)  # before the yield: who counts batches never comes back after the last
            yield batch
        if not made:
            raise ConfigError(
                f"batch_size: found {self.size:,} of {len(self.sphere):,} places at least {self.apart_km:g} km apart, "
                "expected at least one full batch; lower batch_size or apart_km, or raise places"
            )

    def _take(self, rows):
        """The first `size` of `rows` that are apart from each other, or fewer, and the other rows."""
        if not self.apart_km:
            return rows[: self.size], rows[self.size :]
        chord = geo.chord(1000 * self.apart_km)
        batch, seen = rows[:0], 0
        waiting = []
        while len(batch) < self.size and seen < len(rows):
            new = rows[seen : seen + self.size - len(batch)]
            seen += len(new)
            near = self._too_near(np.concatenate([batch, new]), chord)[len(batch) :]
            waiting.append(new[near])
            batch = np.concatenate([batch, new[~near]])
        return batch, np.concatenate([*waiting, rows[seen:]])

    def _too_near(self, rows, chord):
        """Boolean (n,): nearer than `chord` to one before it that is not itself too near."""
        pairs = cKDTree(self.sphere[rows]).query_pairs(chord, output_type="ndarray")
        near = np.zeros(len(rows), bool)
        for first, second in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
            near[second] |= not near[first]
        return near
