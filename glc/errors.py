"""Errors that name the place, what was found, what was expected, and the remedy."""

import difflib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from glc.types import StrPath

UNHANDLED = 40
"""Exit code of an error before any task has run, as in ``[retcode]`` of luigi.cfg."""


class GlcError(Exception):
    """Base of all errors this package raises on purpose; its message is written for the user."""


class ConfigError(GlcError):
    """An experiment, option or parameter that cannot be used."""


class DataError(GlcError):
    """A file, column or table that cannot be used."""


class MissingError(DataError):
    """There is no file at all of what was looked for."""


class DamagedError(DataError):
    """A finished output that is no longer what was written.

    folder : of the output
    path : of the file; actual, expected : in words
    """

    def __init__(self, folder: StrPath, path: StrPath, actual: str, expected: str) -> None:
        super().__init__(folder, path, actual, expected)  # all of them: an error may travel between processes
        self.folder, self.cause = Path(folder), f"{path}: found {actual}, expected {expected}"

    def __str__(self) -> str:
        return (
            f"{self.cause}; the output is damaged: run the same command with --repair (luigi: --machine-repair), or "
            f"remove {self.folder}"
        )


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """Return ``'; did you mean X?'`` for the nearest of `choices`, or an empty string."""
    close = difflib.get_close_matches(str(word), [str(choice) for choice in choices], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def debugging() -> bool:
    """Whether errors come with their traceback: ``DEBUG=1`` in the environment."""
    return os.environ.get("DEBUG", "") not in ("", "0")


def cause(error: BaseException) -> str:
    """The type and text of an error; of one that Java raised the innermost cause, without its stack of calls."""
    text = str(error)
    if re.search(r"^\s+at [\w.$<>/]+\(", text, re.M):
        causes = re.findall(r"^(?:Caused by: |: )(.+)$", text, re.M)
        text = f"{causes[-1]} (in Java; the log has the rest)" if causes else text.partition("\n")[0]
    return f"{type(error).__name__}: {text}"


def explain(error: BaseException) -> str:
    """What went wrong, for the user: our own errors speak for themselves, others need their type."""
    text = f"error: {error}" if isinstance(error, GlcError) else f"error: {cause(error)}"
    return "".join([*traceback.format_exception(error), text]) if debugging() else text


def run_command(command: Callable[[], object]) -> None:
    """Run the main function of a program; a GlcError ends it with its text on standard error and exit code 40."""
    try:
        command()
    except GlcError as error:
        print(explain(error), file=sys.stderr)
        sys.exit(UNHANDLED)
