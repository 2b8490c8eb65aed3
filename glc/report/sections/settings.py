"""Settings, versions, time and origin: what is needed to make it again."""

import json

from glc import config
from glc.report.sections.section import Section, section
from glc.report.story import Story
from glc.types import JSON

ALWAYS = ("surveys", "validation", "model")
"""Sections that every experiment reads."""


def settings(story: Story) -> Section:
    """The sections that the model reads, as TOML, and where the page comes from."""
    return section(
        "settings",
        "Settings",
        "Settings, versions and origin",
        toml=as_toml(story.experiment, story.sections),
        name=story.experiment.name,
        partial=story.sections is not None,
        made=story.made,
        steps=story.steps,
        versions={"glc": story.surveys.get("glc")} | story.surveys.get("versions", {}),
    )


def as_toml(experiment: config.Experiment, sections: frozenset[str] | None = None) -> str:
    """The settings as the text of an ``experiments/<name>.toml``.

    sections : that are shown, besides `ALWAYS`, without what is empty or not used; None: all of them
    """
    values = {key: value for key, value in config.to_dict(experiment).items() if key != "name"}
    if sections is not None:
        wanted = {*ALWAYS, *sections, "description", "submission", "compare_with"}
        values = {key: value for key, value in values.items() if key in wanted and not _unused(value)}
    tables = [key for key, value in values.items() if isinstance(value, dict)]
    arrays = [key for key, value in values.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if key not in (*tables, *arrays)]
    parts = [(f"[{key}]", values[key]) for key in tables]
    parts += [(f"[[{key}]]", table) for key in arrays for table in values[key]]
    for heading, table in parts:
        lines += ["", heading, *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines).strip()


def _unused(value: JSON) -> bool:
    """Whether a setting is empty, or a choice of none."""
    return value in ("", [], {}) or (
        isinstance(value, dict)
        and (value.get("name") == "none" or value.get("use") is False or not any(value.values()))
    )


def _toml(value: JSON) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
