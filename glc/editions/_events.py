"""Rows of a Darwin Core archive as lines of text: a core of occurrences, or events joined with their occurrences."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from glc.editions._archive import Archive
from glc.editions._descriptor import DataFile
from glc.editions._odd import Oddity
from glc.editions._source import Lines
from glc.types import StrPath

PARENT = "parentEventID"
_INHERITED = (
    (True, ("decimalLongitude", "decimalLatitude"), ("geodeticDatum", "coordinateUncertaintyInMeters"), all),
    (True, ("eventDate", "year", "month", "day"), (), any),
    (False, ("countryCode",), (), any),
    (False, ("stateProvince",), (), any),
)
"""What an event that lacks it has of its parent: (whether to say that it has no such parent, terms, terms that go with
them, whether all or any of the terms are needed)."""
_LOOKED_AT = 1_000


class Joined(Lines):
    """Values of the terms `columns`, separated by tabs, of the rows of `file` of the archive `archive`."""

    archive: Path
    file: DataFile

    @property
    def member(self) -> str:  # type: ignore[override]
        """The file whose lines these are; in a folder the path of the table has it."""
        return self.file.name if self.archive.is_file() else ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        raise NotImplementedError

    def first_line(self, path: StrPath) -> str:
        """The names of the columns."""
        return "\t".join(self.columns)

    def oddities(self) -> list[Oddity]:
        """Texts that are not in the encoding that the archive says."""
        archive, said = Archive(self.archive), self.file.entity.encoding
        name, unreadable = self.file.encoding(archive)
        if unreadable:
            rows = sum(1 for _ in self.file.rows(archive))
            what = f"lines hold bytes that are not of {said}; they are read as \N{REPLACEMENT CHARACTER}"
            return [Oddity(what, unreadable, rows, self.file.name)]
        if name not in (said, "utf-8"):
            return [
                Oddity(
                    f"files of records are not in {said}, as they say; they are read as {name}", 1, 1, self.file.name
                )
            ]
        return []

    def _line(self, row: Sequence[str], values: Sequence[str]) -> str:
        """The text of a row; one that has not all its fields stays as it is, so that it is refused for that."""
        fields = values if len(row) == self.file.width else [" ".join(row)]
        return "\t".join(" ".join(field.split()) if _breaks(field) else field for field in fields)


@dataclass(frozen=True)
class Core(Joined):
    """Rows of a core of occurrences.

    terms : the first is what a record is called by; where the file has no ids, the number of its line does that
    """

    archive: Path
    file: DataFile
    terms: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.terms

    def size(self, path: StrPath) -> int:
        """About the bytes of the lines, which have fewer columns than those of the file."""
        rows = list(islice(self.file.rows(Archive(self.archive)), _LOOKED_AT))
        made = sum(len(text) + 1 for _, text in islice(self.lines(path), _LOOKED_AT))
        read = sum(len(field) + 1 for _, row in rows for field in row)
        return Archive(self.archive).size(self.file.name) * made // max(read, 1)

    def lines(self, path: StrPath, header_lines: int = 1) -> Iterator[tuple[int, str]]:
        """(line of the file, its values)."""
        values, named = self.file.values(self.terms), self.terms[0] in self.file.columns
        without_id = self.file.entity.id_column is None
        for line, row in self.file.rows(Archive(self.archive)):
            fields = values(row) if len(row) == self.file.width else []
            if fields and not named:
                fields[0] = self.file.key(row)
            if fields and without_id and not fields[0]:
                fields[0] = f"{self.file.name}:{line}"
            yield line, self._line(row, fields)


@dataclass(frozen=True)
class Events(Joined):
    """Rows of the occurrences with the columns of their event, or the events that have no occurrence.

    file : of whose rows the lines are, an occurrences' or, if `empty`, an events'
    events, occurrences : all files of the two
    from_events, from_occurrences : terms taken from either, in this order after the event's id
    empty : the events without any occurrence, apart from those that are only the parent of others
    """

    archive: Path
    file: DataFile
    events: tuple[DataFile, ...]
    occurrences: tuple[DataFile, ...]
    from_events: tuple[str, ...]
    from_occurrences: tuple[str, ...]
    empty: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, the event's id first."""
        return ("eventID", *self.from_events, *self.from_occurrences)

    def size(self, path: StrPath) -> int:
        """About the bytes of the joined text: each occurrence is written with what its event has."""
        archive = Archive(self.archive)
        events = sum(archive.size(file.name) for file in self.events)
        return archive.size(self.file.name) if self.empty else events + 2 * archive.size(self.file.name)

    def lines(self, path: StrPath, header_lines: int = 1) -> Iterator[tuple[int, str]]:
        """(line of the file, joined text); an occurrence of an unknown event has no place, and so is quarantined."""
        archive = Archive(self.archive)
        tree = _Tree(archive, self.events, self.from_events)
        if self.empty:
            yield from self._without_occurrence(archive, tree)
            return
        nothing = [""] * len(self.from_events)
        values = self.file.values(self.from_occurrences)
        for line, row in self.file.rows(archive):
            whole = len(row) == self.file.width
            event = self.file.key(row) if whole else ""
            yield line, self._line(row, [event, *tree.fields.get(event, nothing), *values(row)] if whole else [])

    def _without_occurrence(self, archive: Archive, tree: "_Tree") -> Iterator[tuple[int, str]]:
        seen = set(tree.parents.values())
        for file in self.occurrences:
            seen |= {file.key(row) for _, row in file.rows(archive) if len(row) == file.width}
        rest = [""] * len(self.from_occurrences)
        for line, row in self.file.rows(archive):
            event = self.file.key(row) if len(row) == self.file.width else ""
            if event not in seen and event in tree.fields:
                yield line, self._line(row, [event, *tree.fields[event], *rest])

    def oddities(self) -> list[Oddity]:
        """The same, and with the first file of occurrences the events whose parent cannot be followed."""
        odd = super().oddities()
        if self.file != self.occurrences[0]:
            return odd
        tree = _Tree(Archive(self.archive), self.events, self.from_events)
        if not tree.lost:
            return odd
        what = "events have no place or date, and name a parent that is missing or leads back to them"
        first = tree.lost[0]
        return [
            *odd,
            Oddity(what, len(tree.lost), len(tree.fields), f"event {first!r}, parent {tree.parents[first]!r}"),
        ]


