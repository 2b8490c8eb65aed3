"""Neighbours side by side: what each method finds of the true pairs, and how long it takes.

python -m glc.bench.neighbours [--places N] [--csv FILE] [--k K]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from glc import geo
from glc.errors import DataError, run_command
from glc.etl.spark import session
from glc.neighbours import cells, exact, lsh, recall

_RADIUS_M = 50_000


def virtual_places(n, seed=0):
    """A frame of `n` places in Europe, clustered as surveys are: clumps of log-normal size, 5 to 30 km across."""
    rng = np.random.default_rng(seed)
    clumps = max(1, n // 100)
    weight = rng.lognormal(0, 1.5, clumps)
    clump = rng.choice(clumps, n, p=weight / weight.sum())
    lat = rng.uniform(38, 58, clumps)[clump] + rng.normal(0, 1, n) * rng.uniform(0.04, 0.27, clumps)[clump]
    lon = rng.uniform(-5, 25, clumps)[clump] + rng.normal(0, 1, n) * rng.uniform(0.06, 0.4, clumps)[clump]
    return _places(lon, lat)


def csv_places(path, n=None, seed=0):
    """A frame of (at most `n`, drawn by `seed`) distinct surveys of a metadata CSV with lon, lat and surveyId."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; expected a CSV with the columns lon, lat, surveyId")
    with open(path) as file:
        separator = ";" if ";" in file.readline() else ","
    wanted = ["lon", "lat", "surveyId"]
    header = list(pd.read_csv(path, sep=separator, nrows=0))
    for column in wanted:
        if column not in header:
            raise DataError(f"{path}: column {column!r} is missing; found {header}, expected {wanted}")
    frame = pd.read_csv(path, sep=separator, usecols=wanted).dropna().drop_duplicates("surveyId")
    if n and n < len(frame):
        frame = frame.sample(n, random_state=seed)
    return _places(frame.lon.to_numpy(), frame.lat.to_numpy())


def _places(lon, lat):
    easting, northing = geo.project(lon, lat)
    frame = pd.DataFrame({"dataset": "places", "surveyId": np.arange(len(lon)), "lon": lon, "lat": lat})
    return frame.assign(easting=easting, northing=northing, crs=np.int32(3035), group=np.int32(-1))


def measure(spark, frame, *, k=0, seed=0):
    """List of dicts (method, seconds, pairs, and recall by radius) for the self-join of `frame` within 50 km.

    Seconds of the methods on Spark include reading the places and writing the table; the session is already warm.
    """
    methods = {
        "exact, Spark cells": lambda out: cells.write(spark, frame, frame, out, k=k, radius_m=_RADIUS_M),
        "exact, threads": lambda out: exact.write(frame, frame, out, k=k, radius_m=_RADIUS_M),
        "LSH as published (20 m)": lambda out: lsh.write(spark, frame, frame, out, k=k, radius_m=_RADIUS_M, seed=seed),
        "LSH auto (90 % at 10 km)": lambda out: lsh.write(
            spark, frame, frame, out, k=k, radius_m=_RADIUS_M, seed=seed, bucket_length="auto", recall_at_m=10_000
        ),
    }
    few = frame.iloc[:100]  # the first job of a session pays for starting its Python workers and compiling
    with tempfile.TemporaryDirectory() as scratch:
        cells.write(spark, few, few, Path(scratch) / "warm", k=1, radius_m=_RADIUS_M)
        lines = []
        for i, (method, run) in enumerate(methods.items()):
            print(f"{method} …", file=sys.stderr, flush=True)
            began = time.monotonic()
            facts = run(Path(scratch) / str(i))
            seconds = time.monotonic() - began
            lines.append({"method": method, "seconds": seconds, "pairs": facts["rows"]})
            for line in recall.against_exact(Path(scratch) / str(i), frame, frame, k=k, seed=seed):
                lines[-1][line["radius_m"]] = line["recall"]
    return lines


def table(lines):
    """The lines of `measure` as text; the ratio is of the seconds to those of the fastest."""
    fastest = min(line["seconds"] for line in lines)
    radii = recall.RADII_M
    head = f"{'method':<26}" + "".join(f"{f'≤{r // 1000} km':>9}" for r in radii)
    rows = [head + f"{'pairs':>12}{'seconds':>9}{'ratio':>8}"]
    for line in lines:
        shares = "".join(f"{'-' if line[r] is None else f'{100 * line[r]:.2f}%':>9}" for r in radii)
        ratio = f"{line['seconds'] / fastest:.1f}"
        rows.append(f"{line['method']:<26}{shares}{line['pairs']:>12,}{line['seconds']:>9.1f}{ratio:>8}")
    return "\n".join(rows)


def main(arguments=None):
    """Print the table of recall, seconds and ratio."""
    parser = argparse.ArgumentParser(prog="python -m glc.bench.neighbours", description=__doc__.splitlines()[0])
    parser.add_argument("--places", type=int, default=5_000, help="how many places (default: %(default)s)")
    parser.add_argument("--csv", help="metadata CSV to draw them from (default: virtual clustered places)")
    parser.add_argument("--k", type=int, default=0, help="nearest kept, 0 for all within 50 km (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    frame = csv_places(chosen.csv, chosen.places) if chosen.csv else virtual_places(chosen.places)
    lines = measure(session(), frame, k=chosen.k)
    kept = f"{chosen.k} nearest" if chosen.k else "all"
    print(f"{len(frame):,} places, {kept} within 50 km; recall of the true pairs by radius")
    print(table(lines))


if __name__ == "__main__":
    run_command(main)
