"""A table of a paper: its rows are experiments, its cells their metrics, next to the paper's figures."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import luigi

from glc import config, registry, results, storage
from glc.errors import ConfigError
from glc.remote import contest_scores
from glc.report import leaderboard as leaderboards
from glc.report import papers
from glc.report.papers import Paper, Reported
from glc.tasks.base import DatasetTask, GlcTask, Requirements
from glc.tasks.evaluate import Evaluate
from glc.tasks.parameters import CountParameter, PathParameter, imagery_folder
from glc.tasks.submission import Submission
from glc.tasks.surveys import Surveys
from glc.tasks.table import TableTask
from glc.tasks.training import FoldScores, all_stages, fits, pretraining
from glc.types import JSON, Facts


@dataclass(frozen=True)
class Row:
    """One line: a label, the experiment that fills it, and what the paper reports.

    paper : its figures as text, which are shown alone, or `Reported` with those that can be compared
    over : label of the row that this one adds to, in a `SeedTable`; empty: the row before; None: to none
    setting : what differs from the paper; empty: nothing (*as published*), or *ours* where the paper has no figure
    """

    label: str
    experiment: config.Variant
    paper: str | Reported = ""
    over: str | None = ""
    setting: str = ""


class ExperimentsTask(TableTask, DatasetTask):
    """A table or picture of several experiments on a dataset."""

    imagery_folder = imagery_folder()

    def evaluation(self, experiment: config.Variant) -> Evaluate:
        """The `Evaluate` of an experiment."""
        return self.clone(Evaluate, experiment=experiment)


class Table(ExperimentsTask):
    """Evaluate the experiments of `rows` on a dataset and print them as a Markdown table, with the paper's figures.

    paper : what the paper's figures were measured on, or None for a table that is ours
    remarks : sentences below the table
    measures : column of `measured` -> split and column of the surveys' table by which it has an interval
    """

    measures: Mapping[str, tuple[str, str]] = {"validation F1": ("valid", "f1"), "test F1": ("test", "f1")}
    paper: Paper | None = None
    remarks: Sequence[str] = ()
    submissions = luigi.BoolParameter(significant=False, description="write the Kaggle file of each row, too")
    leaderboard = PathParameter(
        "file",
        f"give a CSV with the columns {', '.join(leaderboards.COLUMNS)}",
        optional=True,
        significant=False,
        variable="LEADERBOARD",
        description=f"CSV of scores on the leaderboard, with the columns {', '.join(leaderboards.COLUMNS)}",
    )

    def rows(self) -> list[Row]:
        """The lines of the table."""
        raise NotImplementedError(f"{type(self).__name__} does not define its rows")

    def every_row(self) -> list[Row]:
        """All lines, also those that a run leaves out."""
        return self.rows()

    def labels(self) -> list[str]:
        """Labels of all lines, also of those that a run leaves out."""
        return [row.label for row in self.every_row()]

    def reported(self, row: Row) -> Reported:
        """What the paper reports of a row; its text is empty where the paper has no such row."""
        return row.paper if isinstance(row.paper, Reported) else Reported(row.paper)

    @property
    def reduced(self) -> str:
        """What the settings of this run take away from every published row, such as a preset's; empty for nothing."""
        return ""

    def evaluations(self) -> dict[str, Evaluate]:
        """Label of a row -> the `Evaluate` of its experiment."""
        return {row.label: self.evaluation(row.experiment) for row in self.rows()}

    def submission_tasks(self) -> dict[str, Submission]:
        """Label of a row -> the `Submission` of its experiment, if submissions are wanted."""
        if not self.submissions:
            return {}
        return {label: task.clone(Submission) for label, task in self.evaluations().items()}

    def requires(self) -> Requirements:
        return self.evaluations() | self.required_submissions()

    def required_submissions(self) -> dict[str, Submission]:
        """The submissions by a key that is no row's label."""
        return {f"submission of {label}": task for label, task in self.submission_tasks().items()}

    def check(self) -> None:
        self.refuse_presence_only()
        self.scores_of_leaderboard()

    def scores_of_leaderboard(self) -> dict[str, dict[str, float]]:
        """Label -> scores on the leaderboard, of the rows that ``--leaderboard`` names or `KaggleSubmit` has sent."""
        given = leaderboards.read(self.leaderboard, self.labels()) if self.leaderboard else {}
        return self.submitted_scores() | given

    def submitted_scores(self) -> dict[str, dict[str, float]]:
        """Label -> scores that the contest gave to the submission of the row's predictions."""
        scores: dict[str, dict[str, float]] = {}
        for label, task in self.evaluations().items():
            path = task.clone(Submission).stable("submissions", contest_scores.SUFFIX)
            if path.is_file():
                score = contest_scores.of_predictions(path, task.predictions().identity)
                scores |= {label: score.scores} if score is not None else {}
        return scores

    def content(self) -> JSON:
        given: JSON = storage.file_digest(self.leaderboard) if self.leaderboard else ""
        given = [given, submitted] if (submitted := self.submitted_scores()) else given
        paper = asdict(self.paper) if self.paper else None
        rows = ([row.label, asdict(self.reported(row)), row.setting] for row in self.rows())
        return [self.title, *self.remarks, paper, self.reduced, self.submissions, given, *rows]

    def write(self, out: Path) -> None:
        import pandas as pd

        from glc.report import tables

        lines, shown, tasks = [], [], self.evaluations()
        for row, task in zip(self.rows(), tasks.values(), strict=True):
            metrics = results.read_metrics(task.folder)
            line: Facts = {"model": row.label}
            text, bounds = dict(line), self.intervals([task])
            for column, value in self.measured(metrics["valid"], metrics.get("test", {})).items():
                numbers, words = tables.interval(column, bounds[column]) if column in bounds else ({}, {})
                line |= {column: value, **numbers}
                text |= {column: value, **words}
            further = self.compared(row, line, [task]) | self.columns(task)
            lines.append(line | further)
            shown.append(text | further)
        frame = pd.DataFrame(lines)
        caveats = tables.caveats({label: task.folder for label, task in tasks.items()})
        remarks = (*self.measured_on(), *self.remarks, *caveats)
        tables.write(out, f"{self.title}: {self.subject}", frame, remarks, pd.DataFrame(shown))
        storage.note(out, rows=len(frame))

    def measured(self, valid: Facts, test: Facts) -> Facts:
        """Columns from the metrics of validation and test."""
        return {
            "validation F1": valid["sample_f1"],
            "test F1": test.get("sample_f1"),
            "micro F1": valid["micro_f1"],
            "mean set": valid["mean_set"],
        }

    def columns(self, task: Evaluate) -> Facts:
        """Further columns of the row that `task` fills."""
        return {}

    def intervals(self, runs: Sequence[Evaluate]) -> dict[str, tuple[float, float]]:
        """Column -> 95 % interval of its measure, mean over `runs`, of the columns that have one."""
        from glc.report import tables

        known = tables.intervals([run.folder for run in runs])
        return {
            column: known[split][measure]
            for column, (split, measure) in self.measures.items()
            if measure in known.get(split, {})
        }

    def compared(self, row: Row, figures: Facts, runs: Sequence[Evaluate]) -> Facts:
        """Columns from the leaderboard's scores on: the paper's figures, how ours compare, and the settings of ours.

        figures : column -> our figure of the row that `runs` fill, one for each seed; empty for a row without a score
        """
        task = runs[0]
        given = self.scores_of_leaderboard().get(row.label, {})
        scores = {column: given.get(column) for column in papers.LEADERBOARD}
        same_data, reported = self.has_papers_data(task), self.reported(row)
        comparable = {column: value for column, value in figures.items() if self._is_comparable(column, task)}
        intervals = self.intervals(runs) if same_data and figures else {}
        columns = scores | {
            "paper": reported.text,
            "compared": papers.compare(reported, comparable | scores, intervals, same_data=same_data),
            "setting": self.setting_of(row),
            "split": _split(task),
        }
        if self.submissions:
            path = task.clone(Submission).published()[0].path
            columns["submission"] = path.relative_to(self.root).as_posix()
        return columns

    def has_papers_data(self, task: Evaluate) -> bool:
        """Whether the paper measured on the surveys of `task`; a virtual world is never that."""
        if self.virtual or self.paper is None:
            return False
        facts = self._facts_of_surveys(task)
        return self.paper.has_data(facts["edition"], facts["datasets"][facts["train"]]["surveys"])

    def _is_comparable(self, column: str, task: Evaluate) -> bool:
        """Whether a column is of the paper's split, if the data are the paper's."""
        if column.startswith("test "):  # not where surveys for training were held out in place of a test
            facts = self._facts_of_surveys(task)
            return bool(facts["datasets"].get(facts["test"], {}).get("surveys"))
        return self.paper is not None and self.paper.has_split(config.to_dict(task.validation))

    def setting_of(self, row: Row) -> str:
        """What differs from the paper, of the row and of the whole run, or *as published*; *ours* for other rows."""
        if not self.reported(row).text:
            return row.setting or (papers.OURS if self.paper else "")
        validation = config.to_dict(config.load(row.experiment).validation)
        differs = (row.setting, self.paper.other_split(validation) if self.paper else "", self.reduced)
        return "; ".join(part for part in differs if part and part != papers.AS_PUBLISHED) or papers.AS_PUBLISHED

    def measured_on(self) -> list[str]:
        """Sentences on what the paper's figures, and ours, were measured on."""
        if not any(self.reported(row).text for row in self.rows()):
            return []
        facts = self._facts_of_surveys(next(iter(self.evaluations().values())))
        surveys = facts["datasets"][facts["train"]]["surveys"]
        ours = f"Ours: {self.subject}, edition {facts['edition']}, {surveys:,} training surveys."
        if self.paper is None:
            return [ours, papers.LEGEND]
        return [f"Paper: {self.paper.data}; {self.paper.split}; {self.paper.score}.", ours, papers.LEGEND]

    def results(self) -> list[str]:
        """The table, where it is, and where the submissions of its rows are."""
        files = [f"submission {task.published()[0].path}  ({label})" for label, task in self.submission_tasks().items()]
        return [*super().results(), *files]

    def _facts_of_surveys(self, task: Evaluate) -> Facts:
        """What is known of the surveys that `task` reads: the edition, and counts by dataset."""
        return storage.manifest(task.clone(Surveys).folder)


