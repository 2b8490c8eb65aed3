import json
import os

import pandas as pd
import pytest

from glc import storage
from glc.errors import DamagedError, DataError


def break_off(writer, name):
    """Write half of an output, then fail."""
    with writer as out:
        (out / name if name else out).write_text("half")
        raise RuntimeError("broke off")


def test_a_directory_is_whole_or_absent(tmp_path):
    with pytest.raises(RuntimeError):
        break_off(storage.atomic_directory(tmp_path / "made"), "half")
    assert list(tmp_path.iterdir()) == []
    with storage.atomic_directory(tmp_path / "made", task="Test") as out:
        (out / "whole").write_text("x")
        storage.note(out, rows=3)
    facts = storage.manifest(tmp_path / "made")
    assert (facts["task"], facts["rows"]) == ("Test", 3)
    assert facts["contents"]["whole"]["sha256"] == storage.file_digest(tmp_path / "made" / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_leftover_without_manifest_is_replaced(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "leftover").write_text("x")
    assert not storage.exists(tmp_path / "made")
    with storage.atomic_directory(tmp_path / "made") as out:
        (out / "new").write_text("x")
    assert storage.exists(tmp_path / "made")
    assert not (tmp_path / "made" / "leftover").exists()


def test_a_file_is_whole_or_absent(tmp_path):
    with pytest.raises(RuntimeError):
        break_off(storage.atomic_file(tmp_path / "a" / "file"), None)
    assert list((tmp_path / "a").iterdir()) == []


def test_parts_are_merged_without_touching_the_others(tmp_path):
    for name in ("one", "two"):
        with storage.merged_into(tmp_path) as scratch:
            (scratch / name).mkdir()
            (scratch / name / "file").write_text(name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_tables_follow_their_schema(tmp_path):
    frame = pd.DataFrame({"surveyId": [1], "fold": [0], "block": [5]})
    assert storage.write_table(frame, "folds", tmp_path / "folds") == 1
    assert storage.read_table(tmp_path / "folds", "folds").to_pydict() == {"surveyId": [1], "fold": [0], "block": [5]}
    with pytest.raises(DataError, match="column 'block' is missing"):
        storage.write_table(frame.drop(columns="block"), "folds", tmp_path / "bad")
    with pytest.raises(DataError, match="no parquet file of a folds table"):
        storage.read_table(tmp_path / "nowhere", "folds")


def test_the_manifest_is_json_a_person_can_read(tmp_path):
    with storage.atomic_directory(tmp_path / "made", parameters={"k": 10}) as out:
        (out / "x").write_text("")
    assert json.loads((tmp_path / "made" / "_SUCCESS").read_text())["parameters"] == {"k": 10}


@pytest.fixture
def made(tmp_path):
    """A finished output: a table in a folder, and a file."""
    with storage.atomic_directory(tmp_path / "made", task="Test") as out:
        storage.write_table(pd.DataFrame({"surveyId": [1, 2], "fold": [0, 1], "block": [5, 6]}), "folds", out / "table")
        (out / "weights.npy").write_bytes(b"0123456789")
    return tmp_path / "made"


def flip(path):
    """Change a byte in the middle; size and modification time stay."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def no_keys(path):
    path.write_text("{}")


def list_of_numbers(path):
    path.write_text("[1]")


def other_value(path):
    path.write_text(path.read_text().replace('"Test"', '"Fit"'))


def binary(path):
    path.write_bytes(b"\xff\xfe\x00")


DAMAGE = [
    ("weights.npy", flip, "weights.npy: found sha256 [0-9a-f]{12}…, expected [0-9a-f]{12}…"),
    ("weights.npy", truncate, "weights.npy: found 9 bytes, expected 10"),
    ("weights.npy", os.unlink, "weights.npy: found no such file, expected one of 10 bytes"),
    ("table/part-0.parquet", flip, "part-0.parquet: found sha256"),
    ("table/part-0.parquet", empty, "part-0.parquet: found 0 bytes, expected [1-9]"),
    ("_SUCCESS", empty, "_SUCCESS: found 0 bytes that are no JSON"),
    ("_SUCCESS", binary, "_SUCCESS: found 3 bytes that are no JSON"),
    ("_SUCCESS", no_keys, "_SUCCESS: found a manifest without the key 'contents'"),
    ("_SUCCESS", list_of_numbers, "_SUCCESS: found a manifest without the key 'contents'"),
    ("_SUCCESS", other_value, "_SUCCESS: found a manifest that was changed"),
]


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGE)
def test_a_damaged_output_is_refused_with_file_and_remedy(made, name, damage, message):
    storage.check(made)
    damage(made / name)
    with pytest.raises(DamagedError, match=f"^{made}/.*{message}.*--repair.*remove {made}$") as error:
        storage.check(made)
    assert error.value.folder == made


@pytest.mark.parametrize("damage", [flip, truncate, empty])
def test_a_damaged_table_is_not_read(made, damage):
    damage(made / "table" / "part-0.parquet")
    with pytest.raises(DamagedError, match=f"^{made}/table/part-0.parquet: found"):
        storage.read_table(made / "table", "folds")


def test_a_part_that_nobody_wrote_is_not_read(made):
    (made / "table" / "part-1.parquet").write_bytes((made / "table" / "part-0.parquet").read_bytes())
    with pytest.raises(DamagedError, match=r"part-1.parquet: found a file that the manifest does not name"):
        storage.read_table(made / "table", "folds")
    (made / "notes.txt").write_text("harmless")
    (made / "table" / "part-1.parquet").unlink()
    storage.check(made)


def test_a_bare_table_that_is_no_parquet_is_named(tmp_path):
    storage.write_table(pd.DataFrame({"surveyId": [1], "fold": [0], "block": [5]}), "folds", tmp_path)
    (tmp_path / "part-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match=r"^.*/part-1.parquet: found .*, expected a folds table"):
        storage.read_table(tmp_path, "folds")


def test_large_files_are_compared_by_size_alone_until_they_are_published(made, monkeypatch):
    monkeypatch.setattr(storage, "LARGE", 5)
    flip(made / "weights.npy")
    storage.check(made, largest=5)
    for check in (lambda: storage.check(made, largest=None), lambda: storage.check_file(made / "weights.npy")):
        with pytest.raises(DamagedError, match=r"weights.npy: found sha256"):
            check()


def test_sizes_alone_can_be_compared(made):
    flip(made / "weights.npy")
    storage.check(made, digests=False)
    truncate(made / "weights.npy")
    with pytest.raises(DamagedError, match="found 9 bytes"):
        storage.check(made, digests=False)


def test_a_file_is_hashed_once_per_process(made, monkeypatch):
    hashed = []
    digest = storage.file_digest
    monkeypatch.setattr(storage, "file_digest", lambda path: hashed.append(path.name) or digest(path))
    storage.check(made)
    assert hashed == []  # they were when they were written
    os.utime(made / "weights.npy")
    storage.check(made)
    storage.check(made)
    assert hashed == ["weights.npy"]


def test_a_manifest_says_from_which_commit(made):
    facts = storage.manifest(made)
    assert facts["git"] == storage.checkout()
    assert set(facts["git"]) == {"commit", "dirty"}
    assert len(facts["git"]["commit"]) == 40
    assert {"python", "pyarrow", "torch"} <= set(facts["versions"])


def test_parts_that_are_there_already_are_never_missing(tmp_path):
    def merge():
        with storage.merged_into(tmp_path) as scratch:
            (scratch / "images").mkdir()
            for number in range(5):
                (scratch / "images" / str(number)).write_text(f"image {number}")
            (scratch / "world.json").write_text("{}")

    merge()
    nodes = {path: path.stat().st_ino for path in (tmp_path / "images").iterdir()}
    (tmp_path / "images" / "3").write_text("imagE 3")
    (tmp_path / "images" / "stale").write_text("")
    merge()
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"0", "1", "2", "3", "4"}
    assert (tmp_path / "images" / "3").read_text() == "image 3"
    replaced = {path.name for path, node in nodes.items() if path.stat().st_ino != node}
    assert replaced == {"3"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "world.json"]


def test_outputs_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: events.append(os.readlink(f"/proc/self/fd/{file}")) or fsync(file))
    monkeypatch.setattr(os, "replace", lambda *paths: events.append("replace") or replace(*paths))
    with storage.atomic_directory(tmp_path / "made") as out:
        (out / "x").write_text("x")
    before = events[: events.index("replace")]
    assert {str(out / "x"), str(out / "_SUCCESS"), str(out)} <= set(before)
    assert events[-1] == str(tmp_path)
    events.clear()
    with storage.atomic_file(tmp_path / "file") as path:
        path.write_text("x")
    assert events == [str(path), "replace", str(tmp_path)]


def test_an_unfinished_file_may_lie_in_another_folder(tmp_path):
    (tmp_path / "scratch").mkdir()
    path = tmp_path / "out" / "table.csv"
    with storage.atomic_file(path, tmp_path / "scratch") as unfinished:
        unfinished.write_text("a\n")
        assert unfinished.is_relative_to(tmp_path / "scratch")
        assert list(path.parent.iterdir()) == []  # where a killed process would leave it for good
    assert path.read_text() == "a\n"
    assert list((tmp_path / "scratch").iterdir()) == []


def _written(path, text, time_ns):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(time_ns, time_ns))


def test_a_stamp_changes_with_every_file_and_not_with_the_place(tmp_path):
    for folder in ("a", "b"):
        _written(tmp_path / folder / "x" / "1.jpg", "one", 10)
        _written(tmp_path / folder / "2.jpg", "four", 20)
    before = storage.stamp(tmp_path / "a")
    assert before[:3] == (7, 20, 2)
    assert storage.stamp(tmp_path / "b") == before
    assert storage.stamp(tmp_path / "a", deep=False).files == 1
    _written(tmp_path / "b" / "x" / "1.jpg", "two", 11)  # as long as before, in the same folder
    assert storage.stamp(tmp_path / "b") != before
    _written(tmp_path / "b" / "x" / "1.jpg", "one", 10)
    assert storage.stamp(tmp_path / "b") == before
    (tmp_path / "b" / "x" / "1.jpg").rename(tmp_path / "b" / "x" / "3.jpg")
    assert storage.stamp(tmp_path / "b") != before
    (tmp_path / "a" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    assert storage.stamp(tmp_path / "a").files == 4


OUTSIDE = ("../x", "a/../../x", "/etc/x", "a/./b", "", "a//b", "..", "a\\..\\x", "C:/x", "a\0b")


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["contents", "merged", "into", "published"])
def test_a_manifest_that_names_what_is_not_below_its_folder_is_refused(tmp_path, name, kind):
    file = {"bytes": 1, "sha256": "0" * 64}
    facts = {"contents": {"a/b.txt": file}, "merged": {"into": "../..", "contents": {"c.txt": file}}}
    facts |= {"published": {"metrics/x/y.json": "b.txt"}}
    storage.parse_manifest(text_of(facts), tmp_path, "here")
    if kind == "into":
        facts["merged"]["into"] = "../../.." if name == ".." else name
    else:
        (facts["merged"]["contents"] if kind == "merged" else facts[kind])[name] = file
    with pytest.raises(DamagedError, match=r"here: found the name .*, expected names of files below the folder"):
        storage.parse_manifest(text_of(facts), tmp_path, "here")


@pytest.mark.parametrize("contents", [[], "a", {"a": 1}, {"a": {"bytes": "1", "sha256": "0"}}, {"a": {"bytes": 1}}])
def test_a_manifest_whose_contents_are_of_another_form_is_refused(tmp_path, contents):
    with pytest.raises(DamagedError, match="here: found the name"):
        storage.parse_manifest(text_of({"contents": contents}), tmp_path, "here")


def text_of(facts):
    """A manifest as anybody can write it, with its right checksum."""
    return json.dumps(facts | {"checksum": storage._checksum(facts)}).encode()
