"""Answers to the ecologist's questions, the reporting protocol, and what to cite."""

from glc.explain.odmap import VERSION
from glc.report import explanation
from glc.report.sections.section import Section, section
from glc.report.story import Story


def explained(story: Story) -> Section | None:
    """Importance, response curves and maps; None where nobody asked."""
    if story.explanation is None:
        return None
    title = "What the model uses, and where it sees a species"
    return section("explained", "Why", title, explained=explanation.sections(story.explanation))


def protocol(story: Story) -> Section | None:
    """ODMAP; None where it was not filled."""
    if story.protocol is None:
        return None
    rows = story.protocol.to_dict("records")
    return section("odmap", "ODMAP", "Reporting protocol (ODMAP)", protocol=rows, protocol_version=VERSION)


def cited(story: Story) -> Section | None:
    """What to cite; None where it is not known."""
    return section("citation", "Citation", "What to cite", citation=story.citation) if story.citation else None
