"""Outputs travel whole between caches and a store, also where something is interrupted or damaged."""

import hashlib
import json

import pyarrow as pa
import pytest

from glc import storage
from glc.errors import DamagedError, DataError
from glc.objectstore import StoredDamageError, StoreError
from tests.objectstore.conftest import content


def _there(mirror, folder):
    """The same output's folder in another machine's cache."""
    return mirror.root / "store" / "tiny" / folder.name


def _uploads(files, monkeypatch, fail_at=None):
    """Names of the files that are uploaded from now on; one of them fails."""
    names, put = [], files.put_file

    def upload(source, target, **options):
        if len(names) == fail_at:
            raise ConnectionResetError("connection lost")
        names.append(target.rsplit("/", 1)[-1])
        put(source, target, **options)

    monkeypatch.setattr(files, "put_file", upload)
    return names


def test_an_output_arrives_as_it_was_written(machine, output):
    here, there = machine("here"), machine("there")
    folder = output(here)
    here.publish(folder)
    copy = _there(there, folder)
    assert not storage.is_local(copy)
    assert storage.exists(copy)
    assert storage.manifest(copy) == storage.manifest(folder)
    storage.check(copy)
    assert content(copy) == content(folder)


def test_an_output_that_the_store_does_not_have_is_not_finished(machine, output):
    here, there = machine("here"), machine("there")
    folder = output(here)
    assert not here.holds(folder)
    assert not storage.exists(_there(there, folder))


def test_an_interrupted_upload_leaves_no_manifest_and_goes_on_from_there(machine, output, files, monkeypatch):
    here, there = machine("here"), machine("there")
    folder = output(here)
    with monkeypatch.context() as patched:
        _uploads(files, patched, fail_at=1)
        with pytest.raises(StoreError, match=r"uploading .*b.txt failed.*connection lost.*run the same command again"):
            here.publish(folder)
    assert not there.holds(_there(there, folder))
    names = _uploads(files, monkeypatch)
    here.publish(folder)
    assert names == ["b.txt"]
    there.fetch(_there(there, folder))


def test_an_interrupted_download_leaves_nothing(machine, output, files, monkeypatch):
    here, there = machine("here"), machine("there")
    folder = output(here)
    here.publish(folder)
    copy, get = _there(there, folder), files.get_file
    with monkeypatch.context() as patched:

        def download(source, target, **options):
            if source.endswith("b.txt"):
                raise ConnectionResetError("connection lost")
            get(source, target, **options)

        patched.setattr(files, "get_file", download)
        with pytest.raises(StoreError, match=r"downloading .*b.txt failed"):
            there.fetch(copy)
        assert not [path for path in copy.parent.rglob("*") if path.is_file()]
    there.fetch(copy)
    assert content(copy) == content(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files, path: files.rm_file(path), "a.txt: found no such file, expected 5 bytes"),
        (lambda files, path: files.pipe_file(path, b"other"), "a.txt: found sha256 .*, expected "),
        (lambda files, path: files.pipe_file(path, b"longer"), "a.txt: found 6 bytes, expected 5 bytes"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_is_damage(machine, output, files, change, message):
    here, there = machine("here"), machine("there")
    folder = output(here)
    here.publish(folder)
    change(files, next(path for path in files.store if path.endswith("a.txt")))
    with pytest.raises(StoredDamageError, match=f"memory://bucket/runs/store/tiny/.*{message}.*--repair.*remove mem"):
        there.fetch(_there(there, folder))
    assert not storage.is_local(_there(there, folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"{not", "bytes that are no JSON"), (b"{}", "without the key"), (None, "changed after it was written")],
)
def test_a_manifest_that_is_not_what_was_written_is_damage(machine, output, store, text, message):
    here, there = machine("here"), machine("there")
    folder = output(here)
    here.publish(folder)
    if text is None:
        text = json.dumps(storage.manifest(folder) | {"task": "Other"}).encode()
    store.write(f"store/tiny/{folder.name}/_SUCCESS", text)
    with pytest.raises(DamagedError, match=f"memory://bucket/runs/store/.*_SUCCESS: found .*{message}"):
        there.holds(_there(there, folder))


def test_the_first_that_finishes_wins_and_no_file_of_it_is_overwritten(machine, output):
    here, there, third = machine("here"), machine("there"), machine("third")
    first, second = output(here, "first"), output(there, "other")
    here.publish(first)
    there.publish(second)
    assert content(second) == content(first)
    third.fetch(_there(third, first))
    assert content(_there(third, first)) == content(first)


