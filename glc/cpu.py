"""Processor time of this process and of all processes below it."""

import contextlib

import psutil

from glc import memory


def seconds() -> float:
    """Seconds of processor time that this process and all below it have used, children that have ended included.

    The difference of two calls is what was used in between: the time of a child that ends moves to its parent (not on
    macOS, where children that have ended are not counted).
    """
    total = 0.0
    for process in memory.family():
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            total += sum(psutil.Process(process).cpu_times()[:4])  # user, system, and of children that were waited for
    return total
