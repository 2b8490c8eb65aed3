"""The text of a dataset's files: its encoding, its lines and their fields, told apart as Spark does it."""

import codecs
import csv
import os
import re
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, TypeAlias

from glc.errors import DataError
from glc.types import StrPath

LONGEST_HEADER = 1 << 20
"""Characters of a first line; a longer one has lost its line ends."""

MOST_FIELDS = 20_000
"""Fields in a line; Spark's CSV reader breaks off at 20,480."""

_SINGLE_BYTE = {
    "cp1252": "windows-1252",
    "latin_1": "ISO-8859-1",
    "iso8859_15": "ISO-8859-15",
    "cp1250": "windows-1250",
    "iso8859_2": "ISO-8859-2",
    "cp1251": "windows-1251",
    "cp1253": "windows-1253",
    "cp1254": "windows-1254",
    "cp1257": "windows-1257",
}
"""Encodings that are read if a file is in one: Python's name -> Java's."""
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_BLOCK = 1 << 22
_SAMPLE_LINES = 2_000  # not UTF-8, shown to charset-normalizer
MOST_LINES = 200  # of one record; a quote that is open for longer is a stray one
_LAST_BYTES = 1 << 20
_HOLE = bytes(8)  # no text has as many NUL bytes in a row, in any encoding

_Line: TypeAlias = tuple[int, str]

# one field may be as long as a line; Python's default of 131,072 would end a reader in the middle of a file
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a file are read.

    name : utf-8, or Python's name of a single-byte encoding
    unreadable : lines with bytes that `name` cannot hold; these are read as U+FFFD
    """

    name: str = "utf-8"
    unreadable: int = 0

    @property
    def java(self) -> str:
        """Java's name of the encoding."""
        return _SINGLE_BYTE.get(self.name, "UTF-8")

    @property
    def plain(self) -> bool:
        """Whether the file is UTF-8 throughout."""
        return self == Encoding()

    def __str__(self) -> str:
        if self.unreadable:
            return (
                f"{self.java}; {self.unreadable:,} lines hold other bytes, which are read as \N{REPLACEMENT CHARACTER}"
            )
        return self.java


