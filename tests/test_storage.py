import json

import pandas as pd
import pytest

from glc import storage
from glc.errors import DataError


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
