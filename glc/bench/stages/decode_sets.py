"""The 25 best species, and those above a threshold: sorted together, and survey by survey."""

import time
from pathlib import Path

import numpy as np

from glc import config
from glc.bench import decoding
from glc.bench.stage import Facts, Stage, Way
from glc.prediction import decode, ranking

K, THRESHOLD = 25, 0.1


def ours(folder: Path, out: Path) -> Facts:
    """Both decoders on scores that are sorted once."""
    matrix, _ = decoding.matrices(folder)
    decoders = [
        decode.make(config.Choice(*each)) for each in (("top_k", {"k": K}), ("threshold", {"threshold": THRESHOLD}))
    ]
    began = time.perf_counter()
    ranked = ranking.rank(matrix)
    best, above = (decode.decide(decoder, ranked, matrix.shape) for decoder in decoders)
    seconds = time.perf_counter() - began
    np.savez(out / "result.npz", best=best.indices.reshape(-1, K), above=np.diff(above.indptr))
    return {"rows": matrix.shape[0], "seconds": seconds}


def loop(folder: Path, out: Path) -> Facts:
    """A survey at a time."""
    scores, _ = decoding.read(folder)
    began = time.perf_counter()
    best, above = np.empty((len(scores), K), int), np.empty(len(scores), int)
    for i, row in enumerate(scores):
        order = np.argsort(-row, kind="stable")
        best[i] = order[:K]
        above[i] = len(set(np.flatnonzero(row > THRESHOLD)) or {order[0]})
    np.savez(out / "result.npz", best=best, above=above)
    return {"rows": len(scores), "seconds": time.perf_counter() - began}


STAGE = Stage(
    title=f"top {K} and threshold, {decoding.SURVEYS:,} × {decoding.CLASSES:,} scores",
    wanted="less than 10 s",
    prepare=decoding.prepare,
    ways=(Way("glc, sorted together", ours), Way("a loop over surveys", loop)),
    check=decoding.check,
)
