"""What a section of the page holds: sentences, tables, figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from glc.report.sections.words import DATASETS


@dataclass(frozen=True)
class Picture:
    """A figure as inline SVG, and its caption; new_row : whether it begins a row of figures on a wide page."""

    svg: str
    caption: str
    new_row: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text; the first column of a row names it; numbers : whether the others are numbers."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = True


@dataclass
class Section:
    """A part of the page.

    texts, absent : sentences above and below; `absent` says what the dataset lacks
    """

    title: str
    anchor: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def part_name(name: str) -> str:
    """What the page calls a part of a dataset, such as po."""
    return DATASETS.get(name, name)
