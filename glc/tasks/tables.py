"""A table of a paper: its rows are experiments, its cells their metrics, its neighbour the paper's own figures."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import luigi

from glc import registry, storage
from glc.errors import ConfigError
from glc.report.markdown import markdown
from glc.tasks.base import ImageryFolderParameter, ProductTask, Published
from glc.tasks.scores import Fit, FoldScores
from glc.tasks.submission import SCORES, Evaluate
from glc.tasks.training import pretraining


@dataclass(frozen=True)
class Row:
    """One line: a label, the experiment that fills it, and what the paper reports (as text).

    over : label of the row that this one adds to, in a `SeedTable`; empty: the row before; None: to none
    """

    label: str
    experiment: str
    paper: str = ""
    over: str | None = ""


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

    def evaluations(self):
        """Label of a row -> the `Evaluate` of its experiment."""
        return {row.label: self.clone(Evaluate, experiment=row.experiment) for row in self.rows()}

    def requires(self):
        return self.evaluations()

    def more_identity(self):
        return [self.title, *self.remarks, *([row.label, row.paper] for row in self.rows())]

    def table_name(self):
        """Name of its files."""
        return self.task_family.replace(".", "-").lower()

    def published(self):
        place, name = Path(self.root) / "tables" / self.dataset_name, self.table_name()
        return [Published(place / f"{name}{end}", self.folder / f"table{end}") for end in (".md", ".csv")]

    def write(self, out):
        import pandas as pd

        lines = []
        for row, task in zip(self.rows(), self.evaluations().values(), strict=True):
            found = json.loads((task.folder / "metrics.json").read_text())
            measured = self.measured(found["valid"], found.get("test", {}))
            lines.append({"model": row.label, **measured, "paper (not comparable)": row.paper, **self.more(row, task)})
        frame = pd.DataFrame(lines).dropna(axis=1, how="all")
        frame.to_csv(out / "table.csv", index=False)
        (out / "table.md").write_text(markdown(f"{self.title}: {self.dataset_name}", frame, self.remarks))
        storage.note(out, rows=len(frame))

    def measured(self, valid, test):
        """Columns from the metrics of validation and test."""
        return {
            "validation F1": valid["sample_f1"],
            "low": valid["sample_f1_low"],
            "high": valid["sample_f1_high"],
            "test F1": test.get("sample_f1"),
            "micro F1": valid["micro_f1"],
            "mean set": valid["mean_set"],
        }

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
        """Time and memory of fitting and scoring the model behind `task`, an `Evaluate`: all folds, and the test.

        Of a stack or blend they are those of the joining alone.
        """
        kind = registry.models.get(task.settings.model.name).kind
        if kind != "net":
            steps = [task.below(SCORES[kind])]
        else:
            folds = range(task.settings.validation.run)
            steps = [task.below(step, fold=fold) for step in (Fit, FoldScores) for fold in folds]
            steps += [pretrain for fit in steps[: len(folds)] for pretrain in pretraining(fit).values()]
        facts = [storage.manifest(step.folder) for step in {step.folder: step for step in steps}.values()]
        return {
            "seconds": sum(one["seconds"] for one in facts),
            "peak memory MB": max(one["peak_memory_mb"] for one in facts),
        }


class SeedTable(Table):
    """A table whose every row is trained from several seeds, so that a row's gain stands beside its spread.

    A gain is the mean over the seeds of the F1 of this row less that of the row it adds to, on the surveys that both
    judge; it helps or harms where Student's 95 % interval of that mean leaves out 0. The seeds are of the training
    alone: folds and surveys stay.
    """

    seeds = luigi.IntParameter(default=3, description="trainings of each row, with train.seed = 0, 1, ...")
    only = luigi.Parameter(default="", description="a row's label, or a part of several; or such with | between")

    def all_rows(self):
        """The lines of the whole table, a list of `Row`; rows that differ in decode or correct share their nets."""
        raise NotImplementedError(f"{type(self).__name__} does not say its rows")

    def rows(self):
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

    def requires(self):
        if self.seeds < 1:
            raise ConfigError(f"--seeds: found {self.seeds}, expected 1 or more")
        return {
            row.label: [
                self.clone(Evaluate, experiment=f"{row.experiment}+train.seed={seed}") for seed in range(self.seeds)
            ]
            for row in self.rows()
        }

    def more_identity(self):
        return [super().more_identity(), [self._over(row) for row in self.rows()]]

    def table_name(self):
        """Name of its files; that of a part of the table is another."""
        part = re.sub(r"[^a-z0-9]+", "-", self.only.lower()).strip("-")
        if len(part) > 60:  # file systems take no names of any length
            part = f"{part[:50]}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"
        return super().table_name() + (f"~{part or 'part'}" if self.only else "")

    def write(self, out):
        import pandas as pd

        from glc.evaluation.gains import effect

        tasks = self.requires()
        f1 = {label: [_f1(task.folder) for task in runs] for label, runs in tasks.items()}
        lines, shown = [], []
        for row in self.rows():
            runs, over = tasks[row.label], self._over(row)
            line = {"model": row.label, "adds to": over}
            text = dict(line)
            for split in ("valid", "test"):
                found = effect(f1[row.label], f1.get(over), split)
                name = {"valid": "validation", "test": "test"}[split]
                line |= {f"{name} {key}": value for key, value in found.items()}
                text[f"{name} F1"] = _with_spread(found["F1"], found["spread"])
                text[f"{name} gain"] = _with_spread(found["gain"], found["gain spread"], "+") + _said(found["verdict"])
            more = _optimistic(runs) | costs(runs) | self.more(row, runs) | {"paper (not comparable)": row.paper}
            lines.append(line | more)
            shown.append(text | more)
        frame = pd.DataFrame(lines).dropna(axis=1, how="all")
        frame.to_csv(out / "table.csv", index=False)
        shown = pd.DataFrame(shown).dropna(axis=1, how="all")
        shown = shown.loc[:, (shown != "").any()]
        title = f"{self.title}: {self.dataset_name}, {self.seeds} seeds"
        (out / "table.md").write_text(markdown(title, shown, (*_SEEDS, *self.remarks)))
        storage.note(out, rows=len(frame), seeds=self.seeds)

    def _over(self, row):
        """Label of the row that `row` adds to, empty where it adds to none."""
        if row.over is None:
            return ""
        labels = [one.label for one in self.all_rows()]
        if row.over and row.over not in labels:
            raise ConfigError(f"row {row.label!r} adds to {row.over!r}; expected one of: {', '.join(labels)}")
        at = labels.index(row.label)
        return row.over or (labels[at - 1] if at else "")


_SEEDS = (
    "F1 ± standard deviation over the seeds. gain: mean ± standard deviation of the differences, seed by seed, to the "
    "row that it adds to, on the surveys that both judge; helps, harms: Student's 95 % interval of the mean leaves "
    "out 0.",
    "surveys: training surveys of a fold; judged: validation surveys; epochs and minutes: of training and scoring all "
    "folds, mean over the seeds, and counted again in rows that share their nets.",
)


def costs(runs):
    """Surveys, epochs, parameters, minutes and losses of the nets behind `runs`, the `Evaluate` of each seed."""
    from glc.nets import checkpoints

    folds = range(runs[0].settings.validation.run)
    fits = [[run.below(Fit, fold=fold) for fold in folds] for run in runs]
    facts = [[storage.manifest(fit.folder) for fit in one] for one in fits]
    scored = [storage.manifest(run.below(FoldScores, fold=fold).folder) for run in runs for fold in folds]
    every = [one for seed in facts for one in seed]
    net = checkpoints.load(fits[0][0].folder / checkpoints.CHECKPOINT)[0]
    return {
        "training loss": sum(one["train_loss"] for one in every) / len(every),
        "validation loss": sum(one["valid_loss"] for one in every) / len(every),
        "surveys": round(sum(one["rows"] for one in every) / len(every)),
        "judged": json.loads((runs[0].folder / "metrics.json").read_text())["valid"]["surveys"],
        "epochs": sum(one["epochs"] for one in every) / len(runs),
        "parameters": f"{sum(weight.numel() for weight in net.parameters()):,}",
        "minutes": sum(one["seconds"] for one in every + scored) / len(runs) / 60,
    }


def _f1(folder):
    """F1 by survey of each split that an `Evaluate` could judge: split -> Series by surveyId."""
    import pandas as pd

    frame = pd.read_parquet(folder / "surveys.parquet", columns=["split", "surveyId", "f1"]).dropna(subset="f1")
    return {split: part.set_index("surveyId")["f1"] for split, part in frame.groupby("split")}


def _optimistic(runs):
    """Mean F1 of nets that were cloned, on validation surveys whose labels they saw (see `config.CrossFusion`)."""
    found = [json.loads((run.folder / "metrics.json").read_text()).get("optimistic") for run in runs]
    return {"optimistic F1": sum(one["sample_f1"] for one in found) / len(found) if all(found) else math.nan}


def _with_spread(mean, spread, sign=""):
    if mean != mean:
        return ""
    return f"{mean:{sign}.4f}" + ("" if spread != spread else f" ± {spread:.4f}")


def _said(verdict):
    return f" ({verdict})" if verdict else ""
