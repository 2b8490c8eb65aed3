"""Damaged outputs, two runs at once, leftovers of kills, and where a product comes from, on tasks that take no time."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import luigi
import pytest

from glc import scratch, storage
from glc.cli import plan
from glc.errors import DamagedError, DataError
from glc.tasks import Provenance, Verify, VirtualPart, leftovers
from glc.tasks.base import GlcTask, ProductTask
from glc.tasks.outputs import Published
from tests.tasks import pipeline
from tests.tasks.pipeline import TINY

written = []


class Numbers(GlcTask):
    """Numbers from a raw file."""

    source = luigi.Parameter(significant=False)
    seed = luigi.IntParameter(default=7)

    @property
    def origin(self):
        return "toy"

    def content(self):
        return storage.file_digest(self.source)

    def raw_files(self):
        return [storage.raw_file(self.source)]

    def write(self, out):
        written.append("Numbers")
        (out / "numbers.txt").write_text(Path(self.source).read_text())


class Sum(ProductTask):
    """Their sum, published."""

    source = luigi.Parameter(significant=False)

    @property
    def origin(self):
        return "toy"

    def requires(self):
        return self.clone(Numbers)

    def published(self):
        return [Published(Path(self.root) / "tables" / "toy" / "sum.csv", self.folder / "sum.csv")]

    def write(self, out):
        written.append("Sum")
        numbers = (self.input().path / "numbers.txt").read_text().split()
        (out / "sum.csv").write_text(f"{sum(map(int, numbers))}\n")


class Page(ProductTask):
    """A page of the sum, published as well."""

    source = luigi.Parameter(significant=False)

    @property
    def origin(self):
        return "toy"

    def requires(self):
        return self.clone(Sum)

    def published(self):
        return [Published(Path(self.root) / "pages" / "toy.html", self.folder / "page.html")]

    def write(self, out):
        written.append("Page")
        (out / "page.html").write_text((self.requires().folder / "sum.csv").read_text())


@pytest.fixture
def task(tmp_path):
    """The top of a finished run."""
    (tmp_path / "raw.txt").write_text("1 2 3")
    top = Sum(root=str(tmp_path / "out"), source=str(tmp_path / "raw.txt"))
    assert pipeline.run(top) == ["Numbers", "Sum"]
    written.clear()
    return top


@pytest.fixture
def repair():
    """What `--machine-repair` does."""
    settings = luigi.configuration.get_config()
    settings.set("machine", "repair", "true")
    yield
    settings.remove_option("machine", "repair")


@pytest.fixture
def failures():
    """Errors of the sums that Luigi runs."""
    seen = []

    @Sum.event_handler(luigi.Event.FAILURE)
    def note(_, error):
        seen.append(error)

    yield seen
    luigi.Task._event_callbacks[Sum][luigi.Event.FAILURE].discard(note)


def test_a_changed_input_is_never_used(task, failures):
    (task.requires().folder / "numbers.txt").write_text("3 2 9")
    storage.remove(task.folder)
    task.published()[0].path.unlink()
    assert pipeline.build(task) == (False, [])
    assert written == []
    assert "numbers.txt: found sha256" in str(failures[0])
    assert not task.published()[0].path.exists()


def test_an_input_that_lost_bytes_is_refused_before_anything_runs(task):
    (task.requires().folder / "numbers.txt").write_text("1")
    storage.remove(task.folder)
    with pytest.raises(DamagedError, match=r"numbers.txt: found 1 bytes, expected 5; .* with --repair"):
        task.requires().complete()
    assert pipeline.build(task) == (False, [])


def test_a_product_edited_in_the_store_is_not_published_over_the_good_one(task):
    stable = task.published()[0].path
    (task.folder / "sum.csv").write_text("7\n")
    with pytest.raises(DamagedError, match=r"sum.csv: found sha256"):
        task.complete()
    assert pipeline.build(task) == (False, [])
    with pytest.raises(DamagedError, match=r"sum.csv: found sha256"):
        task.published()[0].publish()
    assert stable.read_text() == "6\n"


def test_a_published_file_edited_by_hand_is_restored(task):
    stable = task.published()[0].path
    stable.write_text("7\n")
    assert pipeline.run(task) == ["Sum"]
    assert stable.read_text() == "6\n"
    assert written == []


@pytest.mark.parametrize("state", ["edited", "rotted", "removed", "removed from the store"])
def test_products_that_a_product_is_made_from_are_restored_with_it(task, state):
    page = Page(root=task.root, source=task.source)
    assert pipeline.run(page) == ["Page"]
    written.clear()
    stable = task.published()[0].path
    if state == "removed":
        stable.unlink()
    elif state == "removed from the store":
        storage.remove(task.folder)
    else:
        stable.write_text("7\n" if state == "edited" else "")
    assert not page.complete()
    assert "Sum" in pipeline.run(page)
    assert stable.read_text() == "6\n"
    assert page.complete()
    assert written == (["Sum"] if state == "removed from the store" else []), "the rest is copied from the store"


@pytest.mark.slow
@pytest.mark.parametrize("size", ["same", "other"])
def test_repair_makes_damaged_inputs_again(task, repair, size):
    (task.requires().folder / "numbers.txt").write_text("3 2 9" if size == "same" else "4")
    storage.remove(task.folder)
    assert pipeline.build(task) == (True, ["Numbers", "Sum"])
    assert task.published()[0].path.read_text() == "6\n"


def test_repair_makes_what_lies_below_a_finished_product_again_and_no_more(task, repair):
    damaged = task.requires().folder / "numbers.txt"
    damaged.write_text("3 2 9")
    assert pipeline.build(task)[0]
    assert damaged.read_text() == "1 2 3"
    assert written == ["Numbers"]


@pytest.mark.slow
def test_repair_of_a_product_in_the_store(task, repair):
    (task.folder / "sum.csv").write_text("7\n")
    assert pipeline.build(task) == (True, ["Sum"])
    assert (task.folder / "sum.csv").read_text() == task.published()[0].path.read_text() == "6\n"


def test_an_input_damaged_while_the_run_goes_on_is_made_again(task, repair):
    """Luigi has asked whether it is complete; the task that reads it finds out."""
    storage.remove(task.folder)

    @Sum.event_handler(luigi.Event.START)
    def damage(_):
        if not written:
            (task.requires().folder / "numbers.txt").write_text("3 2 9")

    assert pipeline.build(task)[0]
    assert written == ["Numbers", "Sum"]
    assert task.published()[0].path.read_text() == "6\n"


@pytest.mark.slow
def test_luigi_on_the_command_line_repairs_too(task):
    (task.folder / "sum.csv").write_text("7\n")
    command = [sys.executable, "-m", "luigi", "--module", "tests.tasks.test_outputs", "Sum"]
    command += ["--root", task.root, "--source", task.source]
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, timeout=120, text=True, cwd=checkout)
    assert done.returncode == 40
    assert "--machine-repair" in done.stderr
    done = subprocess.run([*command, "--machine-repair"], capture_output=True, timeout=120, text=True, cwd=checkout)
    assert done.returncode == 0
    assert "warning: " in done.stderr
    assert f"removed {task.folder}, which is made again" in done.stderr
    assert (task.folder / "sum.csv").read_text() == "6\n"


def test_a_task_that_another_run_makes_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "raw.txt").write_text("1 2 3")
    tasks = [Numbers(root=str(tmp_path / "out"), source=str(tmp_path / "raw.txt")) for _ in range(3)]
    monkeypatch.setattr(Numbers, "status", lambda self, *words: None)
    write = Numbers.write

    def slowly(self, out):
        time.sleep(0.2)
        write(self, out)

    monkeypatch.setattr(Numbers, "write", slowly)
    written.clear()
    threads = [threading.Thread(target=task.run) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == ["Numbers"]
    assert [path.name for path in tasks[0].folder.parent.iterdir()] == [tasks[0].folder.name]


def test_a_virtual_world_made_again_under_a_reader_is_never_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(VirtualPart, "status", lambda *words: None)
    part = VirtualPart(root=str(tmp_path), dataset=TINY, part="metadata")
    part.run()
    files = [path for path in part.world_folder.rglob("*") if path.is_file() and ".parts" not in path.parts]
    nodes = {path: path.stat().st_ino for path in files}
    storage.remove(part.folder)
    threads = [threading.Thread(target=part.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert all(path.is_file() for path in files)
        time.sleep(0.001)
    assert {path: path.stat().st_ino for path in files} == nodes
    storage.check(part.folder)
    files[0].write_text(files[0].read_text()[:-1])
    with pytest.raises(DamagedError, match=f"^{files[0]}: found"):
        storage.check(part.folder)


def test_a_manifest_says_what_its_output_was_made_from(task):
    facts = storage.manifest(task.folder)
    below = task.requires()
    folder = f"store/toy/Numbers-{below.identity}"
    assert facts["inputs"] == [{"task": "Numbers", "identity": below.identity, "folder": folder}]
    assert facts["published"] == {"tables/toy/sum.csv": "sum.csv"}
    facts = storage.manifest(below.folder)
    assert facts["raw_files"] == [storage.raw_file(below.source)]
    assert facts["seeds"] == {"seed": 7}


def provenance(path):
    task = Provenance(path=str(path))
    task.run()
    return "\n".join(task.results())


def test_provenance_goes_from_a_product_back_to_the_raw_files(task):
    text = provenance(task.published()[0].path)
    raw = storage.raw_file(task.source)
    assert text.index(f"Sum {task.identity}") < text.index(f"Numbers {task.requires().identity}")
    assert text.endswith(f"raw files\n    {raw['path']}  5 bytes  sha256 {raw['sha256']}")
    assert storage.checkout()["commit"] in text
    assert "seed = 7" in text
    assert "warning" not in text
    assert provenance(task.folder).splitlines()[1:] == text.splitlines()[1:]
    assert provenance(task.folder / "sum.csv").splitlines()[1:] == text.splitlines()[1:]


def test_provenance_says_when_a_product_was_edited(task):
    stable = task.published()[0].path
    stable.write_text("7\n")
    assert "warning: differs from its product: found sha256" in provenance(stable).splitlines()[1]


def test_provenance_of_what_glc_did_not_make_is_refused(task, tmp_path):
    own = task.published()[0].path.with_name("own.csv")
    own.write_text("6\n")
    with pytest.raises(DataError, match=f"^{own}: glc did not make it"):
        provenance(own)
    with pytest.raises(DataError, match=r"raw.txt: not below a folder of outputs"):
        provenance(tmp_path / "raw.txt")


def test_provenance_goes_on_where_an_output_was_removed_since(task):
    storage.remove(task.requires().folder)
    assert "removed since" in provenance(task.published()[0].path)


def test_a_dry_run_shows_what_is_damaged_and_leaves_it(task):
    (task.requires().folder / "numbers.txt").write_text("1")
    storage.remove(task.folder)
    assert plan.tasks(task) == [(task.requires(), "damaged"), (task, "would run")]
    assert task.requires().folder.is_dir()


def verify(root):
    task = Verify(root=root)
    task.run()
    return task.results()


def test_verify_counts_what_is_whole(task):
    (Path(task.root) / "store" / "toy" / "Half-1").mkdir()
    (text, unfinished) = verify(task.root)
    assert "2 outputs (2 files, 0.0 MB) and 1 published files are as they were written" in text
    assert unfinished.endswith("Half-1")


def test_verify_names_each_damaged_output_with_its_remedy(task):
    (task.requires().folder / "numbers.txt").write_text("3 2 9")
    task.published()[0].path.write_text("7\n")
    with pytest.raises(DataError) as error:
        verify(task.root)
    text = str(error.value)
    assert text.startswith(f"2 damaged below {task.root}")
    assert "numbers.txt: found sha256" in text
    assert f"remedy: remove {task.requires().folder}" in text
    assert f"{task.published()[0].path}: differs from its product in {task.folder}" in text
    assert "1 outputs" in text


@pytest.mark.slow
def test_verify_of_the_command_line_fails_with_the_code_of_a_failed_task(task):
    (task.folder / "sum.csv").write_text("7\n")
    command = [sys.executable, "-m", "glc", "verify", "--root", task.root]
    done = subprocess.run(command, capture_output=True, timeout=120, text=True)
    assert done.returncode == 30
    assert f"{task.folder}/sum.csv: found sha256" in done.stderr


SLEEPER = """
import sys, time
from glc import scratch
from glc.tasks import leftovers
import tempfile
with leftovers.temporary_folder() as temporary:
    open(tempfile.mkstemp()[1], "w").write("x")
    with scratch.folder(sys.argv[1], "Fit-1"):
        print(temporary, flush=True)
        time.sleep(60)
