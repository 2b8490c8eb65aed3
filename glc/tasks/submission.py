"""The validated submission of an experiment, with its metrics and report."""

from pathlib import Path

from glc import config, editions, registry, schema, storage, world
from glc.editions import Edition
from glc.results import read_metrics
from glc.surveys import read_survey_names
from glc.tasks.base import GlcTask, Published
from glc.tasks.evaluate import Evaluate
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.report import Report
from glc.tasks.scores import EnsembleScores, Predictions
from glc.tasks.surveys import Surveys
from glc.tasks.training import Fit
from glc.tasks.wandb import after_experiment
from glc.types import JSON, Facts

NO_SUBMISSION = "of presence-only records alone no set of species can be decided"
OPTIMISTIC = "validation, by nets that saw its labels:"


class Submission(ExperimentProduct):
    """The validated file ``ROOT/submissions/<dataset>/<experiment>.csv``, with its metrics and report.

    Its format is the edition's: Kaggle's species sets, or the ranked species with their scores of 2020. An edition with
    several tests has a file per test, ``<experiment>-ood.csv``. There is none
    of presence-only records alone, because no set of species can be decided: metrics and report are the result.
    """

    @property
    def ranked(self) -> bool:
        """Whether the experiment, or otherwise the dataset's edition, wants ranked species with scores."""
        return (self.settings.submission or self.edition.submission) == "ranked"

    @property
    def edition(self) -> Edition:
        """The dataset's edition."""
        if self.virtual:
            return registry.editions.get(world.SIZES[self.virtual].edition)
        return editions.recognise(self.dataset).edition

    @property
    def tests(self) -> dict[str, str]:
        """Name of each test, as `SurveyData.tests` has it -> its dataset; a held-out test has none."""
        edition = self.edition
        if self.virtual:
            datasets = [table.dataset for table in edition.tables if schema.is_test(table.dataset, edition.test)]
        else:
            datasets = list(editions.recognise(self.dataset).tests)
        return {f"test{name.removeprefix(edition.test)}": name for name in datasets or [edition.test]}

    def files(self) -> dict[str, Path]:
        """Stable path of the file of each of `tests`."""
        return {
            split: self.stable("submissions", f"{split.removeprefix('test').replace('_', '-')}.csv")
            for split in self.tests
        }

    def content(self) -> JSON:
        if self.presence_only:
            return "none"
        return "ranked" if self.ranked else self.edition.set_columns

    def requires(self) -> dict[str, GlcTask]:
        predictions = self.clone(Predictions)
        needs = super().requires() | ({} if self.presence_only else {"predictions": predictions})
        needs |= {"metrics": self.clone(Evaluate), "report": self.clone(Report)}
        return needs | ({"scores": predictions.scores()} if self.ranked and not self.presence_only else {})

    def followers(self) -> list[GlcTask]:
        return after_experiment(self)

    def published(self) -> list[Published]:
        if self.presence_only:
            return []
        return [Published(path, self.folder / _file_name(split)) for split, path in self.files().items()]

    def write(self, out: Path) -> None:
        if self.presence_only:
            storage.note(out, unscored=[])
            return
        from glc import scores, submission

        surveys, data = self.clone(Surveys).folder, self.read_surveys()
        ids = storage.read_table(surveys / "test_ids", "test_ids").to_pandas()
        names = {file["file"]: file["dataset"] for file in storage.manifest(surveys)["files"]}
        written = read_survey_names(surveys)
        by_split, unread = {}, []
        for split, dataset in self.tests.items():
            path, at = out / _file_name(split), data.tests[split]
            # a file holds one test, and maybe training surveys as well, which have no line here
            own = ids[ids["file"].map(names).eq(dataset)] if len(self.tests) > 1 else ids
            names_of = None
            if written is not None:
                of_split = written[written["dataset"] == (data.train_name if data.held_out else dataset)]
                names_of = dict(zip(of_split["surveyId"].tolist(), of_split["name"], strict=True))
            wanted = submission.expected(own["surveyId"].tolist(), data, split, names_of)
            if self.ranked:
                of_test = scores.read(self.input()["scores"].path / "test").rows(at)
                by_split[split] = submission.write_ranked(of_test, path, wanted)
            else:
                table = storage.read_table(self.input()["predictions"].path / "test", "predictions").take(at)
                lists = table["species"].to_pylist()
                by_split[split] = submission.write_sets(
                    table["surveyId"].to_pylist(),
                    lists,
                    path,
                    wanted,
                    header=self.edition.set_columns,
                    empty=self.edition.contest is None,
                )
            unread += wanted.unread
        facts = by_split.pop("test") if "test" in by_split else {"tests": by_split}
        storage.note(out, **facts, unscored=unread)

    def results(self) -> list[str]:
        """Lines that say where the results are, and the scores."""
        metrics = read_metrics(self.clone(Evaluate).folder)
        submissions = [f"none: {NO_SUBMISSION}"] if self.presence_only else self.files().values()
        return [
            *self.clone(Surveys).results(),
            f"{self.settings.name} on {self.subject}: {in_words(metrics)}",
            *(f"  submission {path}" for path in submissions),
            f"  scores     {self.stable('metrics', '.json')}",
            f"  report     {(self.stable('reports') / 'index.html').as_uri()}",
            *self._left_out(),
            *self._weights(),
            *self._unscored(),
        ]

    def _unscored(self) -> list[str]:
        names = storage.manifest(self.folder)["unscored"]
        if not names:
            return []
        few = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
        return [
            f"  unscored   {len(names):,} test surveys cannot be used and got the most frequent species: {few}",
            '             (why: Quarantine in the report; surveys.incomplete = "fail" stops the run instead)',
        ]

    def _left_out(self) -> list[str]:
        if registry.models.get(self.settings.model.name).kind != "net":
            return []
        names = self.clone(Fit).left_out
        return [f"  skipped (not in this dataset): {', '.join(names)}"] if names else []

    def _weights(self) -> list[str]:
        """Lines on what the nets of images started from: weights, and how they fit; or random ones."""
        tasks: list[ExperimentTask] = [self]
        if registry.models.get(self.settings.model.name).kind == "ensemble":
            tasks = list(self.clone(EnsembleScores).members.values())
        nets = [task for task in tasks if registry.models.get(task.settings.model.name).kind == "net"]
        backbones = [self.clone(Fit, experiment=task.experiment).backbone for task in nets]
        matches = {backbone.name: backbone.check() for backbone in backbones if backbone}
        lines = [f"  weights    {match.note()}" for match in matches.values() if match]
        at_random = [name for name, match in matches.items() if not match]
        if at_random:
            remedy = "--weights-folder FOLDER (make: WEIGHTS=) gives pre-trained ones"
            lines.append(f"  random weights: {', '.join(at_random)}; {remedy}")
        return lines


