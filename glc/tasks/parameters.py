"""Every kind of command-line parameter; what cannot be used is refused when the command is read."""

import argparse
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import luigi
from luigi.parameter import ParameterVisibility

from glc import config, editions, world
from glc.errors import ConfigError, did_you_mean
from glc.registry import Registry
from glc.report.place import parse_place
from glc.tasks.machine import output_folder
from glc.types import JSON, Keywords, MemberOptions

VIRTUAL = "virtual:"
NONE = "none"

_checked: set[tuple[object, ...]] = set()
"""Datasets whose files passed, with what changes when these do: every task of a run has the dataset as a parameter."""


T = TypeVar("T")


class NamedParameter(luigi.Parameter[T], Generic[T]):
    """A parameter whose errors can name its `option` on the command line.

    variable : of the Makefile that sets the option, for the errors; empty where none does
    """

    option = ""

    def __init__(self, *, variable: str = "", **kwargs: Keywords) -> None:
        self.variable = variable
        super().__init__(**kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        self.option = f"--{name.replace('_', '-')}"

    @property
    def called(self) -> str:
        """The option, and make's variable."""
        return f"{self.option} (make: {self.variable}=)" if self.variable else self.option


class ChoiceParameter(NamedParameter[str]):
    """One of some words."""

    def __init__(self, choices: Sequence[str], **kwargs: Keywords) -> None:
        self.choices = tuple(choices)
        super().__init__(**kwargs)

    def normalize(self, x: str) -> str:
        if x not in self.choices:
            raise ConfigError(
                f"{self.called}: found {x!r}, expected one of: {', '.join(self.choices)}{did_you_mean(x, self.choices)}"
            )
        return x


class DatasetParameter(luigi.Parameter[str]):
    """A folder or an archive in a supported edition's layout, or ``virtual:SIZE``."""

    def normalize(self, x: str) -> str:
        if x.startswith(VIRTUAL):
            size = x.removeprefix(VIRTUAL)
            if size not in world.SIZES:
                raise ConfigError(
                    f"--dataset {x}: unknown size {size!r} of the virtual world; expected one of: "
                    f"{', '.join(world.SIZES)}{did_you_mean(size, world.SIZES)}"
                )
            return x
        dataset = editions.recognise(x)
        state = (dataset.edition, dataset.folder, *dataset.stamps().items())
        if state not in _checked:
            editions.check(dataset)
            _checked.add(state)
        return str(Path(x).resolve())


class RootParameter(luigi.Parameter[str]):
    """The folder of all outputs, or its URL in an object store, which becomes the folder of its cache.

    A folder is relative to the working folder; without one it is that of ``[machine]``.
    """

    def normalize(self, x: str) -> str:
        return str(output_folder(x))


class ExperimentParameter(luigi.Parameter[config.Variant]):
    """A `config.Variant`: the name or TOML path of an experiment, with any number of ``+table.key=value`` behind it."""

    def __init__(self, default: str, **kwargs: Keywords) -> None:
        super().__init__(default=default, **kwargs)  # type: ignore[arg-type]  # Luigi normalizes it

    def normalize(self, x: str | config.Variant) -> config.Variant:
        variant = config.Variant.parse(x)
        self.refuse(variant)
        path = config.experiment_path(variant.base)
        known = path.parent == config.CONF / "experiments"
        return variant if known else config.Variant(str(path), variant.changes)

    def refuse(self, variant: config.Variant) -> None:
        """Raise a ConfigError for an experiment that cannot be used."""
        config.load(variant)

    def parse(self, x: str) -> config.Variant:
        return self.normalize(x)

    def serialize(self, x: config.Variant) -> str:
        return str(x)


class EncoderExperimentParameter(ExperimentParameter):
    """As `ExperimentParameter`, of an experiment of the location encoder."""

    def refuse(self, variant: config.Variant) -> None:
        config.load_encoder(variant)


class SectionParameter(NamedParameter[T]):
    """A frozen section (`glc.config`) as a JSON object of the keys that differ from the defaults.

    It is not shown on Luigi's page, whose lines would be several screens wide.
    """

    def __init__(self, section: type[T], **kwargs: Keywords) -> None:
        self.section = section
        super().__init__(visibility=ParameterVisibility.HIDDEN, **kwargs)

    def normalize(self, x: JSON) -> T:
        if isinstance(x, self.section):
            return x
        return config.value_of(self.section, self._json(x) if isinstance(x, str) else dict(x), self.option)

    def parse(self, x: str) -> T:
        return self.normalize(x)

    def serialize(self, x: MemberOptions) -> str:
        return config.canonical(x)

    def _json(self, x: str) -> JSON:
        try:
            return json.loads(x)
        except json.JSONDecodeError:
            return x  # a Choice may be written as its bare name
        except RecursionError:
            raise ConfigError(f"{self.called}: brackets within brackets, more than JSON can be read with") from None


class PathParameter(NamedParameter[str]):
    """An existing file or folder, resolved.

    kind : "file", "folder", or "any"
    remedy : what to give instead, for the error
    optional : nothing may be given, otherwise a ConfigError asks for it
    among : words that may be given instead of a path
    check : takes the resolved path and the option, and returns the path that is meant, or raises a ConfigError
    """

    def __init__(
        self,
        kind: str,
        remedy: str,
        *,
        optional: bool = False,
        among: Collection[str] = (),
        check: Callable[[Path, str], Path] | None = None,
        **kwargs: Keywords,
    ) -> None:
        self.kind, self.remedy, self.among, self.check = kind, remedy, among, check
        self.optional = optional
        super().__init__(**kwargs, default="")

    def normalize(self, x: str) -> str:
        what = "file or folder" if self.kind == "any" else self.kind
        if not x and not self.optional:
            raise ConfigError(f"{self.called}: found nothing, expected a {what}; {self.remedy}")
        if not x or x in self.among:
            return x
        path = Path(x).resolve()
        there = {"file": path.is_file, "folder": path.is_dir, "any": path.exists}[self.kind]
        if not there():
            actual = "folder" if path.is_dir() else "file"
            finding = f"is a {actual}, expected a {what}" if path.exists() else f"no such {what}"
            raise ConfigError(f"{self.called} {x}: {finding}; {self.remedy}")
        return str(self.check(path, self.called) if self.check else path)


class CountParameter(NamedParameter[int], luigi.IntParameter):
    """A whole number of at least `least`."""

    def __init__(self, least: int = 1, **kwargs: Keywords) -> None:
        self.least = least
        super().__init__(**kwargs)

    def normalize(self, x: int) -> int:
        if x < self.least:
            raise ConfigError(f"{self.option}: found {x}, expected at least {self.least} ({self.description})")
        return x

    def parse(self, x: str) -> int:
        try:
            return int(x)
        except ValueError:
            raise ConfigError(f"{self.option}: found {x!r}, expected a whole number ({self.description})") from None


class NameParameter(NamedParameter[str]):
    """The name of a member of a `registry`."""

    def __init__(self, registry: Registry, **kwargs: Keywords) -> None:
        self.registry = registry
        super().__init__(**kwargs)

    def normalize(self, x: str) -> str:
        try:
            self.registry.get(x)
        except ConfigError as error:
            raise ConfigError(f"{self.called}: {error}") from None
        return x


class CoordinatesParameter(NamedParameter[str]):
    """``LON,LAT`` in degrees (EPSG:4326), or nothing."""

    def normalize(self, x: str) -> str:
        if not x:
            return ""
        try:
            lon, lat = parse_place(x)
        except argparse.ArgumentTypeError as error:
            raise ConfigError(f"{self.option}: {error}") from None
        return f"{lon:g},{lat:g}"


def imagery_folder() -> PathParameter:
    """The folder of rasters, images and series that are not below the dataset's own; their content counts."""
    return PathParameter(
        "folder",
        "give the one that holds the rasters or images",
        optional=True,
        significant=False,
        visibility=ParameterVisibility.HIDDEN,
        variable="IMAGERY",
        description="folder of the imagery, searched before the dataset's own",
    )
