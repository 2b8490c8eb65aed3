"""Luigi's settings, and the last lines of a run: what failed and why, or where the results are."""

import atexit
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import luigi
from luigi.configuration import add_config_path

_CONF = Path(__file__).resolve().parents[2] / "conf" / "luigi.cfg"
_own = os.environ.get("LUIGI_CONFIG_PATH")
for _path in (str(_CONF), _own):
    if _path and Path(_path).is_file():
        add_config_path(_path)

# the library's own messages (rows read, quarantined, held out) beside Luigi's
_log = logging.getLogger("glc")
if not _log.handlers:
    _handler = logging.StreamHandler()
    _handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    _log.addHandler(_handler)
    _log.setLevel(logging.INFO)

# a file and not a list: with several workers the tasks run in processes of their own
_failures = Path(tempfile.mkstemp(prefix="glc-failures-")[1])
_started = os.getpid()
_finished = []


@luigi.Task.event_handler(luigi.Event.FAILURE)
@luigi.Task.event_handler(luigi.Event.BROKEN_TASK)
def _failed(task, error):
    with open(_failures, "a") as file:
        file.write(json.dumps([task.task_family, f"{type(error).__name__}: {error}"]) + "\n")


@luigi.Task.event_handler(luigi.Event.SUCCESS)
@luigi.Task.event_handler(luigi.Event.DEPENDENCY_PRESENT)
def _succeeded(task):
    if hasattr(task, "results"):
        _finished.append(task)


def tell_at_exit():
    """Have the cause of a failure, or the place of the results, printed as the last lines of the run."""
    atexit.register(_tell)


def _tell():
    if os.getpid() != _started:
        return
    lines = [json.loads(line) for line in _failures.read_text().splitlines()]
    _failures.unlink(missing_ok=True)
    sys.stderr.flush()
    for task in dict.fromkeys(_finished):
        if not task.complete():  # cleaned meanwhile
            continue
        print(*task.results(), sep="\n", flush=True)
    for family, cause in lines:
        print(f"FAILED {family}: {cause}", file=sys.stderr, flush=True)