def encoding(path: StrPath, original: StrPath | None = None) -> Encoding:
    """The encoding of the text file `path`: UTF-8, or a single-byte one that charset-normalizer recognises.

    original : the file that errors name, of which `path` was unpacked; None: `path` itself
    A DataError says that the file is UTF-16, UTF-32, binary, has NUL bytes, or is in an encoding that cannot be told.
    """
    stat = os.stat(path)
    return _encoding(str(path), str(original or path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _encoding(text: str, path: str, size: int, mtime_ns: int) -> Encoding:
    with open(text, "rb") as file:
        return detected(file, path)


def detected(file: BinaryIO, path: str) -> Encoding:
    """As `encoding`, of an open file, which is read to its end; `path` is its name in an error."""
    start = file.read(1 << 16)
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            raise _wide(path, name)
    most = max(start[::2].count(0), start[1::2].count(0))
    if most > len(start) // 4 and _HOLE not in start:
        raise _wide(path, "UTF-16")
    file.seek(0)
    foreign, n_foreign, n_utf8, n_lines = [], 0, 0, 0
    while lines := file.readlines(_BLOCK):
        block = b"".join(lines)
        if b"\0" in block:
            number = n_lines + next(number for number, line in enumerate(lines, start=1) if b"\0" in line)
            raise DataError(
                f"{path}: found binary data, expected the text of a CSV: line {number} has NUL bytes, as of an "
                "interrupted copy or in a packed file; fetch the file again or unpack it"
            )
        n_lines += len(lines)
        if block.isascii():
            continue
        try:
            block.decode()
            n_utf8 += 1
        except UnicodeDecodeError:
            for line in lines:
                if line.isascii():
                    continue
                try:
                    line.decode()
                    n_utf8 += 1
                except UnicodeDecodeError:
                    n_foreign += 1
                    if len(foreign) < _SAMPLE_LINES:
                        foreign.append(line)
    if not n_foreign:
        return Encoding()
    if n_utf8 > n_foreign:
        return Encoding(unreadable=n_foreign)
    return Encoding(_guessed(path, b"".join(foreign)))


def _guessed(path: str, text: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(text, cp_isolation=[*_SINGLE_BYTE]).best()
    if best is None:
        raise DataError(
            f"{path}: the text is neither UTF-8 nor in a known single-byte encoding; convert it to UTF-8: "
            f"iconv -f ENCODING -t UTF-8 '{Path(path).name}'"
        )
    alike = {best.encoding, *best.could_be_from_charset}  # those that read these bytes as the same text
    return next(name for name in _SINGLE_BYTE if name in alike)


def _wide(path: str, name: str) -> DataError:
    file = Path(path).name
    return DataError(
        f"{path}: the text is in {name}, expected UTF-8; try: iconv -f {name} -t UTF-8 '{file}' > '{file}.utf8' "
        f"&& mv '{file}.utf8' '{file}'"
    )


def checked_encoding(name: str, where: str) -> str:
    """The name of an encoding that a file gives; a DataError, which begins with `where`, if it is none of tables.

    Python knows others as well: idna and punycode, of addresses, fail at bytes in their own way; base64 is no text.
    """
    sample = "a,b;0\n"
    try:
        known = codecs.lookup(name).name.startswith(("utf-16", "utf-32")) or sample.encode(name) == sample.encode()
        with warnings.catch_warnings(action="ignore"):  # of escapes, by unicode_escape
            bytes(range(256)).decode(name, errors="replace")
    except (LookupError, ValueError):
        known = False
    if not known:
        raise DataError(f"{where}: found the encoding {name!r}, expected one of text, such as UTF-8")
    return name


def first_line(path: StrPath) -> str:
    """The first line of a text file, without its end; a DataError when it is too long to be a header."""
    with open(path, encoding=_python(path), errors="replace") as file:
        line = file.readline(LONGEST_HEADER)
    if len(line) == LONGEST_HEADER:
        raise DataError(
            f"{path}: the first line has more than {LONGEST_HEADER:,} characters, expected the names of the columns; "
            "the file may have lost its line ends: fetch it again"
        )
    return line.rstrip("\n")


def lines(path: StrPath, header_lines: int = 1) -> Iterator[tuple[int, str]]:
    """(number, text) of the lines of a file after its `header_lines` that are not blank; the first line is 1."""
    with open(path, encoding=_python(path), errors="replace") as file:
        yield from numbered(file, header_lines)


def numbered(file: Iterable[str], header_lines: int) -> Iterator[tuple[int, str]]:
    """The same of an open text file."""
    for number, line in enumerate(file, start=1):
        if number > header_lines and line.strip():
            yield number, line.rstrip("\n")


def split(line: str, separator: str, quote: str = '"') -> list[str]:
    """Fields of one line, stripped; a quote that is never closed ends with the line, as it does for Spark.

    quote : the character that encloses fields; empty: none does
    """
    if not quote:
        return [field.strip() for field in line.split(separator)]
    return [field.strip() for field in next(csv.reader([line], delimiter=separator, quotechar=quote), [])]


def records(
    numbered_lines: Iterable[tuple[int, str]], separator: str, quote: str = '"', width: int = 0
) -> Iterator[tuple[int, int, list[str]]]:
    """(number of the first line, of the last, fields) of records whose quoted fields may have line breaks (RFC 4180).

    numbered_lines : of `lines`
    width : fields of a record of several lines; 0: as many as the first record has
    A quote that is not closed properly, whose record would have other fields than `width`, or inside of which a line
    has as many as a whole record, is a stray one, which ends with its line: no record may get lost in a text.
    """
    ahead: deque[_Line] = deque()
    rest = iter(numbered_lines)

    def following() -> _Line | None:
        return ahead.popleft() if ahead else next(rest, None)

    while (line := following()) is not None:
        number, text = line
        if not text.strip():
            continue
        last = number
        if not quote or quote not in text:
            fields = split(text, separator, "")
        else:
            reader = csv.reader([text, ""], delimiter=separator, quotechar=quote)
            fields = [field.strip() for field in next(reader, [])]
            if reader.line_num > 1:  # the field goes on in the next line
                taken, whole = _continued(line, following, separator, quote)
                within = any(text.count(separator) == width - 1 for _, text in taken[1:-1])
                if whole is not None and len(whole) == (width or len(whole)) and not within:
                    last, fields = taken[-1][0], whole
                else:
                    ahead.extendleft(reversed(taken[1:]))
        width = width or len(fields)
        yield number, last, fields


def _continued(
    line: _Line, following: Callable[[], _Line | None], separator: str, quote: str
) -> tuple[list[_Line], list[str] | None]:
    """The lines that were taken, from `line` on, and the fields of the record that they are; None if they are none."""
    taken = [line]
    while len(taken) < MOST_LINES and (more := following()) is not None:
        taken.append(more)
        if quote in more[1]:
            texts = [f"{text}\n" for _, text in taken]
            reader = csv.reader([*texts, ""], delimiter=separator, quotechar=quote)
            next(reader)
            if reader.line_num > len(texts):
                continue
            try:
                whole = next(csv.reader(texts, delimiter=separator, quotechar=quote, strict=True))
            except csv.Error:  # text behind a quote: that one began a field, and the first closed none
                break
            return taken, [field.strip() for field in whole]
    return taken, None


def has_odd_quotes(path: StrPath, quote: str) -> bool:
    """Whether any line of a file has an odd number of quotes, as one has whose last field goes on in the next line."""
    with open(path, "rb") as file:
        while lines := file.readlines(_BLOCK):
            if any(line.count(quote.encode()) % 2 for line in lines if quote.encode() in line):
                return True
    return False


def last_line(path: StrPath) -> str | None:
    """The last line of a file that ends without a line end; None where the file ends with one."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LAST_BYTES))
        end = file.read()
    if not end or end.endswith((b"\n", b"\r")):
        return None
    return re.split(rb"[\r\n]", end)[-1].decode(encoding(path).name, errors="replace")


def refuse_cut(path: StrPath, separator: str, quote: str, width: int) -> None:
    """Raise a DataError when the last line of a file has neither a line end nor all its `width` fields."""
    line = last_line(path)
    if line is None or not line.strip() or (quote and line.count(quote) % 2):  # the end of a record of several lines
        return
    n_fields = len(split(line, separator, quote))
    if n_fields < width:
        raise DataError(
            f"{path}: the last line has {n_fields} of {width} fields and no line end: the file was cut off; found "
            f"{line[:60]!r}; fetch it again"
        )


def plain_id(text: str) -> str:
    """The id that a numeral such as 00763 or 763.0 writes, as text: 763; anything else as it is."""
    return str(int(text.split(".")[0])) if re.fullmatch(r"[+-]?\d+(\.0*)?", text, re.ASCII) else text


def _python(path: StrPath) -> str:
    name = encoding(path).name
    return "utf-8-sig" if name == "utf-8" else name