def test_files_that_were_merged_into_another_folder_travel_too(machine):
    here, there = machine("here"), machine("there")
    world = here.root / "datasets" / "virtual"
    folder = world / ".parts" / "metadata-0123"
    with storage.merged_into(world) as merged:
        (merged / "tables").mkdir()
        (merged / "tables" / "surveys.csv").write_text("id\n1\n")
        files = storage.contents(merged)
    with storage.atomic_directory(folder, merged={"into": "../..", "contents": files}):
        pass
    here.publish(folder)
    copy = there.root / "datasets" / "virtual" / ".parts" / "metadata-0123"
    there.fetch(copy)
    storage.check(copy)
    assert (there.root / "datasets" / "virtual" / "tables" / "surveys.csv").read_text() == "id\n1\n"


def test_a_published_folder_is_whole_in_the_store_and_comes_from_its_output(machine, output, store):
    here, there = machine("here"), machine("there")
    for text, name in (("old", "Model-0123"), ("new", "Model-4567")):
        folder = output(here, text, name)
        here.publish(folder)
        stable = here.root / "models" / "tiny" / "votes"
        with storage.replaced(stable) as copy:
            for path, words in content(folder).items():
                (copy / path).parent.mkdir(exist_ok=True)
                (copy / path).write_text(words)
        here.publish_product(stable, folder)
        assert here.record(stable) == here.digest(folder)
    assert store.read("models/tiny/votes/a.txt") == b"new"
    storage.bring(there.root / "models" / "tiny" / "votes")
    assert content(there.root / "models" / "tiny" / "votes") == content(folder)


def test_metrics_of_other_machines_are_there_after_a_refresh(machine, output):
    here, there = machine("here"), machine("there")
    folder = output(here, name="Evaluate-0123")
    here.publish(folder)
    stable = here.root / "metrics" / "tiny" / "votes.json"
    stable.parent.mkdir(parents=True)
    stable.write_text("first")
    here.publish_product(stable, folder)
    there.refresh("metrics")
    assert (there.root / "metrics" / "tiny" / "votes.json").read_text() == "first"
    assert storage.is_local(_there(there, folder))


def test_what_is_removed_is_gone_for_every_machine(machine, output, store):
    here, there = machine("here"), machine("there")
    folder = output(here)
    here.publish(folder)
    assert here.remove(folder)
    assert not there.holds(_there(there, folder))
    assert store.sizes("store") == {}
    assert not here.remove(folder)


def _manifest(**facts):
    """A manifest that somebody else wrote, with its right checksum."""
    return json.dumps(facts | {"checksum": storage._checksum(facts)}).encode()


def _evil(store, here, way):
    """Have the store name a place outside of the root of who opens it, in one of four ways."""
    text, digest = b"evil", hashlib.sha256(b"evil").hexdigest()
    file = {"bytes": len(text), "sha256": digest}
    facts = {"task": "Evaluate", "identity": "1", "contents": {"metrics.json": file}}
    name, output = "metrics/tiny/votes.json", "store/tiny/Evaluate-1"
    if way == "contents":
        facts["contents"] = {"../../../../evil.pth": file, "metrics.json": file}
    elif way == "merged":
        facts["merged"] = {"into": "../../../..", "contents": {"evil.pth": file}}
    elif way == "record":
        name = "metrics/../../evil.pth"
    else:
        output = "store/../../elsewhere/Evaluate-1"
    folder = here.root / "store/tiny/Evaluate-1"
    base = here.base(folder, facts)
    for part in facts["contents"]:
        store.write(f"{base}/{part}", text)
    store.write(f"{base}/.merged/evil.pth", text)
    for place in {folder.relative_to(here.root).as_posix(), output}:
        store.write(f"{place}/_SUCCESS", _manifest(**facts))
    store.write(f".published/{name}", json.dumps({"sha256": digest, "output": output}).encode())


@pytest.mark.parametrize("way", ["contents", "merged", "record", "output"])
def test_names_that_lead_out_of_the_root_are_refused_and_write_nothing(machine, store, tmp_path, way):
    here = machine("here")
    _evil(store, here, way)
    with pytest.raises(
        DataError, match=r"memory://bucket/runs/.*: found the name '.*(evil|elsewhere|\.\.).*', expected"
    ):
        here.refresh("metrics")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert not [path for path in here.root.rglob("*") if path.is_file()]


def test_a_folder_that_is_not_below_the_root_is_never_fetched(machine):
    here = machine("here")
    for folder in (here.root / "store/../../x", here.root / "store/a/../../../x"):
        with pytest.raises(StoreError, match="expected one below the root"):
            storage.bring(folder)


def test_a_table_that_the_store_alone_has_is_brought_to_be_read(machine):
    here, there = machine("here"), machine("there")
    folder = here.root / "store" / "tiny" / "Surveys-01"
    ids = pa.table({"file": ["a.csv"], "line": [2], "surveyId": ["7"]})
    with storage.atomic_directory(folder, task="Surveys", identity="01") as out:
        storage.write_table(ids, "test_ids", out / "test_ids")
    here.publish(folder)
    table = storage.read_table(_there(there, folder) / "test_ids", "test_ids")
    assert table["surveyId"].to_pylist() == ["7"]
