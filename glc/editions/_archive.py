"""Archives of text files, zipped or unpacked: what is in them, read without unpacking anything by its own name."""

import codecs
import posixpath
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from glc.editions import _text
from glc.editions._source import Source
from glc.errors import DataError
from glc.types import StrPath

META = "meta.xml"
"""The descriptor of a Darwin Core archive."""
MOST_BYTES = 2**40
"""Of one file unpacked; a terabyte of text is no archive for one machine."""
MOST_RATIO, _RATIO_FROM = 200, 2**26
"""Bytes unpacked per byte packed, of files of more than 64 MiB; text packs to a tenth, a zip bomb to a thousandth."""
MOST_META = 2**24
"""Bytes of a metadata file that are read."""
_FOREIGN = re.compile(r"(^|/)(__MACOSX/|\.[^./][^/]*(/|$)|desktop\.ini$|Thumbs\.db$)")
"""What systems write next to files of an archive."""
_END, _END_BYTES = b"PK\x05\x06", 22


class Archive:
    """The files of a zip or of a folder, by their path from ``meta.xml``; `path` is the zip or the folder.

    In a zip, ``meta.xml`` may be in a folder, next to which there may be others, such as ``__MACOSX``.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self.zipped = self.path.is_file()

    def names(self) -> list[str]:
        """Paths of the files inside, with forward slashes; a DataError says that it is no zip."""
        if not self.zipped:
            return sorted(path.name for path in self.path.iterdir() if path.is_file())
        return [*self._members]

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """Path from ``meta.xml`` -> the file in the zip; all of the zip's files if it has no such, or several."""
        with self._zip() as archive:
            files = {info.filename.replace("\\", "/"): info for info in archive.infolist() if not info.is_dir()}
        files = {name: info for name, info in files.items() if not _FOREIGN.search(name)}
        bases = [name.removesuffix(META) for name in files if PurePosixPath(name).name == META]
        base = bases[0] if len(bases) == 1 and META not in files else ""
        return {name.removeprefix(base): info for name, info in files.items() if name.startswith(base)}

    def size(self, name: str) -> int:
        """Bytes of the unpacked file `name`; a DataError for one that is too large to be what it says."""
        if not self.zipped:
            return self._below(name).stat().st_size
        return unpacked_size(self.path, self._info(name))

    def read(self, name: str) -> bytes:
        """All of a small file, such as ``meta.xml``."""
        if self.size(name) > MOST_META:
            raise DataError(f"{self.path}: {name} has {self.size(name):,} bytes, expected at most {MOST_META:,}")
        with self.open(name) as file:
            return file.read()

    def read_text(self, name: str) -> str:
        """All of a small text file in UTF-8."""
        return self.read(name).decode("utf-8-sig", errors="replace")

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The bytes of the file `name`; a DataError says that it is missing or damaged."""
        if not self.zipped:
            with open(self._below(name), "rb") as file:
                yield file
            return
        with self._zip() as archive:
            info = self._info(name)
            try:
                with archive.open(info) as member:
                    yield member  # type: ignore[misc]
            except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
                raise DataError(f"{self.path}: {name} cannot be unpacked ({error}); fetch the archive again") from None

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = self._members.get(name) or self._members.get(posixpath.normpath(name))
        if info is None:
            raise DataError(self._missing(name))
        return info

    def _below(self, name: str) -> Path:
        path = (self.path / name).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise DataError(f"{self.path}: meta.xml names the file {name!r}, expected one inside the archive")
        if not path.is_file():
            raise DataError(self._missing(name))
        return path

    def _missing(self, name: str) -> str:
        names = self.names()
        others = f"{', '.join(names[:8])}{' and more' if len(names) > 8 else ''}" or "nothing"
        return (
            f"{self.path}: the file {name!r} is missing; found {others}; fetch the archive again, or correct meta.xml"
        )

    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(
                f"{self.path}: is no zip archive ({error}); expected the zip of a GBIF download; fetch it again"
            ) from None


def unpacked_size(path: StrPath, info: zipfile.ZipInfo) -> int:
    """Bytes of a zip's member when it is unpacked; a DataError if it is encrypted or too large to be what it says."""
    if info.flag_bits & 1:
        raise DataError(f"{path}: {info.filename} is encrypted, expected plain files; pack them without a password")
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > MOST_BYTES or (info.file_size > _RATIO_FROM and ratio > MOST_RATIO):
        raise DataError(
            f"{path}: {info.filename} would unpack to {info.file_size / 2**30:,.1f} GB, {ratio:,.0f} times its size "
            f"in the zip; expected at most {MOST_BYTES / 2**30:,.0f} GB and {MOST_RATIO} times; fetch it again"
        )
    return info.file_size


def entries(path: StrPath) -> int:
    """Number of entries of a zip, at most 65,535, without reading its directory; 0 if it has no end record."""
    path = Path(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - (1 << 16) - _END_BYTES))
        tail = file.read()
    at = tail.rfind(_END)
    return int.from_bytes(tail[at + 10 : at + 12], "little") if at >= 0 else 0


@dataclass(frozen=True)
class Member(Source):
    """One text file inside a zip.

    encoding : as Python names it; it is unpacked as UTF-8
    """

    member: str = ""  # type: ignore[assignment]
    encoding: str = "utf-8"

    def size(self, path: StrPath) -> int:
        """Bytes of the text; refuses what is encrypted or too large."""
        return Archive(path).size(self.member)

    def unpack(self, path: StrPath, folder: StrPath) -> Path:
        """Write the text into `folder` under a name that is not the archive's."""
        made = Path(folder) / "member.txt"
        with Archive(path).open(self.member) as packed, open(made, "wb") as file:
            if codecs.lookup(self.encoding).name == "utf-8":
                shutil.copyfileobj(packed, file, 1 << 20)
            else:
                with TextIOWrapper(packed, self.encoding, errors="replace", newline="") as text:
                    while block := text.read(1 << 20):
                        file.write(block.encode())
        return made

    def first_line(self, path: StrPath) -> str:
        """The first line, without its end."""
        with Archive(path).open(self.member) as packed:
            return decoded(packed, self.encoding).readline(_text.LONGEST_HEADER).rstrip("\n")

    def lines(self, path: StrPath, header_lines: int = 1) -> Iterator[tuple[int, str]]:
        """(number, text) of its lines after the header that are not blank."""
        with Archive(path).open(self.member) as packed:
            yield from _text.numbered(decoded(packed, self.encoding), header_lines)


def decoded(file: BinaryIO, encoding: str) -> TextIOWrapper:
    """The text of an open file, with the line ends that Spark knows too."""
    name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    return TextIOWrapper(file, name, errors="replace")


def is_zip(path: Path) -> bool:
    """Whether the file is a zip of so few entries that it may be an archive of text."""
    return zipfile.is_zipfile(path) and 0 < entries(path) < 0xFFFF
