"""Frames as Markdown tables, and back."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

_CELLS = re.compile(r"(?<!\\)\|")


@dataclass
class Block:
    """A table of a page in Markdown, with what is written below it; `header` is empty where there is no table."""

    title: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def markdown(title: str, frame: pd.DataFrame, remarks: Iterable[str] = ()) -> str:
    """A frame as a Markdown table under `title`, with `remarks` below."""

    def cell(name, value):
        if isinstance(value, float):
            digits = 4 if abs(value) < 2 and name not in ("seconds", "minutes", "epochs") else 1
            return "" if value != value else f"{value:,.{digits}f}"
        return str(value).replace("|", r"\|")

    lines = [f"## {title}", "", "| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    lines += ["| " + " | ".join(map(cell, frame, row)) + " |" for row in frame.itertuples(index=False)]
    return "\n".join([*lines, "", *remarks, ""])


def parse(text: str) -> list[Block]:
    """The tables of what `markdown` wrote, one or several of them."""
    blocks: list[Block] = []
    for line in text.splitlines():
        if line.startswith("#"):
            blocks.append(Block(line.lstrip("# ")))
        elif line.startswith("|---"):
            continue
        elif line.startswith("|"):
            cells = [part.strip().replace(r"\|", "|") for part in _CELLS.split(line)[1:-1]]
            if blocks[-1].header:
                blocks[-1].rows.append(cells)
            else:
                blocks[-1].header = cells
        elif line.strip():
            blocks[-1].remarks.append(line.strip())
    return blocks
