"""Experiments read from ``conf/experiments/<name>.toml``, or any TOML, and checked; unknown keys are refused.

Their sections are in `glc.config.experiment`, and stand here too. Machine settings (cores, memory, root, scheduler) are
neither here nor there: they live in ``conf/luigi.cfg``.
"""

import dataclasses
import re
import tomllib
from pathlib import Path

from glc.config.check import check
from glc.config.experiment import Experiment
from glc.config.fields import build
from glc.errors import ConfigError, did_you_mean

CONF = Path(__file__).resolve().parents[2] / "conf"


def experiment_path(name):
    """Path of an experiment: ``conf/experiments/<name>.toml``, or `name` itself when it is a path."""
    path = Path(name)
    if path.suffix == ".toml" or len(path.parts) > 1:
        if not path.is_file():
            raise ConfigError(f"{path}: no such experiment file; expected a TOML file or one of: {_known()}")
        return path.resolve()
    path = CONF / "experiments" / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(
            f"unknown experiment {name!r}; looked for {path}; expected one of: {_known()}, or the path of a TOML file"
            f"{did_you_mean(name, experiment_names())}"
        )
    return path


def experiment_names():
    """Names of the experiments in ``conf/experiments``, sorted."""
    return sorted(path.stem for path in (CONF / "experiments").glob("*.toml"))


def _known():
    return ", ".join(experiment_names())


def parts(name):
    """The base of an experiment's name and its changes; a ``+`` between quotes parts nothing."""
    return re.findall(r"""(?:[^+"']|"[^"]*"|'[^']*')+""", str(name))


def load(name):
    """Read and validate an experiment, the options of its model, loss and decoder included.

    name : of an experiment or the path of its TOML, and, to try other values without a new file, any number of
        ``+table.key=value`` behind it: ``votes+model.prior=500+validation.run=1``. The experiment is then called so.
    """
    base, *changes = parts(name)
    path = experiment_path(base)
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    if "name" in values:
        raise ConfigError(f"{path}: unknown key 'name'; an experiment is called by its file's name")
    for change in changes:
        _change(values, change, name)
    experiment = build(Experiment, values, str(path))
    experiment = dataclasses.replace(experiment, name="+".join([path.stem, *changes]))
    try:
        check(experiment, experiment_path)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return experiment


def _change(values, change, where):
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"experiment {where}: found {change!r}, expected table.key=value, as in votes+model.prior=500"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *tables, last = key.split(".")
    for table in tables:
        if isinstance(values, list):  # inputs.0.block
            if not table.isdigit() or int(table) >= len(values):
                raise ConfigError(f"experiment {where}: found {table!r} in {key!r}, expected 0 to {len(values) - 1}")
            values = values[int(table)]
            continue
        inner = values.get(table, {})
        if isinstance(inner, list):
            values[table] = values = [dict(one) for one in inner]
            continue
        # a choice may be written as its bare name
        values[table] = inner = {"name": inner} if isinstance(inner, str) else dict(inner)
        values = inner
    if last == "name" and values.get("name", value) != value:
        values.clear()  # another member has other options
    values[last] = value
