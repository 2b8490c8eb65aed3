"""What scores an experiment, as the folder that `glc.fitted` reads: written for `Model` and for `Importance`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from glc import registry, storage
from glc.surveys import read_species
from glc.tasks.base import GlcTask
from glc.tasks.experiment import ExperimentTask
from glc.tasks.scores import ClassicalScores, EnsembleScores, Predictions
from glc.tasks.surveys import Surveys
from glc.tasks.training import Examples, Fit, fits
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from glc.fitted.scorers import Source


def parts_of(task: ExperimentTask) -> list[ExperimentTask]:
    """The experiments that score: that of `task`, or the members of an ensemble."""
    scores = task.clone(Predictions).scores()
    return list(scores.members.values()) if isinstance(scores, EnsembleScores) else [task]


def needs_of(task: ExperimentTask) -> dict[str, GlcTask]:
    """What `write` reads of the tasks of an experiment and its parts."""
    needs: dict[str, GlcTask] = {"scores": task.clone(Predictions).scores()}
    for part in parts_of(task):
        needs |= {f"{part.experiment} {name}": need for name, need in _needs(part).items()}
    return needs


def write(task: ExperimentTask, out: Path, decoder: Path | None, facts: Mapping[str, JSON]) -> Facts:
    """Write the folder of a fitted experiment without its area of applicability; see `glc.fitted.save.write`.

    task : of the experiment
    decoder : file of what the decoder learned, or None
    facts : more than those of the dataset and its inputs
    """
    from glc.fitted import save

    surveys = task.clone(Surveys).folder
    known = storage.manifest(surveys)
    own: dict[str, JSON] = {
        "dataset": task.subject,
        "edition": known["edition"],
        "inputs": [wanted.name for part in parts_of(task) for wanted in part.settings.inputs],
        "citation": known.get("citation"),
        **facts,
    }
    names = read_species(surveys)
    return save.write(_source(task), task.read_surveys(), out, decoder=decoder, names=names, facts=own)


def _source(task: ExperimentTask) -> "Source":
    """Where the tasks of an experiment left what scores it."""
    from glc.classical import run
    from glc.fitted.scorers import Source

    scores = task.clone(Predictions).scores()
    if isinstance(scores, EnsembleScores):
        members = [_source(member) for member in scores.members.values()]
        return Source(task.settings, scores.folder, {}, lambda folder: {}, members)
    trained = {
        fit.fold: (fit.folder, fit.clone(Examples).folder)
        for fit in (fits(task) if registry.models.get(task.settings.model.name).kind == "net" else [])
    }
    table = None
    if isinstance(scores, ClassicalScores):
        for wanted in scores.stored:
            folder = scores.input()["input table"].path
            table = run.read_table(folder, task.read_surveys(), wanted.bands)
    reader = scores if isinstance(scores, ClassicalScores) else task.clone(Fit)
    return Source(task.settings, scores.folder, trained, reader.input_facts, table=table)


def _needs(task: ExperimentTask) -> Mapping[str, GlcTask]:
    """What of an experiment's tasks is read: its nets, and the tables that a classical model was fitted to."""
    kind = registry.models.get(task.settings.model.name).kind
    if kind == "net":
        trained = {f"{name} {fit.fold}": need for fit in fits(task) for name, need in _trained(fit).items()}
        return trained | task.clone(Fit).input_tasks()
    return {"scores": task.clone(Predictions).scores()}


def _trained(fit: ExperimentTask) -> dict[str, GlcTask]:
    return {"fit": fit, "examples": fit.clone(Examples)}
