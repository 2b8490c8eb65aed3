"""The scripts of deploy/gcp with the real `glc`: only Google's, Debian's and systemd's programs are stand-ins."""

import csv
import socket

import pytest

from tests.deploy.stand_in import Cloud
from tests.deploy.test_vm import PLACE, clone, log_of, made, vm


@pytest.mark.slow
def test_an_experiment_runs_on_the_central_scheduler_and_its_submission_reaches_the_bucket(tmp_path):
    names = ["Makefile", "pyproject.toml", "constraints.txt", "conf", "deploy", "glc", "tasks"]
    repository = clone(tmp_path / "repository", names)
    cloud = Cloud(tmp_path / "cloud").install(real=True)
    bucket = cloud.bucket(PLACE["bucket"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    env = {"GLC_PORT": port, "GLC_MEMORY_GB": "2", "PYTHONPATH": ""}

    assert made(cloud, repository) == 0
    vm(cloud, repository, "run", experiment="votes", dataset="virtual:tiny", env=env)
    log = log_of(cloud)
    assert "ended with exit status 0" in log, log
    with (bucket / "results" / "submissions" / "virtual-tiny" / "votes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert set(rows[0]) == {"surveyId", "predictions"}
    assert port in (bucket / "logs" / "glc" / "scheduler.log").read_text()
    (state,) = (cloud.home / "state" / "glc").glob("*.pickle")
    assert b"Submission" in state.read_bytes()  # the run was on this scheduler
    assert cloud.instance["status"] == "TERMINATED"

    # a new VM, with nothing but the bucket: all is finished already
    second = Cloud(tmp_path / "second").install(real=True)
    (second.folder / "buckets").rmdir()
    (second.folder / "buckets").symlink_to(cloud.folder / "buckets")
    assert made(second, repository) == 0
    vm(second, repository, "run", experiment="votes", dataset="virtual:tiny", env=env)
    assert "ended with exit status 0" in log_of(second), log_of(second)
    assert " done in " in log
    assert " done in " not in log_of(second), log_of(second)
