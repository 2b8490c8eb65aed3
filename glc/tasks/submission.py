"""The validated submission of an experiment, with its metrics and report."""

import json
from pathlib import Path

from glc import config, editions, registry, storage, world
from glc.editions import Edition
from glc.tasks.base import GlcTask, Published
from glc.tasks.evaluate import Evaluate
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.report import Report
from glc.tasks.scores import EnsembleScores, Predictions
from glc.tasks.surveys import Surveys
from glc.tasks.training import Fit
from glc.types import JSON, Facts

NO_SUBMISSION = "of presence-only records alone no set of species can be decided"
SPLITS = {"valid": "validation", "test": "test", "optimistic": "validation, by nets that saw its labels:"}


class Submission(ExperimentProduct):
    """The validated file ``ROOT/submissions/<dataset>/<experiment>.csv``, with its metrics and report.

    Its format is the edition's: Kaggle's species sets, or the ranked species with their scores of 2020. There is no
    such file of presence-only records alone, because no set of species can be decided: metrics and report are the
    result.
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

    def content(self) -> JSON:
        if self.presence_only:
            return "none"
        return "ranked" if self.ranked else self.edition.set_columns

    def requires(self) -> dict[str, GlcTask]:
        predictions = self.clone(Predictions)
        needs = super().requires() | ({} if self.presence_only else {"predictions": predictions})
        needs |= {"metrics": self.clone(Evaluate), "report": self.clone(Report)}
        return needs | ({"scores": predictions.scores()} if self.ranked and not self.presence_only else {})

    def published(self) -> list[Published]:
        if self.presence_only:
            return []
        return [Published(self.stable("submissions", ".csv"), self.folder / "submission.csv")]

    def write(self, out: Path) -> None:
        if self.presence_only:
            storage.note(out, unscored=[])
            return
        from glc import scores, submission

        path, surveys = out / "submission.csv", self.clone(Surveys).folder
        ids = storage.read_table(surveys / "test_ids", "test_ids")["surveyId"].to_pylist()
        wanted = submission.expected(ids, self.read_surveys())
        if self.ranked:
            facts = submission.write_ranked(scores.read(self.input()["scores"].path / "test"), path, wanted)
        else:
            table = storage.read_table(self.input()["predictions"].path / "test", "predictions")
            lists = table["species"].to_pylist()
            facts = submission.write_sets(
                table["surveyId"].to_pylist(), lists, path, wanted, header=self.edition.set_columns
            )
        storage.note(out, **facts, unscored=wanted.unread)

    def results(self) -> list[str]:
        """Lines that say where the results are, and the scores."""
        metrics = json.loads(self.stable("metrics", ".json").read_text())
        submission, kind = str(self.stable("submissions", ".csv")), ""
        if self.presence_only:
            submission, kind = f"none: {NO_SUBMISSION}", "relative suitability, "
        return [
            f"{self.settings.name} on {self.subject}: {kind}{in_words(metrics)}",
            f"  submission {submission}",
            f"  scores     {self.stable('metrics', '.json')}",
            f"  report     {self.stable('reports') / 'index.html'}",
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
    return f"{suitability.in_words(metrics)}{f' ({caveat})' if caveat else ''}"


def f1_of_splits(metrics: Facts) -> str:
    """Each split's F1 with its interval, if it has one.

    metrics : what `glc.evaluation.evaluate.write` returns
    """
    caveat, texts = config.caveat(metrics["scheme"], metrics["stop"]), []
    for split, name in SPLITS.items():
        if split in metrics:
            values = metrics[split]
            text = f"{name} F1 {values['sample_f1']:.4f}"
            if "sample_f1_low" in values:
                text += f" [{values['sample_f1_low']:.4f}, {values['sample_f1_high']:.4f}]"
            texts.append(f"{text} ({caveat})" if caveat and split == "valid" else text)
    return ", ".join(texts)
