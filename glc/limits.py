"""A command with limits of time and memory: the one that reaches a limit is stopped, and nothing of it runs on."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glc import memory
from glc.errors import GlcError

LOOK_EVERY = 0.5
"""Seconds between two looks at a command."""
_LINES = 5


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    how : finished by itself; or stopped, because of its time or its memory
    seconds : wall clock
    peak_bytes : highest resident memory of all its processes together, of the moments that were looked at
    """

    how: Literal["finished", "time", "memory"]
    seconds: float
    peak_bytes: int


def run(
    command: Sequence[str],
    log: Path,
    *,
    seconds: float,
    memory_bytes: float,
    grace: float = 30.0,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[float], object] = lambda elapsed: None,
) -> Ended:
    """Run a command until it ends or reaches a limit.

    command : program and arguments
    log : file that gets all it prints
    seconds : limit of the wall clock
    memory_bytes : limit of the resident memory of all its processes together
    grace : seconds from SIGTERM, by which it can clean up, to SIGKILL, which nothing survives
    environment : variables of the command; None: those of this process
    watch : called at each look with the seconds since the start
    returns : `Ended`
    raises : GlcError with the last lines of the log, if the command fails by itself

    The command leads a process group of its own, which is gone when this returns or raises.
    """
    started, peak = time.monotonic(), 0
    with log.open("wb") as printed:
        process = subprocess.Popen(
            command, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True, env=environment
        )
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    code = process.wait(LOOK_EVERY)
                    break
                elapsed = time.monotonic() - started
                resident = memory.resident(process.pid)
                peak = max(peak, resident)
                if elapsed >= seconds or resident > memory_bytes:
                    _stop(process, grace)
                    return Ended("time" if elapsed >= seconds else "memory", time.monotonic() - started, peak)
                watch(elapsed)
        finally:
            _stop(process, grace)
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = "; ".join(line.strip() for line in lines[-_LINES:]) or "it printed nothing"
        raise GlcError(f"{' '.join(command[:4])} …: ended with code {code}, expected 0: {last}")
    return Ended("finished", time.monotonic() - started, peak)


def _stop(process, grace):
    """Stop a process, if it still runs, and whatever is left of its group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    with suppress(ProcessLookupError, PermissionError):  # nobody is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
