"""What a person sees of a run: its stages while they run, then the scores and paths, or what failed and why.

The same for ``glc run``, for ``luigi --module glc.tasks …`` and for ``python -m luigi --module tasks.… …``:

- on a terminal one live table on standard error, in a pipe one line per stage, or per several of a long run;
- everything else (Luigi's, Spark's, Lightning's output, warnings) goes to ``ROOT/logs/<time>-<command>.log``, and with
  ``--verbose`` (``--machine-verbose`` behind ``luigi``, or ``verbose = true`` in luigi.cfg) to the screen too;
- results end on standard output, failures and the place of the log on standard error. Exit codes are those of
  ``[retcode]`` in luigi.cfg; 130 after Ctrl-C and 143 after SIGTERM (`signals`).

Tasks that Python code runs with `glc.tasks.run` (`program`) show their stages, too; with ``luigi.build`` they print as
Luigi does.
"""

import atexit
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import luigi
from luigi.retcodes import run_with_retcodes
from luigi.task_register import TaskClassNotFoundException

from glc import progress
from glc.errors import UNHANDLED, GlcError, cause, debugging, explain
from glc.tasks import leftovers
from glc.tasks.console import options, screen, signals
from glc.tasks.console.journal import Journal
from glc.tasks.console.logs import Logs
from glc.tasks.console.stages import Stages, describe
from glc.tasks.console.task import NOTICE, ConsoleTask
from glc.tasks.machine import machine, output_folder

log = logging.getLogger(__name__)
REPORT_EVERY = 0.5
"""Seconds between two reports of a bar; the scheduler's page gets one in `PAGE_EVERY`."""
PAGE_EVERY = 5.0


class Console:
    """The console of one command. `start` takes over logging; the first event of a task takes over the screen."""

    def __init__(self, command: list[str]) -> None:
        self.pid = os.getpid()
        self.command = command
        self.journal = Journal()
        self.verbose = "--machine-verbose" in command or machine().verbose
        self.logs = Logs(self.journal, command, self.verbose)
        self.stages = Stages()
        self.view: screen.View | None = None
        self.scheduled: set[tuple[str, str]] = set()
        self.errors: list[BaseException] = []
        """What failed tasks of this process raised."""
        self.temporary = ExitStack()
        self.only_reads = False
        """Whether the command leaves nothing below ROOT."""

    @property
    def here(self) -> bool:
        """Whether this is the process of the command, and not that of a worker."""
        return os.getpid() == self.pid

    def begin(self, task: luigi.Task) -> None:
        """Take over the screen, once, when `task` is the first to be scheduled."""
        if self.view is not None or not self.here:
            return
        root = self.root_of(task)
        error_stream = self.logs.open(root)
        self.stages.name(task)
        self.view = (screen.Live if error_stream.isatty() and not self.verbose else screen.Plain)(
            self.journal, self.stages, error_stream
        )
        self.view.start()
        self.temporary.enter_context(leftovers.temporary_folder())
        if root is not None and (removed := leftovers.remove(root)):
            log.info("removed what killed runs have left: %s", ", ".join(map(str, removed)))

    def root_of(self, task: luigi.Task) -> Path | None:
        """The folder of all outputs, into whose ``logs`` the log goes; None of a command that only reads."""
        self.only_reads = isinstance(task, ConsoleTask) and task.only_reads
        return None if self.only_reads else Path(task.param_kwargs.get("root") or output_folder())

    def schedule(self, task: luigi.Task, state: str) -> None:
        """Count a task among the stages."""
        self.begin(task)
        if (task.task_id, state) not in self.scheduled:
            self.scheduled.add((task.task_id, state))
            self.journal.note(state, **describe(task))

    def uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """The excepthook: the message to the screen, the traceback to the log."""
        if issubclass(kind, KeyboardInterrupt):
            raise SystemExit(signals.code() or 130)  # Python would die of SIGINT, whichever signal it was
        if issubclass(kind, TaskClassNotFoundException) and not debugging():
            self.journal.note("failure", text=options.unknown_task(error))
            raise SystemExit(options.MISTYPED)
        self.journal.note("failure", text=explain(error))
        self.logs.exception(kind, error, trace)

    def end(self) -> None:
        """Print results and failures, as the last lines."""
        if not self.here:
            return
        if self.view is not None:
            self.view.stop()
        self.stages.read(self.journal)
        out, error_stream = self.logs.close()
        stages = self.stages
        for number, text in enumerate(stages.results):
            if not any(text in later for later in stages.results[number + 1 :]):  # a task repeats those of its parts
                print(text, file=out)
        out.flush()
        if self.logs.path and self.only_reads and not stages.failures:
            self.logs.path.unlink(missing_ok=True)
        elif self.logs.path:
            print(f"  log        {self.logs.path}", file=error_stream)
        if signals.code():
            print("Interrupted. Finished stages are kept; the same command continues from there.", file=error_stream)
        elif stages.not_run:
            print(stages.not_run, file=error_stream)
        for text in stages.failures:
            print(text, file=error_stream)
        error_stream.flush()
        self.temporary.close()


Handler: TypeAlias = Callable[..., None]
"""Called with the console, the task, and what Luigi tells of the event."""

_console: Console | None = None


