"""Errors that name the place, what was found, what was expected, and the remedy."""

import difflib
import os
import re
import reprlib
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from glc.types import StrPath

UNHANDLED = 40
"""Exit code of an error before any task has run, as in ``[retcode]`` of luigi.cfg."""

_UNSEEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]")
"""What steers a terminal (all controls except tab and line feed), or turns the direction of the text around it."""


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


def shortened(value: object, most: int = 200) -> str:
    """The beginning of a value as Python writes it, for an error.

    Of a few lines of YAML that refer to each other, the whole would have gigabytes.
    """
    writer = reprlib.Repr()
    writer.maxlevel, writer.maxstring, writer.maxother, writer.maxlong = 4, most, most, most
    writer.maxlist = writer.maxtuple = writer.maxdict = writer.maxset = 20
    text = writer.repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def debugging() -> bool:
    """Whether errors come with their traceback: ``DEBUG=1`` in the environment."""
    return os.environ.get("DEBUG", "") not in ("", "0")


def visible(text: str) -> str:
    """Text from data as it may be printed: what steers a terminal becomes its code, such as ``\\u001b``, as in JSON."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """A name or title from data as it is stored: `visible`, with a space where it had a line break or a tab."""
    return visible(re.sub(r"\s*[\t\n\v\f\r]\s*", " ", text).strip())


def unexpected(error: BaseException) -> bool:
    """Whether nobody foresaw an error: it is neither ours, nor the machine's, nor about Luigi's command line."""
    own = isinstance(error, GlcError | OSError | MemoryError)
    return not own and type(error).__module__.partition(".")[0] not in ("luigi", "torch")


def cause(error: BaseException) -> str:
    """Type and text of an error: of one that Java raised the innermost cause; of one that is `unexpected`, this too."""
    text = str(error)
    if re.search(r"^\s+at [\w.$<>/]+\(", text, re.M):  # a page of Java's stack, which the log has
        causes = re.findall(r"^(?:Caused by: |: )(.+)$", text, re.M)
        first = causes[-1] if causes else text.partition("\n")[0]
        return f"{type(error).__name__}: {first} (in Java; the log has the rest)"
    text = f"{type(error).__name__}: {text}"
    if unexpected(error):
        text = f"unexpected {text}; a fault of glc, or a file that it does not know: please report it with the log"
    return text


def explain(error: BaseException) -> str:
    """What went wrong, for the user: our own errors speak for themselves, others need their type."""
    text = f"error: {error if isinstance(error, GlcError) else cause(error)}"
    return visible("".join([*traceback.format_exception(error), text]) if debugging() else text)


def run_command(command: Callable[[], object]) -> None:
    """Run the main function of a program; an error ends it with its text on standard error and exit code 40.

    The traceback of an error that nobody foresaw goes to a file, which the text names.
    """
    try:
        command()
    except Exception as error:
        text = explain(error)
        if unexpected(error):
            with tempfile.NamedTemporaryFile("w", prefix="glc-", suffix=".log", delete=False) as log:
                traceback.print_exception(error, file=log)
            text += f" {log.name}"
        print(text, file=sys.stderr)
        sys.exit(UNHANDLED)
