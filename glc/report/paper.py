"""All tables of a paper on one page: our figures next to the published ones, rows that were not run marked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from markupsafe import Markup

from glc.report import svg
from glc.report.markdown import Block
from glc.report.parts import Part, Picture, Section, Table, render

NOT_RUN = "not run"
_LONG = 20
"""Letters of a cell from which its column is a wide one."""
_EMPHASIS = re.compile(r"\*(\S(?:[^*]*\S)?)\*")
_NUMBER = re.compile(r"[-+−]?[\d,.]+%?( [±\[].*)?|")
WORDS = (
    ("paper", "The paper's figures, as printed; what they were measured on is written below each table."),
    ("compared", "MATCH: the paper's figure lies in our 95% interval; CLOSE: ours is within 5% of it; DIFFERS: "
     "neither. Only where data and split are the paper's; otherwise “other data”: a virtual world is never that."),
    ("setting", "“as published”, or what differs from the paper; “ours”: the paper has no such row."),
    (NOT_RUN, "The row has not been run on these data, by choice or because they lack what it needs."),
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A table, or a picture, of a paper.

    key, title : what it is called; blocks : its tables, empty if it was not run
    missing : label -> the paper's figures of the rows that were not run
    pictures : SVG files of `glc.report.figures.for_page`; why_not : why it was not run
    """

    key: str
    title: str
    blocks: Sequence[Block] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[Path] = ()
    why_not: str = ""

    @property
    def was_run(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.blocks or self.pictures)


def page(title: str, dataset: str, about: Sequence[str], entries: Sequence[Entry]) -> str:
    """The page as HTML text; `about` are sentences on the paper and the run."""
    done = [entry for entry in entries if entry.was_run]
    skipped = [_called(entry.key) for entry in entries if not entry.was_run]
    summary = f"{len(done)} of {len(entries)} tables and figures were run on {dataset}."
    if skipped:
        summary += f" Not run: {', '.join(skipped)}."
    sections = [
        Section(entry.title, f"table-{number}", _called(entry.key), _parts(entry))
        for number, entry in enumerate(entries, 1)
    ]
    return render(title, f"Paper, on {dataset}", [summary, *about], sections, WORDS)


def _called(key: str) -> str:
    """Table 1 of the key 1; other keys are words."""
    return f"Table {key}" if key.isdigit() else key.replace("-", " ").capitalize()


def _parts(entry: Entry) -> list[Part]:
    if not entry.was_run:
        why = entry.why_not or "It was not asked for."
        note = Part(notes=[f"Not run. {why}"])
        if not entry.missing:
            return [note]
        return [note, Part(f"Rows ({len(entry.missing)})", tables=[_missing(entry.missing)], folded=True)]
    pictures = [_picture(path, entry) for path in entry.pictures]
    parts = [Part(pictures=pictures)] if pictures else []
    for number, block in enumerate(entry.blocks):
        if not block.header:
            parts.append(Part(block.title, remarks=[_remark(text) for text in block.remarks]))
            continue
        missing = entry.missing if number == 0 else {}
        remarks = [_remark(text) for text in block.remarks]
        parts.append(Part(tables=[_table(block, missing, entry.title)], remarks=remarks))
    return parts


def _picture(path: Path, entry: Entry) -> Picture:
    words = path.stem.replace("_", " ").replace("-", " ")
    caption = f"{entry.title}: {words}" if len(entry.pictures) > 1 else entry.title
    text = path.read_text(encoding="utf-8")
    return Picture(svg.inline(text, f"{caption}. {svg.description(text)}"), caption)


def _table(block: Block, missing: Mapping[str, str], heading: str) -> Table:
    rows = [list(row) for row in block.rows]
    columns = range(1, len(block.header))
    numbers = frozenset(at for at in columns if all(_NUMBER.fullmatch(row[at]) for row in rows))
    for label, figures in missing.items():
        row = [label, *([""] * (len(block.header) - 1))]
        if "paper" in block.header:
            row[block.header.index("paper")] = figures
        row[min(numbers - {block.header.index("paper") if "paper" in block.header else 0}, default=1)] = NOT_RUN
        rows.append(row)
    wide = frozenset(at for at in columns if at not in numbers and any(len(row[at]) > _LONG for row in rows))
    return Table(block.title.removeprefix(f"{heading}: "), block.header, rows, numbers, wide=wide)


def _remark(text: str) -> Markup:
    """A remark with what Markdown emphasises."""
    return Markup(_EMPHASIS.sub(r"<em>\1</em>", escape(text)))


def _missing(figures: Mapping[str, str]) -> Table:
    rows = [[label, NOT_RUN, text or "–"] for label, text in figures.items()]
    return Table("Rows that were not run", ["model", "ours", "paper"], rows)
