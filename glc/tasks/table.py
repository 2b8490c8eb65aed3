"""A table or picture, published at a stable place."""

from collections.abc import Sequence
from pathlib import Path

from glc.tasks.base import GlcTask, ProductTask, Published
from glc.tasks.experiment import OWN
from glc.tasks.machine import logs_to_wandb
from glc.tasks.wandb_table import WandbTable


class TableTask(ProductTask):
    """A table or picture that is also published at ``ROOT/tables/<subject>/<task>.<suffix>``.

    published_in : the paper that it is of, as the descriptions of its experiments name it
    """

    published_in: str = OWN
    suffixes: Sequence[str] = (".md", ".csv")
    title = ""

    def table_name(self) -> str:
        """Name of its files."""
        return self.task_family.replace(".", "-").lower()

    def published(self) -> list[Published]:
        place, name = Path(self.root) / "tables" / self.subject, self.table_name()
        return [Published(place / f"{name}{suffix}", self.folder / f"table{suffix}") for suffix in self.suffixes]

    def followers(self) -> Sequence[GlcTask]:
        if ".csv" not in self.suffixes or not logs_to_wandb():
            return []
        named = {"name": self.table_name(), "title": self.title, "table_subject": self.subject}
        return [
            WandbTable(root=self.root, product=self.identity, table=str(self.folder), paper=self.published_in, **named)
        ]

    def results(self) -> list[str]:
        """The table, and where it and its pictures are."""
        paths = [target.path for target in self.published() if target.path.suffix != ".csv"]
        texts = [path.read_text(encoding="utf-8") for path in paths if path.suffix == ".md"]
        return [*texts, *(f"{'table ' if path.suffix == '.md' else 'picture'} {path}" for path in paths)]
