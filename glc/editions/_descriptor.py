"""``meta.xml`` of a Darwin Core archive: which files it has, and how these are written (https://dwc.tdwg.org/text).

What it leaves out has the value of that guide: fields end with a comma and may be in quotes, the text is UTF-8, and no
line is a header.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import TextIOBase
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from glc.editions import _text, _xml
from glc.editions._archive import META, Archive, decoded
from glc.errors import DataError

_METADATA = ("metadata.xml", "eml.xml")
"""Names of the metadata where ``meta.xml`` does not say."""
_LOOKED_AT = 20  # rows of a file without a header
_LINE_ENDS = ("\n", "\r", "\r\n")
_LONGEST = 1 << 26  # characters of a line that ends in another way

Row = tuple[int, list[str]]
"""Number of a row's first line, and its fields."""


@dataclass(frozen=True)
class TermField:
    """A column of a file, or a value that all its rows have.

    term : its name, without the namespace
    column : its number; None: the file has none
    default : value where a row has none
    """

    term: str
    column: int | None
    default: str


@dataclass(frozen=True)
class Entity:
    """A core or an extension, as ``meta.xml`` describes it.

    kind : of its rows, such as Occurrence; locations : its files, the rows of which follow each other
    id_column : number of the column with the core's id; None: it has none
    line_end : what its lines end with; the usual ends are one and the same
    """

    kind: str
    locations: tuple[str, ...]
    id_column: int | None
    fields: tuple[TermField, ...]
    separator: str
    quote: str
    line_end: str
    header_lines: int
    encoding: str


@dataclass(frozen=True)
class Descriptor:
    """What ``meta.xml`` says; metadata : names that the file with the metadata may have."""

    metadata: tuple[str, ...]
    core: Entity
    extensions: tuple[Entity, ...]


@dataclass(frozen=True)
class DataFile:
    """A file of an archive; `name` is its path inside, `width` the number of its columns."""

    name: str
    entity: Entity
    width: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Its terms, each once."""
        return tuple(dict.fromkeys(field.term for field in self.entity.fields))

    @property
    def id_name(self) -> str:
        """The term in the column of the id, ``id`` if there is none."""
        at = self.entity.id_column
        return (
            next((field.term for field in self.entity.fields if field.column == at), "id") if at is not None else "id"
        )

    def rows(self, archive: Archive) -> Iterator[Row]:
        """Its rows, of which some may have another number of fields than `width`."""
        with archive.open(self.name) as file:
            lines = _lines(file, self.encoding(archive)[0], self.entity)
            for number, _, row in _text.records(lines, self.entity.separator, self.entity.quote, self.width):
                yield number, row

    def encoding(self, archive: Archive) -> tuple[str, int]:
        """The encoding that it is read in, and how many lines hold other bytes (those of UTF-8 are counted)."""
        stat = (archive.path if archive.zipped else archive.path / self.name).stat()
        return _encoding(archive.path, self.name, self.entity.encoding, (stat.st_size, stat.st_mtime_ns))

    def values(self, terms: Sequence[str]) -> Callable[[Sequence[str]], list[str]]:
        """A function that gives the values of `terms` of a row; a term that the file lacks is empty."""
        first = {field.term: field for field in reversed(self.entity.fields)}
        at = [(first[term].column, first[term].default) if term in first else (None, "") for term in terms]

        def of(row: Sequence[str]) -> list[str]:
            return [default if column is None else row[column] or default for column, default in at]

        return of

    def key(self, row: Sequence[str]) -> str:
        """The core's id in a row; empty where the file has none."""
        return "" if self.entity.id_column is None else row[self.entity.id_column]


def read(archive: Archive) -> Descriptor:
    """What ``meta.xml`` says; a DataError if that cannot be read."""
    where = f"{archive.path}: {META}"
    try:
        root = _xml.root(archive.read(META), where)
        cores = [_entity(each, where) for each in root if each.tag == "core"]
        extensions = tuple(_entity(each, where) for each in root if each.tag == "extension")
        if len(cores) != 1:
            raise ValueError(f"it has {len(cores)} cores")
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(
            f"{where} cannot be read ({error}); expected a descriptor of a Darwin Core archive with a core; fetch the "
            "archive again"
        ) from None
    metadata = root.get("metadata")
    return Descriptor((metadata,) if metadata else _METADATA, cores[0], extensions)


