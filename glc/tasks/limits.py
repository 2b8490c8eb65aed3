"""Experiments that may take too long or too much memory: each in a process of its own, with limits."""

import json
import math
import os
import shutil
import sys
from pathlib import Path

import luigi

from glc import limits, registry, results, scratch, storage
from glc.errors import ConfigError
from glc.tasks import leftovers
from glc.tasks.base import GlcTask
from glc.tasks.evaluate import Evaluate
from glc.tasks.experiment import ExperimentTask
from glc.tasks.limited_run import PROGRESS, RUN
from glc.tasks.machine import machine
from glc.tasks.scores import Predictions
from glc.tasks.submission import Submission
from glc.tasks.tables import Table
from glc.types import JSON, Facts

ROW = "row.json"


class LimitParameter(luigi.FloatParameter):
    """A limit above 0."""

    def normalize(self, x: float) -> float:
        value = float(x)
        if not 0 < value < math.inf:
            raise ConfigError(f"limit: found {x}, expected a number above 0")
        return value


class Limited(ExperimentTask):
    """A classical model, evaluated, or how far it came: ``row.json``, and ``metrics.json`` if it finished.

    What it reads (surveys, folds, neighbours) is made before and does not count. A run that reaches a limit is stopped
    and its scratch removed; that it did is the result, which another run does not try again.
    """

    minutes = LimitParameter(default=60.0, description="minutes after which a row is stopped")
    memory_gb = LimitParameter(default=16.0, description="memory of a row's processes above which it is stopped, GB")
    submission = luigi.BoolParameter(description="write the Kaggle file, too, within the limit")
    resources = {"spark": 1}  # one at a time: they are timed

    def check(self) -> None:
        super().check()
        self.refuse_presence_only()
        name = self.settings.model.name
        if registry.models.get(name).kind != "classical":
            raise ConfigError(f"model: found {name!r}, expected a classical model: only they run with a limit")

    def requires(self) -> dict[str, GlcTask]:
        return self.clone(Predictions).scores().requires()

    def content(self) -> JSON:
        return self.clone(Evaluate).identity

    def write(self, out: Path) -> None:
        evaluate = self.clone(Evaluate)
        with scratch.folder(self.root, "limited") as folder:
            self._describe(evaluate, folder)
            ended = limits.run(
                [sys.executable, "-m", "glc.tasks.limited_run", str(folder)],
                folder / "log.txt",
                seconds=60 * self.minutes,
                memory_bytes=self.memory_gb * 2**30,
                watch=lambda elapsed: self._say(folder, elapsed),
            )
            progress = _progress(folder)
        facts: Facts = {"ended": ended.how, "minutes": self.minutes, "memory_gb": self.memory_gb}
        if ended.how == "finished":
            shutil.copy(evaluate.folder / results.METRICS, out)
            scored = storage.manifest(self.clone(Predictions).scores().folder)
            facts |= {"share": 1.0, "at": "", "seconds": scored["seconds"], "peak memory MB": scored["peak_memory_mb"]}
        else:
            leftovers.remove(Path(self.root))  # of what had to be killed
            facts |= {"share": _share(progress), "at": _at(progress), "seconds": round(ended.seconds, 1)}
            facts |= {"peak memory MB": round(ended.peak_bytes / 2**20)}
        (out / ROW).write_text(json.dumps(facts, indent=1) + "\n")
        storage.note(out, ended=ended.how, share=facts["share"])

    def _describe(self, evaluate: Evaluate, folder: Path) -> None:
        wanted = {
            "family": "Submission" if self.submission else "Evaluate",
            "task": {
                "root": self.root,
                "dataset": self.dataset,
                "imagery_folder": self.imagery_folder,
                "experiment": str(evaluate.experiment),
            },
            "machine": machine().to_str_params(),
            "parent": os.getpid(),
        }
        (folder / RUN).write_text(json.dumps(wanted))

    def _say(self, folder: Path, elapsed: float) -> None:
        at = _at(_progress(folder))
        text = f"{elapsed / 60:.1f} of at most {self.minutes:g} minutes{f', {at}' if at else ''}"
        self.status(text, min(99, 100 * elapsed / 60 / self.minutes))


def _progress(folder: Path) -> Facts:
    path = folder / PROGRESS
    return json.loads(path.read_text()) if path.is_file() else {}


def _share(progress: Facts) -> float:
    """Of the fits that are done, with the share of the bar within the one that runs."""
    if not progress or not progress["of"]:
        return 0.0
    bar = progress["done"] / progress["total"] if progress["total"] else 0.0
    return round(min((progress["fits"] + min(bar, 1.0)) / progress["of"], 1.0), 4)


def _at(progress: Facts) -> str:
    """Where it is: fits that are done, and the bar within the one that runs."""
    if not progress or not progress["of"]:
        return ""
    text = f"{progress['fits']} of {progress['of']} fits"
    if not progress["bar"]:
        return text
    count = f" {progress['done']:,.0f} of {progress['total']:,.0f}" if progress["total"] else ""
    return f"{text}, {progress['bar']}{count}"


class LimitedTable(Table):
    """A table whose rows are stopped at a limit: what finished has its scores, what did not says how far it came."""

    minutes = LimitParameter(default=60.0, description="minutes after which a row is stopped")
    memory_gb = LimitParameter(default=16.0, description="memory of a row's processes above which it is stopped, GB")

    def requires(self) -> dict[str, Limited]:
        return {
            row.label: self.clone(Limited, experiment=row.experiment, submission=self.submissions)
            for row in self.rows()
        }

    def submission_tasks(self) -> dict[str, Submission]:
        """None: those of the rows that finish are written by their own processes."""
        return {}

    def write(self, out: Path) -> None:
        import pandas as pd

        from glc.report import tables

        lines, finished = [], {}
        for row, task in zip(self.rows(), self.requires().values(), strict=True):
            facts = json.loads((task.folder / ROW).read_text())
            line = {"model": row.label, "ended": _ended(facts), "share finished": facts["share"], "at": facts["at"]}
            measured: Facts = {}
            if facts["ended"] == "finished":
                metrics = results.read_metrics(task.folder)
                measured = self.measured(metrics["valid"], metrics.get("test", {}))
                finished[row.label] = task.folder
            compared = self.compared(row, measured, [self.evaluation(row.experiment)])
            if not measured:
                compared.pop("submission", None)
            costs = {name: facts[name] for name in ("seconds", "peak memory MB")}
            lines.append(line | measured | compared | costs)
        frame = pd.DataFrame(lines)
        remarks = (*self.measured_on(), *self.size(), *self.remarks, *tables.caveats(finished))
        tables.write(out, f"{self.title}: {self.subject}", frame, remarks)
        storage.note(out, rows=len(frame), finished=len(finished))

    def size(self) -> list[str]:
        """Sentences on what the rows learn from."""
        return []


def _ended(facts: Facts) -> str:
    return {
        "finished": "finished",
        "time": f"> {facts['minutes']:g} min",
        "memory": f"> {facts['memory_gb']:g} GB",
    }[facts["ended"]]
