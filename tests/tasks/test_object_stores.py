"""Tasks whose ROOT is in an object store: made once, by whichever machine comes first."""

import json
import os
import shutil
from pathlib import Path

import fsspec
import luigi
import pytest

from glc import storage
from glc.errors import DamagedError, DataError
from glc.objectstore import StoreError, opening
from glc.tasks import Folds, Submission, Surveys, base, preflight
from glc.tasks.base import GlcTask, ProductTask
from glc.tasks.machine import machine
from glc.tasks.outputs import Published, PublishedFolder
from glc.tasks.provenance import Provenance
from glc.tasks.verify import Verify
from tests import finished
from tests.tasks.pipeline import build, run

URL = "memory://bucket/runs"


class _Task(GlcTask):
    task_namespace = "stores"
    origin = "tiny"


class Made(_Task):
    """The first step."""

    def write(self, out: Path) -> None:
        (out / "number.txt").write_text("1")


class Page(_Task, ProductTask):
    """What is only looked at."""

    only_looked_at = True

    def requires(self) -> Made:
        return self.clone(Made)

    def published(self):
        return [Published(Path(self.root) / "reports" / "tiny" / "page.html", self.folder / "page.html")]

    def write(self, out: Path) -> None:
        (out / "page.html").write_text((self.requires().folder / "number.txt").read_text())


class Product(_Task, ProductTask):
    """The second, with a file and a folder at stable places."""

    def requires(self) -> Made:
        return self.clone(Made)

    def published(self):
        root = Path(self.root)
        return [
            Published(root / "metrics" / "tiny" / "product.json", self.folder / "product.json"),
            PublishedFolder(root / "models" / "tiny" / "product", self.folder),
        ]

    def write(self, out: Path) -> None:
        (out / "product.json").write_text(json.dumps(int((self.requires().folder / "number.txt").read_text()) + 1))

    def results(self) -> list[str]:
        return [(Path(self.root) / "metrics" / "tiny" / "product.json").read_text()]


@pytest.fixture
def files():
    system = fsspec.filesystem("memory", skip_instance_cache=True)
    yield system
    system.store.clear()


@pytest.fixture
def on(monkeypatch, tmp_path, files):
    """Makes a task as another machine would: with its own cache, and nothing remembered."""
    monkeypatch.setitem(opening.EXTRAS, "memory", ("fsspec", "memory"))
    settings = luigi.configuration.get_config()

    def task(kind, name, **options):
        monkeypatch.setattr(opening, "_opened", {})
        monkeypatch.setattr(storage, "mirrors", {})
        monkeypatch.setattr(base, "_upstream", {})
        monkeypatch.setattr(base, "_broken", set())
        settings.set("machine", "cache", str(tmp_path / name))
        luigi.task_register.Register.clear_instance_cache()
        return kind(root=URL, **options)

    yield task
    settings.remove_option("machine", "cache")
    while opening._held:
        os.close(opening._held.pop())


def _stored(files, end):
    return next(path for path in files.store if path.endswith(end) and "/store/" in path)


def test_the_second_machine_only_fetches_what_it_shows(on, files, tmp_path):
    first = on(Product, "first")
    assert Path(first.root) == tmp_path / "first" / "memory" / "bucket" / "runs"
    assert run(first) == ["stores.Made", "stores.Product"]
    stored = dict(files.store)
    assert files.cat_file("bucket/runs/metrics/tiny/product.json") == b"2"
    assert files.exists("bucket/runs/models/tiny/product/_SUCCESS")
    second = on(Product, "second")
    assert run(second) == []
    second.bring()
    assert second.results() == ["2"]
    assert storage.is_local(second.folder)
    assert not storage.is_local(second.requires().folder)
    assert {path for path in files.store if not path.endswith("/.glc")} == {
        path for path in stored if not path.endswith("/.glc")
    }


def test_an_input_that_another_machine_made_is_fetched(on, monkeypatch):
    assert run(on(Made, "first")) == ["stores.Made"]
    monkeypatch.setattr(Made, "write", lambda self, out: pytest.fail("made twice"))
    second = on(Product, "second")
    assert run(second) == ["stores.Product"]
    assert storage.is_local(second.requires().folder)


def test_an_output_whose_upload_failed_is_uploaded_and_not_made_again(on, files, monkeypatch):
    task = on(Made, "first")
    with monkeypatch.context() as patched:
        patched.setattr(
            type(files), "put_file", lambda *args, **options: (_ for _ in ()).throw(ConnectionError("lost"))
        )
        done, families = build(task)
    assert (done, families) == (False, [])
    assert storage.is_local(task.folder)
    monkeypatch.setattr(Made, "write", lambda self, out: pytest.fail("made twice"))
    again = on(Made, "first")
    assert not again.complete()
    assert run(again) == ["stores.Made"]
    assert not [path for path in files.store if path.endswith(".lease")]


def test_a_damaged_local_copy_is_fetched_again(on):
    task = on(Made, "first")
    run(task)
    (task.folder / "number.txt").write_text("17")
    product = on(Product, "first")
    run(product)
    assert product.results() == ["2"]


