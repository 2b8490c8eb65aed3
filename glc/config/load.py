"""Experiments read from ``conf/experiments/<name>.toml``, or any TOML, and checked; unknown keys are refused.

A TOML may start from another experiment, ``base = "votes"``, and say only what differs. Its sections are in
`glc.config.experiment`; those of a TOML with a ``[location]`` table, which is an experiment of the location encoder, in
`glc.config.encoder`. Machine settings (cores, memory, root, scheduler) live in ``conf/luigi.cfg``.
"""

import copy
import dataclasses
import tomllib
from functools import lru_cache
from pathlib import Path

from glc.config.check import check, check_encoder
from glc.config.encoder import EncoderExperiment
from glc.config.experiment import DECODER, Experiment
from glc.config.fields import build
from glc.config.paths import CONF
from glc.config.variant import Variant, apply, merge
from glc.errors import ConfigError, did_you_mean
from glc.types import JSON


def experiment_path(name: str) -> Path:
    """Path of an experiment: ``conf/experiments/<name>.toml``, or `name` itself when it is a path."""
    path = Path(name)
    if path.suffix == ".toml" or len(path.parts) > 1:
        if not _is_file(path):
            raise ConfigError(f"{path}: no such experiment file; expected a TOML file or one of: {_known()}")
        return path.resolve()
    path = CONF / "experiments" / f"{name}.toml"
    if not _is_file(path):
        raise ConfigError(
            f"unknown experiment {name!r}; looked for {path}; expected one of: {_known()}, or the path of a TOML file"
            f"{did_you_mean(name, experiment_names())}"
        )
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than file systems take
        return False


def experiment_names() -> list[str]:
    """Names of the experiments in ``conf/experiments``, sorted."""
    return sorted(path.stem for path in (CONF / "experiments").glob("*.toml"))


def _known() -> str:
    return ", ".join(experiment_names())


def read(variant: str | Path | Variant) -> dict[str, JSON]:
    """The values of an experiment's TOML over those of its ``base``, with the changes of the variant; unchecked."""
    variant = Variant.parse(variant)
    values = apply(_read_file(experiment_path(variant.base)), variant)
    if "name" in values:
        raise ConfigError(f"experiment {variant}: unknown key 'name'; an experiment is named after its file")
    return values


def base_of(variant: str | Path | Variant) -> Variant | None:
    """What a variant is changed from: its experiment, whose own base is that of its TOML; None where it has none."""
    variant = Variant.parse(variant)
    if variant.changes:
        return Variant(variant.base)
    path = experiment_path(variant.base)
    base = _parse_file(path).get("base")
    return None if base is None else _based(base, path)


def load(variant: str | Path | Variant) -> Experiment:
    """Read and validate an experiment, the options of its model, loss and decoder included.

    variant : a `Variant`; or as a person writes one: the name of an experiment or the path of its TOML and, to try
        other values without a new file, any number of ``+table.key=value``: ``votes+model.prior=500+validation.run=1``.
        The experiment is called by its canonical name.
    """
    experiment = load_any(variant)
    if isinstance(experiment, Experiment):
        return experiment
    raise ConfigError(
        f"experiment {variant}: found one of the location encoder, which has a [location] table, expected one of "
        f"species; run it with: glc run {experiment.name}"
    )


def load_encoder(variant: str | Path | Variant) -> EncoderExperiment:
    """As `load`, an experiment of the location encoder."""
    experiment = load_any(variant)
    if isinstance(experiment, EncoderExperiment):
        return experiment
    raise ConfigError(
        f"experiment {variant}: found one of species, expected one of the location encoder, whose TOML has a "
        f"[location] table, such as: {', '.join(name for name in experiment_names() if is_of_encoder(name))}"
    )


def load_any(variant: str | Path | Variant) -> Experiment | EncoderExperiment:
    """Read and validate an experiment of either kind, see `load`."""
    variant = Variant.parse(variant)
    path, values = experiment_path(variant.base), read(variant)
    experiment: Experiment | EncoderExperiment
    try:
        if _is_of_encoder(values):
            experiment = dataclasses.replace(build(EncoderExperiment, values, str(path)), name=variant.name)
            check_encoder(experiment)
        else:
            decode = values.get("decode")
            if isinstance(decode, dict) and "name" not in decode:  # options of the decoder that there is without a name
                values["decode"] = {"name": DECODER} | decode
            experiment = dataclasses.replace(build(Experiment, values, str(path)), name=variant.name)
            check(experiment, lambda name: experiment_path(Variant.parse(name).base))
            _refuse_circle(variant, experiment.start.experiment)
    except ConfigError as error:
        raise ConfigError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    return experiment


def _refuse_circle(variant: Variant, before: str) -> None:
    """Raise a ConfigError for a stage of a training that is `before` itself."""
    stages = [str(variant)]
    while before:
        name = str(Variant.parse(before))
        if name in stages:
            raise ConfigError(
                f"start.experiment: found {' after '.join([*stages, name])}, expected stages that end with one without "
                "[start]; remove it from one of them"
            )
        stages.append(name)
        before = read(name).get("start", {}).get("experiment", "")


def is_of_encoder(variant: str | Path | Variant) -> bool:
    """Whether an experiment is one of the location encoder: its TOML, or its base's, has a ``[location]`` table."""
    return _is_of_encoder(read(variant))


def _is_of_encoder(values: dict[str, JSON]) -> bool:
    return "location" in values and "model" not in values


@lru_cache(maxsize=256)
def _parse(text: str) -> dict[str, JSON]:
    """The values of a TOML, which each of some hundred tasks of a run asks for."""
    return tomllib.loads(text)


def _parse_file(path: Path) -> dict[str, JSON]:
    try:
        values = copy.deepcopy(_parse(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8, as TOML has to be; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path}: brackets within brackets, more than TOML can be read with") from None
    if "name" in values:
        raise ConfigError(f"{path}: unknown key 'name'; an experiment is named after its file")
    return values


def _based(base: JSON, path: Path) -> Variant:
    """The variant that the ``base`` of the TOML file `path` names; a path is relative to that file."""
    if not isinstance(base, str):
        raise ConfigError(
            f"{path}: base: found {base!r}, expected the name of an experiment, or the path of a TOML file"
        )
    variant = Variant.parse(base)
    if _is_file(path.parent / variant.base):
        return Variant(str(path.parent / variant.base), variant.changes)
    try:
        experiment_path(variant.base)
    except ConfigError as error:
        raise ConfigError(f"{path}: base: {error}") from None
    return variant


def _read_file(path: Path, above: tuple[Path, ...] = ()) -> dict[str, JSON]:
    """The values of a TOML file over those of its base; `above` are the files whose base it is."""
    if path in above:
        raise ConfigError(f"{path}: base: {' -> '.join(file.stem for file in (*above, path))} is a circle; remove one")
    values = _parse_file(path)
    base = values.pop("base", None)
    if base is None:
        return values
    variant = _based(base, path)
    return merge(apply(_read_file(experiment_path(variant.base), (*above, path)), variant), values)
