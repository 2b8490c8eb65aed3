"""Running a task from Python code, such as a notebook: a line per stage, everything else in a log."""

import logging
import sys
from typing import TextIO, TypeVar

import luigi

from glc import progress
from glc.errors import GlcError
from glc.tasks import console, leftovers
from glc.tasks.console import screen

T = TypeVar("T", bound=luigi.Task)


def run(task: T) -> T:
    """Make the output of a task, and of all that it needs; what is finished is not repeated.

    task : of `glc.tasks`, such as ``Surveys(dataset="virtual:tiny")``
    returns : the task, whose output is in ``task.folder``
    errors : what the first task that failed has raised
    Standard output gets a line per stage; what Luigi, Spark and Lightning print goes to a file in ``ROOT/logs``.
    """
    program = Program([task.task_family])
    with console.accompanied_by(program):
        done = luigi.build([task], local_scheduler=True)
    if program.errors:
        raise program.errors[0]
    if not done:
        raise GlcError(f"{task!r} was not run; the reason is in {program.logs.path}")
    return task


class Program(console.Console):
    """The console of a call of `run`. It leaves the process as it was: signals, streams, temporary files."""

    def begin(self, task: luigi.Task) -> None:
        if self.view is not None:
            return
        root = self.root_of(task)
        self.stages.name(task)
        self._streams = sys.stdout, sys.stderr
        self.logs.open(root).close()
        screen_stream = self.logs.close()[0] if _is_descriptor(sys.stdout, 1) else sys.stdout
        # never closed: handlers that libraries make meanwhile, as Lightning does, keep it for good
        sys.stdout = sys.stderr = open(str(self.logs.path), "a", buffering=1)  # noqa: SIM115
        self.view = screen.Plain(self.journal, self.stages, screen_stream)
        self.view.start()
        if root is not None and (removed := leftovers.remove(root)):
            logging.getLogger(__name__).info("removed what killed runs have left: %s", ", ".join(map(str, removed)))

    def end(self) -> None:
        if self.view is not None:
            self.view.stop()
            sys.stdout, sys.stderr = self._streams
        progress.report_to(None)
        self.logs.restore()


def _is_descriptor(stream: TextIO, number: int) -> bool:
    """Whether a stream writes to this file descriptor; a notebook's sends messages instead."""
    try:
        return stream.fileno() == number
    except OSError:  # io.UnsupportedOperation
        return False
