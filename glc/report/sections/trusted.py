"""Where the map may be trusted: the area of applicability, and the error profile."""

from glc.applicability.space import COORDINATES
from glc.report import trust
from glc.report.sections.section import Section, section
from glc.report.story import Story


def trusted(story: Story) -> Section | None:
    """None where it was not computed."""
    fitted = story.applicability
    if fitted is None:
        return None
    profile = fitted.profile
    return section(
        "trust",
        "Trust",
        "Where the map may be trusted",
        applicability=fitted,
        experiment=story.experiment,
        relative="relative" in story.metrics,
        trust_km=trust.radius_m(fitted) / 1000 if fitted.kind == COORDINATES else None,
        trust_rows=trust.rows(story.trusted),
        trust_parts=trust.parts(profile) if profile else [],
        trust_figure=trust.figure(fitted, story.trusted) if profile else None,
    )
