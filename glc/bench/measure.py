"""Seconds and memory of the ways of a stage, each run in its own process."""

import contextlib
import importlib
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from glc import memory
from glc.bench.stage import Facts, Stage, Way
from glc.errors import DataError, GlcError

SHORT_S = 120
"""A way that takes less is run again: its first run warms up and tells the memory, the table has the median time of the
others, at which nobody looks: each look halts a process, one that allocates much for longest."""
INTERVAL_S = 0.2
"""Between two looks at the memory."""


@dataclass(frozen=True)
class Line:
    """What was measured of one way.

    seconds : of the whole work, median of the runs; without the start of Spark
    start_s : of the start of Spark; 0 where it is not used
    share : part of the work that was done; the seconds are scaled by it
    rows : count of what a run made
    peak_bytes : highest PSS of the process and its children, Java included, in the first run; or what a run counts
    runs : seconds of the runs that count
    """

    way: str
    seconds: float
    start_s: float
    share: float
    rows: int
    peak_bytes: int
    runs: list[float] = field(default_factory=list)


class DisagreementError(DataError):
    """The results of the ways of a stage disagree; `lines` is what was measured of them all the same."""

    def __init__(self, cause: GlcError, lines: list["Line"]) -> None:
        super().__init__(str(cause))
        self.lines = lines


def measure(stage: Stage, scratch: Path, scale: float, runs: int, tell: Callable[[str], None]) -> list[Line]:
    """A line per way, ours first; a `DisagreementError` where the results are not the same.

    scratch : folder for data and results, which this removes
    scale : size of the data, 1 as the stage's title says
    runs : how often a short way is run after its warm-up; 0: all ways once, without one
    tell : takes a line about the progress
    """
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        tell("data")
        began = time.perf_counter()
        stage.prepare(data, scale)
        tell(f"data: {time.perf_counter() - began:.0f} s")
        results = {way.name: folder / str(i) for i, way in enumerate(stage.ways)}
        lines = [_line(way, data, results[way.name], runs, not stage.counts_memory, tell) for way in stage.ways]
        try:
            stage.check(data, results)
        except GlcError as error:
            raise DisagreementError(error, lines) from error
    return lines


def _line(way: Way, data: Path, out: Path, runs: int, sampled: bool, tell: Callable[[str], None]) -> Line:
    """Run one way, again where it is short; `out` holds the results of its last run."""
    taken = [_run(way, data, out, sampled)]
    tell(f"{way.name}: {taken[0].seconds:.1f} s, {taken[0].peak_bytes / 2**30:.2f} GB")
    if runs and taken[0].seconds < SHORT_S:
        again = []
        for _ in range(runs):
            shutil.rmtree(out)
            again.append(_run(way, data, out, False))
            tell(f"{way.name}: {again[-1].seconds:.1f} s")
        peaks = [run.peak_bytes for run in (*taken, *again)]
        taken = again
    else:
        peaks = [taken[0].peak_bytes]
    share = taken[-1].facts.get("share", 1.0)
    return Line(
        way.name,
        statistics.median(run.seconds for run in taken) / share,
        statistics.median(run.facts.get("start_s", 0.0) for run in taken),
        share,
        taken[-1].facts["rows"],
        max(peaks),
        [run.seconds for run in taken],
    )


@dataclass(frozen=True)
class _Run:
    seconds: float
    facts: Facts
    peak_bytes: int


def _run(way: Way, data: Path, out: Path, sampled: bool) -> _Run:
    """One run in a new process, whose imports are done before the time starts."""
    out.mkdir()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        process = pool.submit(_begin, way.run.__module__).result()
        with _sampled(process) if sampled else contextlib.nullcontext([0]) as peak:
            seconds, facts = pool.submit(_timed, way.run, data, out).result()
    if not facts.get("rows"):
        raise DataError(f"{way.name}: the run returned {facts}; expected at least one row")
    counted = facts.get("seconds", seconds - facts.get("start_s", 0.0))
    return _Run(counted, facts, facts.get("peak_bytes", peak[0]))


def _begin(module: str) -> int:
    importlib.import_module(module)
    return os.getpid()


def _timed(run: Callable[[Path, Path], Facts], data: Path, out: Path) -> tuple[float, Facts]:
    began = time.perf_counter()
    facts = run(data, out)
    return time.perf_counter() - began, facts


@contextlib.contextmanager
def _sampled(process: int) -> Iterator[list[int]]:
    """Yields a list of one number, the highest PSS of a process and its children so far."""
    peak, ended = [memory.proportional(process)], threading.Event()

    def look() -> None:
        while not ended.wait(INTERVAL_S):
            peak[0] = max(peak[0], memory.proportional(process))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        peak[0] = max(peak[0], memory.proportional(process))
        ended.set()
        thread.join()
