"""Where the tables of values are that an experiment reads."""

from collections.abc import Sequence
from pathlib import Path

from glc import registry, storage
from glc.tasks.experiment import ExperimentTask
from glc.tasks.scores import Predictions
from glc.tasks.training import Fit


def value_tables(parts: Sequence[ExperimentTask]) -> tuple[Path, ...]:
    """Folders of the tables of values that experiments read, as far as they are still there."""
    folders = []
    for part in parts:
        kind = registry.models.get(part.settings.model.name).kind
        if any(wanted.table for wanted in part.settings.inputs):
            reader = part.clone(Fit) if kind == "net" else part.clone(Predictions).scores()
            tasks = reader.input_tasks()
            folders += [task.folder for name, task in tasks.items() if name.startswith("input table")]
    there = tuple(dict.fromkeys(folder for folder in folders if storage.exists(folder)))
    for folder in there:
        storage.bring(folder)
    return there
