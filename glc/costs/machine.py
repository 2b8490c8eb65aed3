"""The machine that runs, and how fast it is."""

import os
import platform
import time
from pathlib import Path

import numpy as np

from glc import memory
from glc.types import Facts

_CPU_INFO = Path("/proc/cpuinfo")
_TIMES = 15


def describe() -> Facts:
    """Processor, cores and memory of this machine."""
    return {"processor": processor(), "cores": os.cpu_count() or 1, "memory_gb": round(memory.of_machine(), 1)}


def processor() -> str:
    """The processor's name."""
    if _CPU_INFO.is_file():
        for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def calibration() -> float:
    """Seconds of one core for a fixed piece of work, as the stages do it: arithmetic on arrays, sorting, Python.

    The least of some repetitions, about 0.2 s together; other programs on the machine hardly change it.
    """
    numbers = np.random.default_rng(0).random(50_000)
    times = []
    for _ in range(_TIMES):
        began = time.thread_time()
        for _ in range(6):
            np.exp(-numbers * numbers).sum()
        np.sort(numbers)
        sum(number * 2 for number in range(50_000))
        times.append(time.thread_time() - began)
    return min(times)
