"""ROOT in Amazon's and Google's stores, as moto and gcp-storage-emulator speak their languages on loopback."""

import json
import os
import random
import subprocess
import sys
import urllib.request

import pytest

from glc import storage
from glc.errors import DamagedError
from glc.objectstore import StoreError, connection, opening
from tests.scenarios.stores import Line

pytestmark = pytest.mark.slow
BUCKET = "glc"
NET = "geolocation+validation.run=2+validation.count=4+train.max_epochs=2"
SOURCE = "--root (make: ROOT=)"


@pytest.fixture(scope="module")
def moto():
    """Port of a server that speaks S3, with a bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    _, port = server.get_host_and_port()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
    urllib.request.urlopen(request).close()
    yield port
    server.stop()


@pytest.fixture(scope="module")
def emulator():
    """Port of a server that speaks Google's language, with a bucket."""
    import socket

    from gcp_storage_emulator.server import create_server

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    yield port
    server.stop()


@pytest.fixture(params=["s3", "gs"])
def place(request, monkeypatch, tmp_path):
    """(line to the server, URL of a root that is not used yet)."""
    line = Line(request.getfixturevalue({"s3": "moto", "gs": "emulator"}[request.param]))
    for name, value in _environment(request.param, line.url).items():
        monkeypatch.setenv(name, value)
    yield line, f"{request.param}://{BUCKET}/{tmp_path.name}"
    line.close()