def _split(task: Evaluate) -> str:
    """Scheme and folds of a validation, and whether the evaluated fold also stopped the training."""
    validation = task.validation
    own = ", which also stop the training" if task.stop == "own" else ""
    return f"{validation.scheme}, {validation.run} of {validation.count} folds{own}"


class CostTable(Table):
    """A table that also says what each row takes.

    Time and memory are those of fitting and scoring a model: all folds, and the test. Of a stack or blend they are
    those of the joining alone.
    """

    def columns(self, task: Evaluate) -> Facts:
        from glc.report.tables import costs

        return costs([step.folder for step in model_steps(task)])


def model_steps(task: Evaluate) -> list[GlcTask]:
    """The tasks that fit and score the model of an `Evaluate`."""
    if registry.models.get(task.settings.model.name).kind != "net":
        return [task.predictions().scores()]
    trainings = all_stages(task)
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
        chosen = self.chosen()
        if not chosen:
            raise ConfigError(f"--only: found {self.only!r}, expected a part of one of: {', '.join(self.labels())}")
        return chosen

    def chosen(self) -> list[Row]:
        """The lines that ``--only`` names, which may be none."""
        rows = self.all_rows()
        labels = [row.label.lower() for row in rows]
        parts = self.only.lower().split("|")
        return [
            row
            for row, label in zip(rows, labels, strict=True)
            if any(part == label or (part in label and part not in labels) for part in parts)
        ]

    def every_row(self) -> list[Row]:
        return self.all_rows()

    def runs(self) -> dict[str, list[Evaluate]]:
        """Label of a row -> the `Evaluate` of each seed."""
        return {
            row.label: [self.evaluation(row.experiment.changed(train={"seed": seed})) for seed in range(self.seeds)]
            for row in self.rows()
        }

    def evaluations(self) -> dict[str, Evaluate]:
        """Label of a row -> the `Evaluate` of its first seed, whose submission is written."""
        return {label: runs[0] for label, runs in self.runs().items()}

    def requires(self) -> Requirements:
        return self.runs() | self.required_submissions()

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

        tasks = self.runs()
        rows = [
            tables.SeedRow(
                row.label, self._over(row), [run.folder for run in tasks[row.label]], self._after_gains(row, tasks)
            )
            for row in self.rows()
        ]
        frame, shown = tables.seed_table(rows)
        title = f"{self.title}: {self.subject}, {self.seeds} {'seed' if self.seeds == 1 else 'seeds'}"
        caveats = tables.caveats({label: runs[0].folder for label, runs in tasks.items()})
        tables.write(out, title, frame, (*self.measured_on(), *tables.SEEDS, *self.remarks, *caveats), shown)
        storage.note(out, rows=len(frame), seeds=self.seeds)

    def _after_gains(self, row: Row, tasks: Mapping[str, list[Evaluate]]) -> Callable[[Facts], Facts]:
        runs = tasks[row.label]
        costs = self.row_costs(runs) | self.columns(runs[0])
        return lambda figures: self.compared(row, figures, runs) | costs

    def row_costs(self, runs: list[Evaluate]) -> Facts:
        """What the nets behind the `Evaluate` of each seed take."""
        from glc.report.tables import net_costs

        return net_costs(
            [[fit.folder for fit in fits(run)] for run in runs],
            [scores.folder for run in runs for scores in fold_scores(run)],
            results.read_metrics(runs[0].folder)["valid"]["surveys"],
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
