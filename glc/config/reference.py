"""The option reference and the JSON schema of experiments, written from the sections that validate them.

``python -m glc.config.reference`` writes ``docs/options.md`` and ``conf/experiment.schema.json``. Editors that know
TOML read the schema, which the first line of each experiment names, and complete and check its keys.
"""

import dataclasses
import inspect
import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from glc import registry
from glc.config.encoder import EncoderExperiment
from glc.config.experiment import EncoderFile, Experiment, Input
from glc.config.fields import Choice, Member, bound_words, is_section, keys, split
from glc.config.paths import CONF
from glc.config.variant import to_toml
from glc.types import JSON

SCHEMA = CONF / "experiment.schema.json"
OPTIONS = Path(__file__).parents[2] / "docs" / "options.md"
KINDS = {
    "models": "Models",
    "losses": "Losses",
    "graphs": "Graphs",
    "locations": "Locations",
    "networks": "Networks of a location encoder",
    "images": "Image encoders of a location encoder",
    "pretrainings": "Pretrainings",
    "decoders": "Decoders",
    "corrections": "Postprocessing",
}
"""Registries whose members an experiment names, and their titles."""
_TYPES = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    Choice: "name, or table of name and options",
}
_HEAD = "| key | type | default | bound | meaning |\n| --- | --- | --- | --- | --- |"
_CHANGED = "Options over those of the same member in the base"


def members(kind: str) -> dict[str, type]:
    """Options by name of all members of a registry, sorted, and of ``encoder``, which is a file and no member."""
    place = getattr(registry, kind)
    options = {name: place.get(name).Options for name in place.choices()}
    return dict(sorted((options | {"encoder": EncoderFile}).items())) if kind == "locations" else options


def meanings(section: type) -> dict[str, str]:
    """What each key of a section means, in one line: its docstring, here or in the parent that it is inherited from."""
    lines = {}
    for key, annotation in keys(section).items():
        parents = [vars(parent).get("__pydantic_fields__", {}).get(key) for parent in section.__mro__]
        docs = [parent.description for parent in parents if parent and parent.description]
        lines[key] = " ".join(docs[0].replace("``", "`").split()) if docs else _first(_inner(annotation))
    return lines


def schema() -> dict[str, JSON]:
    """JSON schema of an experiment's TOML."""
    table = _section_schema(Experiment)
    del table["properties"]["name"]  # its file's
    table["properties"]["predict"] |= {"properties": _prediction(), "additionalProperties": False}
    base = {
        "type": "string",
        "description": "Experiment whose settings this one starts from; only what differs is written.",
    }
    encoder = _section_schema(EncoderExperiment)["properties"]
    table["properties"] = {"base": base} | table["properties"]
    table["properties"] |= {key: encoder[key] for key in encoder if key not in (*table["properties"], "name")}
    del table["required"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An experiment of glc",
        **table,
        "anyOf": [{"required": ["model"]}, {"required": ["location"]}, {"required": ["base"]}],
        "not": {"required": ["model", "location"]},
        "$defs": {kind: _member_schema(members(kind)) for kind in KINDS},
    }


def page() -> str:
    """The option reference in Markdown: the sections of an experiment, then its members by kind."""
    parts = [_INTRODUCTION, "## An experiment\n", _table(Experiment, without=("name",))]
    parts += _sections(Experiment)
    parts += ["### `[predict]`\n", "Each model defines its own; most have none.\n"]
    for name in registry.models.choices():
        prediction = registry.models.get(name).Prediction
        if keys(prediction):
            parts += [f"Of `{name}`:\n", _table(prediction)]
    about = "One with a `[location]` table instead of a model: what a location encoder is pre-trained and tested by."
    parts += ["## An experiment of the location encoder\n", f"{about}\n", *_sections(EncoderExperiment)]
    for kind, title in KINDS.items():
        parts += [f"## {title}\n", f"Of {', '.join(_named_by(kind))}.\n"]
        for name, options in members(kind).items():
            owner = EncoderFile if options is EncoderFile else getattr(registry, kind).get(name)
            parts += [f"### `{name}`\n", f"{_first(owner)}\n", _table(options) if keys(options) else "No options.\n"]
            for key, annotation in keys(options).items():
                if is_section(_inner(annotation)):
                    parts += [f"Its table `{key}`:\n", _table(_inner(annotation))]
    return "\n".join(parts).rstrip("\n") + "\n"


def write() -> None:
    """Write both files."""
    OPTIONS.parent.mkdir(exist_ok=True)
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


