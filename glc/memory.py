"""The peak of resident memory while a block runs: of this process and of those below it, Spark's Java among them."""

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_RESET_PEAK = "5"  # proc(5): sets VmHWM of the process back to what is resident now

_open = []


@dataclass
class Peak:
    """What `peak` measured.

    bytes : sum over the processes of each one's own peak, which is at least the peak of their sum: the processes need
        not peak together, and pages they share count in each of them;
        an idle Java of an earlier task counts too
    processes : how many were counted; 0 until the block ends
    method : ``VmHWM``, or ``getrusage`` where the system has no high-water mark to set back; that is the peak since
        this process started, or of its largest finished child if that is more, and knows no running child
    """

    bytes: int = 0
    processes: int = 0
    method: str = ""


@contextlib.contextmanager
def peak() -> Iterator[Peak]:
    """Measure the peak resident memory of this process and its descendants during the block.

    Yields a `Peak` that is filled when the block ends, by an error too. Blocks may lie within one another. A child
    that is gone by then is not seen, unless a block within ended (or began) while it ran.
    """
    measured = Peak()
    marks = {}
    _see()
    _open.append(marks)
    reset = [_reset(process) for process in _family()]
    try:
        yield measured
    finally:
        _see()
        _open[:] = [other for other in _open if other is not marks]
        if reset and reset[0] and marks:
            measured.bytes, measured.processes, measured.method = sum(marks.values()), len(marks), "VmHWM"
        else:
            measured.bytes, measured.processes, measured.method = _since_start(), 1, "getrusage"


def _see():
    """Take the high-water marks of now into all open blocks: the next reset would lose them."""
    if _open:
        current = {process: mark for process in _family() if (mark := _high_water(process)) is not None}
        for marks in _open:
            for process, mark in current.items():
                marks[process] = max(mark, marks.get(process, 0))


def _family():
    """Ids of this process, first, and of all processes below it; none where there is no /proc."""
    children = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]  # a name may hold spaces and brackets
            children.setdefault(int(parent), []).append(int(folder.name))
    family = [os.getpid()] if children else []
    for process in family:
        family.extend(children.get(process, ()))
    return family


def _high_water(process):
    """Peak resident bytes of a process, or None when it has ended (or it is unknown)."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(process) / "status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    return None


def _reset(process):
    try:
        (_PROC / str(process) / "clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _since_start():
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
