"""Scores of surveys, all of whose species have one, with what the surveys hold."""

from pathlib import Path

import numpy as np
from scipy import sparse

from glc.errors import DataError

SURVEYS, CLASSES = 4_716, 11_255
_RARER = 1.1
"""Power with which species become rarer."""


def prepare(folder: Path, scale: float) -> None:
    """Write probabilities and presences drawn by them.

    folder : gets ``scores.npy`` and ``present.npy``
    scale : share of the surveys
    """
    rng = np.random.default_rng(0)
    count = max(20, round(SURVEYS * scale))
    scores = np.lib.format.open_memmap(folder / "scores.npy", "w+", np.float32, (count, CLASSES))
    present = np.lib.format.open_memmap(folder / "present.npy", "w+", bool, (count, CLASSES))
    common = -_RARER * np.log(np.arange(1, CLASSES + 1))
    for row in range(count):
        p = np.exp(common + rng.normal(0, 1.5, CLASSES))
        p *= np.clip(rng.gamma(1.7, 10), 1, 150) / p.sum()
        scores[row] = np.minimum(p, 0.95)
        present[row] = rng.random(CLASSES) < p
    scores.flush()
    present.flush()


def matrices(folder: Path) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Scores and presences, as decoding takes them."""
    scores, present = read(folder)
    return sparse.csr_matrix(np.asarray(scores)), sparse.csr_matrix(np.asarray(present))


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, m) float32 and presences (n, m) bool; what is not used is not read."""
    return np.load(folder / "scores.npy", mmap_mode="r"), np.load(folder / "present.npy", mmap_mode="r")


def some(folder: Path, rows: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Scores and presences of the first `rows` surveys at most, and what share of all they are."""
    scores, present = read(folder)
    return np.array(scores[:rows]), np.array(present[:rows]), min(rows, len(scores)) / len(scores)


def check(folder: Path, results: dict[str, Path], tolerance: float = 0.0) -> None:
    """A DataError where ours differs from the other in the surveys that the other has done.

    results : name of a way -> folder with ``result.npz``, arrays with an entry per survey, ours first
    tolerance : of numbers, absolute
    """
    mine, other = (np.load(out / "result.npz") for out in results.values())
    for name in other.files:
        own, plain = mine[name][: len(other[name])], other[name]
        differ = np.abs(own.astype(float) - plain.astype(float)) > tolerance
        if differ.any():
            at = tuple(np.argwhere(differ)[0])
            raise DataError(f"{name}{list(map(int, at))}: found {own[at]}, expected {plain[at]}")
