"""Files of folders, tars and zips are the same bytes."""

import tarfile
import tracemalloc
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
            assert source.read(name, 10_000) == data
        with pytest.raises(KeyError):
            source.read("75/85/4.jpeg", 10_000)


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
        archives.opened(path).read("a", 1000)


@pytest.mark.parametrize(("end", "pack"), [("", None), (".zip", _zip), (".tar", _tar)])
def test_what_is_larger_than_expected_is_not_read(folder, end, pack):
    path = folder.with_suffix(end)
    if pack:
        pack(path, folder, "")
    source = archives.opened(path)
    assert source.read("75/85/1.jpeg", 3) == b"one"
    with pytest.raises(OSError, match=r"found 3,000 bytes, expected at most 2,999"):
        source.read("00/10/2.jpeg", 2999)


def test_a_member_that_declares_less_than_it_holds_ends_where_it_says(tmp_path):
    path, size = tmp_path / "tiles.zip", 64 << 20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a", "w") as made:
        for _ in range(size >> 20):
            made.write(bytes(1 << 20))
    content = path.read_bytes()
    assert len(content) < size / 900
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match="CRC"):
            archives.opened(path).read("a", 1000)
        assert tracemalloc.get_traced_memory()[1] < size / 32
    finally:
        tracemalloc.stop()


def test_a_deflated_member_that_is_damaged_or_encrypted_is_an_os_error(folder, tmp_path):
    path = tmp_path / "tiles.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", bytes(range(256)) * 4)
        start = file.getinfo("a").header_offset + 31
    content = path.read_bytes()
    path.write_bytes(content[:start] + b"\xff" * 50 + content[start + 50 :])
    with pytest.raises(OSError, match="Error"):
        archives.opened(path).read("a", 5000)
    central = content.rindex(b"PK\1\2")
    path.write_bytes(content[: central + 8] + b"\1" + content[central + 9 :])
    with pytest.raises(OSError, match=r"is encrypted, password required.*without one"):
        archives.opened(path).read("a", 5000)


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")])
def test_members_that_unpack_at_once_are_refused(tmp_path, method, name):
    with zipfile.ZipFile(tmp_path / "tiles.zip", "w", method) as file:
        file.writestr("a", b"one")
    with pytest.raises(OSError, match=f"packed with {name}, expected one stored or deflated"):
        archives.opened(tmp_path / "tiles.zip").read("a", 1000)