"""


def test_what_a_killed_run_left_goes_at_the_next_start_and_not_before(tmp_path, monkeypatch):
    store, temporary = tmp_path / "out" / "store" / "toy", tmp_path / "tmp"
    store.mkdir(parents=True)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    command = [sys.executable, "-c", SLEEPER, str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)})
    try:
        folder = Path(process.stdout.readline().strip())
        assert folder.parent == temporary
        with leftovers.temporary_folder() as own:
            assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(own)
            assert leftovers.remove(tmp_path / "out") == []
        assert len(list(folder.iterdir())) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        with leftovers.temporary_folder():
            (left,) = leftovers.remove(tmp_path / "out")
        assert left.name.startswith(".Fit-1-")
        assert left.suffix == scratch.PARTIAL
        assert [*store.iterdir(), *temporary.iterdir()] == []
    finally:
        process.kill()
        process.stdout.close()


def test_leftovers_are_found_wherever_a_run_writes(tmp_path):
    published = {
        "reports/a/votes/index.html": "index.html",
        "models/a/votes": "Model-1",
        "explain/a/votes": "Answers-1",
    }
    with storage.atomic_directory(tmp_path / "store/a/Model-1", published=published):
        pass
    places = ("", "store/a", "store/a/.Tiles-1-parts", "datasets/virtual-tiny", "datasets/virtual-tiny/.parts",
              "reports/a/votes", "models/a", "explain/a")  # fmt: skip
    for place in (*places, "my own"):
        (tmp_path / place / ".x-12345678.partial").mkdir(parents=True)
    assert len(leftovers.remove(tmp_path)) == len(places)
    assert (tmp_path / "store/a/.Tiles-1-parts").is_dir()
    assert (tmp_path / "my own/.x-12345678.partial").is_dir(), "nothing is published there"
