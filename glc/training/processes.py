"""A training in several processes of this machine: they are started, watched, and none outlives the program.

`run` calls a function in each of them; the functions meet (`glc.training.part`). Progress and the log of the first come
to this process. Where one fails or is killed, the others are stopped and the error is raised here.
"""

import contextlib
import logging
import logging.handlers
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

import torch

from glc import memory, progress
from glc.errors import GlcError
from glc.training import arguments
from glc.training.machine import Machine
from glc.training.part import Part
from glc.types import Keywords

GRACE_SECONDS = 2.0
"""After a process has failed, for the others to fail too: the first that is noticed need not be the cause."""
T = TypeVar("T")


def run(function: Callable[..., T], machine: Machine, scratch: Path, **settings: Keywords) -> T:
    """Call ``function(machine=…, **settings)``, in `machine.devices` processes if that is more than one.

    function : of a module; in each process `machine.part` says which one it is
    scratch : an existing folder for files that go when it returns; large arrays in `settings` are written there
    settings : what pickle can hold
    returns : what the first process returns

    A GlcError that a process raises is raised here, and one that says which process was killed.
    """
    if machine.devices == 1:
        return function(machine=machine, **settings)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".processes-") as name:
        folder = Path(name).resolve()
        threads = max(1, (machine.threads or torch.get_num_threads()) // machine.devices)
        arguments.write(folder, (function, replace(machine, threads=threads), settings))
        with _started(folder, machine.devices) as children:
            return _watch(children)


@dataclass
class _Child:
    process: BaseProcess
    pipe: Connection
    finished: bool = False
    result: Keywords = None
    error: BaseException | None = None
    trace: str = ""

    def read(self) -> None:
        """Take what the process has sent."""
        try:
            while self.pipe.poll():
                kind, content = self.pipe.recv()
                if kind == "progress":
                    listener = progress.listener()
                    if listener:
                        listener(*content)
                elif kind == "log":
                    logging.getLogger(content.name).handle(content)
                elif kind == "result":
                    self.finished, self.result = True, content
                else:
                    self.error, self.trace = content
        except (EOFError, OSError):
            return

    @property
    def failed(self) -> bool:
        return self.error is not None or bool(self.trace) or (self.process.exitcode is not None and not self.finished)


@contextlib.contextmanager
def _started(folder: Path, count: int) -> Iterator[list[_Child]]:
    """The processes, which have ended when the block does."""
    context, children = get_context("spawn"), []
    try:
        for index in range(count):
            here, there = context.Pipe()
            part = Part(index, count, folder / "meeting")
            level = logging.getLogger().getEffectiveLevel()
            process = context.Process(
                target=_child,
                args=(folder, part, there, level, progress.listener() is not None),
                name=f"training {index + 1}",
            )
            process.start()
            there.close()  # so that its end is seen when the process ends
            children.append(_Child(process, here))
        yield children
    finally:
        for child in children:
            child.pipe.close()
            if not child.finished and child.process.is_alive():
                child.process.terminate()
        for child in children:
            child.process.join(GRACE_SECONDS)
            if child.process.is_alive():
                child.process.kill()
                child.process.join()


def _watch(children: list[_Child]) -> Keywords:
    """Pass on what the processes say until all have finished; what the first returns."""
    while not all(child.finished for child in children):
        wait([end for child in children if not child.finished for end in (child.pipe, child.process.sentinel)])
        for child in children:
            child.read()
        if any(child.failed for child in children):
            _raise(children)
    with memory.peak():  # an open measurement sees the processes once more before they end
        pass
    return children[0].result


def _raise(children: list[_Child]) -> None:
    """Raise the cause of a failure: a process that was killed, else an error of ours, else any."""
    for child in children:
        child.process.join(GRACE_SECONDS / len(children))
        child.read()
    for number, child in enumerate(children, 1):
        code = child.process.exitcode
        if code is not None and code < 0:
            raise GlcError(
                f"training: process {number} of {len(children)} was ended by {signal.Signals(-code).name}, and the "
                "others were stopped; if the machine ran out of memory, use fewer devices ([machine] devices) or a "
                "smaller train.batch_size; the same command continues from the last saved epoch"
            )
    for child in children:
        if isinstance(child.error, GlcError):
            raise child.error
    number, child = next((number, child) for number, child in enumerate(children, 1) if child.failed)
    raise RuntimeError(
        f"training: process {number} of {len(children)} failed, so the others were stopped:\n"
        + (child.trace or f"it ended with code {child.process.exitcode}; its messages are in the log")
    )


def _child(folder: Path, part: Part, pipe: Connection, level: int, reports: bool) -> None:
    """What a process does: call the function, send what comes of it, and wait until it may end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sending = threading.Lock()

    def send(kind: str, content: Keywords) -> None:
        with sending, contextlib.suppress(OSError):
            pipe.send((kind, content))

    if part.first and reports:
        progress.report_to(lambda *values: send("progress", values))
    elif not part.first:
        progress.report_to(lambda *values: None)
    logging.getLogger().addHandler(_Sender(send) if part.first else logging.NullHandler())
    logging.getLogger().setLevel(level)
    try:
        function, machine, settings = arguments.read(folder)
        result = function(machine=replace(machine, part=part, progress=machine.progress and part.first), **settings)
    except GlcError as error:
        send("error", (error, traceback.format_exc()))
    except BaseException:
        send("error", (None, traceback.format_exc()))
    else:
        send("result", result if part.first else None)
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()  # nothing comes: the parent closes it once it has measured the memory
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of torch and of loggers may still run


class _Sender(logging.handlers.QueueHandler):
    """Sends records to the process that started this one."""

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue("log", record)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended."""
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