def _environment(scheme, url):
    if scheme == "gs":
        return {"STORAGE_EMULATOR_HOST": url, "NO_GCE_CHECK": "true"}
    keys = {"AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two", "AWS_DEFAULT_REGION": "us-east-1"}
    return keys | {"AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """Opens a root as a machine with its own cache."""

    def start(url, name):
        monkeypatch.setattr(opening, "_opened", {})
        root = opening.local_root(url, tmp_path / name, 1.0, SOURCE)
        return opening.opened(root)

    monkeypatch.setattr(storage, "mirrors", {})
    yield start
    while opening._held:
        os.close(opening._held.pop())


def _output(mirror):
    folder = mirror.root / "store" / "tiny" / "Task-0123"
    with storage.atomic_directory(folder, task="Task", identity="0123") as out:
        for number in range(6):
            (out / f"{number}.bin").write_bytes(random.Random(number).randbytes(300_000))
    return folder


def test_a_cut_upload_and_a_cut_download_go_on(place, mirror, monkeypatch):
    line, url = place
    monkeypatch.setattr(connection, "QUIET", 5.0)
    here = mirror(url, "here")
    folder = _output(here)
    line.cut_after(1_000_000)
    with pytest.raises(StoreError, match=r"^\S+: \S+ .*failed .*run the same command again$"):
        here.publish(folder)
    assert line.cuts
    line.repair()
    there = mirror(url, "there")
    copy = there.root / "store" / "tiny" / folder.name
    assert not there.holds(copy)
    uploaded = sum(name.endswith(".bin") for name in here.store.sizes("store"))
    assert 0 < uploaded < 6
    here.publish(folder)
    line.cut_after(1_000_000)
    with pytest.raises(StoreError, match=r"^\S+: \S+ .*failed .*run the same command again$"):
        there.fetch(copy)
    line.repair()
    assert not copy.exists()
    there.fetch(copy)
    storage.check(copy, largest=None)
    assert storage.contents(copy) == storage.contents(folder)


def test_a_stale_and_a_damaged_manifest_are_named(place, mirror):
    _, url = place
    here = mirror(url, "here")
    folder = _output(here)
    here.publish(folder)
    part = next(name for name in here.store.sizes("store") if name.endswith("3.bin"))
    here.store.remove(f"store/{part}")
    there = mirror(url, "there")
    copy = there.root / "store" / "tiny" / folder.name
    missing = f"{url}/store/{part}: found no such file, expected 300,000 bytes.*--repair"
    with pytest.raises(DamagedError, match=missing):
        there.fetch(copy)
    here.store.write(f"store/tiny/{folder.name}/_SUCCESS", b"{")
    third = mirror(url, "third")
    with pytest.raises(DamagedError, match=f"{url}/store/tiny/{folder.name}/_SUCCESS: found 1 bytes that are no JSON"):
        third.holds(third.root / "store" / "tiny" / folder.name)


def test_what_one_machine_wrote_another_does_not_replace(place, mirror):
    _, url = place
    store = mirror(url, "here").store
    assert store.write_new("note", b"first")
    assert not store.write_new("note", b"second")
    assert store.read("note") == b"first"
    assert store.read("other") is None
    assert store.sizes("nothing/there") == {}
    assert not store.download("other", mirror(url, "here").root / "other")
    assert store.remove_folder("nothing") is False


def test_a_bucket_that_is_not_there_is_refused(place, mirror):
    _, url = place
    scheme = url.partition(":")[0]
    with pytest.raises(StoreError, match=f"^{scheme}://nowhere: found no bucket 'nowhere', expected one; correct root"):
        mirror(f"{scheme}://nowhere", "here")


def test_wrong_credentials_are_refused(moto, monkeypatch, mirror):
    for name, value in _environment("s3", f"http://127.0.0.1:{moto}").items():
        monkeypatch.setenv(name, value)

    def check_after(count):
        reset = f"http://127.0.0.1:{moto}/moto-api/reset-auth"
        urllib.request.urlopen(urllib.request.Request(reset, count, {"Content-Type": "text/plain"})).close()

    check_after(b"0")
    try:
        with pytest.raises(
            StoreError, match=r"^s3://glc/x: access is denied \(.*\), expected credentials .*AWS_PROFILE"
        ):
            mirror("s3://glc/x", "here")
    finally:
        check_after(b"inf")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match=r"^s3://glc/x: found no usable credentials"):
        mirror("s3://glc/x", "here")


def test_a_server_that_does_not_answer_is_refused(place, mirror, monkeypatch):
    line, url = place
    monkeypatch.setattr(connection, "QUIET", 5.0)
    line.cut_after(0)
    with pytest.raises(StoreError, match=f"^{url}: listing .* failed .*check the connection"):
        mirror(url, "here")


@pytest.fixture
def machine(place, tmp_path):
    """Runs a command of glc as a machine with its own cache, on the same root; what it printed, and its cache."""
    line, url = place
    scheme = url.partition(":")[0]

    def run(name, command, *words):
        options, data = ["--root", url, *words], ["--dataset", "virtual:tiny"] if " " in command else []
        # prediction at one place, and verify, have no options of Luigi
        more = [] if "--lon" in words or not data else ["--", "--machine-wandb-mode", "disabled"]
        (tmp_path / f"{name}.cfg").write_text(f"[machine]\ncache = {tmp_path / name}\n")
        environment = os.environ | _environment(scheme, line.url)
        environment |= {"HOME": str(tmp_path), "LUIGI_CONFIG_PATH": str(tmp_path / f"{name}.cfg")}
        done = subprocess.run(
            [sys.executable, "-m", "glc", *command.split(), *data, *options, *more],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return done, tmp_path / name / scheme / BUCKET / tmp_path.name

    return run


def test_two_machines_do_each_stage_once(machine):
    first, here = machine("first", "run frequency")
    assert "Submission" in first.stderr
    second, there = machine("second", "run frequency")
    assert "done in" not in second.stderr
    assert second.stdout.replace(str(there), str(here)) == first.stdout
    for product in ("submissions/virtual-tiny/frequency.csv", "metrics/virtual-tiny/frequency.json"):
        assert (there / product).read_bytes() == (here / product).read_bytes()
    metrics = json.loads((there / "metrics" / "virtual-tiny" / "frequency.json").read_text())
    assert metrics["valid"]["sample_f1"] > 0
    assert not list(there.glob("store/*/Surveys-*"))


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_second_machine_predicts_maps_and_explains_with_the_net_of_the_first(machine):
    cells = ("--resolution", "50000")
    machine("first", f"map {NET}", *cells)
    mapped, there = machine("second", f"map {NET}", *cells)
    assert "done in" not in mapped.stderr
    place = ("--lon", "3.9", "--lat", "43.6", "--json", "--allow-missing")
    predicted, _ = machine("second", f"predict {NET}", *place)
    assert json.loads(predicted.stdout)["species"]
    explored, _ = machine("second", f"explore {NET}")
    assert "DistributionMap" not in explored.stderr
    explained, _ = machine("second", f"explain {NET}")
    assert "Fit" not in explained.stderr
    assert list(there.glob("explain/virtual-tiny/*"))
    verified, _ = machine("second", "verify")
    assert "nothing is damaged below s3://" in verified.stdout
