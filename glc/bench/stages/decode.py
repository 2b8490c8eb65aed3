"""The whole grid of k and threshold: in sums over sorted scores, and by a loop over its points and the surveys."""

import time
from pathlib import Path

import numpy as np

from glc import config
from glc.bench import decoding
from glc.bench.stage import Facts, Stage, Way
from glc.prediction import decode, ranking

ROWS = 40
"""Surveys of the loop."""
KS = range(1, 101)
THRESHOLDS = np.arange(0.10, 0.505, 0.01)


def _grid(ranked: ranking.Ranked) -> np.ndarray:
    decoder = decode.make(config.Choice("threshold_top_k", {}))
    decoder.fit(ranked)
    return np.array(decoder.facts["grid"]["f1"])


def ours(folder: Path, out: Path) -> Facts:
    """Scores sorted, the grid, and the sets of its best point."""
    matrices = decoding.matrices(folder)
    decoder = decode.make(config.Choice("threshold_top_k", {}))
    began = time.perf_counter()
    ranked = ranking.rank(*matrices)
    sets = decode.decide(decoder.fit(ranked), ranked, matrices[0].shape)
    seconds = time.perf_counter() - began
    first = np.arange(min(ROWS, len(ranked.lengths)))
    np.savez(out / "result.npz", grid=_grid(ranked.rows(first)))  # what the loop does
    return {"rows": sets.shape[0], "seconds": seconds}


def loop(folder: Path, out: Path) -> Facts:
    """Tighnari (section 3.7): for each k and threshold the set of each survey, its F1, and their mean."""
    scores, present, share = decoding.some(folder, ROWS)
    began = time.perf_counter()
    truth = [set(np.flatnonzero(row)) for row in present]
    order = np.argsort(-scores, axis=1, kind="stable")
    grid = np.zeros((len(KS), len(THRESHOLDS)))
    for i, k in enumerate(KS):
        for j, threshold in enumerate(THRESHOLDS):
            total = 0.0
            for row, best, held in zip(scores, order, truth, strict=True):
                chosen = set(best[:k]) | set(np.flatnonzero(row > threshold))
                total += 2 * len(chosen & held) / max(len(chosen) + len(held), 1)
            grid[i, j] = total / len(scores)
    np.savez(out / "result.npz", grid=grid)
    return {"rows": len(scores), "share": share, "seconds": time.perf_counter() - began}


def check(folder: Path, results: dict[str, Path]) -> None:
    """A DataError where the grids of the first surveys differ by more than what ours is rounded to."""
    decoding.check(folder, results, 1e-5)


STAGE = Stage(
    title=f"{len(KS)} × {len(THRESHOLDS)} grid of k and threshold, {decoding.SURVEYS:,} × {decoding.CLASSES:,} scores",
    wanted="at least 100 × faster, less than 10 s",
    prepare=decoding.prepare,
    ways=(Way("glc, sums over sorted scores", ours), Way("a loop over points and surveys", loop)),
    check=check,
)