class _Tree:
    """Events by their id, with the place and the date of the nearest ancestor that has them where they have none.

    fields : id -> values of the terms
    parents : id -> id of the parent, of those that name any
    lost : ids of those that lack a place or a date and whose ancestors end with one that is missing, or in a circle
    """

    def __init__(self, archive: Archive, files: Sequence[DataFile], terms: tuple[str, ...]) -> None:
        self.fields: dict[str, list[str]] = {}
        self.parents: dict[str, str] = {}
        keys: dict[str, str] = {}
        for file in files:
            values, names = file.values(terms), file.values(("eventID", PARENT))
            for _, row in file.rows(archive):
                if len(row) == file.width:
                    event = file.key(row)
                    self.fields[event] = values(row)
                    name, parent = names(row)
                    keys[name] = event  # a parent is named by its eventID, which need not be the id of the row
                    if parent:
                        self.parents[event] = parent
        self.parents = {event: keys.get(parent, parent) for event, parent in self.parents.items()}
        lost: dict[str, None] = {}
        for needed, own, more, enough in _INHERITED:
            at = [terms.index(term) for term in own if term in terms]
            copied = [terms.index(term) for term in (*own, *more) if term in terms]
            stray = self._inherit(at, copied, enough) if at else []
            lost |= dict.fromkeys(stray if needed else [])
        self.lost = list(lost)

    def _inherit(
        self, at: Sequence[int], copied: Sequence[int], enough: Callable[[Iterable[str]], bool]
    ) -> Sequence[str]:
        """Fill in the columns `copied` of events that lack those `at`; returns the events that lead nowhere.

        Each event is seen once, however deep the tree is.
        """
        stray: dict[str, bool] = {}
        for event in self.fields:
            way: dict[str, None] = {}
            current = event
            while current in self.fields and not (current in way or current in stray):
                if enough(self.fields[current][column] for column in at):
                    break
                way[current] = None
                current = self.parents.get(current, "")
            if current in self.fields and not (current in way or current in stray):
                for child in way:
                    for column in copied:
                        self.fields[child][column] = self.fields[current][column]
            else:
                nowhere = current in way or stray.get(current, bool(current))
                stray |= dict.fromkeys(way, nowhere)
        return [event for event, nowhere in stray.items() if nowhere]


def _breaks(text: str) -> bool:
    return "\t" in text or "\n" in text or "\r" in text
