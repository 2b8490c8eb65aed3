"""The process of `glc.tasks.limits.Limited`: evaluates an experiment, or writes its submission, and says how far it is.

    python -m glc.tasks.limited_run FOLDER

FOLDER has ``run.json`` and gets ``progress.json``. The process ends when the one that started it is gone.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import luigi
from luigi.configuration import get_config

from glc import progress, storage
from glc.classical.run import FITS
from glc.errors import explain
from glc.tasks import leftovers
from glc.tasks.console import signals
from glc.tasks.evaluate import Evaluate
from glc.tasks.machine import SECTION
from glc.tasks.submission import Submission
from glc.types import Facts

RUN, PROGRESS = "run.json", "progress.json"
TASKS = {"Evaluate": Evaluate, "Submission": Submission}
_EVERY = 0.5


class Reporter:
    """Writes what the bars report to a file: fits that are done, and the bar within the one that runs."""

    def __init__(self, path: Path) -> None:
        self.path, self.written = path, 0.0
        self.state: Facts = {"fits": 0, "of": 0, "bar": "", "done": 0.0, "total": 0.0}

    def __call__(self, what: str, done: float, total: float | None) -> None:
        if what == FITS:
            changed = self.state["fits"] != int(done) or not self.state["of"]
            self.state |= {"fits": int(done), "of": int(total or 0)}
            if changed:
                self.state |= {"bar": "", "done": 0.0, "total": 0.0}
        else:
            self.state |= {"bar": what, "done": done, "total": total or 0.0}
        if what == FITS or time.monotonic() - self.written > _EVERY:
            self.written = time.monotonic()
            with storage.atomic_file(self.path) as scratch:
                scratch.write_text(json.dumps(self.state))


def main(folder: Path) -> int:
    """Run what ``run.json`` in the folder says; returns the exit code."""
    wanted = json.loads((folder / RUN).read_text())
    for key, value in wanted["machine"].items():
        get_config().set(SECTION, key, value)
    _end_with(wanted["parent"])
    signals.catch()
    with leftovers.temporary_folder():
        progress.report_to(Reporter(folder / PROGRESS))
        done = luigi.build(
            [TASKS[wanted["family"]](**wanted["task"])], local_scheduler=True, workers=1, log_level="WARNING"
        )
    return signals.code() or int(not done)


def _end_with(parent: int) -> None:
    """End this process when its parent, the process `parent`, is gone: nobody would stop it at its limit."""

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@luigi.Task.event_handler(luigi.Event.FAILURE)
@luigi.Task.event_handler(luigi.Event.BROKEN_TASK)
def _failed(task: luigi.Task, error: BaseException) -> None:
    print(f"FAILED {task}: {explain(error)}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
