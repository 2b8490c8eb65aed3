"""What a model reads besides coordinates: the tables of an experiment's ``[[inputs]]``, and their content."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import config, registry, schema, scratch, storage, world
from glc.errors import ConfigError, MissingError
from glc.tasks.base import DatasetTask, GlcTask
from glc.tasks.experiment import ExperimentTask
from glc.tasks.imagery import Cubes, ImageryTask, Tabular, Tiles
from glc.tasks.location.encoder_file import location_encoder
from glc.tasks.machine import budget, machine
from glc.tasks.weights import Backbone, backbone, with_file
from glc.types import JSON, Facts, Keywords, StrPath

if TYPE_CHECKING:
    from glc.nets.inputs.features import Features


def input_task(
    task: DatasetTask, wanted: config.Input, datasets: tuple[str, ...] = (), **changes: Keywords
) -> ImageryTask:
    """The table of the input `wanted`, with the dataset and imagery of `task`."""
    if wanted.cube:
        return task.clone(Cubes, kind=wanted.cube, datasets=datasets, **changes)
    if wanted.table:
        return task.clone(Tabular, covariates=wanted.table, datasets=datasets, **changes)
    settings = {"size": wanted.size, "block": str(wanted.block or "full"), "codes": wanted.classes_as == "codes"}
    return task.clone(Tiles, covariate=wanted.tiles, **settings, datasets=datasets, **changes)


def available(task: ExperimentTask, wanted: config.Input) -> bool:
    """Whether the dataset of `task` has any of the input `wanted` at all; what is there but broken is an error.

    Metadata are columns of the survey tables, which every dataset has.
    """
    if wanted.table:
        rasters = tuple(name for name in wanted.table if registry.covariates.get(name).kind != "metadata")
        if not rasters:
            return True
        wanted = replace(wanted, table=rasters)
    if task.virtual and not task.imagery_folder:
        return set(wanted.table or (wanted.name,)) <= set(world.SIZES[task.virtual].shows)
    try:
        return bool(input_task(task, wanted).files())
    except MissingError:
        return False


class ReadsInputs(ExperimentTask):
    """A task that gives a model its inputs."""

    fold: int
    """Of the tasks that read graphs, which are made for a fold."""
    facts: Facts
    """What `open_features` learned, for the manifest."""

    @cached_property
    def present(self) -> list[config.Input]:
        """The inputs, without the optional ones, and their rasters, that the dataset's folders lack."""
        inputs = [(wanted, self._present(wanted)) for wanted in self.settings.inputs]
        if inputs and not any(there for _, there in inputs):
            names = ", ".join(wanted.name for wanted, _ in inputs)
            raise ConfigError(
                f"inputs: the dataset has none of {names}; give their folder (IMAGERY=, --imagery-folder)"
            )
        return [there for _, there in inputs if there]

    @property
    def left_out(self) -> list[str]:
        """Names of the optional inputs, and of their rasters, that the dataset lacks."""
        present = {wanted.name: wanted for wanted in self.present}
        lost = [wanted.name for wanted in self.settings.inputs if wanted.name not in present]
        return lost + [
            name
            for wanted in self.settings.inputs
            if wanted.name in present
            for name in wanted.table
            if name not in present[wanted.name].table
        ]

    def _present(self, wanted: config.Input) -> config.Input | None:
        """`wanted`, with the rasters of its table that are there if it is optional; None when there is nothing."""
        if not (wanted.optional and wanted.stored):
            return wanted
        if wanted.table:
            table = tuple(name for name in wanted.table if available(self, replace(wanted, table=(name,))))
            return replace(wanted, table=table) if table else None
        return wanted if available(self, wanted) else None

    def input_tasks(self, *parts: tuple[str, ...]) -> dict[str, GlcTask]:
        """The tables of the inputs: a task for each input and each tuple of datasets in `parts` (default: only ())."""
        return {
            f"input {wanted.name} {'+'.join(datasets)}".strip(): input_task(self, wanted, datasets)
            for wanted in self.stored
            for datasets in parts or ((),)
        }

    @property
    def stored(self) -> list[config.Input]:
        """The inputs that are tables on disk; graphs are made when they are read, for each fold its own."""
        return [wanted for wanted in self.present if wanted.stored]

    def setting(self, path: str) -> JSON:
        """With the options of locations in full, and the content of an encoder or of weights in place of their path."""
        if path == "model" and self.backbone:
            file = self.backbone.file
            return config.to_dict(with_file(self.settings.model, storage.file_digest(file) if file else ""))
        if path != "inputs":
            return super().setting(path)
        return [config.to_dict(replace(wanted, location=_resolved(wanted.location))) for wanted in self.settings.inputs]

    def raw_files(self) -> list[Facts]:
        choices = [wanted.location for wanted in self.settings.inputs if wanted.location.name == "encoder"]
        paths = dict.fromkeys(location_encoder(choice)[0] for choice in choices)
        files: list[StrPath] = list(paths)
        if "model" in self.sections and self.backbone and self.backbone.file:
            files.append(self.backbone.file)
        return [*super().raw_files(), *map(storage.raw_file, files)]

    @cached_property
    def backbone(self) -> Backbone | None:
        """The net of timm that reads tiles, of the inputs that there are."""
        if not any(wanted.tiles for wanted in self.settings.inputs):
            return None
        return backbone(self.settings) if any(wanted.tiles for wanted in self.present) else None

    def model(self) -> config.Choice:
        """The net, whose image net names its file of weights; says how that fits."""
        if not self.backbone:
            return self.settings.model
        match = self.backbone.check()
        if match is None:
            return with_file(self.settings.model, "")
        self.status(f"weights of {match.note()}")
        return with_file(self.settings.model, str(self.backbone.file))

    @contextlib.contextmanager
    def open_features(
        self, *parts: tuple[str, ...], surveys: np.ndarray | None = None, training: bool = True
    ) -> "Iterator[Features | None]":
        """The content of the inputs; None when there are none.

        parts : tuples of datasets, as of `input_tasks`
        surveys : (k, 2) numbers of datasets and ids of the only surveys that are needed, or None
        training : hide neighbours' labels by chance as the inputs' `mask` says; a prediction shows all there are
        """
        from glc.nets.inputs import features as net_features
        from glc.nets.inputs import tables

        self.facts = {"left_out": self.left_out} if self.left_out else {}
        if self.left_out:
            self.status(f"skipped (not in this dataset): {', '.join(self.left_out)}")
        tasks = self.input_tasks(*parts)
        inputs, sources = [], []
        for wanted in self.present:
            if wanted.stored:
                inputs.append(wanted)
                sources.append([task.folder for name, task in tasks.items() if name.split()[1] == wanted.name])
            elif wanted.location.name != "none":
                inputs.append(self._with_path(wanted))
                sources.append(self._coordinates(parts or ((),)))
        with scratch.folder(self.root, "imagery") as folder:
            features = tables.read(
                inputs,
                sources,
                memory_bytes=budget().readers,
                processes=machine().devices if training else 1,
                scratch=folder,
                surveys=surveys,
            )
            if features and features.reading:
                name = features.reading.leader.name
                self.facts |= {"streamed": name}  # surveys come in another order than from memory
                self.status(f"{name} is larger than its part of memory_gb, and is read from its table in each pass")
            graphs = [wanted for wanted in self.present if wanted.graph.name != "none"]
            if graphs:
                features = features or net_features.Features({}, {}, {}, {})
                self._add_graphs(features, graphs, training)
            yield features

    def _with_path(self, wanted: config.Input) -> config.Input:
        """The input `wanted`, whose encoder names its file."""
        if wanted.location.name != "encoder":
            return wanted
        path, _ = location_encoder(wanted.location)
        self.facts |= {"location_encoder": path}
        return replace(wanted, location=config.Choice("encoder", {"path": path}))

    def _coordinates(self, parts: tuple[tuple[str, ...], ...]) -> list[pd.DataFrame]:
        """Frames of the surveys of `parts`, tuples of datasets; () means what the dataset trains and tests on."""
        data = self.read_surveys()
        name, columns = data.places["dataset"], ["dataset", "surveyId", "lon", "lat"]
        own = [data.train_name, *data.test_names]
        return [data.places.loc[name.isin(part or own), columns] for part in parts]

    def input_facts(self, out: Path) -> Facts:
        """What a fitted experiment keeps to read the inputs at any place; graphs have facts of their own.

        out : the model folder, into which the file of a location encoder is copied
        """
        from glc.fitted.describe import describe

        self.facts = {}
        tasks = {wanted.name: input_task(self, wanted) for wanted in self.stored}
        folders = [folder for task in tasks.values() for folder in task.folders]
        return describe(
            [self._with_path(wanted) for wanted in self.present if wanted.graph.name == "none"],
            {name: task.folder for name, task in tasks.items()},
            list(dict.fromkeys(folders)),
            self.read_surveys(),
            out,
            kind=registry.models.get(self.settings.model.name).kind,
        )

    def _add_graphs(self, features: "Features", graphs: list[config.Input], training: bool) -> None:
        """Give `features` the neighbours' labels as this task's fold may see them; its own surveys' never enter.

        Of the stopping fold only the validation and test surveys see labels, if any do.
        """
        from glc.nets.inputs import examples

        data = self.read_surveys()
        keys = np.column_stack([schema.dataset_numbers(data.places["dataset"]), data.places["surveyId"]])
        classes = examples.read_classes(self.input()["examples"].path)
        stop = self.validation.stopping_fold(self.fold)
        for wanted in graphs:
            self.status(f"{wanted.name} of fold {self.fold}")
            member = registry.graphs.get(wanted.graph.name)
            options = config.options(member, wanted.graph, "graph")
            vectors, facts = member.features(data, self.fold, stop, options, classes, progress=True)
            self.facts |= {wanted.name: facts}
            if not training:
                vectors["hidden"] = None
            features.add_graph(wanted.name, keys=keys.astype(np.int64), seed=self.settings.train.seed, **vectors)


def _resolved(choice: config.Choice) -> config.Choice:
    """What of a location changes bytes: its options in full, or the content of its encoder."""
    if choice.name == "none":
        return choice
    if choice.name == "encoder":
        return config.Choice("encoder", {"sha256": storage.file_digest(location_encoder(choice)[0])})
    options = config.options(registry.locations.get(choice.name), choice, "location")
    return config.Choice(choice.name, config.to_dict(options))
