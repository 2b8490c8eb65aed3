"""An experiment's story as one self-contained HTML page: what went in, how well it did and where, the settings."""

from collections.abc import Callable

from markupsafe import Markup

from glc.report.sections.data import data
from glc.report.sections.decoder import decoder
from glc.report.sections.distances import distances
from glc.report.sections.explained import cited, explained, protocol
from glc.report.sections.glossary import glossary
from glc.report.sections.learning import learning
from glc.report.sections.maps import surveys
from glc.report.sections.neighbours import neighbours
from glc.report.sections.scores import head, scores
from glc.report.sections.section import Section
from glc.report.sections.settings import settings
from glc.report.sections.species import species
from glc.report.sections.trusted import trusted
from glc.report.story import Story
from glc.report.templates import template
from glc.types import Facts

Part = Callable[[Story], Section | None]
"""Makes a section, or None where the model or the dataset has nothing to show in it."""
PARTS: tuple[Part, ...] = (
    surveys, scores, species, distances, trusted, decoder, learning, neighbours, data, explained, protocol, cited,
    settings, glossary,
)  # fmt: skip
"""The sections in their order."""


def render(story: Story) -> str:
    """The page of a `Story` as HTML text: no file or address outside of it is loaded; equal stories, equal bytes."""
    facts = head(story) | {"held_out": story.folds.get("held_out", 0)}
    return assembled(story, "head.html.j2", facts, PARTS)


def assembled(story: Story, head_name: str, facts: Facts, parts: tuple[Part, ...]) -> str:
    """A page from its parts.

    head_name : template in ``sections`` of what is above the navigation
    facts : names and values of that template
    parts : of its sections
    """
    sections = [section for part in parts if (section := part(story)) is not None]
    return template("page.html.j2").render(
        experiment=story.experiment,
        dataset=story.dataset,
        made=story.made,
        head=Markup(template(f"sections/{head_name}").render(experiment=story.experiment, story=story, **facts)),
        links=[(section.anchor, section.link) for section in sections],
        sections=sections,
    )
