"""Files of a folder, a tar or a zip, read by name at random: nothing is unpacked, nothing larger than expected is read.

A few bytes of a zip may unpack to gigabytes, so the size that is declared is compared with what the reader expects
before any byte is unpacked, and unpacking ends at the declared size even if there is more.
"""

import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from glc.errors import DataError
from glc.types import StrPath

_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError, OverflowError, NotImplementedError,
    struct.error,
)  # fmt: skip
"""What the readers of Python raise for headers that no program writes, such as sizes below 0."""


class Source(Protocol):
    """Files by name, of a folder or an archive, see `opened`."""

    @property
    def top(self) -> list[str]: ...

    def has(self, name: str) -> bool: ...

    def read(self, name: str, limit: int) -> bytes: ...


def opened(path: StrPath) -> Source:
    """A source with ``read(name, limit) -> bytes`` and ``has(name)`` for a folder, ``.tar`` or ``.zip``.

    Its ``top`` are the names of the files that are in no folder below it. Names are relative to the folder; in an
    archive they may also start with the archive's own name. `read` raises KeyError for a file that does not exist, and
    OSError for one of more than `limit` bytes or one that is damaged. A DataError is raised for an archive that cannot
    be read at random.
    """
    path = Path(path)
    if path.is_dir():
        return _Folder(path)
    try:
        return _Zip(path) if path.suffix == ".zip" else _Tar(path)
    except FileNotFoundError:
        raise
    except _DAMAGED as error:
        raise DataError(
            f"{path}: cannot be read as an archive: {error}; expected a zip, or a tar that is not compressed as a "
            "whole; copy it again, or try: gunzip"
        ) from error


def member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Content of a zip's member.

    archive, name : the zip, and the member's name in it; KeyError where there is none
    limit : most bytes that the member may declare
    An OSError tells of one that declares more, is damaged, encrypted, or packed by another method than deflate.
    """
    info = archive.getinfo(name)
    _check_size(info.file_size, limit)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # unpacked at once, however much it is
        method = zipfile.compressor_names.get(info.compress_type, f"method {info.compress_type}")
        raise OSError(f"found a file packed with {method}, expected one stored or deflated; pack the zip again")
    try:
        with archive.open(name) as file:
            # not more than is declared: without a number, all that it holds would be unpacked
            return file.read(info.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:  # damaged, or not as long as declared
        raise OSError(str(error)) from error
    except RuntimeError as error:
        raise OSError(f"{error}; pack the zip again without one") from error


def _check_size(size, limit):
    if size > limit:
        raise OSError(f"found {size:,} bytes, expected at most {limit:,}")


class _Folder:
    def __init__(self, path):
        self.path = path

    @property
    def top(self):
        return sorted(entry.name for entry in os.scandir(self.path) if entry.is_file())

    def has(self, name):
        return self._inside(name) and (self.path / name).is_file()

    def _inside(self, name):
        return ".." not in Path(name).parts and not Path(name).is_absolute()

    def read(self, name, limit):
        if not self._inside(name):
            raise KeyError(name)
        try:
            with open(self.path / name, "rb") as file:
                _check_size(os.fstat(file.fileno()).st_size, limit)
                return file.read(limit)
        except FileNotFoundError:
            raise KeyError(name) from None


class _Zip:
    def __init__(self, path):
        self.file = zipfile.ZipFile(path)
        self.names = _shortened(path, (info.filename for info in self.file.infolist() if not info.is_dir()))

    @property
    def top(self):
        return _top(self.names)

    def has(self, name):
        return name in self.names

    def read(self, name, limit):
        return member(self.file, self.names[name], limit)


class _Tar:
    def __init__(self, path):
        self.file = open(path, "rb")  # noqa: SIM115  # read from until the process ends
        members = {}
        with tarfile.open(path, "r:") as tar:
            last = -1
            for member in tar:
                if member.size < 0 or member.offset_data <= last:  # would be read from its end, or again and again
                    raise tarfile.ReadError(f"{member.name!r} has {member.size:,} bytes at {member.offset_data:,}")
                last = member.offset_data
                if member.isfile():
                    members[member.name] = (member.offset_data, member.size)
                tar.members = []  # millions of them; their places are enough
        self.places = {name: members[full] for name, full in _shortened(path, members).items()}

    @property
    def top(self):
        return _top(self.places)

    def has(self, name):
        return name in self.places

    def read(self, name, limit):
        offset, size = self.places[name]
        _check_size(size, limit)
        self.file.seek(offset)
        content = self.file.read(size)
        if len(content) < size:
            raise OSError(f"the archive ends after {len(content)} of {size} bytes")
        return content


def _top(names):
    return sorted(name for name in names if "/" not in name)


def _shortened(path, names):
    """Names without a leading ``./`` and without the archive's own name -> names as they are."""
    prefix = f"{path.stem}/"
    return {name.removeprefix("./").removeprefix(prefix): name for name in names}
