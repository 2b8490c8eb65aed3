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
_told = Path(tempfile.mkstemp(prefix="glc-told-")[1])
_started = os.getpid()


def _note(kind, text):
    with open(_told, "a") as file:
        file.write(json.dumps([kind, text]) + "\n")


@luigi.Task.event_handler(luigi.Event.FAILURE)
@luigi.Task.event_handler(luigi.Event.BROKEN_TASK)
def _failed(task, error):
    _note("failure", f"FAILED {task.task_family}: {type(error).__name__}: {error}")


@luigi.Task.event_handler(luigi.Event.DEPENDENCY_MISSING)
def _cannot_be_asked(task):
    """Luigi says here, and without the cause, that asking a task whether it is complete has failed."""
    try:
        task.complete()
    except Exception as error:
        _failed(task, error)


@luigi.Task.event_handler(luigi.Event.SUCCESS)
@luigi.Task.event_handler(luigi.Event.DEPENDENCY_PRESENT)
def _succeeded(task):
    if hasattr(task, "results"):
        _note("result", "\n".join(task.results()))


def tell_at_exit():
    """Have the place of the results, or the cause of a failure, printed as the last lines of the run."""
    atexit.register(_tell)


def _tell():
    if os.getpid() != _started:
        return
    told = dict.fromkeys(tuple(json.loads(line)) for line in _told.read_text().splitlines())
    _told.unlink(missing_ok=True)
    sys.stderr.flush()
    for wanted, stream in (("result", sys.stdout), ("failure", sys.stderr)):
        for kind, text in told:
            if kind == wanted:
                print(text, file=stream, flush=True)
