"""Surveys of a Darwin Core archive: events joined with the occurrences of their extension, line by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glc.editions._archive import Archive
from glc.editions._descriptor import DataFile
from glc.editions._source import Lines
from glc.types import StrPath


@dataclass(frozen=True)
class Events(Lines):
    """Rows of the occurrences with the columns of their event, or the events that have no occurrence.

    events, occurrences : files of the archive `archive`
    from_events, from_occurrences : columns taken from either, in this order
    empty : the events without any occurrence, apart from those that are only the parent of others
    Columns are separated by tabs; `columns` names them, the event's id first.
    """

    archive: Path
    events: DataFile
    occurrences: DataFile
    from_events: tuple[str, ...]
    from_occurrences: tuple[str, ...]
    empty: bool = False

    @property
    def member(self) -> str:  # type: ignore[override]
        """The file whose lines these are; in a folder the path of the table has it."""
        return self._file.name if self.archive.is_file() else ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return ("eventID", *self.from_events, *self.from_occurrences)

    @property
    def _file(self) -> DataFile:
        return self.events if self.empty else self.occurrences

    def size(self, path: StrPath) -> int:
        """About the bytes of the joined text: each occurrence is written with what its event has."""
        archive = Archive(self.archive)
        events = archive.size(self.events.name)
        return events if self.empty else events + 2 * archive.size(self.occurrences.name)

    def first_line(self, path: StrPath) -> str:
        """The names of the columns."""
        return "\t".join(self.columns)

    def lines(self, path: StrPath, header_lines: int = 1) -> Iterator[tuple[int, str]]:
        """(line of the file, joined text); an occurrence of an unknown event has no place, and so is quarantined."""
        archive = Archive(self.archive)
        if self.empty:
            yield from self._without_occurrence(archive)
            return
        events = {row[self.events.id_column]: fields for _, row, fields in self._event_rows(archive)}
        nothing = "\t".join([""] * len(self.from_events))
        at = [self.occurrences.columns.index(name) for name in self.from_occurrences]
        width = len(self.occurrences.columns)
        for line, row in self.occurrences.rows(archive):
            if len(row) != width:  # a later stage knows no more: it goes to the quarantine as it is
                yield line, " ".join(row)
                continue
            event = row[self.occurrences.id_column]
            yield line, "\t".join([_plain(event), events.get(event, nothing), *_fields(row, at)])

    def _without_occurrence(self, archive: Archive) -> Iterator[tuple[int, str]]:
        seen = {row[self.occurrences.id_column] for _, row in self.occurrences.rows(archive) if row}
        names = self.events.columns
        if "parentEventID" in names:
            seen |= {row[names.index("parentEventID")] for _, row, _ in self._event_rows(archive)}
        rest = "\t" * len(self.from_occurrences)
        for line, row, fields in self._event_rows(archive):
            event = row[self.events.id_column]
            if event not in seen:
                yield line, f"{_plain(event)}\t{fields}{rest}"

    def _event_rows(self, archive: Archive) -> Iterator[tuple[int, list[str], str]]:
        """(line, fields, those of `from_events` as text) of the events that have all their fields."""
        at = [self.events.columns.index(name) for name in self.from_events]
        for line, row in self.events.rows(archive):
            if len(row) == len(self.events.columns):
                yield line, row, "\t".join(_fields(row, at))


def _fields(row: Sequence[str], at: Sequence[int]) -> list[str]:
    return [_plain(row[column]) for column in at]


def _plain(text: str) -> str:
    return text.replace("\t", " ")
