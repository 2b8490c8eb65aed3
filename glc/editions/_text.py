"""The text of a dataset's files: its encoding, its lines and their fields, told apart as Spark does it."""

import codecs
import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

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


def encoding(path: StrPath) -> Encoding:
    """The encoding of the text file `path`: UTF-8, or a single-byte one that charset-normalizer recognises.

    A DataError says that the file is UTF-16, UTF-32, binary, or in an encoding that cannot be told.
    """
    stat = os.stat(path)
    return _encoding(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _encoding(path: str, size: int, mtime_ns: int) -> Encoding:
    with open(path, "rb") as file:
        return detected(file, path)


def detected(file: BinaryIO, path: str) -> Encoding:
    """As `encoding`, of an open file, which is read to its end; `path` is its name in an error."""
    start = file.read(1 << 16)
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            raise _wide(path, name)
    if b"\0" in start:
        if start[1::2].count(0) > len(start) // 4 or start[::2].count(0) > len(start) // 4:
            raise _wide(path, "UTF-16")
        raise DataError(f"{path}: found binary data, expected the text of a CSV; fetch the file again or unpack it")
    file.seek(0)
    foreign, n_foreign, n_utf8 = [], 0, 0
    while lines := file.readlines(_BLOCK):
        block = b"".join(lines)
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


def plain_id(text: str) -> str:
    """The id that a numeral such as 00763 or 763.0 writes, as text: 763; anything else as it is."""
    return str(int(text.split(".")[0])) if re.fullmatch(r"[+-]?\d+(\.0*)?", text, re.ASCII) else text


def _python(path: StrPath) -> str:
    name = encoding(path).name
    return "utf-8-sig" if name == "utf-8" else name