def in_words(metrics: Facts) -> str:
    """The scores of validation and test, on one line.

    metrics : as `Evaluate` publishes them
    """
    if "relative" not in metrics:
        return f1_of_splits(metrics)
    from glc.evaluation import suitability

    caveat = config.caveat(metrics["scheme"], metrics["stop"])
    return f"relative suitability, {suitability.in_words(metrics)}{f' ({caveat})' if caveat else ''}"


def _file_name(split: str) -> str:
    return f"submission{split.removeprefix('test').replace('_', '-')}.csv"


def f1_of_splits(metrics: Facts) -> str:
    """Each split's F1 with its interval, if it has one.

    metrics : what `glc.evaluation.evaluate.write` returns
    """
    from glc.evaluation import evaluate

    caveat, texts = config.caveat(metrics["scheme"], metrics["stop"]), []
    for split in evaluate.splits(metrics):
        values = metrics[split]
        name = OPTIMISTIC if split == "optimistic" else evaluate.title(split)
        text = f"{name} F1 {values['sample_f1']:.4f}"
        if "sample_f1_low" in values:
            text += f" [{values['sample_f1_low']:.4f}, {values['sample_f1_high']:.4f}]"
        texts.append(f"{text} ({caveat})" if caveat and split == "valid" else text)
    return ", ".join(texts)
