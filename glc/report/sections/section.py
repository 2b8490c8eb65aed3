"""A part of a page: a heading that can be linked to, and the HTML below it."""

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from glc.report.templates import template
from glc.types import Keywords


@dataclass(frozen=True)
class Section:
    """anchor : its id on the page; link : what the navigation calls it; title : its heading; html : what it says."""

    anchor: str
    link: str
    title: str
    html: Markup


def section(anchor: str, link: str, title: str, **facts: Keywords) -> Section:
    """A `Section` from its template, ``<anchor>.html.j2`` in this folder.

    facts : names and values of the template; its text is escaped
    """
    return of_template(f"{anchor}.html.j2", anchor, link, title, **facts)


def of_template(template_name: str, anchor: str, link: str, title: str, **facts: Keywords) -> Section:
    """A `Section` from the template `template_name` in this folder."""
    folder = Path(__file__).parent.name
    return Section(anchor, link, title, Markup(template(f"{folder}/{template_name}").render(**facts)))