def run(command: list[str]) -> None:
    """Run a Luigi command line, such as ``["Submission", "--dataset", …]``, and exit with its code."""
    start(command)
    try:
        run_with_retcodes(command)
    except (KeyboardInterrupt, SystemExit):
        if signals.code():
            sys.exit(signals.code())
        raise


def start(command: list[str]) -> None:
    """Have the console accompany the run of this Luigi command line; settings that cannot be used end it here."""
    global _console
    if _console is None:
        try:
            _console = Console(command)
        except GlcError as error:
            print(explain(error), file=sys.stderr)
            sys.exit(UNHANDLED)
        signals.catch()
        options.answer_in_one_line(command)
        sys.excepthook = _console.uncaught
        atexit.register(_console.end)


@contextmanager
def accompanied_by(console: Console) -> Iterator[None]:
    """Have `console` accompany what Luigi runs meanwhile."""
    global _console
    before, _console = _console, console
    try:
        yield
    finally:
        _console = before
        console.end()


def started_by_luigi() -> bool:
    """Whether this process is the command ``luigi`` or ``python -m luigi``."""
    program = Path(sys.argv[0])
    return program.stem == "luigi" or program.parent.name == "luigi"


def _on(event: str, kind: type[luigi.Task] = luigi.Task) -> Callable[[Handler], Handler]:
    """Register a handler that is called only where there is a console, as ``handler(console, task, …)``.

    kind : class of the tasks that it is called for
    """

    def register(handler: Handler) -> Handler:
        @kind.event_handler(event)
        def call(task: luigi.Task, *facts: object) -> None:
            if _console is None:
                return
            try:
                handler(_console, task, *facts)
            except Exception as error:  # Luigi logs and forgets it; the lines at the end would be missing unexplained
                _console.journal.note("failure", text=f"the display of this run is not whole: {error!r}")
                raise

        return handler

    return register


@_on(luigi.Event.DEPENDENCY_DISCOVERED)
def _discovered(console: Console, task: luigi.Task, dependency: luigi.Task) -> None:
    console.schedule(task, "waiting")
    console.schedule(dependency, "waiting")
    console.journal.note("needs", id=task.task_id, other=dependency.task_id)


@_on(luigi.Event.DEPENDENCY_PRESENT)
def _present(console: Console, task: luigi.Task) -> None:
    console.schedule(task, "present")


@_on(luigi.Event.DEPENDENCY_MISSING)
def _cannot_be_asked(console: Console, task: luigi.Task) -> None:
    """Luigi says here, and without the cause, that asking a task whether it is complete has failed."""
    console.schedule(task, "waiting")
    try:
        task.complete()
    except Exception as error:
        _failed(console, task, error)


@_on(luigi.Event.START)
def _started(console: Console, task: luigi.Task) -> None:
    if not console.here:
        signals.catch()
    console.schedule(task, "waiting")
    console.journal.note("running", **describe(task), at=time.time(), pid=os.getpid())
    reported = {"table": 0.0, "page": 0.0}

    def report(what: str, done: float, total: float | None) -> None:
        now = time.time()
        if now - reported["table"] >= REPORT_EVERY or done == total:
            reported["table"] = now
            console.journal.note("progress", id=task.task_id, what=what, done=done, total=total, at=now)
        if now - reported["page"] >= PAGE_EVERY and task.set_status_message and task.set_progress_percentage:
            reported["page"] = now
            with suppress(Exception):  # a scheduler that cannot be reached must not end a training
                task.set_status_message(what)
                if total:
                    task.set_progress_percentage(round(100 * done / total))

    progress.report_to(report)


@_on(luigi.Event.PROGRESS)
def _status(console: Console, task: luigi.Task, message: str) -> None:
    console.journal.note("status", id=task.task_id, what=message)


@_on(NOTICE)
def _notice(console: Console, task: luigi.Task, text: str) -> None:
    console.journal.note("notice", text=text)


@_on(luigi.Event.SUCCESS)
def _succeeded(console: Console, task: luigi.Task) -> None:
    progress.report_to(None)
    console.journal.note("done", id=task.task_id, at=time.time())


@_on(luigi.Event.FAILURE)
@_on(luigi.Event.BROKEN_TASK)
@_on(luigi.Event.PROCESS_FAILURE)
@_on(luigi.Event.TIMEOUT)
def _failed(console: Console, task: luigi.Task, error: BaseException | str) -> None:
    progress.report_to(None)
    if signals.code():
        return  # a library's way out of an interrupt
    console.schedule(task, "waiting")
    console.journal.note("failed", id=task.task_id, at=time.time())
    if isinstance(error, BaseException):
        console.errors.append(error)
    text = cause(error) if isinstance(error, BaseException) else error
    if debugging() and isinstance(error, BaseException):
        text = f"{text}\n{''.join(traceback.format_exception(error)).rstrip()}"
    facts = describe(task)
    label = " ".join(part for part in (facts["family"], facts["details"]) if part)
    console.journal.note("failure", text=f"FAILED {label}: {text}")


@_on(luigi.Event.SUCCESS, ConsoleTask)
@_on(luigi.Event.DEPENDENCY_PRESENT, ConsoleTask)
def _note_results(console: Console, task: ConsoleTask) -> None:
    task.bring()
    text = "\n".join(task.results())
    if text:
        console.journal.note("result", text=text)
