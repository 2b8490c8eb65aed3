"""What a net reads beside the place: the tables of its ``[[inputs]]``, and their content."""

import contextlib
import tempfile
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

import luigi

from glc import config, registry, storage, world
from glc.errors import ConfigError, MissingError
from glc.tasks.base import VIRTUAL, ImageryFolderParameter, SectionsParameter
from glc.tasks.imagery import Cubes, Tiles
from glc.tasks.machine import machine
from glc.tasks.tabular import Tabular


class location(luigi.Config):  # noqa: N801 - Luigi takes the section's name from the class
    """Where the location encoder is: ``--location-encoder PATH`` of any command, or ``[location]`` of luigi.cfg.

    A setting of the machine: its content counts in the identities of the tasks that read it, not its path.
    """

    encoder = luigi.Parameter(default="", description="location.ckpt, for nets with location = 'encoder'")


def location_encoder(choice=None):
    """(path, `LocationEncoder`) that the location `choice`, a config.Choice, names, or else the command line.

    The file is read once, here: what is no location encoder is told before anything runs.
    """
    path = (choice.options.get("path") if choice else "") or location().encoder
    remedy = "give a location.ckpt by --location-encoder (make: ENCODER=); make location-encoder makes one"
    if not path:
        raise ConfigError(f'inputs: found location = "encoder" without a path, expected the file of one; {remedy}')
    if not Path(path).is_file():
        raise ConfigError(f"location encoder {path}: no such file; {remedy}")
    path = str(Path(path).resolve())
    return path, _load(path, storage.file_digest(path))


@lru_cache(maxsize=16)
def _load(path, digest):
    from glc.location import LocationEncoder

    return LocationEncoder.load(path)


def input_task(task, wanted, datasets=(), **more):
    """The table of the input `wanted` (config.Input), with the dataset and imagery of `task`."""
    if wanted.cube:
        return task.clone(Cubes, kind=wanted.cube, datasets=datasets, **more)
    if wanted.table:
        return task.clone(Tabular, covariates=wanted.table, datasets=datasets, **more)
    block = str(wanted.block or "full")
    return task.clone(Tiles, covariate=wanted.tiles, size=wanted.size, block=block, datasets=datasets, **more)


def there(task, wanted):
    """Whether the dataset of `task` has any of the input `wanted` at all; what is there but broken is an error."""
    if task.dataset.startswith(VIRTUAL) and not task.imagery_folder:
        shown = world.SIZES[task.dataset.removeprefix(VIRTUAL)].shows
        return set(wanted.table or (wanted.name,)) <= set(shown)
    try:
        return bool(input_task(task, wanted).files())
    except MissingError:
        return False


