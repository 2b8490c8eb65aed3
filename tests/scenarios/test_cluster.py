"""Tasks on a Spark standalone cluster of two workers, of which one dies in each task: what local[2] makes.

All of it is in a program, this file, in which a thread kills the workers. Of a parquet file its rows, row groups and
sizes are compared: where Spark writes it, the order of the encodings in its footer is another in each Java.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import luigi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glc import config
from glc.tasks import Folds, Neighbours, Surveys, Tiles
from glc.tasks.surveys import VirtualPart
from tests.scenarios.spark_cluster import Cluster, kill, kill_with_tasks, running_tasks, until
from tests.tasks.pipeline import TINY, run

pytestmark = pytest.mark.slow

WORKERS = 2
_NEIGHBOURS = {
    "exact": config.Neighbours(method="exact", k=5, radius_m=50_000, sources=("train", "po")),
    "lsh": config.Neighbours(method="lsh", k=5, radius_m=10_000, bucket_length=2_000, sources=("train",)),
}
CASES = ("surveys", "exact", "lsh", "tiles")


def task_of(case, root):
    """The task of a case."""
    common = {"root": str(root), "dataset": TINY}
    imagery = {"datasets": ["train", "po"]}
    if case in _NEIGHBOURS:
        return Neighbours(**common, neighbours=_NEIGHBOURS[case])
    if case == "tiles":
        return Tiles(**common, **imagery, covariate="bioclim", size=16)
    return Surveys(**common)


def content(folder):
    """What an output holds: of parquet files rows, row groups and sizes, of neighbours sorted rows; others' bytes."""
    seen, near = {}, []
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != "_SUCCESS"):
        name = str(path.relative_to(folder))
        if path.suffix != ".parquet":
            seen[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif "neighbour_id" in pq.read_schema(path).names:
            near.append(pq.read_table(path))
        else:
            with pq.ParquetFile(path) as file:
                groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
                seen[name] = (
                    file.read(),
                    path.stat().st_size,
                    [(each.num_rows, each.total_byte_size) for each in groups],
                )
    if near:
        table = pa.concat_tables(near)
        seen["neighbours"] = table.sort_by([(column, "ascending") for column in table.column_names])
    return seen


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """Folder of all outputs of the cluster, and by case what happened to it."""
    folder = tmp_path_factory.mktemp("cluster")
    command = [sys.executable, "-m", "tests.scenarios.test_cluster", str(folder)]
    with open(folder / "log", "w") as log:
        program = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=dict(os.environ))
        try:
            ended = program.wait(timeout=900)
        finally:
            kill(program.pid)
    assert ended == 0, (folder / "log").read_text()[-4000:]
    return folder / "root", json.loads((folder / "facts.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_a_worker_that_dies_midway_changes_nothing(case, disturbed, root):
    there, facts = disturbed
    assert facts[case]["executors"] == WORKERS
    assert facts[case]["died"] >= 1
    wanted = task_of(case, root)
    run(wanted)
    made = task_of(case, there)
    assert made.identity == wanted.identity
    assert content(made.folder) == content(wanted.folder)


def main(folder):
    """Run the tasks on a cluster whose workers die; write down what happened."""
    from glc.etl import cluster as clusters
    from glc.tasks.base import spark

    root, facts = folder / "root", {}
    with Cluster(folder / "spark") as cluster:
        os.environ.update(cluster.environment())
        settings = luigi.configuration.get_config()
        for key, value in {"spark_master": cluster.master, "memory_gb": "2", "wandb_mode": "disabled"}.items():
            settings.set("machine", key, value)
        workers = [cluster.worker(str(number)) for number in range(WORKERS)]
        context = spark(root).sparkContext
        for case in CASES:
            task = task_of(case, root)
            needed = [] if case == "surveys" else luigi.task.flatten(task.requires())
            world = [task.clone(VirtualPart, part=part) for part in ("metadata", "rasters")]
            assert luigi.build([*world, *needed, task.clone(Folds)] if needed else world, local_scheduler=True)
            executors = until(lambda: _complete(clusters.wait_for_executors(context, cluster.master, "512m")), case)
            ended = threading.Event()
            with ThreadPoolExecutor(1) as pool:
                killer = pool.submit(kill_with_tasks, context, workers, ended.is_set)
                try:
                    assert luigi.build([task], local_scheduler=True, log_level="WARNING"), case
                finally:
                    ended.set()
                dead, died = killer.result()
            until(lambda: len(running_tasks(context)) == WORKERS, "the loss of an executor")  # the driver is in it
            facts[case] = {"executors": executors, "died": died}
            workers.remove(dead)
            workers.append(cluster.worker(case))
        (folder / "facts.json").write_text(json.dumps(facts))


def _complete(executors):
    return executors if executors == WORKERS else 0


if __name__ == "__main__":
    os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    main(Path(sys.argv[1]))
