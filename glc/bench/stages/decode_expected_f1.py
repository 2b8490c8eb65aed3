"""The set size of the highest expected F1: by quadrature, and from the distributions of hits and misses."""

import time
from pathlib import Path

import numpy as np
import sklearn.isotonic  # noqa: F401 - the decoder imports it when it is fitted

from glc import config
from glc.bench import decoding
from glc.bench.stage import Facts, Stage, Way
from glc.prediction import decode, expected_f1, ranking

ROWS, LARGEST = 10, 150
"""Surveys of the loop; most species in a set."""
_REST = 400
"""Most species that a survey is taken to hold."""


def ours(folder: Path, out: Path) -> Facts:
    """The decoder, calibrated and with the spread of richness, fitted and applied; curves of some surveys to check."""
    matrices = decoding.matrices(folder)
    decoder = decode.make(config.Choice("expected_f1", {"largest": LARGEST}))
    began = time.perf_counter()
    ranked = ranking.rank(*matrices)
    decode.decide(decoder.fit(ranked), ranked, matrices[0].shape)
    seconds = time.perf_counter() - began
    p = ranked.block(0, min(ROWS, len(ranked.lengths)), decoding.CLASSES)
    np.savez(out / "result.npz", curves=expected_f1.curve(p, LARGEST))
    return {"rows": len(ranked.lengths), "seconds": seconds}


def loop(folder: Path, out: Path) -> Facts:
    """For each size the distribution of hits in the set, that of species missed, and the mean of F1 over both.

    Neither calibrated nor spread, which would be five such loops.
    """
    scores, _, share = decoding.some(folder, ROWS)
    began = time.perf_counter()
    curves = np.empty((len(scores), LARGEST))
    for i, row in enumerate(scores.astype(float)):
        p = np.sort(row)[::-1]
        missed = [np.ones(1)]  # of species from the last to the one behind a set
        for chance in p[::-1]:
            last = missed[-1]
            longer = np.append(last * (1 - chance), 0.0)
            longer[1:] += last * chance
            missed.append(longer[:_REST])
            if len(missed) > LARGEST + 1:
                missed.pop(0)
        hits = np.ones(1)
        for k in range(1, LARGEST + 1):
            hits = np.append(hits * (1 - p[k - 1]), 0.0) + np.append(0.0, hits * p[k - 1])
            rest = missed[LARGEST - k]
            count = np.arange(k + 1)[:, None]
            f1 = 2 * count / (k + count + np.arange(len(rest)))
            curves[i, k - 1] = hits @ f1 @ rest
    np.savez(out / "result.npz", curves=curves)
    return {"rows": len(scores), "share": share, "seconds": time.perf_counter() - began}


def check(folder: Path, results: dict[str, Path]) -> None:
    """A DataError where expected F1 differs by more than 1e-6."""
    decoding.check(folder, results, 1e-6)


STAGE = Stage(
    title=f"expected F1, {decoding.SURVEYS:,} × {decoding.CLASSES:,} scores, sets of up to {LARGEST}",
    wanted="less than 10 s",
    prepare=decoding.prepare,
    ways=(Way("glc, quadrature, calibrated, with spread", ours), Way("distributions of hits and misses", loop)),
    check=check,
)
