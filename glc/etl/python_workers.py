"""The program that forks Spark's Python workers in local mode, in place of `pyspark.daemon`.

It differs in two ways. What every worker needs is imported before the first is forked: 0.7 s of a core less per
worker. And Spark's archives are not on the path: pyspark is imported from where it is installed. Before each task a
worker invalidates the caches of imports, at which Python 3.11 reads the directory of each archive on the path again,
once per folder in it: 0.14 s of a core, which is more than a small task takes.
"""

import gc
import sys
from collections.abc import Sequence

ARCHIVES = (".jar", "pyspark.zip", "-src.zip")
"""How the archives end that Spark puts on the path of a worker: its own jar, pyspark and py4j."""


def without_archives(path: Sequence[str]) -> list[str]:
    """The entries of `path`, a path of imports, that are none of Spark's archives."""
    return [entry for entry in path if not entry.endswith(ARCHIVES)]


def main() -> None:
    """Fork workers until Spark ends."""
    sys.path[:] = without_archives(sys.path)
    for entry in set(sys.path_importer_cache).difference(without_archives(list(sys.path_importer_cache))):
        del sys.path_importer_cache[entry]
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    from pyspark import daemon
    from pyspark.sql.pandas import serializers  # noqa: F401

    gc.collect()
    gc.freeze()  # a worker searches for garbage after each task
    daemon.manager()


if __name__ == "__main__":
    main()
