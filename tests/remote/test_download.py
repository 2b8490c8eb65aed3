"""Files over HTTP: continued, verified, whole or absent."""

import zipfile

import numpy as np
import pytest
import requests

from glc.errors import DataError
from glc.remote import download, unpack

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "tables.csv"


def fetch(host, path, name="tables.csv", **options):
    return download.fetch(download.plain(f"{host.url}/files/{name}"), path, wait=0.001, **options)


def test_a_file_arrives_whole(host, path):
    host.files["tables.csv"] = CONTENT
    assert fetch(host, path).read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["tables.csv"]
    assert host.ranges == []


def test_a_broken_connection_is_continued_where_it_broke(host, path):
    host.files["tables.csv"], host.broken["tables.csv"] = CONTENT, [70_000, 50_000]
    assert fetch(host, path).read_bytes() == CONTENT
    assert [at for _, at in host.ranges] == [65_536, 114_688]  # whole blocks of 16 kB


def test_a_later_call_continues_what_an_earlier_one_left(host, path):
    host.files["tables.csv"], host.broken["tables.csv"] = CONTENT, [32_768, *[0] * download.TRIES]
    with pytest.raises(DataError, match=r"32,768 bytes have arrived; run the same command again"):
        fetch(host, path)
    assert not path.exists()
    host.broken.clear()
    host.ranges.clear()
    assert fetch(host, path).read_bytes() == CONTENT
    assert host.ranges == [("tables.csv", 32_768)]


def test_what_has_arrived_of_a_file_that_was_replaced_is_not_used(host, path):
    host.files["tables.csv"], host.broken["tables.csv"] = CONTENT, [40_000, *[0] * download.TRIES]
    with pytest.raises(DataError):
        fetch(host, path)
    host.broken.clear()
    host.ranges.clear()
    host.files["tables.csv"] = CONTENT[::-1]
    assert fetch(host, path).read_bytes() == CONTENT[::-1]
    assert host.ranges == []


def test_a_wrong_checksum_is_refused_and_nothing_is_left(host, path):
    host.files["tables.csv"], host.wrong_md5 = CONTENT, True
    with pytest.raises(DataError, match=r"tables.csv: found md5 \w+, expected md5 \w+"):
        fetch(host, path)
    assert list(path.parent.iterdir()) == []


def test_a_busy_host_is_asked_again_and_a_missing_file_is_not(host, path):
    host.files["tables.csv"], host.answers["GET"] = CONTENT, [(429, "slow down"), (503, "busy")]
    assert fetch(host, path).read_bytes() == CONTENT
    with pytest.raises(requests.HTTPError, match="404"):
        fetch(host, path, "none.csv")


def test_a_full_disk_is_refused_before_anything_is_fetched(tmp_path):
    files = [download.Remote("rasters.zip", 10**18)]
    with pytest.raises(DataError, match=r"the download needs 931,322,574.6 GB on disk.*--folder"):
        download.refuse_without_room(tmp_path / "new" / "data", files)
    assert download.refuse_without_room(tmp_path, [download.Remote("a", 5), download.Remote("b", None)]) == 5


@pytest.mark.parametrize(("size", "text"), [(7, "7 bytes"), (1_234_567, "1.2 MB"), (None, "size not stated")])
def test_sizes_in_words(size, text):
    assert download.in_words(size) == text


def packed(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_archive_is_unpacked_with_its_folders(tmp_path):
    archive = packed(tmp_path / "all.zip", {"a.csv": b"1", "deep/er/b.csv": b"22"})
    made = unpack.unpack(archive, tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in made] == ["a.csv", "deep/er/b.csv"]
    assert (tmp_path / "out/deep/er/b.csv").read_bytes() == b"22"


@pytest.mark.parametrize("name", ["../evil.csv", "/evil.csv", "a/../../evil.csv", "C:/evil.csv"])
def test_an_archive_that_leads_out_of_the_folder_is_refused_before_anything_is_written(tmp_path, name):
    archive = packed(tmp_path / "all.zip", {"a.csv": b"1", name: b"2"})
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_in_an_archive_is_refused(tmp_path):
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = 0o120777 << 16
    archive = packed(tmp_path / "all.zip", {link: "/etc/passwd"})
    with pytest.raises(DataError, match="is a link"):
        unpack.unpack(archive, tmp_path / "out")


def test_a_bomb_and_a_damaged_archive_are_refused(tmp_path):
    archive = packed(tmp_path / "all.zip", {"a.csv": bytes(2**26 + 1)})
    with pytest.raises(DataError, match="times its size"):
        unpack.unpack(archive, tmp_path / "out")
    (tmp_path / "half.zip").write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack.unpack(tmp_path / "half.zip", tmp_path / "out")
