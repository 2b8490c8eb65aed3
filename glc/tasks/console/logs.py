"""Where everything goes that is not for the screen: one file per command."""

import itertools
import logging
import logging.handlers
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

from glc.errors import explain, visible
from glc.tasks.console.journal import Journal


class _Format(logging.Formatter):
    """Lines that are safe to look at in a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


_FORMAT = _Format("%(asctime)s %(levelname)s %(name)s: %(message)s")
_MOST = 10_000
"""Records that are kept until the file is open."""


class _Screen(logging.Handler):
    """Notes of what must not be missed: our warnings, unknown settings, and errors outside of any task."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self.journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] == "glc":
            self.journal.note("warning", text=record.getMessage())
        elif record.name == "py.warnings" and "UnconsumedParameterWarning: " in record.getMessage():
            self.journal.note(
                "warning", text=record.getMessage().split("UnconsumedParameterWarning: ")[1].split("\n")[0]
            )
        elif record.name == "luigi-interface" and record.msg == "Uncaught exception in luigi":
            error = record.exc_info[1] if record.exc_info else None
            self.journal.note("failure", text=explain(error) if error else record.getMessage())


class Logs:
    """Logging of a command: kept in memory until `open` says where ROOT is, then in a file.

    From then on file descriptors 1 and 2 lead to the file as well, for what Java and C libraries print; only the
    console keeps the screen.
    """

    def __init__(self, journal: Journal, command: list[str], verbose: bool) -> None:
        self.path: Path | None = None
        self.verbose = verbose
        self._name = _file_name(command)
        self._screen: tuple[int, int] | None = None
        self._memory = logging.handlers.MemoryHandler(_MOST, flushLevel=logging.CRITICAL + 1)
        self._handlers: list[logging.Handler] = []
        for handler in (self._memory, _Screen(journal)):
            self._add(handler)
        if verbose:
            stream = logging.StreamHandler()
            stream.setFormatter(_Format("%(levelname)s: %(message)s"))
            self._add(stream)
        self._levels = {name: logging.getLogger(name).level for name in ("luigi", "luigi-interface", "glc")}
        for name in self._levels:
            logging.getLogger(name).setLevel(logging.INFO)
        logging.captureWarnings(True)

    def _add(self, handler: logging.Handler) -> None:
        logging.getLogger().addHandler(handler)
        self._handlers.append(handler)

    def open(self, root: Path | None) -> TextIO:
        """Open ``root/logs/<time>-<command>.log``; the stream to use for the screen.

        root : None for a log among the temporary files
        """
        try:
            if root is None:
                raise OSError
            folder = root / "logs"
            folder.mkdir(parents=True, exist_ok=True)
            fd, self.path = self._create(folder)
        except OSError:  # ROOT cannot be written; the task that tries says so
            fd, self.path = self._create(Path(tempfile.gettempdir()))
        handler = logging.FileHandler(self.path)
        handler.setFormatter(_FORMAT)
        self._add(handler)
        logging.getLogger().removeHandler(self._memory)
        self._memory.setTarget(handler)
        self._memory.close()
        sys.stdout.flush()
        sys.stderr.flush()
        self._screen = os.dup(1), os.dup(2)
        if not self.verbose:
            os.dup2(fd, 1)
            os.dup2(fd, 2)
        os.close(fd)
        return os.fdopen(os.dup(self._screen[1]), "w")

    def _create(self, folder: Path) -> tuple[int, Path]:
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{self._name}.log"
        if path.exists():
            path = path.with_stem(f"{path.stem}-{os.getpid()}")
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), path

    def exception(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """Log an exception that nothing caught."""
        logging.getLogger("luigi-interface").error("stopped", exc_info=(kind, error, traceback))

    def close(self) -> tuple[TextIO, TextIO]:
        """The screen's standard output and standard error; from here on they are the process's own again."""
        sys.stdout.flush()
        sys.stderr.flush()
        if self._screen is None:
            return sys.stdout, sys.stderr
        out, error = (os.fdopen(os.dup(fd), "w") for fd in self._screen)
        return out, error

    def restore(self) -> None:
        """Leave logging and file descriptors 1 and 2 as they were before."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        logging.captureWarnings(False)
        if self._screen is not None:
            for copy, own in zip(self._screen, (1, 2), strict=True):
                os.dup2(copy, own)
                os.close(copy)
            self._screen = None


def _file_name(command: list[str]) -> str:
    """The command's task and experiment, as part of a file's name."""
    words = [word for word in command if not word.startswith("-")]
    values = dict(itertools.pairwise(command))
    module = values.get("--module")
    task = next((word for word in words if word[:1].isupper() or ("." in word and word != module)), "luigi")
    name = "-".join(part for part in (task, values.get("--experiment", "")) if part)
    return re.sub(r"[^A-Za-z0-9._=+,-]+", "_", name)[:80]
