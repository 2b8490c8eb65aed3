"""Sweeps of W&B over the settings of an experiment: ``conf/sweeps/*.yaml``."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from glc import config
from glc.config import paths
from glc.errors import ConfigError, did_you_mean, shortened
from glc.types import JSON

FOLDER = paths.CONF / "sweeps"
ARGUMENTS = "${args_no_hyphens}"
"""Where an agent puts the values, ``+train.weight_decay=0.1`` and so on, each a separate argument."""
START = ("glc", "run")
_PLAIN = (str, int, float, type(None))


def names() -> list[str]:
    """The sweeps of ``conf/sweeps``."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@dataclass(frozen=True)
class Sweep:
    """A sweep as its file defines it.

    path : of the file; values : as W&B reads them
    """

    path: Path
    values: dict[str, JSON]

    @classmethod
    def read(cls, name: str) -> "Sweep":
        """The sweep of a name in ``conf/sweeps``, or in a file; a ConfigError says what is wrong with it."""
        path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
        if not path.is_file():
            known = names()
            raise ConfigError(
                f"sweep {name}: no such file; expected a YAML file or one of: {', '.join(known)}"
                f"{did_you_mean(name, known)}"
            )
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"{path}: not YAML of plain values: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: found no table, expected the keys method, metric, command and parameters")
        sweep = cls(path, values)
        sweep.check()
        return sweep

    @property
    def command(self) -> list[str]:
        """What an agent runs: glc run EXPERIMENT and `ARGUMENTS`."""
        command = self.values.get("command") or []
        plain = isinstance(command, list) and all(isinstance(word, str | int | float) for word in command)
        if not plain or command[:2] != list(START) or len(command) < 4 or ARGUMENTS not in command[3:]:
            raise ConfigError(
                f"{self.path}: command: found {shortened(command)}, expected [glc, run, EXPERIMENT, {ARGUMENTS!r}]"
            )
        return [str(word) for word in command]

    @property
    def experiment(self) -> str:
        """The experiment whose settings vary."""
        return self.command[2]

    def check(self) -> None:
        """Raise a ConfigError for a parameter, or one of its values, that the experiment cannot have."""
        parameters = self.values.get("parameters")
        if not isinstance(parameters, dict) or not parameters:
            raise ConfigError(f"{self.path}: parameters: found {shortened(parameters)}, expected at least one")
        for name, rule in parameters.items():
            if not str(name).startswith("+"):
                raise ConfigError(f"{self.path}: parameters: found {name!r}, expected a change such as '+train.seed'")
            for value in self._values(name, rule):
                try:
                    config.load(f"{self.experiment}{name}={value}")
                except ConfigError as error:
                    raise ConfigError(f"{self.path}: parameters: {name} = {value}: {error}") from None

    def _values(self, name: str, rule: JSON) -> list[JSON]:
        """The values of a parameter, or the ends of its range."""
        for keys in (("values",), ("value",), ("min", "max")):
            if isinstance(rule, dict) and all(key in rule for key in keys):
                values = rule["values"] if keys == ("values",) else [rule[key] for key in keys]
                # aliases make lists of lists of lists, which are small in memory and endless as text
                if isinstance(values, list) and all(isinstance(value, _PLAIN) for value in values):
                    return values
        raise ConfigError(
            f"{self.path}: parameters: {name}: found {shortened(rule)}, expected values, value, or min and max, "
            "numbers or text each"
        )

    def variants(self) -> Iterator[config.Variant]:
        """Every experiment of a grid; of another method those at the ends of the ranges."""
        parameters = self.values["parameters"]
        for chosen in itertools.product(*(self._values(name, rule) for name, rule in parameters.items())):
            changes = "".join(f"{name}={value}" for name, value in zip(parameters, chosen, strict=True))
            yield config.Variant.parse(f"{self.experiment}{changes}")

    def with_options(self, options: Sequence[str]) -> dict[str, JSON]:
        """What W&B is given: the sweep, its command with further options of ``glc run``."""
        return self.values | {"command": [*self.command, *options]}
