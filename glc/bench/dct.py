"""Tile compression side by side: tiles a second of scipy's DCT and of two matrix products, and of reading the pixels.

python -m glc.bench.dct [--tiles N] [--size N] [--block K] [--threads T]
"""

import argparse
import time

import numpy as np
from scipy import fft
from threadpoolctl import threadpool_limits

from glc import dct
from glc.errors import run_command
from glc.progress import tqdm


def measure(tiles=2_000, size=128, block=8, threads=1, rounds=5, seed=0):
    """List of dicts (method, tiles a second: the best of `rounds`, taken by turns); all methods on the same float32.

    The transforms are compared before they are timed: they give the same coefficients to 1e-4 of the largest.
    """
    x = np.random.default_rng(seed).normal(size=(tiles, size, size)).astype(np.float32)
    methods = {
        "scipy.fft.dctn, one tile at a time": lambda: [
            fft.dctn(tile, norm="ortho")[:block, :block].copy() for tile in x
        ],
        "scipy.fft.dctn, batched": lambda: fft.dctn(x, norm="ortho", axes=(-2, -1), workers=threads)[
            :, :block, :block
        ].copy(),
        "glc.dct.compress": lambda: dct.compress(x, block),
        "reading the pixels": lambda: x.sum(),
    }
    seconds = dict.fromkeys(methods, np.inf)
    with threadpool_limits(threads), tqdm(total=rounds * len(methods), desc="rounds", unit="run") as bar:
        wanted, *others, _ = (np.asarray(run()) for run in methods.values())
        for other in others:
            np.testing.assert_allclose(other, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
        for _ in range(rounds):
            for method, run in methods.items():
                began = time.perf_counter()
                run()
                seconds[method] = min(seconds[method], time.perf_counter() - began)
                bar.update()
    return [{"method": method, "tiles_per_s": tiles / taken} for method, taken in seconds.items()]


def table(lines):
    """The lines of `measure` as text; the ratio is to the first."""
    rows = [f"{'method':<36}{'tiles/s':>12}{'ratio':>8}"]
    for line in lines:
        ratio = line["tiles_per_s"] / lines[0]["tiles_per_s"]
        rows.append(f"{line['method']:<36}{line['tiles_per_s']:>12,.0f}{ratio:>8.1f}")
    return "\n".join(rows)


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m glc.bench.dct", description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=2_000, help="how many, all in memory (default: %(default)s)")
    parser.add_argument("--size", type=int, default=128, help="pixels a side (default: %(default)s)")
    parser.add_argument("--block", type=int, default=8, help="terms kept an axis (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the transforms (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    lines = measure(chosen.tiles, chosen.size, chosen.block, chosen.threads)
    print(f"{chosen.block} x {chosen.block} terms of {chosen.size} x {chosen.size} float32, {chosen.threads} thread(s)")
    print(table(lines))


if __name__ == "__main__":
    run_command(main)
