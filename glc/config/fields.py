"""Frozen sections: dataclasses checked by pydantic, made from TOML, JSON or Python.

A section is a class under `section`. Each key has its type, its bound and its default on one line, and below it a
docstring with meaning and unit::

    @section
    class Forest:
        trees: Count = 100
        depth: Annotated[int, Ge(1), Le(64)] = 10
        grower: Literal["gini", "entropy"] = "gini"

Types are strict: ``"5"``, ``true`` and ``5.0`` are no integers. Only an integer given for a number and a list given for
a tuple are converted. Each refusal is a ConfigError that names the key, what was found and what was expected.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

from annotated_types import Ge, Gt, Le, Len, Lt, MultipleOf
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated_dataclass
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic_core import CoreSchema, core_schema

from glc.errors import ConfigError, did_you_mean, shortened
from glc.types import JSON, Annotation, MemberOptions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S")
_CONFIG = ConfigDict(
    strict=True, extra="forbid", validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
)


@dataclass(frozen=True)
class Rule:
    """A bound of one field for which `annotated_types` has no word: a test, and what is expected instead."""

    test: Callable[[JSON], bool]
    expected: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: Any) -> Any:
        if not self.test(value):
            raise _RefusedError(value, self.expected)
        return value


@dataclass(frozen=True)
class Member:
    """Says of which registry (its attribute in `glc.registry`, such as ``models``) a `Choice` names a member.

    besides : names that are accepted too, such as ``none``
    """

    registry: str
    besides: tuple[str, ...] = ()


class HasOptions(Protocol):
    """A registered member with options."""

    Options: type


class HasPrediction(Protocol):
    """A registered model with options of its prediction."""

    Prediction: type


EACH_ONCE = Rule(lambda values: len(set(values)) == len(values), "each once")
SOME = Len(1)
Count = Annotated[int, Ge(1)]
"""1, 2, 3, …"""
Natural = Annotated[int, Ge(0)]
"""0, 1, 2, …"""
Seed = Annotated[int, Ge(0)]
"""Seed of a random generator."""
Positive = Annotated[float, Gt(0)]
"""A number above 0."""
NotNegative = Annotated[float, Ge(0)]
"""0 or above."""
Share = Annotated[float, Ge(0), Le(1)]
"""0 to 1, both included."""
OpenShare = Annotated[float, Gt(0), Lt(1)]
"""Above 0 and below 1."""
Dropout = Annotated[float, Ge(0), Lt(1)]
"""At least 0 and below 1."""
Rate = Annotated[float, Gt(0), Le(1)]
"""Above 0 and at most 1."""


class _RefusedError(ConfigError, ValueError):
    """What a check of ours refuses: as a ValueError pydantic catches it and adds where the value is."""

    def __init__(self, found: Any, expected: str, key: str = ""):
        super().__init__(f"{key or 'value'}: found {found!r}, expected {expected}")
        self.found, self.expected, self.key = found, expected, key


def require(condition: object, key: str, owner: object, expected: str) -> None:
    """Refuse the value of `key` of the section `owner` unless `condition` holds.

    For what takes several fields, in ``__post_init__``; a bound of one field belongs to its annotation.
    """
    if not condition:
        raise _RefusedError(getattr(owner, key.rpartition(".")[2]), expected, key)


@typing.dataclass_transform(frozen_default=True, field_specifiers=(field,))
def section(cls: type[S]) -> type[S]:
    """Make `cls` a frozen, hashable dataclass whose values are validated, also by ``dataclasses.replace``.

    raises : ConfigError, when one is made of unknown keys or of values that do not fit
    """
    made = validated_dataclass(cls, frozen=True, config=_CONFIG)
    validate = made.__init__
    names = [key.name for key in dataclasses.fields(made)]

    @functools.wraps(validate)
    def __init__(self: Any, *args: Any, **values: Any) -> None:  # noqa: N807
        if len(args) > len(names):
            raise ConfigError(f"{made.__qualname__}: found {len(args)} values, expected at most {len(names)}")
        given = {name: _tuples(value) for name, value in zip(names, args, strict=False)}
        try:
            validate(self, **given, **{name: _tuples(value) for name, value in values.items()})
        except ValidationError as error:
            raise _config_error(error, made, made.__qualname__) from None

    made.__init__ = __init__  # type: ignore[method-assign]
    return made  # type: ignore[return-value]


@dataclass(frozen=True)
class Choice:
    """A registered member by name, with its options (validated by the member's own ``Options`` section).

    In a TOML it is a bare name, or a table of ``name`` and the options.
    """

    name: str
    options: dict[str, JSON] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.name, *sorted(self.options)))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._read)

    @classmethod
    def _read(cls, value: Any) -> "Choice":
        if isinstance(value, Choice):
            return value
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise _RefusedError(value, _CHOICE)
        if set(value) == {"name", "options"} and isinstance(value["options"], dict):
            return cls(value["name"], value["options"])
        return cls(value["name"], {key: option for key, option in value.items() if key != "name"})


_CHOICE = "a name or a table with the key 'name'"
NONE = Choice("none")


def build(cls: type[S], values: JSON, where: str) -> S:
    """Make the section `cls` from a table of TOML or JSON values; `where` names the file or table in errors."""
    return value_of(cls, values, where)


def value_of(kind: Annotation, value: JSON, where: str) -> JSON:
    """`value` (as TOML or JSON gave it) as the annotated type `kind`; a ConfigError says what does not fit."""
    try:
        # as JSON, for only there are lists and tables in a strict mode the tuples and sections that they stand for
        return _adapter(kind).validate_json(json.dumps(value, default=_plain), strict=True)
    except ValidationError as error:
        raise _config_error(error, kind, where) from None


def to_dict(section: "DataclassInstance") -> dict[str, JSON]:
    """A section as plain JSON types: `build` of it is an equal section."""
    return json.loads(json.dumps(dataclasses.asdict(section)))


def canonical(section: "DataclassInstance") -> str:
    """One line of JSON that is equal for equal sections: what a task's identity is made of."""
    return json.dumps(to_dict(section), sort_keys=True, separators=(",", ":"))


def options(member: "HasOptions", choice: Choice, where: str) -> MemberOptions:
    """The ``Options`` of a registered `member` for a `Choice`, validated."""
    return build(member.Options, choice.options, f"{where} {choice.name!r}")


def prediction(model: "HasPrediction", values: Mapping[str, JSON]) -> MemberOptions:
    """The ``Prediction`` of a registered `model` for the `values` of an experiment's ``[predict]``, validated."""
    return build(model.Prediction, dict(values), "predict")


def keys(cls: type) -> dict[str, Any]:
    """The annotation of each key of a section, with its bounds."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {key.name: hints[key.name] for key in dataclasses.fields(cls)}


def is_section(kind: Any) -> bool:
    """Whether an annotation is a section."""
    return isinstance(kind, type) and is_pydantic_dataclass(kind)


def split(annotation: Any) -> tuple[Any, list[Any]]:
    """The type of an annotation and its bounds; of ``X | None`` the type X."""
    bounds = []
    while True:
        if typing.get_origin(annotation) is Annotated:
            bounds += annotation.__metadata__
            annotation = annotation.__origin__
        elif typing.get_origin(annotation) in (types.UnionType, typing.Union):
            annotation = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
        else:
            return annotation, bounds


def type_words(annotation: Any) -> str:
    """What the type of an annotation is called in an error: ``an integer``."""
    kind = split(annotation)[0]
    if typing.get_origin(kind) is Literal:
        return _one_of(typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "a list"
    words = {int: "an integer", float: "a number", str: "a string", bool: "true or false", Choice: _CHOICE}
    return words.get(kind, "a table of keys")


def bound_words(annotation: Any) -> str:
    """The bounds of an annotation in words: ``at least 1``, ``0 to 1``, ``one of 'a', 'b'``; empty if there are
    none."""
    kind, bounds = split(annotation)
    words = [_one_of(typing.get_args(kind))] if typing.get_origin(kind) is Literal else []
    words += [f"a multiple of {bound.multiple_of}" for bound in bounds if isinstance(bound, MultipleOf)]
    low = next((bound for bound in bounds if isinstance(bound, (Ge, Gt))), None)
    high = next((bound for bound in bounds if isinstance(bound, (Le, Lt))), None)
    if isinstance(low, Ge) and isinstance(high, Le):
        words.append(f"{low.ge:,} to {high.le:,}")
    else:
        edges = [f"at least {low.ge:,}" if isinstance(low, Ge) else f"above {low.gt:,}"] if low else []
        edges += [f"at most {high.le:,}" if isinstance(high, Le) else f"below {high.lt:,}"] if high else []
        words += [" and ".join(edges)] if edges else []
    for length in (bound for bound in bounds if isinstance(bound, Len)):
        exact = length.min_length == length.max_length
        words.append(f"{length.min_length} values" if exact else f"{length.min_length} or more values")
    return ", ".join(words + [bound.expected for bound in bounds if isinstance(bound, Rule)])


@functools.cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def _plain(value: Any) -> Any:
    """What JSON does not know: sections, and values (such as dates) that no key has."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return {type(value).__name__: str(value)}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _one_of(choices: tuple[Any, ...]) -> str:
    return f"one of {', '.join(map(repr, choices))}" if len(choices) > 1 else repr(choices[0])


def _config_error(error: ValidationError, kind: Any, where: str) -> ConfigError:
    """All that pydantic refused, in our form: unknown keys first, for a mistyped key is often also a missing one."""
    details = sorted(error.errors(include_url=False), key=lambda detail: "unexpected" not in detail["type"])
    # a list with a wrong value is not also too short
    above = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    details = [detail for detail in details if detail["loc"] not in above]
    return ConfigError("\n".join(_text(detail, kind, where) for detail in details))


def _text(detail: Mapping[str, Any], kind: Any, where: str) -> str:
    path, value, cause = list(detail["loc"]), detail["input"], detail.get("ctx", {}).get("error")
    if detail["type"] == "unexpected_keyword_argument":
        known = keys(split(_at(kind, path[:-1]))[0])
        return (
            f"{_place(where, path[:-1])}: unknown key {path[-1]!r}; expected one of: {', '.join(known)}"
            f"{did_you_mean(path[-1], known)}"
        )
    if detail["type"] == "missing":
        return f"{_place(where, path[:-1])}: key {path[-1]!r} is missing; add it"
    if isinstance(cause, _RefusedError):
        path += [cause.key] if cause.key else []
        return f"{_place(where, path)}: found {shortened(cause.found)}, expected {cause.expected}"
    annotation = _at(kind, path)
    if annotation is None:
        return f"{_place(where, path)}: found {shortened(value)}: {detail['msg']}"
    choices = typing.get_args(split(annotation)[0]) if detail["type"] == "literal_error" else ()
    wrong_type = detail["type"].endswith("_type") or not bound_words(annotation)
    expected = type_words(annotation) if wrong_type else bound_words(annotation)
    return f"{_place(where, path)}: found {shortened(value)}, expected {expected}{did_you_mean(value, choices)}"


def _place(where: str, path: list[Any]) -> str:
    return ": ".join(part for part in (where, ".".join(map(str, path))) if part)


def _at(kind: Any, path: list[Any]) -> Any:
    """The annotation at a path of keys and positions below the annotation `kind`; None where there is none."""
    for part in path:
        inner = split(kind)[0]
        if is_section(inner):
            kind = keys(inner).get(part)
        elif typing.get_origin(inner) is tuple:
            kind = typing.get_args(inner)[0]
        else:
            return None
    return kind
