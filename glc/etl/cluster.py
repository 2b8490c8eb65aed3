"""A Spark cluster: is its master there, has it executors, and do these have this program and see the same files.

All of it is looked at before the first job: Spark itself waits for ever for executors that do not fit, and names
neither a folder that only the driver sees nor a node with another version of the program.
"""

import hashlib
import logging
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import glc
from glc.errors import ConfigError
from glc.types import StrPath

if TYPE_CHECKING:
    from pyspark import SparkContext

log = logging.getLogger(__name__)

CONNECT_S = 5.0
"""Seconds to wait for a master to answer."""
EXECUTORS_S = 120.0
"""Seconds to wait for the first executor."""
_SETTLED_S = 1.0
"""Seconds without a further executor after which the cluster is taken to be complete."""
_STANDALONE = "spark://"


def is_local(master: str) -> bool:
    """Whether the master is this process, which then does all of Spark's work itself."""
    return re.match(r"local(\[|$)", master) is not None


def addresses(master: str) -> list[tuple[str, int]]:
    """(host, port) of each master of a standalone cluster, of which one leads; none for other kinds of masters."""
    if not master.startswith(_STANDALONE):
        return []
    parts = (address.rpartition(":") for address in master.removeprefix(_STANDALONE).split(","))
    return [(host.strip("[]"), int(port)) for host, _, port in parts]


def driver_address(master: str) -> str | None:
    """The address of this machine that a standalone master and its workers reach; None: Spark finds it out itself.

    A ConfigError names the masters of which none answers.
    """
    failures = []
    for host, port in addresses(master):
        try:
            with socket.create_connection((host, port), timeout=CONNECT_S) as connection:
                return str(connection.getsockname()[0])
        except OSError as error:
            failures.append(f"{host}:{port} ({error.strerror or error})")
    if not failures:
        return None
    raise ConfigError(
        f"[machine] spark_master: found {master}, but no Spark master answers at {', '.join(failures)}; start one "
        "(spark-class org.apache.spark.deploy.master.Master, docs/machine.md), correct the address, or work on this "
        "machine alone: spark_master = local[2] (--machine-spark-master 'local[2]')"
    )


def wait_for_executors(context: "SparkContext", master: str, memory: str, patience_s: float | None = None) -> int:
    """Wait until executors have come and no further ones do; returns their number.

    master : URL, for the error
    memory : heap of an executor as it was asked for, for the error
    patience_s : seconds to wait for the first; None: `EXECUTORS_S`
    A ConfigError says what to look at where none comes.
    """
    patience_s = EXECUTORS_S if patience_s is None else patience_s
    began = changed = time.monotonic()
    known = 0
    while True:
        count = int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1  # the driver is one of them
        now = time.monotonic()
        if count != known:
            known, changed = count, now
        if known and now - changed >= _SETTLED_S:
            return known
        if not known and now - began >= patience_s:
            raise ConfigError(
                f"[machine] spark_master: {master} answers, but has started no executor within {patience_s:.0f} s; "
                f"expected workers with {memory} of memory and a core that no other application holds; start workers, "
                "give them more (Worker --memory), or lower [machine] memory_gb, a quarter of which an executor takes"
            )
        time.sleep(0.1)


def check(context: "SparkContext", root: StrPath, *folders: StrPath) -> None:
    """Raise a ConfigError unless the executors have this Python and this program, and see the same files.

    root : folder of all outputs, into which a file is written for a moment
    folders : that are read; one that is not here either is none of this function's business
    """
    Path(root).mkdir(parents=True, exist_ok=True)
    paths = [str(Path(folder).resolve()) for folder in (root, *folders) if Path(folder).exists()]
    tasks = 2 * context.defaultParallelism
    with tempfile.NamedTemporaryFile("w", prefix=".glc-cluster-", dir=paths[0]) as probe:
        probe.write(os.urandom(16).hex())
        probe.flush()
        content = Path(probe.name).read_text()
        try:
            answers = context.parallelize(range(tasks), tasks).map(_look(paths, probe.name)).collect()
        except Exception as error:  # py4j's, of which Spark's Python has no types
            raise ConfigError(
                f"[machine] spark_master: executors cannot run {sys.executable}, expected the same environment at the "
                f"same path on each worker ({_cause(str(error))}); see docs/machine.md"
            ) from None
    for host, version, digest, missing, read in dict.fromkeys(answers):
        if version is None:
            raise ConfigError(
                f"[machine] spark_master: {host} has no package glc in {sys.executable}, expected {glc.__version__}; "
                "install it there as on this machine"
            )
        if digest != program():
            raise ConfigError(
                f"[machine] spark_master: {host} has other files of glc ({version}) than this machine "
                f"({glc.__version__}); install the same version or commit on both"
            )
        if missing:
            raise ConfigError(
                f"[machine] spark_master: {host} does not see {missing[0]}, expected the same folder at the same path "
                "on each worker; use a shared file system such as NFS"
            )
        if read != content:
            raise ConfigError(
                f"[machine] spark_master: {host} has another folder at {paths[0]}, expected the one that this machine "
                "writes; put --root on a shared file system such as NFS"
            )


@lru_cache(maxsize=1)
def program() -> str:
    """sha256 of the package's modules."""
    return digest_of(os.path.dirname(glc.__file__))


def digest_of(folder: str) -> str:
    """sha256 of all Python files below a folder, names and content."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


_Answer = tuple[str, str | None, str, tuple[str, ...], str]


def _look(paths: list[str], probe: str) -> Callable[[int], _Answer]:
    """A function that says of an executor: host, version of glc (None: none), its digest, folders it lacks, the probe.

    It is sent as its code: an executor without the package must be able to run it.
    """

    def look(_: int) -> _Answer:
        import os
        import socket
        import time

        host = socket.gethostname()
        missing = tuple(path for path in paths if not os.path.exists(path))
        time.sleep(0.1)  # or one executor would answer for all
        try:
            import glc
            from glc.etl import cluster
        except ImportError:
            return host, None, "", missing, ""
        read = ""
        if not missing and os.path.exists(probe):
            with open(probe) as file:
                read = file.read()
        return host, glc.__version__, cluster.digest_of(os.path.dirname(glc.__file__)), missing, read

    return look


def _cause(text: str) -> str:
    """The line of a Java or Python traceback that says most, shortened."""
    lines = [line.strip() for line in text.splitlines()]
    causes = [line for line in lines if re.match(r"(Caused by: )?[\w.$]+(Exception|Error)\b.*: ", line)]
    return (causes[-1].removeprefix("Caused by: ") if causes else lines[0] if lines else "no cause given")[:200]
