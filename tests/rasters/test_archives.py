"""Files of folders, tars and zips are the same bytes."""

import tarfile
import zipfile

import pytest

from glc.errors import DataError
from glc.rasters import archives

FILES = {"75/85/1.jpeg": b"one", "00/10/2.jpeg": b"two" * 1000, "3.jpeg": b""}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "tiles" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "tiles"


def _zip(path, folder, prefix):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in FILES:
            file.write(folder / name, prefix + name)


def _tar(path, folder, prefix):
    with tarfile.open(path, "w") as file:
        for name in FILES:
            file.add(folder / name, prefix + name)


@pytest.mark.parametrize("prefix", ["", "./", "tiles/", "./tiles/"])
@pytest.mark.parametrize(("end", "pack"), [(".zip", _zip), (".tar", _tar)])
def test_archives_hold_what_the_folder_holds(folder, end, pack, prefix):
    path = folder.with_suffix(end)
    pack(path, folder, prefix)
    for source in (archives.opened(folder), archives.opened(path)):
        for name, data in FILES.items():
            assert source.read(name) == data
        with pytest.raises(KeyError):
            source.read("75/85/4.jpeg")


def test_an_archive_that_is_cut_short_or_compressed_is_refused(folder, tmp_path):
    path = tmp_path / "tiles.zip"
    _zip(path, folder, "")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"cannot be read as an archive.*copy it again"):
        archives.opened(path)
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as file:
        file.add(folder, "tiles")
    with pytest.raises(DataError, match="gunzip"):
        archives.opened(tmp_path / "packed.tar")


def test_a_member_that_is_damaged_is_an_os_error(folder, tmp_path):
    path = tmp_path / "tiles.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a", b"x" * 100)
    path.write_bytes(path.read_bytes().replace(b"xxxxx", b"xxyxx", 1))
    with pytest.raises(OSError, match="CRC"):
        archives.opened(path).read("a")
