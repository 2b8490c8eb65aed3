"""``meta.xml`` of a Darwin Core archive: which files it has, and how these are written (https://dwc.tdwg.org/text)."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from dwca.descriptors import ArchiveDescriptor, DataFileDescriptor
from dwca.exceptions import InvalidArchive

from glc.editions import _text
from glc.editions._archive import Archive, decoded
from glc.errors import DataError

META = "meta.xml"


@dataclass(frozen=True)
class DataFile:
    """How a file of an archive is written, as ``meta.xml`` says.

    name : path inside; columns : its columns; id_column : number of the column with the event's id
    """

    name: str
    columns: tuple[str, ...]
    id_column: int
    separator: str
    quote: str
    header_lines: int
    encoding: str

    def rows(self, archive: Archive) -> Iterator[tuple[int, list[str]]]:
        """(line, fields) of its rows."""
        with archive.open(self.name) as file:
            for line, text in _text.numbered(decoded(file, self.encoding), self.header_lines):
                yield line, _text.split(text, self.separator, self.quote)


def read(archive: Archive) -> ArchiveDescriptor:
    """What ``meta.xml`` says; a DataError if that cannot be read."""
    try:
        return ArchiveDescriptor(archive.read_text(META))
    except (ElementTree.ParseError, InvalidArchive, AttributeError, TypeError, ValueError, LookupError) as error:
        raise DataError(
            f"{archive.path}: {META} cannot be read ({error}); expected a descriptor of a Darwin Core archive with a "
            "core; fetch the archive again"
        ) from None


def data_file(archive: Archive, described: DataFileDescriptor) -> DataFile:
    """A file as ``meta.xml`` describes it; a DataError if it is missing or written in a way that is not read."""
    where = f"{archive.path}: {META}: {described.file_location}"
    separator, quote = described.fields_terminated_by, described.fields_enclosed_by or ""
    if len(separator) != 1 or len(quote) > 1:
        raise DataError(
            f"{where}: found {separator!r} between fields and {quote!r} around them, expected one character"
        )
    encoding = _text.checked_encoding(described.file_encoding or "utf-8", where)
    id_column = described.id_index if described.represents_corefile else described.coreid_index
    fields = {field["index"]: field["term"].rsplit("/")[-1] for field in described.fields if field["index"] is not None}
    with archive.open(described.file_location) as file:
        first = _text.split(file.readline(_text.LONGEST_HEADER).decode(encoding, errors="replace"), separator, quote)
    width = max(len(first), id_column + 1, *(index + 1 for index in fields))
    names: list[str] = []
    for index in range(width):
        name = fields.get(index, "id" if index == id_column else f"column {index + 1}")
        names.append(name if name not in names else f"{name} {index + 1}")
    return DataFile(
        described.file_location, tuple(names), id_column, separator, quote, described.lines_to_ignore, encoding
    )


def defaults(archive: Archive) -> dict[str, str]:
    """Values that ``meta.xml`` states for all rows."""
    descriptor = read(archive)
    files = [descriptor.core, *descriptor.extensions]
    fields = [field for file in files for field in file.fields if field["default"]]
    return {field["term"].rsplit("/")[-1]: field["default"] for field in fields}
