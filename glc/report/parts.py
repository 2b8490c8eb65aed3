"""Pages made of sections with sentences, tables and figures, in the shared look."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from glc.report.templates import template

Cell = str | Markup
"""Text of a cell, which is escaped, or markup that is not."""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    header : words of each column, the first one names the row
    rows : cells of each row; marked : numbers of the rows that are set in bold
    numbers : columns that hold numbers, by position; they are aligned to the right
    wide : columns of long texts, by position; they are no narrower than some words
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: frozenset[int] = frozenset()
    marked: frozenset[int] = frozenset()
    wide: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A figure of a page: SVG text of `glc.report.figures` or `glc.report.svg`, and what is written below."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Part:
    """A part of a section: its title, empty for none, sentences, highlighted notes, figures, tables, small print.

    folded : whether its tables are unfolded by a click on its title
    """

    title: str = ""
    texts: Sequence[Cell] = ()
    notes: Sequence[Cell] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    remarks: Sequence[Cell] = ()
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A section of a page, and what it is called in its navigation."""

    title: str
    anchor: str
    link: str
    parts: Sequence[Part] = field(default_factory=tuple)


def render(
    title: str,
    of: str,
    summary: Sequence[str],
    sections: Sequence[Section],
    words: Sequence[tuple[str, str]],
    foot: str = "",
) -> str:
    """A page as HTML text: one file that asks for nothing outside of it.

    of : a line above the title; summary : sentences below it, a paragraph each
    words : (word, what it means) of the glossary; foot : a line at the end
    """
    return template("parts.html.j2").render(
        title=title, of=of, summary=summary, sections=sections, words=words, foot=foot
    )


def link(target: str, text: str) -> Markup:
    """A link to a file next to the page, or below a folder above it; both are escaped."""
    return Markup('<a href="{}">{}</a>').format(escape(target), text)
