"""A table of a paper: its rows are experiments, its cells their metrics, its neighbour the paper's own figures."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from glc import registry, storage
from glc.tasks.base import ImageryFolderParameter, ProductTask, Published
from glc.tasks.pretrain import pretraining
from glc.tasks.products import Evaluate
from glc.tasks.scores import ClassicalScores, Fit, FoldScores
from glc.tasks.stack import StackScores


@dataclass(frozen=True)
class Row:
    """One line: a label, the experiment that fills it, and what the paper reports (as text)."""

    label: str
    experiment: str
    paper: str = ""


class Table(ProductTask):
    """Evaluate the experiments of `rows` on a dataset and print them as a Markdown table.

    Also written to ``ROOT/tables/<dataset>/<task>.md`` and ``.csv``. The paper's column stands beside ours for order
    and direction only: it was measured on another test set.
    """

    imagery_folder = ImageryFolderParameter(default="", significant=False)
    title = ""
    remarks = ()

    def rows(self):
        """The lines of the table, a list of `Row`."""
        raise NotImplementedError(f"{type(self).__name__} does not say its rows")

    def requires(self):
        return {row.label: self.clone(Evaluate, experiment=row.experiment) for row in self.rows()}

    def more_identity(self):
        return [self.title, *self.remarks, *([row.label, row.paper] for row in self.rows())]

    def published(self):
        place = Path(self.root) / "tables" / self.dataset_name
        name = self.task_family.replace(".", "-").lower()
        return [Published(place / f"{name}{end}", self.folder / f"table{end}") for end in (".md", ".csv")]

    def write(self, out):
        import pandas as pd

        lines = []
        for row, task in zip(self.rows(), self.requires().values(), strict=True):
            found = json.loads((task.folder / "metrics.json").read_text())
            valid, test = found["valid"], found.get("test", {})
            lines.append(
                {
                    "model": row.label,
                    "validation F1": valid["sample_f1"],
                    "low": valid["sample_f1_low"],
                    "high": valid["sample_f1_high"],
                    "test F1": test.get("sample_f1"),
                    "micro F1": valid["micro_f1"],
                    "mean set": valid["mean_set"],
                    "paper (not comparable)": row.paper,
                    **self.more(row, task),
                }
            )
        frame = pd.DataFrame(lines).dropna(axis=1, how="all")
        frame.to_csv(out / "table.csv", index=False)
        (out / "table.md").write_text(markdown(f"{self.title}: {self.dataset_name}", frame, self.remarks))
        storage.note(out, rows=len(frame))

    def more(self, row, task):
        """Further columns of a row."""
        return {}

    def results(self):
        """The table, and where it is."""
        path = self.published()[0].path
        return [path.read_text(), f"table {path}"]


class CostTable(Table):
    """A table that also tells what each row takes."""

    def more(self, row, task):
        """Time and memory of fitting and scoring the model behind `task`, an `Evaluate`: all folds, and the test."""
        kind = registry.models.get(task.settings.model.name).kind
        if kind != "net":
            steps = [task.below({"classical": ClassicalScores, "stack": StackScores}[kind])]
        else:
            folds = range(task.settings.validation.run)
            steps = [task.below(step, fold=fold) for step in (Fit, FoldScores) for fold in folds]
            steps += [pretrain for fit in steps[: len(folds)] for pretrain in pretraining(fit).values()]
        facts = [storage.manifest(step.folder) for step in {step.folder: step for step in steps}.values()]
        return {
            "seconds": sum(one["seconds"] for one in facts),
            # outputs of earlier versions do not tell
            "peak memory MB": max(
                (one["peak_memory_mb"] for one in facts if "peak_memory_mb" in one), default=math.nan
            ),
        }


def markdown(title, frame, remarks=()):
    """A frame as a Markdown table under `title`, with `remarks` below."""

    def cell(name, value):
        if isinstance(value, float):
            digits = 4 if abs(value) < 2 and name != "seconds" else 1
            return "" if value != value else f"{value:,.{digits}f}"
        return str(value)

    lines = [f"## {title}", "", "| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    lines += ["| " + " | ".join(map(cell, frame, row)) + " |" for row in frame.itertuples(index=False)]
    return "\n".join([*lines, "", *remarks, ""])
