"""What the tasks of a run will take: minutes, memory and disk."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from luigi.task import flatten

from glc import editions, memory, storage, world
from glc.costs import curves, sample, sizes, work
from glc.costs import machine as machines
from glc.costs.curves import Costs
from glc.costs.sizes import Sizes
from glc.costs.work import Job
from glc.tasks.base import DatasetTask, GlcTask
from glc.tasks.machine import machine
from glc.tasks.surveys import Surveys

RUNS = ("would run", "damaged")
"""States of tasks that a run makes."""
ALIKE = 1.5
"""Machines whose speeds differ by less than this factor are taken for equal."""
GB = 2**30


@dataclass(frozen=True)
class Estimate:
    """What a task will take.

    stage : its kind; seconds : on this machine; memory_mb : of all processes together; bytes : of its output
    """

    stage: str
    seconds: float
    memory_mb: float
    bytes: float


class Jobs:
    """Tasks as jobs, each made once."""

    def __init__(self) -> None:
        self._made: dict[GlcTask, Job] = {}

    def of(self, task: GlcTask) -> Job:
        """The job of a task."""
        if task not in self._made:
            needed = tuple(self.of(each) for each in flatten(task.requires()))
            self._made[task] = Job(task.task_family, task.own_parameters(), needed)
        return self._made[task]


class Estimates:
    """Estimates of the tasks of a run.

    planned : (task, state), as `plan.tasks` lists them, of one dataset
    speed : of this machine compared with that of the curves; 0: measured
    """

    def __init__(self, planned: Sequence[tuple[DatasetTask, str]], speed: float = 0) -> None:
        self.planned = planned
        self.costs: Costs = curves.read()
        self.speed = speed or _speed(self.costs)
        self.sizes = _sizes([task for task, _ in planned])
        self._jobs = Jobs()
        self.by_task: Mapping[DatasetTask, Estimate | None] = {
            task: self._estimate(task) for task, state in planned if state in RUNS
        }

    def _estimate(self, task: DatasetTask) -> Estimate | None:
        """None where nothing is known of such a task."""
        of_task = work.of(self._jobs.of(task), self.sizes)
        own = self.costs.curves.get(of_task.kind) if of_task else None
        if of_task is None or own is None:
            return None
        seconds, mb, size = (own[name].at(of_task.terms) for name in curves.QUANTITIES)
        return Estimate(of_task.kind, seconds / self.speed, mb, size)

    @property
    def known(self) -> list[Estimate]:
        """Of the tasks that would run, those that something is known of."""
        return [estimate for estimate in self.by_task.values() if estimate is not None]

    @property
    def unknown(self) -> list[str]:
        """Names of the tasks that would run and were never measured."""
        return sorted({task.task_family for task, estimate in self.by_task.items() if estimate is None})

    @property
    def uncertain(self) -> list[str]:
        """Stages that were measured on one dataset alone, which does not show how they grow."""
        datasets: dict[str, set[str]] = {}
        for measurement in self.costs.measurements:
            datasets.setdefault(measurement.kind, set()).add(measurement.dataset)
        return sorted({estimate.stage for estimate in self.known if len(datasets.get(estimate.stage, ())) < 2})

    @property
    def seconds(self) -> float:
        """Of all tasks one after the other."""
        return sum(estimate.seconds for estimate in self.known)

    @property
    def memory_gb(self) -> float:
        """Of the largest task."""
        return max((estimate.memory_mb for estimate in self.known), default=0.0) / 1024

    @property
    def disk_gb(self) -> float:
        """Of all outputs."""
        return sum(estimate.bytes for estimate in self.known) / GB

    def notes(self, root: Path) -> list[str]:
        """What to know about the figures, and warnings of what does not fit.

        root : folder of all outputs
        """
        counts = self.sizes
        notes = [
            f"dataset: about {counts.training_surveys:,} training surveys ({counts.training_rows:,} rows), "
            f"{counts.test_surveys:,} of tests, {counts.po_rows:,} presence-only rows, {counts.species:,} species",
            f"curves: {self.costs.date}, {self.costs.machine['processor']}, {self.costs.machine['cores']} cores, "
            f"{self.costs.clock} time; this machine counts as {self.speed:.2f} times as fast",
        ]
        if self.unknown:
            notes.append(f"not measured yet, so not in the total: {', '.join(self.unknown)}")
        if self.uncertain:
            notes.append(f"uncertain, because measured on one dataset alone: {', '.join(self.uncertain)}")
        budget, there = machine().memory_gb, memory.of_machine()
        if self.memory_gb > budget:
            stage = max(self.known, key=lambda estimate: estimate.memory_mb).stage
            remedy = (
                f"raise [machine] memory_gb (this machine has {there:.1f})"
                if self.memory_gb < there
                else f"use a machine with more than the {there:.1f} of this one"
            )
            notes.append(f"warning: {stage} takes about {self.memory_gb:.1f} GB, memory_gb is {budget:g}; {remedy}")
        existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
        free = shutil.disk_usage(existing).free / GB
        if self.disk_gb > free:
            notes.append(
                f"warning: outputs take about {self.disk_gb:.1f} GB, {existing} has {free:.1f} free; choose another "
                "disk with --root, or free some"
            )
        return notes


def _speed(costs: Costs) -> float:
    """Speed of this machine by that of the curves'; 1 where the difference is within what programs around it make."""
    speed = costs.calibration / machines.calibration()
    return 1.0 if 1 / ALIKE < speed < ALIKE else speed


def _sizes(tasks: Sequence[DatasetTask]) -> Sizes:
    """Sizes of the tasks' dataset: counted if its tables are finished, otherwise as its world or a sample says."""
    surveys = next(task for task in tasks if task.task_family == Surveys.task_family)
    if surveys.virtual:
        return Sizes(**world.SIZES[surveys.virtual].counts)
    if storage.exists(surveys.folder):
        return sizes.of_tables(surveys.folder)
    return sample.sizes(editions.recognise(surveys.dataset))


def figures(seconds: float, memory_gb: float, disk_gb: float) -> tuple[str, str, str]:
    """Minutes, GB and GB as text."""
    return f"{seconds / 60:.1f}", f"{memory_gb:.1f}", f"{disk_gb:.2f}"


def of_task(estimate: Estimate | None) -> tuple[str, str, str]:
    """`figures` of a task; of one of which nothing is known, a question mark each."""
    if estimate is None:
        return "?", "?", "?"
    return figures(estimate.seconds, estimate.memory_mb / 1024, estimate.bytes / GB)
