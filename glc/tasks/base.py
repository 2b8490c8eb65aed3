"""What every task shares: identity, paths, atomic outputs, status.

A task's identity is what changes its bytes: its significant parameters, its `version`, and the identities of its
inputs. The output path follows from it, so a changed parameter makes a new path here and downstream, and nowhere else.
"""

import hashlib
import json
import time
from functools import cached_property
from pathlib import Path

import luigi

from glc import config, editions, memory, storage, world
from glc.errors import ConfigError, did_you_mean
from glc.tasks.console.task import ConsoleTask
from glc.tasks.machine import from_home, machine

VIRTUAL = "virtual:"
LONGEST_NAME = 200
"""Characters of an experiment's name in a file's name, of which file systems take 255."""


class DatasetParameter(luigi.Parameter):
    """A folder in a supported edition's layout, or ``virtual:SIZE``; checked when the command is read."""

    def normalize(self, x):
        if x.startswith(VIRTUAL):
            size = x.removeprefix(VIRTUAL)
            if size not in world.SIZES:
                raise ConfigError(
                    f"--dataset {x}: unknown size {size!r} of the virtual world; expected one of: "
                    f"{', '.join(world.SIZES)}{did_you_mean(size, world.SIZES)}"
                )
            return x
        editions.check(editions.recognise(x))
        return str(Path(x).resolve())


class RootParameter(luigi.Parameter):
    """The folder of all outputs: relative to the working folder when typed; see `from_home` otherwise."""

    def normalize(self, x):
        return str(Path(x).resolve()) if x else str(from_home(machine().root))


class OptionParameter(luigi.Parameter):
    """A parameter whose errors can name its `option` of the command line."""

    option = ""

    def __set_name__(self, owner, name):
        super().__set_name__(owner, name)
        self.option = f"--{name.replace('_', '-')}"


class SectionParameter(OptionParameter):
    """A frozen section (`glc.config.fields`) as JSON (or a JSON object of the keys that differ from the defaults)."""

    def __init__(self, section, **kwargs):
        self.section = section
        super().__init__(**kwargs)

    def normalize(self, x):
        if isinstance(x, self.section):
            return x
        value = x if isinstance(x, dict) else self._json(x)
        return config.value_of(self.section, value, self.option)

    def parse(self, x):
        return self.normalize(x)

    def serialize(self, x):
        return config.canonical(x)

    def _json(self, x):
        try:
            return json.loads(x)
        except json.JSONDecodeError:
            return x  # a Choice may be written as its bare name


class SectionsParameter(SectionParameter):
    """Several frozen sections of one kind, as a JSON list."""

    def normalize(self, x):
        if isinstance(x, (tuple, list)) and all(isinstance(one, self.section) for one in x):
            return tuple(x)
        value = self._json(x) if isinstance(x, str) else x
        return config.value_of(tuple[self.section, ...], value, self.option)

    def serialize(self, x):
        return f"[{','.join(config.canonical(one) for one in x)}]"


class Output(luigi.Target):
    """A finished output directory (`glc.storage`), as a Luigi target."""

    def __init__(self, path):
        self.path = Path(path)

    def exists(self):
        return storage.exists(self.path)

    def __repr__(self):
        return f"Output({self.path})"


class Published(luigi.Target):
    """A copy at a stable place; it exists when it equals the product it was copied from."""

    def __init__(self, path, source):
        self.path, self.source = Path(path), Path(source)

    def exists(self):
        return (
            self.path.is_file()
            and self.source.is_file()
            and storage.file_digest(self.path) == storage.file_digest(self.source)
        )

    def publish(self):
        """Copy the product to its stable place, whole or not at all."""
        with storage.atomic_file(self.path) as scratch:
            scratch.write_bytes(self.source.read_bytes())


class ImageryFolderParameter(luigi.Parameter):
    """Folder of rasters, images and series that are not below the dataset's own; checked when the command is read."""

    def __init__(self, **kwargs):
        super().__init__(description="folder of the imagery, looked in before the dataset's own", **kwargs)

    def normalize(self, x):
        if not x:
            return ""
        if not Path(x).is_dir():
            raise ConfigError(f"--imagery-folder {x}: no such folder; give the one that holds the rasters or images")
        return str(Path(x).resolve())


