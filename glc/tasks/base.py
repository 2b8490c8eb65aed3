"""What every task shares: identity, paths, atomic outputs, status.

A task's identity is what changes its bytes: its significant parameters, its `version`, the content of the files it
reads, and the identities of its inputs. The output path and Luigi's own id follow from it: a changed setting makes a
new path here and downstream, and nowhere else, and two experiments that share a task run it once.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import luigi
from luigi.task import flatten, task_id_str

from glc import memory, storage
from glc.errors import GlcError
from glc.tasks.console.task import ConsoleTask
from glc.tasks.machine import machine
from glc.tasks.parameters import VIRTUAL, DatasetParameter, RootParameter
from glc.types import JSON, Keywords

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Requirements: TypeAlias = "GlcTask | Sequence[Requirements] | Mapping[str, Requirements]"
"""What a task requires, in any of the shapes that Luigi takes."""
Outputs: TypeAlias = luigi.Target | list[luigi.Target]
"""What a task leaves."""


class Output(luigi.Target):
    """A finished output directory (`glc.storage`), as a Luigi target."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def exists(self) -> bool:
        return storage.exists(self.path)

    def __repr__(self) -> str:
        return f"Output({self.path})"


class Published(luigi.Target):
    """A copy at a stable place; it exists when it equals the product it was copied from."""

    def __init__(self, path: str | Path, source: str | Path) -> None:
        self.path, self.source = Path(path), Path(source)

    def exists(self) -> bool:
        return (
            self.path.is_file()
            and self.source.is_file()
            and storage.file_digest(self.path) == storage.file_digest(self.source)
        )

    def publish(self) -> None:
        """Copy the product to its stable place, whole or not at all."""
        with storage.atomic_file(self.path) as scratch:
            scratch.write_bytes(self.source.read_bytes())


class GlcTask(ConsoleTask):
    """A node of the DAG that writes one output directory, ``ROOT/store/<subject>/<task>-<identity>``.

    Subclasses say `requires` and `origin`, and write their output into the folder given to `write`. A parameter that
    counts through the inputs' identities or through `content`, or never changes bytes, is declared with
    ``significant=False``. `version` goes up when the same parameters give other bytes than before.
    """

    root = RootParameter(
        default="", significant=False, description="folder of all outputs (default: root of [machine])"
    )
    version = 1
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
            "content": self.content(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def own_parameters(self) -> dict[str, JSON]:
        """What counts of the task's own settings: its significant parameters, as text."""
        return {
            name: parameter.serialize(getattr(self, name))
            for name, parameter in self.get_params()
            if parameter.significant
        }

    def content(self) -> JSON:
        """What changes the bytes besides parameters and inputs, such as the content of files; JSON can hold it."""
        return None

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

    def run(self) -> None:
        if not storage.exists(self.folder):
            started = time.monotonic()
            parameters = self.own_parameters() | {"dataset": self.origin}
            with storage.atomic_directory(
                self.folder, task=self.task_family, identity=self.identity, parameters=parameters
            ) as out:
                with memory.peak() as peak:
                    self.write(out)
                seconds = round(time.monotonic() - started, 1)
                storage.note(out, seconds=seconds, peak_memory_mb=round(peak.bytes / 2**20))
            shutil.rmtree(self.parts_folder(), ignore_errors=True)
            self.status(f"done in {time.monotonic() - started:.0f} s", 100)
        for target in self.published():
            target.publish()

    def write(self, out: Path) -> None:
        """Write the output into the folder `out`, which becomes `folder` when this returns."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it writes")

    def published(self) -> list[Published]:
        """Copies of this output at stable places."""
        return []


class ProductTask(GlcTask):
    """A task whose output is also published at stable places, and is only complete when it is there."""

    def output(self) -> Outputs:
        return [Output(self.folder), *self.published()]


class TableTask(ProductTask):
    """A table or picture that is also published at ``ROOT/tables/<subject>/<task>.<suffix>``."""

    suffixes: Sequence[str] = (".md", ".csv")
    title = ""

    def table_name(self) -> str:
        """Name of its files."""
        return self.task_family.replace(".", "-").lower()

    def published(self) -> list[Published]:
        place, name = Path(self.root) / "tables" / self.subject, self.table_name()
        return [Published(place / f"{name}{suffix}", self.folder / f"table{suffix}") for suffix in self.suffixes]

    def results(self) -> list[str]:
        """The table, and where it and its pictures are."""
        paths = [target.path for target in self.published() if target.path.suffix != ".csv"]
        texts = [path.read_text(encoding="utf-8") for path in paths if path.suffix == ".md"]
        return [*texts, *(f"{'table ' if path.suffix == '.md' else 'picture'} {path}" for path in paths)]


class DatasetTask(GlcTask):
    """A task on a dataset, whose content counts, not its path."""

    dataset = DatasetParameter(
        default="virtual:small", significant=False, description="folder of a dataset, or virtual:SIZE"
    )

    @property
    def origin(self) -> str:
        return self.dataset

    @property
    def virtual(self) -> str:
        """Size of the virtual world; empty for a dataset in a folder."""
        return self.dataset.removeprefix(VIRTUAL) if self.dataset.startswith(VIRTUAL) else ""

    @property
    def subject(self) -> str:
        """The dataset's name in paths: the folder's, or virtual-SIZE."""
        return f"virtual-{self.virtual}" if self.virtual else super().subject


def spark() -> "SparkSession":
    """The process's Spark session with this machine's settings."""
    from glc.etl.spark import session

    return session(machine().spark_master, machine().spark_memory)
