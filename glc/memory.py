"""Memory: how one budget is divided, what the machine has, and the peak of the processes while a block runs."""

import contextlib
import ctypes
import gc
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

LEAST_GB = 2.0
"""The smallest budget: Python with its libraries takes 0.7 GB, Java at its smallest 0.8, Spark's workers the rest."""
JAVA_GB = 0.3
"""What Java takes besides its heap."""
PYTHON_GB = 0.7
"""What the program takes before it has read anything: libraries, torch among them."""
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where containers say their limit, version 2 and version 1."""
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


@dataclass(frozen=True)
class Budget:
    """Parts of ``[machine] memory_gb``, in bytes.

    java_heap : Spark's heap, a quarter
    pixels : decoded imagery that Spark's Python workers hold while tiles are cut, an eighth, all workers together
    readers : imagery of a net in memory, a quarter; of larger tables, the row groups that were read last
    The rest is for the program itself: libraries, Java besides its heap, survey tables, examples (at most 1 GB in
    memory), the model and its scores.
    """

    java_heap: int
    pixels: int
    readers: int

    @property
    def spark(self) -> str:
        """The heap as Spark's settings write it."""
        return f"{self.java_heap >> 20}m"


def divide(gigabytes: float) -> Budget:
    """Divide a budget in GB (2**30 bytes): ``divide(4)`` gives a heap of 1 GB, 0.5 for pixels and 1 for readers."""
    whole = gigabytes * 2**30
    return Budget(java_heap=int(whole / 4), pixels=int(whole / 8), readers=int(whole / 4))


def of_machine() -> float:
    """Memory that this process may use, GB: the machine's, or the limit of its container if that is less."""
    limits = [psutil.virtual_memory().total]
    for path in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            limits.append(int(path.read_text()))
    return min(limits) / 2**30


def most_processes(gigabytes: float) -> int:
    """How many processes may train a net together in a budget, GB, of which half is theirs."""
    return max(1, int(gigabytes / 2 / PYTHON_GB))


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
    reset = [_reset(process) for process in family()]
    try:
        yield measured
    finally:
        _see()
        _open[:] = [other for other in _open if other is not marks]
        if reset and reset[0] and marks:
            measured.bytes, measured.processes, measured.method = sum(marks.values()), len(marks), "VmHWM"
        else:
            measured.bytes, measured.processes, measured.method = _since_start(), 1, "getrusage"


def resident(process: int) -> int:
    """Bytes that a process and its descendants hold in memory now, shared pages counted in each.

    process : id
    """
    return sum(info.rss for info in _of_family(process, psutil.Process.memory_info))


def proportional(process: int) -> int:
    """Bytes that a process and its descendants hold in memory now, a shared page divided by its users (PSS, of Linux).

    process : id
    """
    return sum(info.pss for info in _of_family(process, psutil.Process.memory_full_info))


def _of_family(process, fact):
    for each in family(process):
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            yield fact(psutil.Process(each))


def give_back() -> None:
    """Give freed memory back to the system: pages that the C library and pyarrow keep for the next allocation.

    A run is one process, so that what one task freed would count in every later one.
    """
    import pyarrow as pa

    gc.collect()
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _see():
    """Take the high-water marks of now into all open blocks: the next reset would lose them."""
    if _open:
        current = {process: mark for process in family() if (mark := _high_water(process)) is not None}
        for marks in _open:
            for process, mark in current.items():
                marks[process] = max(mark, marks.get(process, 0))


def family(process: int | None = None) -> list[int]:
    """Ids of this (or that) process, first, and of all processes below it; none when it has ended."""
    try:
        first = psutil.Process(process)
        return [first.pid, *(child.pid for child in first.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


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
