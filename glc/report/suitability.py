"""The page of an experiment on presence-only records alone: relative suitability, and no F1, sets or decoder."""

from glc.report.page import assembled
from glc.report.sections.data import data
from glc.report.sections.explained import cited, explained, protocol
from glc.report.sections.glossary import glossary
from glc.report.sections.learning import learning
from glc.report.sections.maps import relative
from glc.report.sections.neighbours import neighbours
from glc.report.sections.relative import head, scores, species
from glc.report.sections.settings import settings
from glc.report.sections.trusted import trusted
from glc.report.story import Story

PARTS = (
    relative, scores, species, trusted, learning, neighbours, data, explained, protocol, cited, settings, glossary,
)  # fmt: skip
"""The sections in their order."""


def render(story: Story) -> str:
    """The page of a `Story` of presence-only records alone, as HTML text; equal stories, equal bytes."""
    facts = head(story) | {"held_out": story.folds.get("held_out", 0)}
    return assembled(story, "relative_head.html.j2", facts, PARTS)
