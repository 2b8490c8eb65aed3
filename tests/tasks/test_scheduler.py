"""The central scheduler from a clean shell: the DAG on its page, a failed task that ends the command, other sites."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from glc.config.paths import CHECKOUT


@contextlib.contextmanager
def running(state):
    """The scheduler of ``make scheduler`` at a free port, with its state apart from the user's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "glc.tasks.scheduler", "--port", str(port)]
    environment = clean() | {"XDG_STATE_HOME": str(state)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env=environment, cwd=CHECKOUT, **quiet)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def scheduler(tmp_path):
    """The port of a scheduler."""
    with running(tmp_path / "state") as port:
        yield port


@pytest.fixture(scope="module")
def idle_scheduler(tmp_path_factory):
    """The port of a scheduler without tasks."""
    with running(tmp_path_factory.mktemp("state")) as port:
        yield port


def clean():
    """The environment of a new shell."""
    return {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}


def luigi(port, root, *arguments):
    command = [sys.executable, "-m", "luigi", "--module", "glc.tasks", *arguments, "--root", str(root)]
    return subprocess.run(
        [*command, "--scheduler-port", str(port)],
        env=clean() | {"LUIGI_CONFIG_PATH": str(CHECKOUT / "conf" / "luigi-vm.cfg")},
        capture_output=True,
        text=True,
        timeout=240,
        cwd=root,
    )


def test_the_dag_runs_on_the_central_scheduler_and_a_failure_ends_it(scheduler, root):
    done = luigi(scheduler, root, "Folds", "--dataset", "virtual:tiny")
    assert done.returncode == 0, done.stderr[-2000:]
    query = urllib.request.urlopen(f"http://127.0.0.1:{scheduler}/api/task_list?data=%7B%22status%22%3A%22DONE%22%7D")
    told = json.loads(query.read())["response"]
    assert any(name.startswith("Folds") for name in told), told
    folds = next(task for name, task in told.items() if name.startswith("Folds"))
    assert folds["params"] == {"dataset": "virtual:tiny"}  # no settings as JSON, no paths
    page = urllib.request.urlopen(f"http://127.0.0.1:{scheduler}/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    text = page.read().decode()
    assert "<b>Folds</b> <span>virtual:tiny</span>" in text
    assert " done</h1>" in text

    began = time.monotonic()
    done = luigi(scheduler, root, "Folds", "--dataset", "virtual:tiny", "--validation", '{"count": 5000}')
    assert done.returncode == 30, done.stderr[-2000:]
    assert "FAILED Folds: ConfigError" in done.stderr
    assert time.monotonic() - began < 200


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/is_paused?data={}", {}, 200),
        ("/api/is_paused?data={}", {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:PORT"}, 200),
        ("/", {"Sec-Fetch-Site": "cross-site"}, 200),
        ("/api/pause?data={}", {"Origin": "http://evil.example"}, 403),
        ("/api/pause?data={}", {"Origin": "null"}, 403),
        ("/api/pause?data={}", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("/api/pause?data={}", {"Host": "evil.example"}, 403),
        ("/", {"Host": "evil.example:PORT"}, 403),
    ],
)
def test_pages_of_other_sites_do_not_reach_the_scheduler(idle_scheduler, path, headers, status):
    headers = {name: value.replace("PORT", str(idle_scheduler)) for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{idle_scheduler}{path}", headers=headers)
    refusal = pytest.raises(urllib.error.HTTPError, match="403") if status == 403 else contextlib.nullcontext()
    with refusal:
        urllib.request.urlopen(request, timeout=5).close()
    paused = urllib.request.urlopen(f"http://127.0.0.1:{idle_scheduler}/api/is_paused?data=%7B%7D").read()
    assert json.loads(paused)["response"] == {"paused": False}


def test_the_scheduler_listens_on_loopback_alone(idle_scheduler):
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    listening = [row[1] for row in sockets if row[3] == "0A" and row[1].endswith(f":{idle_scheduler:04X}")]
    assert listening == [f"0100007F:{idle_scheduler:04X}"]