class GlcTask(ConsoleTask):
    """A node of the DAG that writes one output directory.

    Subclasses say `requires`, and write their output into the folder given to `write`; `version` goes up when the same
    parameters give other bytes than before.
    """

    root = RootParameter(default="", significant=False, description="folder of all outputs (default: [machine] root)")
    dataset = DatasetParameter(default="virtual:small", description="folder of a dataset, or virtual:SIZE")
    version = 1
    carried = ("dataset",)
    """Parameters that count through the identities of the inputs (a dataset: through its content, not its path)."""

    @cached_property
    def identity(self):
        """Short hash of everything that changes this task's bytes."""
        facts = {
            "task": self.task_family,
            "version": self.version,
            "parameters": self.own_parameters(),
            "inputs": [task.identity for task in luigi.task.flatten(self.requires())],
            "more": self.more_identity(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def own_parameters(self):
        """Significant parameters as text, without the `carried` ones."""
        return {
            name: parameter.serialize(getattr(self, name))
            for name, parameter in self.get_params()
            if parameter.significant and name not in self.carried
        }

    def more_identity(self):
        """What changes the bytes beside parameters and inputs, such as a dataset's content."""
        return None

    @property
    def dataset_name(self):
        """The dataset's name in paths: the folder's, or virtual-SIZE."""
        return self.dataset.replace(":", "-") if self.dataset.startswith(VIRTUAL) else Path(self.dataset).name

    @property
    def folder(self):
        """Where this task's output is (or will be)."""
        return Path(self.root) / "store" / self.dataset_name / f"{self.task_family}-{self.identity}"

    def output(self):
        return Output(self.folder)

    def run(self):
        if not storage.exists(self.folder):
            started = time.monotonic()
            parameters = self.own_parameters() | {"dataset": self.dataset}
            with storage.atomic_directory(
                self.folder, task=self.task_family, identity=self.identity, parameters=parameters
            ) as out:
                with memory.peak() as peak:
                    self.write(out)
                seconds = round(time.monotonic() - started, 1)
                storage.note(out, seconds=seconds, peak_memory_mb=round(peak.bytes / 2**20))
            self.status(f"done in {time.monotonic() - started:.0f} s", 100)
        for target in self.published():
            target.publish()

    def write(self, out):
        """Write the output into the folder `out`, which becomes `folder` when this returns."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it writes")

    def published(self):
        """Copies of this output at stable places (`Published`)."""
        return []


class ProductTask(GlcTask):
    """A task whose output is also published at stable places, and is only complete when it stands there."""

    def output(self):
        return [Output(self.folder), *self.published()]


class SurveysTask(GlcTask):
    """A task below the survey tables."""

    surveys = SectionParameter(config.Surveys, default=config.Surveys(), description="the [surveys] section")


class FoldedTask(SurveysTask):
    """A task below the folds, which carry the settings of surveys and validation in their identity."""

    validation = SectionParameter(
        config.Validation, default=config.Validation(), description="the [validation] section"
    )
    carried = ("dataset", "surveys", "validation")


class ExperimentParameter(luigi.Parameter):
    """Name of an experiment in ``conf/experiments``, or the path of a TOML file; checked when the command is read.

    ``+table.key=value`` behind it changes a value: ``votes+model.prior=500``.
    """

    def normalize(self, x):
        config.load(x)
        variant = config.Variant.parse(x)
        path = config.experiment_path(variant.base)
        known = path.parent == config.CONF / "experiments"
        return str(variant if known else config.Variant(str(path), variant.changes))


class ExperimentTask(ProductTask):
    """A product of one experiment on one dataset."""

    experiment = ExperimentParameter(default="geolocation", description="name or path of an experiment's TOML")
    imagery_folder = ImageryFolderParameter(default="", significant=False)

    @cached_property
    def settings(self):
        """The experiment, validated."""
        return config.load(self.experiment)

    def own_parameters(self):
        return {"experiment": self.settings.name}

    def stable(self, kind, name):
        """Stable path of a product: ``ROOT/<kind>/<dataset>/<name>``; a very long name is cut, and a hash added."""
        stem, dot, end = name.rpartition(".") if kind != "reports" else (name, "", "")
        if len(stem) > LONGEST_NAME:
            stem = f"{stem[:LONGEST_NAME]}~{hashlib.sha256(stem.encode()).hexdigest()[:12]}"
        return Path(self.root) / kind / self.dataset_name / f"{stem}{dot}{end}"


def spark():
    """The process's Spark session with this machine's settings."""
    from glc.etl.spark import session

    return session(machine().spark_master, machine().spark_memory)
