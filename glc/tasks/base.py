"""What every task shares: identity, paths, atomic outputs, status.

A task's identity is what changes its bytes: its significant parameters, its `version`, the content of the files it
reads, and the identities of its inputs. The output path and Luigi's own id follow from it: a changed setting makes a
new path here and downstream, and nowhere else, and two experiments that share a task run it once.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import luigi
from luigi.parameter import ParameterVisibility
from luigi.task import flatten, task_id_str

from glc import cpu, editions, memory, objectstore, products, scratch, storage, world
from glc.errors import ConfigError, DataError, GlcError
from glc.tasks import preflight
from glc.tasks.console.task import ConsoleTask
from glc.tasks.machine import budget, machine
from glc.tasks.outputs import Output, Published, sound
from glc.tasks.parameters import VIRTUAL, DatasetParameter, RootParameter
from glc.types import JSON, Facts, Keywords, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)
Requirements: TypeAlias = "GlcTask | Sequence[Requirements] | Mapping[str, Requirements]"
"""What a task requires, in any of the shapes that Luigi takes."""
Outputs: TypeAlias = luigi.Target | list[luigi.Target]
"""What a task leaves."""


class GlcTask(ConsoleTask):
    """A node of the DAG that writes one output directory, ``ROOT/store/<subject>/<task>-<identity>``.

    Subclasses say `requires` and `origin`, and write their output into the folder given to `write`. A parameter that
    counts through the inputs' identities or through `content`, or never changes bytes, is declared with
    ``significant=False``. `version` goes up when the same parameters give other bytes than before.
    """

    root = RootParameter(
        default="",
        significant=False,
        visibility=ParameterVisibility.HIDDEN,
        description="folder of all outputs (default: root of [machine])",
    )
    version = 1
    only_looked_at = False
    """Whether it is a page for people: a copy on this machine is enough where the store of ROOT takes no files."""
    _made, _by_parameters = False, ""

    @property
    def task_id(self) -> str:
        """Luigi's id, from the identity: tasks with the same bytes are one task for the scheduler."""
        if not self._made:  # Luigi asks before the parameters can be relied on
            return self._by_parameters
        try:
            return f"{self.task_family}_{self.subject}_{self.identity}"
        except GlcError:  # raised again, and reported, when Luigi asks whether the task is complete
            return self._by_parameters

    @task_id.setter
    def task_id(self, value: str) -> None:
        self._by_parameters = task_id_str(self.get_task_family(), self.to_str_params())

    def __init__(self, *args: Keywords, **kwargs: Keywords) -> None:
        super().__init__(*args, **kwargs)
        self._made = True
        preflight.before(self)

    def __hash__(self) -> int:
        return hash(self.task_id)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.task_id == other.task_id

    def __repr__(self) -> str:
        values = [f"{name}={value}" for name, value in self.to_str_params(only_significant=True).items()]
        return f"{self.task_family}({', '.join([self.subject, *values])})"

    @cached_property
    def identity(self) -> str:
        """Short hash of everything that changes this task's bytes."""
        facts = {
            "task": self.task_family,
            "version": self.version,
            "parameters": self.own_parameters(),
            "inputs": [task.identity for task in flatten(self.requires())],
            "content": self.known_content,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def own_parameters(self) -> dict[str, JSON]:
        """What counts of the task's own settings: its significant parameters, as text."""
        return {
            name: parameter.serialize(getattr(self, name))
            for name, parameter in self.get_params()
            if parameter.significant
        }

    def check(self) -> None:
        """Raise a GlcError for what is known to make `write` fail; called of every unfinished task before any runs."""

    def check_name(self) -> None:
        """Raise a GlcError where the name in paths belongs to another origin; called as `check`, and before `write`."""

    def content(self) -> JSON:
        """What changes the bytes besides parameters and inputs, such as the content of files; JSON can hold it."""
        return None

    @cached_property
    def known_content(self) -> JSON:
        """`content` when it was first asked for, which the identity is made of."""
        return self.content()

    def _refuse_changes(self) -> None:
        """Raise a DataError when `content` is no longer that of the identity: the output would bear a wrong name."""
        now = self.content()
        if json.dumps(now, sort_keys=True) != json.dumps(self.known_content, sort_keys=True):
            shutil.rmtree(self.parts_folder(), ignore_errors=True)  # a later run would find them under the old name
            raise DataError(
                f"{self.origin}: {_difference(self.known_content, now)} since the run was scheduled; what was read may "
                "be neither the old nor the new state, so nothing was kept; run the same command again"
            )

    @property
    def origin(self) -> str:
        """The dataset, file or folder that the output is made from."""
        raise NotImplementedError(f"{type(self).__name__} does not say its origin")

    @property
    def subject(self) -> str:
        """The origin's name in paths."""
        return Path(self.origin).name

    @property
    def folder(self) -> Path:
        """Where this task's output is (or will be)."""
        return Path(self.root) / "store" / self.subject / f"{self.task_family}-{self.identity}"

    def parts_folder(self) -> Path:
        """Where finished parts of a run that was broken off are found again; removed when the output is finished."""
        return self.folder.parent / f".{self.folder.name}-parts"

    def output(self) -> Outputs:
        return Output(self.folder)

    def followers(self) -> "Sequence[GlcTask]":
        """What runs once this is finished and changes none of its bytes, such as its run at W&B.

        They may read this output, but not require this task: it is complete when they are.
        """
        return []

    def complete(self) -> bool:
        finished = super().complete() and not (machine().repair and _to_be_repaired(self))
        return finished and all(task.complete() for task in self.followers())

    def run(self) -> "Iterator[list[GlcTask]] | None":
        """Write the output and publish it; first the inputs are compared with their checksums.

        returns : None, or what Luigi is to make: inputs that were removed (``--repair``), and `followers`
        """
        removed = [task for task in self.reads() if not sound(task.folder)]
        if removed:
            return self._after(removed)
        self._make()
        left = [task for task in self.followers() if not task.complete()]
        return self._before_end(left) if left else None

    def _after(self, tasks: "list[GlcTask]") -> "Iterator[list[GlcTask]]":
        yield tasks
        self._make()
        left = [task for task in self.followers() if not task.complete()]
        if left:
            yield left

    def _before_end(self, tasks: "list[GlcTask]") -> "Iterator[list[GlcTask]]":
        yield tasks

    def _make(self) -> None:
        self.check_name()
        if not sound(self.folder):
            lock = self.folder.with_name(f".{self.folder.name}{scratch.LOCK}")
            with scratch.locked(lock, lambda: self.status("another run is making this; waiting for it")), self._lease():
                if not sound(self.folder):
                    self._write()
                self._upload()
        self._upload()
        for target in self.published():
            target.publish()
            target.upload()

    def _lease(self) -> contextlib.AbstractContextManager[None]:
        """Where machines share ROOT in an object store: the right to make this output."""
        mirror = objectstore.opened(self.folder)
        if mirror is None or mirror.read_only:
            return contextlib.nullcontext()
        return mirror.lease(
            self.folder,
            lambda: mirror.holds(self.folder),
            lambda host: self.status(f"{host} is making this; waiting for it"),
        )

    def _upload(self) -> None:
        """Upload the output to the object store, if ROOT is in one that does not have it."""
        mirror = objectstore.opened(self.folder)
        if mirror is not None and not mirror.read_only and not mirror.holds(self.folder):
            self.status("uploading")
            mirror.publish(self.folder)

    def bring(self) -> None:
        """Have on this disk what `results` shows: this output, and the products that it is made from."""
        if objectstore.opened(self.folder) is None:
            return
        for task in (*(needed for needed in flatten(self.requires()) if needed.published()), self):
            if sound(task.folder):
                for target in task.published():
                    if not target.here():
                        target.publish()

    def _write(self) -> None:
        started, used = time.monotonic(), cpu.seconds()
        with storage.atomic_directory(self.folder, **self._origins()) as out:
            with memory.peak() as peak:
                self.write(out)
            self._refuse_changes()
            seconds = round(time.monotonic() - started, 1)
            costs = {"seconds": seconds, "cpu_seconds": round(max(0.0, cpu.seconds() - used), 1)}
            storage.note(out, **costs, peak_memory_mb=round(peak.bytes / 2**20), raw_files=self.raw_files())
        shutil.rmtree(self.parts_folder(), ignore_errors=True)
        memory.give_back()
        self.status(f"done in {time.monotonic() - started:.0f} s", 100)

    def _origins(self) -> Facts:
        """What the output is made from, for its manifest."""
        parameters = self.own_parameters() | {"dataset": self.origin}
        return {
            "task": self.task_family,
            "identity": self.identity,
            "parameters": parameters,
            "seeds": self.random_seeds(),
            "inputs": [
                {"task": task.task_family, "identity": task.identity, "folder": os.path.relpath(task.folder, self.root)}
                for task in flatten(self.requires())
            ],
            "published": {os.path.relpath(target.path, self.root): target.source.name for target in self.published()},
        }

    def reads(self) -> "list[GlcTask]":
        """The tasks whose outputs `write` reads: by default those that are required."""
        return flatten(self.requires())

    def random_seeds(self) -> dict[str, int]:
        """Seeds of everything random, by the path of their setting."""
        return dict(_seeds(self.own_parameters()))

    def raw_files(self) -> list[Facts]:
        """Files from outside of ROOT that are read: ``path``, ``bytes`` and either ``sha256`` or ``modified``."""
        return []

    def write(self, out: Path) -> None:
        """Write the output into the folder `out`, which becomes `folder` when this returns."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it writes")

    def published(self) -> list[Published]:
        """Copies of this output at stable places."""
        return []


def _difference(before: JSON, now: JSON) -> str:
    """What is not the same in two contents, for an error: the file's name where they list files."""
    if isinstance(before, list) and isinstance(now, list):
        entries = [entry for entry in before if entry not in now] or [entry for entry in now if entry not in before]
        if entries and isinstance(entries[0], list | tuple):
            return f"{entries[0][0]} has changed"
    return "its files have changed"


class ProductTask(GlcTask):
    """A task whose output is also published at stable places, and is only complete when it is there.

    The products that it is made from count as well: metrics or a report that were edited or removed are restored by the
    run that made them, as its submission is.
    """

    def output(self) -> Outputs:
        return [Output(self.folder), *self.published()]

    def complete(self) -> bool:
        return super().complete() and all(task.complete() for task in flatten(self.requires()) if task.published())


class DatasetTask(GlcTask):
    """A task on a dataset, whose content counts, not its path."""

    dataset = DatasetParameter(
        default="virtual:small", significant=False, description="folder or archive of a dataset, or virtual:SIZE"
    )

    @property
    def origin(self) -> str:
        return self.dataset

    @cached_property
    def presence_only(self) -> bool:
        """Whether the dataset has presence-only records alone, so that scores are relative suitability."""
        if self.virtual:
            return world.SIZES[self.virtual].presence_only
        return editions.recognise(self.dataset).presence_only

    def refuse_presence_only(self) -> None:
        """Raise a ConfigError where the dataset has presence-only records alone: of tasks that compare F1."""
        if self.presence_only:
            raise ConfigError(
                f"{self.task_family} compares F1, which {self.subject} does not have: it has presence-only records "
                "alone; choose a dataset with presence-absence surveys, or compare experiments in their reports "
                "(compare_with)"
            )

    def check_name(self) -> None:
        """Refuse a dataset whose name in paths belongs to another one, which is there and has other content.

        The same dataset may have been moved, copied or corrected since.
        """
        root, places = Path(self.root), products.datasets_at(Path(self.root), self.subject)
        own = self._place(root, self.dataset)
        for latest, other in zip([True, *[False] * len(places)], places, strict=False):
            place = self._place(root, other)
            if other == self.dataset or (place.exists() and own.exists() and place.samefile(own)):
                continue
            if place.exists() and _fingerprint(place) not in (None, _fingerprint(own)):
                raise DataError(
                    f"--dataset {self.dataset}: {root} has the results of another dataset that is called "
                    f"{self.subject!r}, {other}, which these would replace; choose another --root (make: ROOT=), or "
                    "rename one of the two folders"
                )
            if latest and not place.exists():
                log.warning(
                    "%s: the results under %s were made from %s, which is gone; it is taken for an earlier state of %s",
                    *(self.subject, root, other, self.dataset),
                )

    def _place(self, root: Path, dataset: str) -> Path:
        """The folder or archive of a dataset; of a virtual world the one below `root`."""
        return root / "datasets" / self.subject if dataset.startswith(VIRTUAL) else Path(dataset)

    @property
    def virtual(self) -> str:
        """Size of the virtual world; empty for a dataset in a folder."""
        return self.dataset.removeprefix(VIRTUAL) if self.dataset.startswith(VIRTUAL) else ""

    @property
    def subject(self) -> str:
        """The dataset's name in paths: the folder's, the archive's without its ending, or virtual-SIZE."""
        if self.virtual:
            return f"virtual-{self.virtual}"
        path = Path(self.dataset)
        return path.stem if path.is_file() else path.name


def _fingerprint(place: Path) -> list[tuple[str, str]] | None:
    """The content of the dataset that is at `place`; None where none is there."""
    try:
        return editions.recognise(place).fingerprint()
    except DataError:
        return None


def spark(*shared: StrPath) -> "SparkSession":
    """The process's Spark session with this machine's settings.

    shared : folders that the executors of a cluster must see as this process does, ROOT first
    """
    from glc.etl.spark import session

    return session(machine().spark_master, budget().spark, shared=shared)


_upstream: dict[Path, frozenset[Path]] = {}
_broken: set[Path] = set()


def _to_be_repaired(task: GlcTask) -> bool:
    """Whether anything that `task` is made from was damaged, has been removed for it and is not there yet."""
    return any(folder in _broken and not storage.exists(folder) for folder in _folders_above(task))


def _folders_above(task: GlcTask) -> frozenset[Path]:
    """Folders of everything that `task` is made from; each is looked at once, and removed if it is damaged."""
    if task.folder not in _upstream:
        folders: set[Path] = set()
        for needed in flatten(task.requires()):
            folders |= {needed.folder} | _folders_above(needed)
            if storage.exists(needed.folder) and needed.folder not in _broken and not sound(needed.folder):
                _broken.add(needed.folder)
        _upstream[task.folder] = frozenset(folders)
    return _upstream[task.folder]


def _seeds(value: JSON, path: str = "") -> Iterator[tuple[str, int]]:
    """(path, seed) of every key ``seed`` in settings, of which some are JSON as text."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        with contextlib.suppress(json.JSONDecodeError):
            yield from _seeds(json.loads(value), path)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            below = f"{path}.{key}" if path else str(key)
            if key == "seed":
                yield below, int(inner)
            else:
                yield from _seeds(inner, below)
