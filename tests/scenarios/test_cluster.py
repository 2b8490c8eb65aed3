"""Tasks on a Spark standalone cluster of two workers, one of which dies while it works: the same bytes as local[2].

Each task runs in a program of its own, this file, in which a thread kills the worker.
"""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import luigi
import pytest

from glc import config
from glc.tasks import Folds, Neighbours, Surveys, Tabular, Tiles
from glc.tasks.surveys import VirtualPart
from tests.scenarios.spark_cluster import Cluster, kill, kill_with_tasks
from tests.scenarios.test_same_bytes import of_files
from tests.tasks.pipeline import TINY, adopt, run

pytestmark = pytest.mark.slow

EXACT = config.Neighbours(method="exact", k=5, radius_m=50_000, sources=("train", "po"))
LSH = config.Neighbours(method="lsh", k=5, radius_m=10_000, bucket_length=2_000, sources=("train",))


def task_of(name, root):
    """The task of a case."""
    common = {"root": root, "dataset": TINY}
    return {
        "surveys": lambda: Surveys(**common),
        "exact": lambda: Neighbours(**common, neighbours=EXACT),
        "lsh": lambda: Neighbours(**common, neighbours=LSH),
        "tiles": lambda: Tiles(**common, covariate="bioclim", size=16, datasets=["train", "po"]),
        "tabular": lambda: Tabular(**common, covariates=("bioclim",), source="rasters", datasets=["train", "po"]),
    }[name]()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster") / "spark") as started:
        yield started


@pytest.fixture
def workers(cluster):
    """Process ids of two fresh workers."""
    name = len(cluster.processes)
    started = [cluster.worker(str(name + number)) for number in range(2)]
    yield started
    for worker in started:
        kill(worker)


def on_cluster(cluster, folder, name, root, *victims):
    """What the program says that ran the task on the cluster: executors it saw, tasks that died with its worker."""
    settings = folder / "cluster.cfg"
    settings.write_text(f"[machine]\nspark_master = {cluster.master}\nmemory_gb = 2\nwandb_mode = disabled\n")
    environment = cluster.environment() | {"LUIGI_CONFIG_PATH": str(settings)}
    command = [sys.executable, "-m", "tests.scenarios.test_cluster", name, str(root), *map(str, victims)]
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        out, errors = program.communicate(timeout=300)
    finally:
        kill(program.pid)
    assert program.returncode == 0, errors[-3000:]
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("name", ["surveys", "exact", "lsh", "tiles", "tabular"])
def test_a_worker_that_dies_midway_changes_no_byte(name, cluster, workers, root, tmp_path):
    wanted = task_of(name, root)
    run(wanted)
    there = tmp_path / "there"
    if name != "surveys":
        for needed in (Surveys, Folds):
            adopt(task_of("surveys", str(there)).clone(needed), wanted.clone(needed))
    facts = on_cluster(cluster, tmp_path, name, there, workers[0])
    assert facts["executors"] == 2
    assert facts["died"] >= 1
    assert facts["left"] == 1
    made = task_of(name, str(there))
    assert made.identity == wanted.identity
    assert of_files(made.folder) == of_files(wanted.folder)


def main(name, root, *victims):
    """Run a task, which kills its worker while it works; print what was seen."""
    from glc.etl import cluster
    from glc.tasks.base import spark

    task = task_of(name, root)
    if task.virtual:
        luigi.build(
            [*luigi.task.flatten(task.requires()), task.clone(VirtualPart, part="rasters")], local_scheduler=True
        )
    context = spark(root).sparkContext
    executors = cluster.wait_for_executors(context, context.master, "512m")
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        killer = pool.submit(kill_with_tasks, context, int(victims[0]), ended.is_set)
        try:
            good = luigi.build([task], local_scheduler=True, log_level="WARNING")
        finally:
            ended.set()
        died = killer.result()
    left = cluster.wait_for_executors(context, context.master, "512m")
    print(json.dumps({"executors": executors, "died": died, "left": left}))
    return 0 if good else 1


if __name__ == "__main__":
    os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    sys.exit(main(sys.argv[1], str(Path(sys.argv[2])), *sys.argv[3:]))
