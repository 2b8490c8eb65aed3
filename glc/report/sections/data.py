"""Data: what they are in a line, what is odd about them, and rows read, kept and quarantined."""

from glc.etl import overview
from glc.report.sections.section import Section, section
from glc.report.sections.words import COLUMNS, DATASETS, plain
from glc.report.story import Story, tests

EXAMPLES = 40
"""Kinds of quarantined rows of which one is shown."""


def data(story: Story) -> Section:
    """Oddities, counts by file and by part, and the first quarantined row of each kind."""
    bad = story.quarantine.sort_values(["file", "line"], kind="stable")
    # the same file may serve two datasets (GLC 2023: presence-only and presence-absence rows of one table)
    groups = bad.groupby(["dataset", "file", "reason"], sort=False, dropna=False)
    first = groups.head(1).assign(count=groups["line"].transform("size"))
    wanted = ["file", "line", "column", "found", "reason", "count"]
    first = first[wanted].astype(object).where(first[wanted].notna(), None)
    parts = {}
    for name, counts in story.surveys.get("datasets", {}).items():
        labelled = bool(counts.get("species"))  # a test without labels has rows, but no occurrences
        parts[plain(name, DATASETS)] = {
            "surveys": counts.get("surveys"),
            "occurrences": counts.get("occurrences") if labelled else None,
            "species": counts.get("species") if labelled else None,
        }
    return section(
        "data",
        "Data",
        "Data",
        line=overview.line(story.surveys) if "overview" in story.surveys else "",
        odd=overview.oddities(story.surveys),
        files=story.surveys.get("files", []),
        parts=parts,
        words=lambda name: plain(name, DATASETS),
        column=lambda name: COLUMNS.get(name, name),
        examples=first.head(EXAMPLES).to_dict("records"),
        examples_left=max(0, len(first) - EXAMPLES),
        unscored=[] if "relative" in story.metrics else story.surveys.get("unscored", []),
        notes=story.folds.get("notes", []),
        held_out=story.folds.get("held_out", 0),
        tests=tests(story),
    )
