"""Processor time of this process and of all processes below it."""

import contextlib
import os
from pathlib import Path

from glc import memory

_PROC = Path("/proc")
_FIRST = 11
"""Of proc(5) ``stat``, behind the name: user and system time, then those of children that were waited for."""


def seconds() -> float:
    """Seconds of processor time that this process and all below it have used, children that have ended included.

    The difference of two calls is what was used in between: the time of a child that ends moves to its parent. Where
    there is no /proc, children that still run are not counted.
    """
    processes = memory.family()
    if not processes:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system
    ticks = 0
    for process in processes:
        with contextlib.suppress(OSError, IndexError):  # ended meanwhile
            words = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, words[_FIRST : _FIRST + 4]))
    return ticks / os.sysconf("SC_CLK_TCK")
