"""All tables of a paper, and the page that shows them: ``ROOT/papers/<dataset>/<paper>.html``."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import luigi
from luigi.task import flatten

from glc import storage
from glc.errors import ConfigError, did_you_mean
from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.table import TableTask
from glc.tasks.tables import Table
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from glc.report.markdown import Block
    from glc.report.paper import Entry


@dataclass(frozen=True)
class PaperTable:
    """A table or picture of a paper.

    key : what ``--tables`` calls it; title : of its section
    task : makes it; None where it cannot be made here, and `why_not` says why
    made : the task whose output holds it once `task` is complete, if that is another one
    labels : label -> the paper's figures, of all its rows
    later : run it when the others are there, because it has a part in common with them that bears another name there
    blocks : its tables, if they are not the output's ``table.md``
    pictures : patterns of its pictures in the output, SVG files
    """

    key: str
    title: str
    task: GlcTask | None
    made: Callable[[], GlcTask] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    blocks: "Callable[[Path], list[Block]] | None" = None
    pictures: Sequence[str] = ("table.svg",)
    why_not: str = ""
    later: bool = False

    def output(self) -> GlcTask:
        """The task whose output holds the table."""
        if self.made is not None:
            return self.made()
        if self.task is None:
            raise ConfigError(f"{self.title}: {self.why_not}")
        return self.task


def table(key: str, task: TableTask, why_not: str = "") -> PaperTable:
    """A `PaperTable` of a table with rows, or of a picture; with `why_not` it is not made."""
    labels = {row.label: task.reported(row).text for row in task.every_row()} if isinstance(task, Table) else {}
    return PaperTable(key, task.title, None if why_not else task, labels=labels, why_not=why_not)


class PaperPage(ProductTask):
    """Run the tables of a paper and show them on one page, rows that were not run marked.

    paper_name : of the page's file; heading : of the page; about : sentences on what it shows
    """

    tables = luigi.Parameter(default="", description="names of the tables that are run, with commas between; all")
    paper_name = ""
    heading = ""
    about: Sequence[str] = ()

    def entries(self) -> list[PaperTable]:
        """The paper's tables and figures, in its order."""
        raise NotImplementedError(f"{type(self).__name__} does not name its tables")

    def chosen(self) -> list[PaperTable]:
        """Those that are run."""
        entries = self.entries()
        keys = [entry.key for entry in entries]
        wanted = [name.strip() for name in self.tables.split(",") if name.strip()] or keys
        for name in wanted:
            if name not in keys:
                raise ConfigError(
                    f"--tables: found {name!r}, expected some of: {', '.join(keys)}{did_you_mean(name, keys)}"
                )
        return [entry for entry in entries if entry.key in wanted and entry.task is not None]

    def check(self) -> None:
        if not self.chosen():
            reasons = "; ".join(f"{entry.key}: {entry.why_not}" for entry in self.entries() if entry.why_not)
            raise ConfigError(f"--tables: found {self.tables!r}, of which no table can be run ({reasons})")

    def requires(self) -> dict[str, GlcTask]:
        return {entry.key: entry.task for entry in self.chosen() if entry.task is not None and not entry.later}

    def run(self) -> Iterator[list[GlcTask]] | None:
        """Write the page, once what comes later is there."""
        later = [entry.task for entry in self.chosen() if entry.later and entry.task is not None]
        missing = [task for task in later if not task.complete()]
        return self._after(missing) if missing else super().run()

    def reads(self) -> list[GlcTask]:
        return [entry.output() for entry in self.chosen()]

    def content(self) -> JSON:
        later = [entry.task.identity for entry in self.chosen() if entry.later and entry.task is not None]
        entries = ([entry.key, entry.title, entry.labels] for entry in self.entries())
        return [self.heading, *self.about, *later, *entries]

    def _origins(self) -> Facts:
        made = {task.identity: task for task in self.reads()}.values()
        inputs = [
            {"task": task.task_family, "identity": task.identity, "folder": os.path.relpath(task.folder, self.root)}
            for task in made
        ]
        return super()._origins() | {"inputs": inputs}

    def page_name(self) -> str:
        """The published file's name, without its ending."""
        return self.paper_name

    def published(self) -> list[Published]:
        place = Path(self.root) / "papers" / self.subject
        return [Published(place / f"{self.page_name()}.html", self.folder / "page.html")]

    def write(self, out: Path) -> None:
        from glc.report import paper

        keys = {entry.key for entry in self.chosen()}
        entries = [_entry(entry, run=entry.key in keys) for entry in self.entries()]
        html = paper.page(self.heading, self.subject, [*self.about, *self.further()], entries)
        (out / "page.html").write_text(html, encoding="utf-8")
        storage.note(out, run=sorted(keys))

    def further(self) -> list[str]:
        """Sentences on this run, such as its preset."""
        return []

    def results(self) -> list[str]:
        """Those of the tables, then the page."""
        tables = [line for task in flatten(self.requires()) for line in task.results() if not line.startswith("#")]
        return [*tables, f"page {self.published()[0].path.as_uri()}"]


def _entry(entry: PaperTable, *, run: bool) -> "Entry":
    from glc.report import markdown, paper

    if not run:
        return paper.Entry(entry.key, entry.title, missing=entry.labels, why_not=entry.why_not)
    folder = entry.output().folder
    if entry.blocks is not None:
        blocks = entry.blocks(folder)
    else:
        path = folder / "table.md"
        blocks = markdown.parse(path.read_text(encoding="utf-8")) if path.is_file() else []
    known = {row[0] for block in blocks for row in block.rows}
    missing = {label: text for label, text in entry.labels.items() if label not in known}
    pictures = [path for pattern in entry.pictures for path in sorted(folder.glob(pattern))]
    return paper.Entry(entry.key, entry.title, blocks, missing, pictures)
