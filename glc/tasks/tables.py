"""A table of a paper: its rows are experiments, its cells their metrics, next to the paper's figures."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import luigi

from glc import config, registry, storage
from glc.errors import ConfigError
from glc.tasks.base import DatasetTask, GlcTask, Requirements, TableTask
from glc.tasks.evaluate import Evaluate
from glc.tasks.parameters import CountParameter, imagery_folder
from glc.tasks.training import FoldScores, fits, pretraining
from glc.types import JSON, Facts


@dataclass(frozen=True)
class Row:
    """One line: a label, the experiment that fills it, and what the paper reports (as text).

    over : label of the row that this one adds to, in a `SeedTable`; empty: the row before; None: to none
    """

    label: str
    experiment: config.Variant
    paper: str = ""
    over: str | None = ""


class ExperimentsTask(TableTask, DatasetTask):
    """A table or picture of several experiments on a dataset."""

    imagery_folder = imagery_folder()

    def evaluation(self, experiment: config.Variant) -> Evaluate:
        """The `Evaluate` of an experiment."""
        return self.clone(Evaluate, experiment=experiment)


class Table(ExperimentsTask):
    """Evaluate the experiments of `rows` on a dataset and print them as a Markdown table.

    The paper's column is there for order and direction only: it was measured on another test set.
    """

    remarks: Sequence[str] = ()

    def rows(self) -> list[Row]:
        """The lines of the table."""
        raise NotImplementedError(f"{type(self).__name__} does not define its rows")

    def evaluations(self) -> dict[str, Evaluate]:
        """Label of a row -> the `Evaluate` of its experiment."""
        return {row.label: self.evaluation(row.experiment) for row in self.rows()}

    def requires(self) -> Requirements:
        return self.evaluations()

    def content(self) -> JSON:
        return [self.title, *self.remarks, *([row.label, row.paper] for row in self.rows())]

    def write(self, out: Path) -> None:
        import pandas as pd

        from glc.report import tables

        lines, tasks = [], self.evaluations()
        for row, task in zip(self.rows(), tasks.values(), strict=True):
            metrics = tables.read_metrics(task.folder)
            measured = self.measured(metrics["valid"], metrics.get("test", {}))
            lines.append({"model": row.label, **measured, tables.PAPER: row.paper, **self.columns(task)})
        frame = pd.DataFrame(lines).dropna(axis=1, how="all")
        caveats = tables.caveats({label: task.folder for label, task in tasks.items()})
        tables.write(out, f"{self.title}: {self.subject}", frame, (*self.remarks, *caveats))
        storage.note(out, rows=len(frame))

    def measured(self, valid: Facts, test: Facts) -> Facts:
        """Columns from the metrics of validation and test."""
        return {
            "validation F1": valid["sample_f1"],
            "low": valid["sample_f1_low"],
            "high": valid["sample_f1_high"],
            "test F1": test.get("sample_f1"),
            "micro F1": valid["micro_f1"],
            "mean set": valid["mean_set"],
        }

    def columns(self, task: Evaluate) -> Facts:
        """Further columns of the row that `task` fills."""
        return {}


class CostTable(Table):
    """A table that also says what each row takes.

    Time and memory are those of fitting and scoring a model: all folds, and the test. Of a stack or blend they are
    those of the joining alone.
    """

    def columns(self, task: Evaluate) -> Facts:
        from glc.report.tables import costs

        return costs([step.folder for step in self.steps(task)])

    def steps(self, task: Evaluate) -> list[GlcTask]:
        """The tasks that fit and score the model of an `Evaluate`."""
        if registry.models.get(task.settings.model.name).kind != "net":
            return [task.predictions().scores()]
        trainings = fits(task)
        pretrained = [pretrain for fit in trainings for pretrain in pretraining(fit).values()]
        return [*trainings, *fold_scores(task), *pretrained]


class SeedTable(Table):
    """A table whose every row is trained from several seeds, so that a row's gain can be compared with its spread.

    A gain is the mean over the seeds of the F1 of this row less that of the row it adds to, on the surveys that both
    evaluate; it helps or harms where Student's 95 % interval of that mean leaves out 0. The seeds are of the training
    alone: folds and surveys stay.
    """

    seeds = CountParameter(default=3, description="trainings of each row, with train.seed = 0, 1, ...")
    only = luigi.Parameter(
        default="", description="run only rows whose label contains this text; separate several with |"
    )

    def all_rows(self) -> list[Row]:
        """The lines of the whole table; rows that differ in decode or postprocess share their nets."""
        raise NotImplementedError(f"{type(self).__name__} does not define its rows")

    def rows(self) -> list[Row]:
        rows = self.all_rows()
        labels = [row.label.lower() for row in rows]
        parts = self.only.lower().split("|")
        chosen = [
            row
            for row, label in zip(rows, labels, strict=True)
            if any(part == label or (part in label and part not in labels) for part in parts)
        ]
        if not chosen:
            raise ConfigError(
                f"--only: found {self.only!r}, expected a part of one of: {', '.join(row.label for row in rows)}"
            )
        return chosen

    def requires(self) -> dict[str, list[Evaluate]]:
        return {
            row.label: [self.evaluation(row.experiment.changed(train={"seed": seed})) for seed in range(self.seeds)]
            for row in self.rows()
        }

    def content(self) -> JSON:
        return [super().content(), [self._over(row) for row in self.rows()]]

    def table_name(self) -> str:
        """Name of its files; that of a part of the table is another."""
        part = re.sub(r"[^a-z0-9]+", "-", self.only.lower()).strip("-")
        if len(part) > 60:  # file systems take no names of any length
            part = f"{part[:50]}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"
        return super().table_name() + (f"~{part or 'part'}" if self.only else "")

    def write(self, out: Path) -> None:
        from glc.report import tables

        tasks = self.requires()
        rows = [
            tables.SeedRow(
                row.label,
                self._over(row),
                [run.folder for run in tasks[row.label]],
                self.row_costs(tasks[row.label]) | self.columns(tasks[row.label][0]) | {tables.PAPER: row.paper},
            )
            for row in self.rows()
        ]
        frame, shown = tables.seed_table(rows)
        title = f"{self.title}: {self.subject}, {self.seeds} seeds"
        caveats = tables.caveats({label: runs[0].folder for label, runs in tasks.items()})
        tables.write(out, title, frame, (*tables.SEEDS, *self.remarks, *caveats), shown)
        storage.note(out, rows=len(frame), seeds=self.seeds)

    def row_costs(self, runs: list[Evaluate]) -> Facts:
        """What the nets behind the `Evaluate` of each seed take."""
        from glc.report.tables import net_costs, read_metrics

        return net_costs(
            [[fit.folder for fit in fits(run)] for run in runs],
            [scores.folder for run in runs for scores in fold_scores(run)],
            read_metrics(runs[0].folder)["valid"]["surveys"],
        )

    def _over(self, row: Row) -> str:
        """Label of the row that `row` adds to, empty where it adds to none."""
        if row.over is None:
            return ""
        labels = [other.label for other in self.all_rows()]
        if row.over and row.over not in labels:
            raise ConfigError(f"row {row.label!r} adds to {row.over!r}; expected one of: {', '.join(labels)}")
        at = labels.index(row.label)
        return row.over or (labels[at - 1] if at else "")


def fold_scores(task: Evaluate) -> list[FoldScores]:
    """The scores of all folds that the experiment of `task` runs."""
    return [task.clone(FoldScores, fold=fold) for fold in range(task.validation.run)]
