"""Frozen sections: dataclasses made from TOML or JSON, whose unknown keys and wrong types are refused."""

import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field

from glc.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Choice:
    """A registered member by name, with its options (validated by the member's own ``Options`` dataclass)."""

    name: str
    options: dict = field(default_factory=dict)

    def __hash__(self):
        return hash((self.name, json.dumps(self.options, sort_keys=True)))


def require(condition, key, owner, expected):
    """Raise a ConfigError about `key` of the dataclass `owner` unless `condition` holds."""
    if not condition:
        found = getattr(owner, key.rsplit(".", 1)[-1])
        raise ConfigError(f"{key}: found {found!r}, expected {expected}")


def build(cls, values, where):
    """Make the frozen dataclass `cls` from a mapping; `where` names the file and table in errors.

    Unknown keys, missing required keys and values of the wrong type raise a ConfigError. A `Choice` is written either
    as its name or as a table with ``name`` and the options beside it.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: found {values!r}, expected a table of keys")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            raise ConfigError(
                f"{where}: unknown key {key!r}; expected one of: {', '.join(fields)}{did_you_mean(key, fields)}"
            )
    for name, f in fields.items():
        absent = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if absent and name not in values:
            raise ConfigError(f"{where}: key {name!r} is missing; add it")
    made = {key: value_of(hints[key], value, f"{where}: {key}") for key, value in values.items()}
    try:
        return cls(**made)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def value_of(kind, value, where):
    """`value` (as TOML or JSON gave it) as the annotated type `kind`; a ConfigError says what does not fit."""
    if kind is Choice:
        if isinstance(value, str):
            return Choice(value)
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            if set(value) == {"name", "options"} and isinstance(value["options"], dict):
                return Choice(value["name"], value["options"])
            return Choice(value["name"], {k: v for k, v in value.items() if k != "name"})
        raise ConfigError(f"{where}: found {value!r}, expected a name or a table with the key 'name'")
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    origin = typing.get_origin(kind)
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: found {value!r}, expected a list")
        inner = typing.get_args(kind)[0]
        return tuple(value_of(inner, item, where) for item in value)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        kind = next(arg for arg in typing.get_args(kind) if arg is not type(None))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is not typing.Any and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        raise ConfigError(f"{where}: found {value!r}, expected {kind.__name__}")
    return value


def to_dict(section):
    """A frozen section as plain JSON types: `build` of it is an equal section."""
    return json.loads(json.dumps(dataclasses.asdict(section)))


def canonical(section):
    """One line of JSON that is equal for equal sections: what a task's identity is made of."""
    section = build(type(section), to_dict(section), "")  # a default written 3_000 is the same as 3000.0
    return json.dumps(to_dict(section), sort_keys=True, separators=(",", ":"))


def options(member, choice, where):
    """The ``Options`` of a registered `member` for a `Choice`, validated."""
    return build(member.Options, choice.options, f"{where} {choice.name!r}")


def prediction(model, values):
    """The ``Prediction`` of a registered `model` for the `values` of an experiment's ``[predict]``, validated."""
    return build(model.Prediction, dict(values), "predict")
