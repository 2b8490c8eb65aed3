"""Files of a folder, a tar or a zip, read by name at random: nothing is unpacked."""

import tarfile
import zipfile
from pathlib import Path

from glc.errors import DataError


def opened(path):
    """A source with ``read(name) -> bytes``, KeyError where there is no such file, for a folder, ``.tar`` or ``.zip``.

    Names are relative to the folder; in an archive they may also start with the archive's own name. A DataError tells
    of an archive that cannot be read at random.
    """
    path = Path(path)
    if path.is_dir():
        return _Folder(path)
    try:
        return _Zip(path) if path.suffix == ".zip" else _Tar(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{path}: cannot be read as an archive: {error}; expected a zip, or a tar that is not compressed as a "
            "whole; copy it again, or try: gunzip"
        ) from error


class _Folder:
    def __init__(self, path):
        self.path = path

    def read(self, name):
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None


class _Zip:
    def __init__(self, path):
        self.file = zipfile.ZipFile(path)
        self.names = _shortened(path, (info.filename for info in self.file.infolist() if not info.is_dir()))

    def read(self, name):
        try:
            return self.file.read(self.names[name])
        except (zipfile.BadZipFile, EOFError) as error:  # the archive's own checksum does not fit
            raise OSError(str(error)) from error


class _Tar:
    def __init__(self, path):
        self.file = open(path, "rb")  # noqa: SIM115  # read from until the process ends
        members = {}
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isfile():
                    members[member.name] = (member.offset_data, member.size)
                tar.members = []  # millions of them; their places are enough
        self.places = {name: members[full] for name, full in _shortened(path, members).items()}

    def read(self, name):
        offset, size = self.places[name]
        self.file.seek(offset)
        content = self.file.read(size)
        if len(content) < size:
            raise OSError(f"the archive ends after {len(content)} of {size} bytes")
        return content


def _shortened(path, names):
    """Names without a leading ``./`` and without the archive's own name -> names as they are."""
    prefix = f"{path.stem}/"
    return {name.removeprefix("./").removeprefix(prefix): name for name in names}
