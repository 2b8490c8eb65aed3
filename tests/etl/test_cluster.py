"""What is looked at before a cluster's first job, without one: stand-ins answer for its master and executors."""

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from glc.errors import ConfigError
from glc.etl import cluster
from tests.scenarios.spark_cluster import free_port


class Executors:
    """The part of a SparkContext that is used: a function is called here for every element."""

    defaultParallelism = 2

    def __init__(self, number=2, answer=None):
        self.number, self.answer = number, answer
        status = SimpleNamespace(size=lambda: 1 + number)  # the driver is one of them
        self._jsc = SimpleNamespace(sc=lambda: SimpleNamespace(getExecutorMemoryStatus=lambda: status))

    def parallelize(self, elements, _):
        def mapped(function):
            return SimpleNamespace(collect=lambda: [(self.answer or function)(element) for element in elements])

        return SimpleNamespace(map=mapped)


@pytest.fixture
def listening():
    """Port of loopback on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("master", "local"),
    [("local", True), ("local[2]", True), ("local[*, 4]", True), ("local-cluster[2,1,512]", False), ("yarn", False)],
)
def test_local_masters_are_told_from_clusters(master, local):
    assert cluster.is_local(master) is local


def test_the_driver_has_the_address_from_which_the_master_is_reached(listening):
    assert cluster.driver_address(f"spark://127.0.0.1:{listening}") == "127.0.0.1"
    # of several masters one leads; the others need not be there
    assert cluster.driver_address(f"spark://127.0.0.1:{free_port()},127.0.0.1:{listening}") == "127.0.0.1"
    assert cluster.driver_address("yarn") is None


def test_a_master_that_is_not_there_is_refused():
    port = free_port()
    with pytest.raises(
        ConfigError, match=rf"no Spark master answers at 127.0.0.1:{port} \(Connection refused\); start"
    ):
        cluster.driver_address(f"spark://127.0.0.1:{port}")


def test_executors_that_do_not_come_are_refused():
    assert cluster.wait_for_executors(Executors(3), "spark://a:1", "512m") == 3
    with pytest.raises(ConfigError, match=r"spark://a:1 answers, but .* within 0 s; expected workers with 512m of mem"):
        cluster.wait_for_executors(Executors(0), "spark://a:1", "512m", patience_s=0.2)


def test_executors_with_the_same_program_and_files_pass_and_nothing_is_left_in_root(tmp_path):
    root = tmp_path / "root"
    cluster.check(Executors(), root, tmp_path / "not-here-either")
    assert list(root.iterdir()) == []


def test_what_executors_lack_is_named(tmp_path):
    same = cluster.program()
    for answer, words in {
        ("far", None, "", (), ""): r"far has no package glc in .*; install it there",
        ("far", "0.0.9", "e3b0", (), ""): r"far has other files of glc \(0.0.9\) than this machine",
        ("far", "1", same, (str(tmp_path),), ""): rf"far does not see {tmp_path}, expected the same folder",
        ("far", "1", same, (), "else"): rf"far has another folder at {tmp_path}, .* put --root on a shared file sys",
    }.items():
        with pytest.raises(ConfigError, match=words):
            cluster.check(Executors(answer=lambda _, answer=answer: answer), tmp_path)


def test_a_python_that_is_not_there_is_refused_with_its_cause(tmp_path):
    def fail(_):
        raise RuntimeError(
            'An error\n\tat x\nCaused by: java.io.IOException: Cannot run program "python9": error=2, No s'
        )

    with pytest.raises(ConfigError, match=r'executors cannot run .*java.io.IOException: Cannot run program "python9"'):
        cluster.check(Executors(answer=fail), tmp_path)


def test_the_digest_follows_names_and_content(tmp_path):
    def digest(name, text):
        folder = tmp_path / f"{name}-{len(text)}"
        folder.mkdir()
        (folder / name).write_text(text)
        (folder / "notes.txt").write_text(str(Path.cwd()))
        return cluster.digest_of(str(folder))

    assert len({digest("a.py", "1"), digest("b.py", "1"), digest("a.py", "12")}) == 3
