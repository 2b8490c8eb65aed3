"""What is odd about a dataset's records: usable as they are, and yet probably not what their owner means."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glc.editions import _text


@dataclass(frozen=True)
class Oddity:
    """One line of the table "what is odd about these data".

    what : a phrase that completes "`rows` of `of` …", such as "surveys share one place (a centroid?)"
    rows, of : how many of how many
    example : the first of them, as a person finds it: a file's line, an id, a value; empty where there is none to show
    """

    what: str
    rows: int
    of: int
    example: str = ""


def without_end(paths: Iterable[Path]) -> list[Oddity]:
    """Text files whose last line has no line end, as that of a file that was cut off: it may be half of a line."""
    paths = list(paths)
    ends = {path: line for path in paths if (line := _text.last_line(path)) is not None and line.strip()}
    if not ends:
        return []
    path, line = next(iter(ends.items()))
    what = "files have a last line without a line end: it may be the half of one, if the file was cut off"
    return [Oddity(what, len(ends), len(paths), f"{path.name}: {line[:60]!r}")]
