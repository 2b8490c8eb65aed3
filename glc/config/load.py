"""Experiments read from ``conf/experiments/<name>.toml``, or any TOML, and checked; unknown keys are refused.

Their sections are in `glc.config.experiment`, and stand here too. Machine settings (cores, memory, root, scheduler) are
neither here nor there: they live in ``conf/luigi.cfg``.
"""

import dataclasses
import re
import tomllib
from pathlib import Path

from glc import registry
from glc.config.experiment import EncoderFile, Experiment
from glc.config.fields import build, require
from glc.errors import ConfigError, did_you_mean

CONF = Path(__file__).resolve().parents[2] / "conf"


def options(member, choice, where):
    """The ``Options`` of a registered `member` for a `Choice`, validated."""
    return build(member.Options, choice.options, f"{where} {choice.name!r}")


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
        _check(experiment)
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


def _check_bands(wanted):
    """Look up the bands of an input where its covariate declares what it has."""
    known = registry.covariates.get(wanted.tiles).declared
    unknown = [band for band in wanted.bands if known and band not in known and band.rpartition("_")[0] not in known]
    if unknown:
        raise ConfigError(
            f"inputs: tiles {wanted.tiles!r} has no band {unknown[0]!r}; expected some of: {', '.join(known)}"
            f"{did_you_mean(unknown[0], known)}"
        )


def _check_location(wanted):
    """Look up what an input tells of the place, and validate its options; the file itself is the task's concern."""
    choice, known = wanted.location, ["encoder", *registry.locations.choices()]
    if choice.name not in known:
        raise ConfigError(
            f"inputs: unknown location {choice.name!r}; expected one of: {', '.join(known)}"
            f"{did_you_mean(choice.name, known)}"
        )
    if choice.name == "encoder":
        build(EncoderFile, choice.options, "location 'encoder'")
    else:
        options(registry.locations.get(choice.name), choice, "location")


def _check_scores(experiment, net):
    """Refuse what a model cannot do when it predicts."""
    scores, name = experiment.scores, experiment.model.name
    if scores.dropout and not hasattr(registry.models.get(name), "dropped"):
        raise ConfigError(f"scores.dropout: found true, expected false for the model {name!r}; inception can")
    if scores.damaged_country and not any(one.tiles and not one.block for one in experiment.inputs):
        raise ConfigError(
            f"scores.damaged_country: found {scores.damaged_country!r}, expected none but of a net with pixels among "
            "its [[inputs]] (tiles, with block = 0)"
        )
    if scores.average != "probabilities" and not net:
        raise ConfigError(
            f"scores.average: found {scores.average!r}, expected 'probabilities' for the model {name!r}: only the nets "
            "of several folds are averaged"
        )


def _check_table(experiment):
    """Look up whether a model that is no net reads a table, and nothing else does it read."""
    name, inputs = experiment.model.name, experiment.inputs
    if "table" not in getattr(registry.models.get(name), "reads", ()):
        if inputs:
            raise ConfigError(f"inputs: model {name!r} is no net and reads no imagery; leave them out")
    elif [bool(one.table) for one in inputs] != [True]:
        found = ", ".join(one.name for one in inputs) or "none"
        raise ConfigError(
            f"inputs: found {found}, expected for model {name!r} one [[inputs]] with the rasters whose values it "
            'reads, such as table = ["bioclim", "soil"]'
        )


def _check(experiment):
    """Look up all that the experiment names, and validate the options."""
    chosen = [(registry.models, experiment.model), (registry.decoders, experiment.decode)]
    require(experiment.submission in ("", "sets", "ranked"), "submission", experiment, "'sets' or 'ranked'")
    net = registry.models.get(experiment.model.name).kind == "net"
    _check_scores(experiment, net)
    if net:
        chosen.append((registry.losses, experiment.train.loss))
    if experiment.pretrain.name != "none":
        chosen.append((registry.pretrainings, experiment.pretrain))
    if experiment.correct.name != "none":
        chosen.append((registry.corrections, experiment.correct))
    for kind, choice in chosen:
        options(kind.get(choice.name), choice, kind.kind)
    for one in experiment.inputs:
        for name in one.table:
            registry.covariates.get(name)
        if one.graph.name != "none":
            options(registry.graphs.get(one.graph.name), one.graph, "graph")
        if one.location.name != "none":
            _check_location(one)
        if one.tiles:
            registry.covariates.get(one.tiles)
            _check_bands(one)
    names = [one.name for one in experiment.inputs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"inputs: {name!r} is there twice; join its bands in one [[inputs]] table")
    if not net:
        _check_table(experiment)
    if experiment.pretrain.name != "none" and not (net and experiment.inputs):
        raise ConfigError(
            f"pretrain: found {experiment.pretrain.name!r}, expected 'none' without [[inputs]] to learn from"
        )
    if experiment.pretrain.name != "none" and any(one.graph.name != "none" for one in experiment.inputs):
        raise ConfigError("pretrain: found a graph among [[inputs]], expected none: it is made of each fold's labels")
    if experiment.train.freeze and experiment.pretrain.name == "none":
        raise ConfigError("train.freeze: found true, expected a [pretrain] table: a random encoder would be kept")
    for name in experiment.beside:
        experiment_path(name.split("+")[0])
    if experiment.inputs and experiment.po.use == "pseudo":
        raise ConfigError("po.use: found 'pseudo', expected 'surveys' or 'none': pseudo-surveys have no inputs")
