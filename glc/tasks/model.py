"""A fitted experiment as one folder: ``ROOT/models/<dataset>/<experiment>/``."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from glc import registry, storage
from glc.prediction import sets
from glc.results import read_metrics
from glc.surveys import read_species
from glc.tasks.applicability import Applicability
from glc.tasks.base import GlcTask, Outputs
from glc.tasks.evaluate import Evaluate
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.outputs import Output, PublishedFolder
from glc.tasks.scores import ClassicalScores, EnsembleScores, Predictions
from glc.tasks.submission import in_words
from glc.tasks.surveys import Surveys
from glc.tasks.training import Examples, Fit, fits

if TYPE_CHECKING:
    from glc.fitted.scorers import Source


class Model(ExperimentProduct):
    """A fitted experiment, which ``glc.load(FOLDER)`` reads: on any machine, without Luigi and Spark."""

    version = 1

    def requires(self) -> dict[str, GlcTask]:
        predictions = self.clone(Predictions)
        decided = {} if self.presence_only else {"predictions": predictions}
        needs = super().requires() | decided | {"scores": predictions.scores()}
        needs |= {"metrics": self.clone(Evaluate), "applicability": self.clone(Applicability)}
        for task in self.parts():
            needs |= {f"{task.experiment} {name}": need for name, need in _needs(task).items()}
        return needs

    def parts(self) -> list[ExperimentTask]:
        """The experiments that score: this one, or the members of an ensemble."""
        scores = self.clone(Predictions).scores()
        if isinstance(scores, EnsembleScores):
            return list(scores.members.values())
        return [self]

    @property
    def model_folder(self) -> Path:
        """The stable place of the folder."""
        return self.stable("models")

    def output(self) -> Outputs:
        return [Output(self.folder), *self.published()]

    def published(self) -> list[PublishedFolder]:  # type: ignore[override]  # a folder is as good as a file
        return [PublishedFolder(self.model_folder, self.folder)]

    def write(self, out: Path) -> None:
        from glc.applicability import area
        from glc.fitted import save

        surveys, metrics = self.clone(Surveys).folder, self.clone(Evaluate).folder
        evaluated = read_metrics(metrics)
        data = self.read_surveys()
        source = self._source(self)
        decoder = None if self.presence_only else self.clone(Predictions).folder / sets.DECODER
        known = storage.manifest(surveys)
        facts = {
            "dataset": self.subject,
            "edition": known["edition"],
            "inputs": [wanted.name for task in self.parts() for wanted in task.settings.inputs],
            "scores": in_words(evaluated),
            "citation": known.get("citation"),
            "provenance": {
                "surveys": self.clone(Surveys).identity,
                "scores": self.clone(Predictions).scores().identity,
                "model": self.identity,
                "checkout": storage.checkout(),
            },
        }
        written = save.write(source, data, out, decoder=decoder, names=read_species(surveys), facts=facts)
        shutil.copyfile(self.clone(Applicability).folder / area.FILE, out / area.FILE)
        storage.note(out, **written)

    def _source(self, task: ExperimentTask) -> "Source":
        """Where the tasks of an experiment left what scores it."""
        from glc.classical import run
        from glc.fitted.scorers import Source

        scores = task.clone(Predictions).scores()
        if isinstance(scores, EnsembleScores):
            members = [self._source(member) for member in scores.members.values()]
            return Source(task.settings, scores.folder, {}, lambda folder: {}, members)
        trained = {
            fit.fold: (fit.folder, fit.clone(Examples).folder)
            for fit in (fits(task) if registry.models.get(task.settings.model.name).kind == "net" else [])
        }
        table = None
        if isinstance(scores, ClassicalScores):
            for wanted in scores.stored:
                folder = scores.input()["input table"].path
                table = run.read_table(folder, self.read_surveys(), wanted.bands)
        reader = scores if isinstance(scores, ClassicalScores) else task.clone(Fit)
        return Source(task.settings, scores.folder, trained, reader.input_facts, table=table)

    def results(self) -> list[str]:
        """Lines that say where the folder is and how to use it."""
        return [
            f"{self.settings.name} on {self.subject}: fitted experiment {self.model_folder}",
            f'  glc predict {self.settings.name} --dataset {self.dataset} --lon … --lat …, or glc.load("…").predict(…)',
        ]


def _needs(task: ExperimentTask) -> Mapping[str, GlcTask]:
    """What of an experiment's tasks is read: its nets, and the tables that a classical model was fitted to."""
    kind = registry.models.get(task.settings.model.name).kind
    if kind == "net":
        trained = {f"{name} {fit.fold}": need for fit in fits(task) for name, need in _trained(fit).items()}
        return trained | task.clone(Fit).input_tasks()
    return {"scores": task.clone(Predictions).scores()}


def _trained(fit: ExperimentTask) -> dict[str, GlcTask]:
    return {"fit": fit, "examples": fit.clone(Examples)}
