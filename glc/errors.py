"""Errors that name the place, what was found, what was expected, and the remedy."""

import difflib
from collections.abc import Iterable


class GlcError(Exception):
    """Base of all errors this package raises on purpose; its message is written for the user."""


class ConfigError(GlcError):
    """An experiment, option or parameter that cannot be used."""


class DataError(GlcError):
    """A file, column or table that cannot be used."""


class MissingError(DataError):
    """There is no file at all of what was looked for."""


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """Return ``'; did you mean X?'`` for the nearest of `choices`, or an empty string."""
    close = difflib.get_close_matches(str(word), [str(choice) for choice in choices], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