def texts() -> dict[Path, str]:
    """What each of the files should say."""
    return {SCHEMA: json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", OPTIONS: page()}


def _sections(experiment: type) -> list[str]:
    """Title, meaning and table of each section of a kind of experiment."""
    parts = []
    for key, annotation in keys(experiment).items():
        section = _inner(annotation)
        if is_section(section):
            title = f"[[{key}]]" if section is Input else f"[{key}]"
            parts += [f"### `{title}`\n", f"{_first(section)}\n", _table(section)]
    return parts


_INTRODUCTION = """# Options

All keys of an experiment's TOML (`conf/experiments`), written from the code by `make options`; do not edit.
Every key may be left out unless its default is *required*. A key of a table is changed on the command line as
`+table.key=value`, for example `votes+model.prior=500` or `tile-cnn-rasters+inputs.0.block=4`.
"""


def _section_schema(section: type) -> dict[str, JSON]:
    described, required = {}, []
    meaning = meanings(section)
    for key in dataclasses.fields(section):
        node = _schema(keys(section)[key.name])
        described[key.name] = node | {"description": meaning[key.name]}
        default = _default(key)
        if default is dataclasses.MISSING:
            required.append(key.name)
        elif not dataclasses.is_dataclass(default) and default != {}:
            described[key.name]["default"] = list(default) if isinstance(default, tuple) else default
    table = {"type": "object", "description": _first(section), "properties": described, "additionalProperties": False}
    return table | ({"required": required} if required else {})


def _schema(annotation: Any) -> dict[str, JSON]:
    kind, bounds = split(annotation)
    if kind is Choice:
        named = next(bound for bound in bounds if isinstance(bound, Member))
        known = {"$ref": f"#/$defs/{named.registry}"}
        return {"anyOf": [{"enum": list(named.besides)}, known]} if named.besides else known
    if is_section(kind):
        return _section_schema(kind)
    if is_section(_inner(kind)):
        return {"type": "array", "items": _section_schema(_inner(kind))}
    return TypeAdapter(annotation).json_schema()


def _member_schema(known: dict[str, type]) -> dict[str, JSON]:
    tables, bare = [], []
    every: dict[str, bool] = {}
    for name, options in known.items():
        table = _section_schema(options)
        every |= dict.fromkeys(table["properties"], True)
        if "required" not in table:
            bare.append(name)
        table["properties"] = {"name": {"const": name}} | table["properties"]
        tables.append(table | {"title": name, "required": ["name", *table.get("required", [])]})
    changed = {
        "type": "object",
        "title": _CHANGED,
        "properties": every,
        "additionalProperties": False,
        "not": {"required": ["name"]},
    }
    return {"oneOf": [{"enum": bare}, *tables, changed]}


def _prediction() -> dict[str, JSON]:
    known: dict[str, JSON] = {}
    for name in registry.models.choices():
        known |= _section_schema(registry.models.get(name).Prediction)["properties"]
    return known


def _table(section: type, without: tuple[str, ...] = ()) -> str:
    rows, meaning = [_HEAD], meanings(section)
    for key in dataclasses.fields(section):
        annotation = keys(section)[key.name]
        if key.name in without:
            continue
        cells = [f"`{key.name}`", _type(annotation), _written(key), _bounds(annotation), meaning[key.name]]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _type(annotation: Any) -> str:
    kind = split(annotation)[0]
    if typing.get_origin(kind) is tuple:
        return f"list of {_type(_inner(kind))}"
    if typing.get_origin(kind) is Literal:
        return _TYPES[type(typing.get_args(kind)[0])]
    return _TYPES.get(kind, "table")


def _bounds(annotation: Any) -> str:
    kind = split(annotation)[0]
    inner = bound_words(typing.get_args(kind)[0]) if typing.get_origin(kind) is tuple else ""
    return ", ".join(words for words in (bound_words(annotation), f"each {inner}" if inner else "") if words)


def _written(key: dataclasses.Field) -> str:
    default = _default(key)
    if default is dataclasses.MISSING:
        return "*required*"
    if isinstance(default, Choice):
        default = {"name": default.name, **default.options} if default.options else default.name
    return "" if dataclasses.is_dataclass(default) or default == {} else f"`{to_toml(default)}`"


def _default(key: dataclasses.Field) -> Any:
    return key.default if key.default_factory is dataclasses.MISSING else key.default_factory()


def _inner(annotation: Any) -> Any:
    """The type of an annotation; of a tuple that of its items."""
    kind = split(annotation)[0]
    return split(typing.get_args(kind)[0])[0] if typing.get_origin(kind) is tuple else kind


def _named_by(kind: str) -> Iterator[str]:
    """The keys that name a member of a registry."""
    tables = [("", Experiment), ("inputs.", Input), ("train.", keys(Experiment)["train"])]
    tables.append(("location.", keys(EncoderExperiment)["location"]))
    for above, section in tables:
        for key, annotation in keys(section).items():
            if any(isinstance(bound, Member) and bound.registry == kind for bound in split(annotation)[1]):
                yield f"`{above}{key}`"


def _first(owner: Any) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(owner) or "").partition("\n\n")[0].replace("``", "`").split())


if __name__ == "__main__":
    write()
