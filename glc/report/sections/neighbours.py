"""Neighbours: how many of the true ones the model's neighbour table has."""

import json

from glc.report import figures
from glc.report.sections.section import Section, section
from glc.report.sections.words import METHODS, NEIGHBOURS, SOURCES, plain
from glc.report.story import Story
from glc.report.templates import shown
from glc.types import JSON, Facts


def neighbours(story: Story) -> Section | None:
    """None where the model uses no neighbour table."""
    known = story.neighbours
    if known is None:
        return None
    rows = known.get("recall") or []
    bars = [(f"{row['radius_m'] / 1000:g} km", row["recall"]) for row in rows]
    alt = "Recall of true neighbours by radius: " + ", ".join(
        f"{radius} {'no pairs' if share is None else format(share, '.1%')}" for radius, share in bars
    )
    return section(
        "neighbours",
        "Neighbours",
        "Neighbours",
        recall_rows=rows,
        recall_figure=figures.recall(alt, bars) if bars else None,
        facts={plain(name, NEIGHBOURS): _text(name, value) for name, value in facts(known).items()},
    )


def facts(known: Facts) -> Facts:
    """Settings and counts of the table that is described by the manifest `known`."""
    asked = json.loads(known.get("parameters", {}).get("neighbours", "{}"))
    if asked.get("method") == "exact":  # it has no use for the settings of the hashing
        asked = {key: asked[key] for key in ("method", "k", "radius_m", "sources") if key in asked}
    counts = ("queries", "rows", "without_neighbours", "bucket_length")
    return asked | {key: known[key] for key in counts if known.get(key) is not None}


def _text(name: str, value: JSON) -> str:
    if name == "method":
        return plain(value, METHODS)
    if isinstance(value, list):
        return " and ".join(plain(item, SOURCES) for item in value)
    return value if isinstance(value, str) else str(value) if isinstance(value, bool) else shown(value, ",")
