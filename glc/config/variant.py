"""An experiment and what is changed in it, as a value; `glc.config.load` makes the `Experiment` of it."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from glc.errors import ConfigError
from glc.types import JSON

LONGEST_NAME = 120
"""Bytes of a name in a path, of which file systems take 255."""
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_RESERVED = ("true", "false", "inf", "nan")  # bare words that TOML reads as values


@dataclass(frozen=True, eq=False)
class Variant:
    """An experiment and the settings that are changed in it.

    A person writes ``votes+model.prior=500+validation.run=3`` (see `parse`); a program writes
    ``Variant("votes").changed(model={"prior": 500}, validation={"run": 3})``. Both are equal.

    base : name of an experiment in ``conf/experiments``, or the path of a TOML file
    changes : (dotted key, value as TOML gives it), sorted so that a table stands before its keys and a ``name`` before
        the options of that member
    """

    base: str
    changes: tuple[tuple[str, JSON], ...] = ()

    @classmethod
    def parse(cls, text: "str | Path | Variant") -> "Variant":
        """The variant that a person wrote; a ``+`` between quotes separates nothing.

        A ConfigError tells of a change that is not ``table.key=value``.
        """
        if isinstance(text, Variant):
            return text
        base, *parts = _split(str(text))
        changes = {}
        for part in parts:
            key, equals, value = part.partition("=")
            if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
                raise ConfigError(
                    f"experiment {text}: found {part!r}, expected table.key=value, as in votes+model.prior=500"
                )
            changes[key] = _read(value)
        return cls(base).changed(changes)

    def changed(self, changes: Mapping[str, JSON] | None = None, **sections: JSON) -> "Variant":
        """This variant with further changes.

        changes : dotted key -> value, for example ``{"model.k": 0, "inputs.0.block": 32}``
        sections : the same by table; dicts are merged key by key, lists and plain values replace what was there
        """
        new = dict([*(changes or {}).items(), *_flat(sections)])
        kept = dict(self.changes)
        for key, value in new.items():
            # a member with another name, or a table replaced as a whole, has none of the earlier changes below it
            if not key.endswith(".name"):
                kept = {other: old for other, old in kept.items() if not other.startswith(f"{key}.")}
            elif kept.get(key) != value:
                kept = {other: old for other, old in kept.items() if not other.startswith(key.removesuffix("name"))}
        values = kept | new
        return Variant(self.base, tuple(sorted(values.items(), key=lambda item: _order(item[0]))))

    @cached_property
    def name(self) -> str:
        """Canonical name: the base and its changes, sorted. Products carry it."""
        return "".join([Path(self.base).name.removesuffix(".toml"), *self._written()])

    @property
    def file_name(self) -> str:
        """`name` as one part of a path, see `file_name`."""
        return file_name(self.name)

    def _written(self) -> list[str]:
        return [f"+{key}={to_toml(value, bare=True)}" for key, value in self.changes]

    def __str__(self) -> str:
        return "".join([self.base, *self._written()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def file_name(name: str) -> str:
    """`name` as one part of a path, which cannot leave its folder.

    Other characters than ``A-Za-z0-9._=+,-`` are percent-encoded; names over 120 bytes end in a hash.
    """
    safe = quote(name, safe="._=+,-").replace("~", "%7E")
    if safe.startswith("."):  # neither hidden nor a folder above
        safe = f"%2E{safe[1:]}"
    if len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return re.sub(r"%[0-9A-F]?$", "", safe[: LONGEST_NAME - 1 - len(digest)]) + f"-{digest}"


def to_toml(value: JSON, bare: bool = False) -> str:
    """A plain value as one line of TOML; with `bare` a string that cannot be read as anything else has no quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        plain = bare and _BARE.fullmatch(value) and value not in _RESERVED
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(to_toml(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_key(key)}={to_toml(item)}' for key, item in value.items())}}}"
    raise ConfigError(f"found {value!r}, expected a value that TOML has: text, number, true or false, list, table")


def apply(values: dict[str, JSON], variant: Variant) -> dict[str, JSON]:
    """The values of the base's TOML with the changes of `variant`; a ConfigError names a key that cannot be set."""
    values = deepcopy(values)
    for key, value in variant.changes:
        _set(values, key, value, variant)
    return values


def merge(below: Mapping[str, JSON], above: Mapping[str, JSON]) -> dict[str, JSON]:
    """The values of a TOML, `above`, over those of its ``base``, `below`.

    Tables are merged key by key, except that a member with another ``name`` brings none of the other one's options;
    lists and plain values replace.
    """
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if isinstance(value, Mapping):
            if isinstance(known, str):  # a member written as its bare name
                known = {"name": known}
            if isinstance(known, Mapping) and value.get("name", known.get("name")) == known.get("name"):
                value = merge(known, value)
        merged[key] = value
    return merged


def _split(text: str) -> list[str]:
    """The parts of a written variant: a ``+`` in quotes, or of an exponent (1e+3), separates nothing."""
    parts = re.findall(r"""(?:[^+"']|"[^"]*"|'[^']*'|(?<=\d[eE])\+(?=\d))+""", text)
    return parts or [""]


def _read(text: str) -> JSON:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string
    except RecursionError:
        raise ConfigError(f"{text[:20]} …: brackets within brackets, more than TOML can be read with") from None


def _flat(sections: Mapping[str, JSON], before: str = "") -> Iterator[tuple[str, JSON]]:
    for key, value in sections.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _order(key: str) -> list[tuple[int, str]]:
    return [(part != "name", part) for part in key.split(".")]


def _key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else json.dumps(key)


def _set(values: JSON, key: str, value: JSON, variant: Variant) -> None:
    *tables, last = key.split(".")
    for table in tables:
        if isinstance(values, list):  # inputs.0.block
            if not table.isdigit() or int(table) >= len(values):
                raise ConfigError(f"experiment {variant}: found {table!r} in {key!r}, expected 0 to {len(values) - 1}")
            values = values[int(table)]
            continue
        inner = values.get(table, {})
        if not isinstance(inner, list):
            inner = {"name": inner} if isinstance(inner, str) else inner  # a member written as its bare name
        values[table] = inner
        values = inner
    if last == "name" and values.get("name", value) != value:
        values.clear()  # another member has other options
    values[last] = value