@pytest.mark.parametrize("damage", ["number.txt", "_SUCCESS"])
def test_a_damaged_output_in_the_store_is_reported_and_with_repair_made_again(on, files, damage):
    run(on(Made, "first"))
    files.pipe_file(_stored(files, damage), b"{}")
    with pytest.raises(DamagedError, match=f"memory://.*{damage}: found .*--repair"):
        on(Product, "second").requires().complete() and on(Product, "second").run()
    settings = luigi.configuration.get_config()
    settings.set("machine", "repair", "true")
    try:
        assert machine().repair
        product = on(Product, "second")
        assert run(product) == ["stores.Made", "stores.Product"]
    finally:
        settings.remove_option("machine", "repair")
    assert files.cat_file(_stored(files, "number.txt")) == b"1"
    assert product.results() == ["2"]


def test_a_product_that_lacks_its_stable_copy_in_the_store_is_not_complete(on, files):
    run(on(Product, "first"))
    files.rm_file("bucket/runs/.published/metrics/tiny/product.json")
    again = on(Product, "second")
    assert not again.complete()
    assert run(again) == ["stores.Product"]
    assert on(Product, "third").complete()


@pytest.fixture
def refuse(files, monkeypatch):
    """Has the store refuse to be written to."""

    def denied(*args, **options):
        raise PermissionError("Forbidden")

    def start():
        for method in ("pipe_file", "put_file", "rm_file"):
            monkeypatch.setattr(files, method, denied)
        monkeypatch.setattr(opening, "connect", lambda scheme: files)

    return start


def test_a_store_that_takes_no_files_can_be_read(on, refuse, tmp_path):
    run(on(Product, "first"))
    refuse()
    second = on(Product, "second")
    preflight.check(second)
    assert run(second) == []
    second.bring()
    assert second.results() == ["2"]
    verify = on(Verify, "second")
    assert run(verify) == ["Verify"]
    text = verify.results()[0]
    assert text.startswith("nothing is damaged below memory://bucket/runs: 2 outputs (2 files, 0.0 MB) and 2 published")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("metrics/tiny/product.json", "stores.Product"),
        ("models/tiny/product", "stores.Product"),
        ("models/tiny/product/product.json", "stores.Product"),
    ],
)
def test_a_file_of_the_store_is_traced_without_a_local_copy(on, refuse, name, first):
    product = on(Product, "first")
    run(product)
    refuse()
    on(Made, "second")  # nothing is in the cache of this machine
    trace = Provenance(path=f"{URL}/{name}")
    assert run(trace) == ["Provenance"]
    place, *lines = trace.results()
    assert place == f"{URL}/{name}"
    assert lines[0].startswith(f"{first} {product.identity}  store/tiny/")
    assert not any(line.startswith("warning") for line in lines)
    assert any(line.startswith(f"stores.Made {product.requires().identity}") for line in lines)


def test_a_file_of_the_store_that_was_edited_is_said_so(on, files):
    run(on(Product, "first"))
    files.pipe_file("bucket/runs/metrics/tiny/product.json", b"9")
    on(Made, "second")
    trace = Provenance(path=f"{URL}/metrics/tiny/product.json")
    run(trace)
    assert trace.results()[1].startswith("warning: differs from its product: found sha256 ")
    with pytest.raises(DataError, match=r"memory://bucket/runs/metrics/other\.json: glc did not make it"):
        Provenance(path=f"{URL}/metrics/other.json").run()
    with pytest.raises(DataError, match=r"memory://bucket/else/x\.csv: not below a root of glc"):
        Provenance(path="memory://bucket/else/x.csv").run()


def test_what_is_to_be_made_is_refused_before_it_runs(on, refuse):
    run(on(Made, "first"))
    refuse()
    with pytest.raises(StoreError, match="memory://bucket/runs: access is denied"):
        preflight.check(on(Product, "second"))


def test_a_page_is_kept_on_this_machine_where_the_store_takes_no_files(on, refuse, files, caplog):
    run(on(Made, "first"))
    refuse()
    before = set(files.store)
    page = on(Page, "second")
    preflight.check(page)
    assert run(page) == ["stores.Page"]
    assert page.complete()
    assert page.published()[0].path.read_text() == "1"
    assert set(files.store) == before
    assert "kept on this machine alone: memory://bucket/runs: access is denied" in caplog.text
    again = on(Page, "second")  # another command
    preflight.check(again)
    assert again.complete()


def test_a_second_machine_reads_the_survey_tables_of_the_first_before_anything_runs(on, tmp_path):
    """One fold of several blocks: whether it has two is known from tables that only the store has."""
    made = finished.tables(tmp_path / "made", finished.data_of(), run=1)
    first = on(Folds, "first", dataset="virtual:tiny", validation={"run": 1})
    for task, folder in zip((first.requires(), first), made, strict=True):
        with storage.atomic_directory(task.folder, **storage.manifest(folder)) as out:
            shutil.copytree(folder, out, ignore=shutil.ignore_patterns(storage.MANIFEST), dirs_exist_ok=True)
        opening.opened(task.folder).publish(task.folder)
    second = on(Submission, "second", dataset="virtual:tiny", experiment="votes+validation.run=1")
    assert not storage.is_local(second.clone(Folds).folder)
    second.refuse_single_block()
    assert storage.is_local(second.clone(Folds).folder)
    assert len(second.read_surveys().places) == len(finished.data_of().places)
    opening.opened(second.clone(Folds).folder).remove(second.clone(Surveys).folder)
    on(Submission, "third", dataset="virtual:tiny", experiment="votes+validation.run=1").refuse_single_block()