class InputsMixin:
    """For tasks that give a net its imagery: the tables of its inputs, and their content."""

    inputs = SectionsParameter(config.Input, default=(), description="the [[inputs]] sections")
    imagery_folder = ImageryFolderParameter(default="")

    told = {}
    """What `open_features` found out, for the manifest."""

    @cached_property
    def present(self):
        """The inputs, without the optional ones, and their rasters, that the dataset's folders lack."""
        found = [(wanted, self._present(wanted)) for wanted in self.inputs]
        if self.inputs and not any(there for _, there in found):
            names = ", ".join(wanted.name for wanted in self.inputs)
            raise ConfigError(
                f"inputs: the dataset has none of {names}; give their folder (IMAGERY=, --imagery-folder)"
            )
        return [there for _, there in found if there]

    @property
    def left_out(self):
        """Names of the optional inputs, and of rasters of theirs, that the dataset lacks."""
        there = {one.name: one for one in self.present}
        lost = [wanted.name for wanted in self.inputs if wanted.name not in there]
        return lost + [
            name for one in self.inputs if one.name in there for name in one.table if name not in there[one.name].table
        ]

    def _present(self, wanted):
        """`wanted`, with the rasters of its table that are there if it is optional; None when there is nothing."""
        if not (wanted.optional and wanted.stored):
            return wanted
        if wanted.table:
            table = tuple(name for name in wanted.table if there(self, replace(wanted, table=(name,))))
            return replace(wanted, table=table) if table else None
        return wanted if there(self, wanted) else None

    def input_tasks(self, *parts):
        """The tables of the inputs: a task for each input and each tuple of datasets in `parts` (default: only ())."""
        return {
            f"input {wanted.name} {'+'.join(datasets)}".strip(): input_task(self, wanted, datasets)
            for wanted in self.stored
            for datasets in parts or ((),)
        }

    @property
    def stored(self):
        """The inputs that are tables on disk; graphs are made when they are read, for each fold its own."""
        return [wanted for wanted in self.present if wanted.stored]

    def own_parameters(self):
        """With the options of locations in full, and a location encoder's content in place of its path."""
        parameters = super().own_parameters()
        if any(wanted.location.name != "none" for wanted in self.inputs):
            told = tuple(replace(one, location=_resolved(one.location)) for one in self.inputs)
            parameters["inputs"] = type(self).inputs.serialize(told)
        return parameters

    @contextlib.contextmanager
    def open_features(self, *parts, surveys=None, training=True):
        """The content of the inputs, `glc.nets.inputs.features.Features`; None when the net has none.

        surveys : (k, 2) numbers of datasets and ids of the only surveys that are needed, or None
        training : hide neighbours' labels by chance as the inputs' `mask` says; a prediction shows all there are
        """
        from glc.nets.inputs import features
        from glc.nets.inputs import tables as input_tables

        self.told = {"left_out": self.left_out} if self.left_out else {}
        if self.left_out:
            self.status(f"left out, for the dataset has none: {', '.join(self.left_out)}")
        tables = self.input_tasks(*parts)
        read, sources = [], []
        for wanted in self.present:
            if wanted.stored:
                read.append(wanted)
                sources.append([task.folder for name, task in tables.items() if name.split()[1] == wanted.name])
            elif wanted.location.name != "none":
                read.append(self._with_path(wanted))
                sources.append(self._places(parts or ((),)))
        memory = int(machine().imagery_memory_gb * 2**30)
        with tempfile.TemporaryDirectory(dir=self.root, prefix=".imagery-") as scratch:
            found = input_tables.read(read, sources, memory_bytes=memory, scratch=scratch, surveys=surveys)
            graphs = [wanted for wanted in self.present if wanted.graph.name != "none"]
            if graphs:
                found = found or features.Features({}, {}, {}, {})
                self._add_graphs(found, graphs, training)
            yield found

    def _with_path(self, wanted):
        """The input `wanted`, whose encoder names its file."""
        if wanted.location.name != "encoder":
            return wanted
        path, _ = location_encoder(wanted.location)
        self.told |= {"location_encoder": path}
        return replace(wanted, location=config.Choice("encoder", {"path": path}))

    def _places(self, parts):
        """Frames of the surveys of `parts`, tuples of datasets; () means what the dataset trains and tests on."""
        data = self.read_surveys()
        name, columns = data.places["dataset"], ["dataset", "surveyId", "lon", "lat"]
        return [data.places.loc[name.isin(part or (data.train_name, data.test_name)), columns] for part in parts]

    def _add_graphs(self, found, graphs, training):
        """Give `found` the neighbours' labels as this task's fold may see them; those of its own surveys never enter.

        Of the stopping fold only the validation and test surveys see labels, if any do.
        """
        import numpy as np

        from glc import schema
        from glc.nets.inputs import examples

        data = self.read_surveys()
        keys = np.column_stack([schema.dataset_numbers(data.places["dataset"]), data.places["surveyId"]])
        classes = examples.read_classes(self.input()["examples"].path)
        stop = (self.fold + 1) % self.validation.count
        seed = self.train.seed if hasattr(self, "train") else 0
        for wanted in graphs:
            self.status(f"{wanted.name} of fold {self.fold}")
            member = registry.graphs.get(wanted.graph.name)
            choice = config.options(member, wanted.graph, "graph")
            made, facts = member.features(data, self.fold, stop, choice, classes, progress=True)
            self.told |= {wanted.name: facts}
            if not training:
                made["hidden"] = None
            found.add_graph(wanted.name, keys=keys.astype(np.int64), seed=seed, **made)


def _resolved(choice):
    """What of a location changes bytes: its options in full, or the content of its encoder."""
    if choice.name == "none":
        return choice
    if choice.name == "encoder":
        return config.Choice("encoder", {"sha256": storage.file_digest(location_encoder(choice)[0])})
    made = config.options(registry.locations.get(choice.name), choice, "location")
    return config.Choice(choice.name, config.to_dict(made))