def _entity(element: ElementTree.Element, where: str) -> Entity:
    """A core or an extension; a ValueError or LookupError if it says what nobody can follow."""

    def said(name: str, usual: str) -> str:
        value = element.get(name)
        return usual if value is None else value.encode("latin-1", "backslashreplace").decode("unicode_escape")

    encoding = _text.checked_encoding(element.get("encoding") or "UTF-8", where)
    ids = [_index(each) for each in element if each.tag.lower() in ("id", "coreid")]
    fields = [
        TermField(_word(each.get("term") or ""), _index(each), each.get("default") or "")
        for each in element
        if each.tag == "field"
    ]
    header_lines = int(element.get("ignoreHeaderLines") or 0)
    if header_lines < 0:
        raise ValueError(f"ignoreHeaderLines is {header_lines}")
    return Entity(
        _word(element.get("rowType") or ""),
        tuple(dict.fromkeys((each.text or "").strip() for each in element.iterfind("files/location"))),
        ids[0] if ids else None,
        tuple(field for field in fields if field.column is not None or field.default),
        said("fieldsTerminatedBy", ",") or ",",
        said("fieldsEnclosedBy", '"'),
        said("linesTerminatedBy", "\n") or "\n",
        header_lines,
        encoding,
    )


def _index(element: ElementTree.Element) -> int | None:
    text = element.get("index")
    if not text:
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(f"the index of a field is {text[:40]!r}")
    return int(text)


def _word(uri: str) -> str:
    """The last part of the address of a term or a class."""
    return re.split(r"[/#:]", uri.strip().rstrip("/"))[-1]


def data_files(archive: Archive, entity: Entity) -> tuple[DataFile, ...]:
    """The files of an entity; a DataError if one is missing, or written in a way that is not read.

    Of several, those without rows are left out.
    """
    if not entity.locations:
        raise DataError(f"{archive.path}: {META}: a {entity.kind or 'core'} names no file, expected one in <location>")
    files = [_data_file(archive, entity, name) for name in entity.locations]
    filled = [file for file in files if len(files) == 1 or any(True for _ in file.rows(archive))]
    return tuple(filled or files[:1])


def _data_file(archive: Archive, entity: Entity, name: str) -> DataFile:
    where = f"{archive.path}: {META}: {name}"
    separator, quote = entity.separator, entity.quote
    if len(quote) > 1 or (quote and len(separator) > 1):
        raise DataError(
            f"{where}: found {separator!r} between fields and {quote!r} around them, expected one character"
        )
    start = DataFile(name, entity, 0)
    with archive.open(name) as file:
        lines = _lines(file, start.encoding(archive)[0], dataclasses.replace(entity, header_lines=0))
        rows = _text.records(lines, separator, quote)
        first = [row for *_, row in islice(rows, entity.header_lines or _LOOKED_AT)]
    widths = Counter(map(len, first))
    # a line above the header may be shorter, such as a title; a first row may have a stray quote
    width = max(widths) if entity.header_lines and first else max(widths, key=widths.get, default=_text.MOST_FIELDS)
    indices = [(field.column, field.term) for field in entity.fields if field.column is not None]
    indices += [(entity.id_column, "id")] if entity.id_column is not None else []
    for index, term in indices:
        if index >= width:
            seen = f"{width:,} fields in the first line" if first else f"at most {width:,} fields"
            raise DataError(
                f"{where}: the field {term!r} has the index {index:,}, expected one below {width:,} ({seen}, with "
                f"{separator!r} between them); correct {META}, or fetch the archive again"
            )
    return DataFile(name, entity, width)


@lru_cache(maxsize=64)
def _encoding(path: Path, name: str, said: str, stamp: tuple[int, int]) -> tuple[str, int]:
    """The encoding of a file that says it is in `said`: many that say UTF-8 are in another."""
    if said.lower().replace("_", "-") not in ("utf-8", "utf8", "us-ascii", "ascii"):
        return said, 0
    with Archive(path).open(name) as file:
        actual = _text.detected(file, f"{path}: {name}")
    return actual.name, actual.unreadable


def _lines(file: BinaryIO, encoding: str, entity: Entity) -> Iterator[tuple[int, str]]:
    """(number, text) of the lines after the header, blank ones included."""
    text = decoded(file, encoding)
    lines: Iterable[str] = text if entity.line_end in _LINE_ENDS else _ended(text, entity.line_end)
    for number, line in enumerate(lines, start=1):
        if number > entity.header_lines:
            yield number, line.rstrip("\n")


def _ended(text: TextIOBase, end: str) -> Iterator[str]:
    """Texts before each `end`."""
    rest = ""
    while block := text.read(1 << 20):
        *whole, rest = (rest + block).split(end)
        yield from (" ".join(line.splitlines()) for line in whole)
        if len(rest) > _LONGEST:
            raise DataError(
                f"{META}: found no {end!r} in {len(rest):,} characters, expected it after each line; correct "
                "linesTerminatedBy"
            )
    if rest:
        yield " ".join(rest.splitlines())
