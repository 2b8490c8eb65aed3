"""Remove outputs by naming what made them."""

from pathlib import Path

import luigi
from luigi.task import flatten

from glc import objectstore, storage
from glc.errors import ConfigError, did_you_mean
from glc.tasks.base import GlcTask
from glc.tasks.console.task import ConsoleTask
from glc.tasks.parameters import DatasetParameter, ExperimentParameter, RootParameter, imagery_folder
from glc.tasks.preflight import check_root
from glc.tasks.submission import Submission


class Clean(ConsoleTask):
    """Remove the output of one task (``--task``, default Submission) of an experiment on a dataset.

    What a run that was broken off has left of it goes too.
    With ``--downstream`` everything that was made from it goes too. What other experiments share with this one
    (surveys, folds, neighbours) goes only when it is named.
    """

    root = RootParameter(default="", significant=False)
    dataset = DatasetParameter(default="virtual:small")
    experiment = ExperimentParameter(default="geolocation")
    imagery_folder = imagery_folder()
    task = luigi.Parameter(default="Submission", description="name of the task whose output is removed")
    downstream = luigi.BoolParameter(description="also remove what was made from it")

    removed: list[Path] | None = None

    def complete(self) -> bool:
        return self.removed is not None

    def run(self) -> None:
        top = self.clone(Submission)
        below: dict[GlcTask, list[GlcTask]] = {}
        _collect(top, below)
        names = sorted({task.task_family for task in below})
        if self.task not in names:
            raise ConfigError(
                f"--task {self.task}: no such task in experiment {str(self.experiment)!r}; expected one of: "
                f"{', '.join(names)}{did_you_mean(self.task, names)}"
            )
        named = {task for task in below if task.task_family == self.task}
        if self.downstream:
            named |= {task for task in below if any(upstream in named for upstream in _all_below(task, below))}
        if Path(self.root).exists():
            check_root(Path(self.root))
        self.removed = []
        for task in sorted(named, key=lambda task: str(task.folder)):
            for path in [task.folder, task.parts_folder(), *(target.path for target in task.published())]:
                stored = objectstore.opened(path)
                there = stored is not None and stored.remove(path)  # first: a local copy is made from it
                if path.is_dir():
                    storage.remove(path)  # an interrupted removal leaves nothing that looks like an output
                elif path.is_file():
                    path.unlink()
                elif not there:
                    continue
                self.removed.append(path)

    def results(self) -> list[str]:
        if not self.removed:
            return [f"nothing to remove: {self.task} of {self.experiment} has no output under {self.root}"]
        return [f"removed {path}" for path in self.removed]


def _collect(task: GlcTask, needs: dict[GlcTask, list[GlcTask]]) -> None:
    """Add `task` and all that it is made from to `needs`: task -> its direct inputs."""
    if task not in needs:
        needs[task] = flatten(task.requires())
        for needed in needs[task]:
            _collect(needed, needs)


def _all_below(task: GlcTask, needs: dict[GlcTask, list[GlcTask]]) -> set[GlcTask]:
    """Everything that `task` is made from, directly or not."""
    stack, seen = list(needs[task]), set()
    while stack:
        needed = stack.pop()
        if needed not in seen:
            seen.add(needed)
            stack.extend(needs[needed])
    return seen
