"""The stages of a run: one per task that has to run, built from the notes of the journal."""

import time
from dataclasses import dataclass, field
from typing import TypedDict

import luigi

from glc.errors import GlcError
from glc.tasks.console.journal import Journal
from glc.types import Facts

_ELSEWHERE = ("dataset", "experiment", "root")
_ALWAYS = ("fold",)
"""Parameters that are part of a stage's name even at their default: fold 0 is one of several."""
_LONGEST = 24
"""Characters of a parameter's value in a stage's name; longer ones are settings, not names."""


class Description(TypedDict):
    """What distinguishes a task."""

    id: str
    family: str
    details: str
    """Short parameters that were set."""
    experiment: str
    dataset: str


def describe(task: luigi.Task) -> Description:
    """What distinguishes a task: family, short parameters that were set, experiment and dataset, for a note."""
    values = task.to_str_params()
    details = []
    for name, parameter in task.get_params():
        value, usual = values[name], _usual(task, name, parameter)
        if name in _ELSEWHERE or not parameter.significant or len(value) > _LONGEST:
            continue
        if (value != usual or name in _ALWAYS) and not value.startswith(("{", "[", "/", "-")):
            details.append(f"{name.replace('_', ' ')} {value}")
    dataset = values.get("dataset", "").rstrip("/").rpartition("/")[2]
    return {
        "id": task.task_id,
        "family": task.task_family,
        "details": " ".join(details),
        "experiment": values.get("experiment", ""),
        "dataset": dataset,
    }


def _usual(task: luigi.Task, name: str, parameter: luigi.Parameter[object]) -> str | None:
    """What a parameter is where nobody sets it, as text; None where it has to be set."""
    try:
        default = parameter.task_value(task.task_family, name)
    except (GlcError, luigi.parameter.MissingParameterException):
        return None
    return str(parameter.serialize(default))


@dataclass
class Stage:
    """One task: waiting, running, done, failed; or present, done by an earlier run."""

    id: str
    family: str
    details: str
    experiment: str
    dataset: str
    state: str = "waiting"
    number: int = 0
    """Its place in the order of starting, from 1; 0 before it starts."""
    began: float = 0.0
    ended: float = 0.0
    what: str = ""
    """Its last status message, or what its bar counts."""
    done: float = 0.0
    total: float | None = None
    counting: float = 0.0
    """When its present bar began."""
    counted: float = 0.0
    """How much of its present bar was done then."""
    pid: int = 0

    def seconds(self, now: float) -> float:
        """How long it has run."""
        return ((self.ended or now) - self.began) if self.began else 0.0

    def left(self, now: float) -> float | None:
        """Seconds that its bar still needs at the speed so far; None when that is not known."""
        moved = self.done - self.counted
        if not self.total or moved <= 0 or now - self.counting < 2:
            return None
        return (self.total - self.done) * (now - self.counting) / moved


@dataclass
class Stages:
    """All stages of a run, with what is to be printed at its end."""

    title: str = ""
    experiment: str = ""
    by_id: dict[str, Stage] = field(default_factory=dict)
    needs: dict[str, list[str]] = field(default_factory=dict)
    order: list[Stage] = field(default_factory=list)
    """Those that have started, in that order."""
    results: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """Warnings, and what tasks said that should stay on the screen."""
    began: float = field(default_factory=time.time)

    def name(self, task: luigi.Task) -> None:
        """Name the run after the task that the command asks for."""
        facts = describe(task)
        self.experiment = facts["experiment"]
        words = (facts["experiment"] or facts["family"], f"on {facts['dataset']}" if facts["dataset"] else "")
        self.title = " ".join(word for word in words if word)

    def label(self, stage: Stage) -> str:
        """A stage's name; with its experiment where that is not the run's."""
        other = stage.experiment if stage.experiment != self.experiment else ""
        return " ".join(word for word in (stage.family, other, stage.details) if word)

    @property
    def total(self) -> int:
        """Stages that this run has to run."""
        return sum(stage.state != "present" for stage in self.by_id.values())

    @property
    def waiting(self) -> list[Stage]:
        """Those that have not started, each behind what it needs."""
        ordered: dict[str, Stage] = {}

        def visit(id_: str) -> None:
            if id_ not in ordered:
                for other in self.needs.get(id_, ()):
                    visit(other)
                ordered[id_] = self.by_id[id_]

        for id_ in self.by_id:
            visit(id_)
        return [stage for stage in ordered.values() if stage.state == "waiting"]

    @property
    def not_run(self) -> str:
        """Why stages are still waiting at the end of a run although none failed; empty where none is."""
        waiting = len(self.waiting)
        if not waiting or self.failures:
            return ""
        return (
            f"{waiting} of the stages were not run: another run may be at them, or the scheduler was restarted; "
            "the same command continues from here"
        )

    def read(self, journal: Journal) -> list[Stage]:
        """Take in the journal's new notes; the stages that ended meanwhile."""
        ended = []
        for note in journal.read():
            kind = note.pop("kind")
            if kind in ("result", "failure", "warning", "notice"):
                texts = {"result": self.results, "failure": self.failures}.get(kind, self.notices)
                text = f"warning: {note['text']}" if kind == "warning" else note["text"]
                if text not in texts:
                    texts.append(text)
            elif kind == "needs":
                self.needs.setdefault(note["id"], []).append(note["other"])
            elif kind in ("waiting", "present"):
                stage = self.by_id.setdefault(note["id"], Stage(**note))
                stage.state = kind if stage.state == "waiting" else stage.state
            elif note["id"] not in self.by_id:
                continue  # its first note is missing because the display failed, which is reported separately
            elif kind == "running":
                self._start(note)
            else:
                stage = self.by_id[note["id"]]
                self._change(stage, kind, note)
                ended += [stage] if kind in ("done", "failed") else []
        return ended

    def _start(self, note: Facts) -> None:
        for stage in self.order:  # a task that waits for others it asked for as it ran
            if stage.state == "running" and stage.pid == note["pid"]:
                stage.state = "waiting"
        stage = self.by_id[note["id"]]
        if not stage.number:
            self.order.append(stage)
            stage.number, stage.began = len(self.order), note["at"]
        stage.state, stage.pid = "running", note["pid"]

    def _change(self, stage: Stage, kind: str, note: Facts) -> None:
        if kind == "progress":
            if (note["what"], note["total"]) != (stage.what, stage.total) and note["total"] != stage.total:
                stage.counting, stage.counted = note["at"], note["done"]
            stage.what, stage.done, stage.total = note["what"], note["done"], note["total"]
        elif kind == "status":
            stage.what, stage.total = note["what"], None
        else:
            stage.state, stage.ended = kind, note["at"]
            if not stage.number:  # refused before it could start
                self.order.append(stage)
                stage.number, stage.began = len(self.order), note["at"]
