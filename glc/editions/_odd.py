"""What is odd about a dataset's records: usable as they are, and yet probably not what their owner means."""

from dataclasses import dataclass


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
