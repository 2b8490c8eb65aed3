"""Scores to what a user takes home: predictions, metrics, the submission and the report."""

import json

from glc import config, editions, registry, storage, world
from glc.tasks.base import VIRTUAL, ExperimentTask, Published, SectionParameter
from glc.tasks.scores import ClassicalScores, Fit, NetScores, NetTask
from glc.tasks.stack import BlendScores, StackScores
from glc.tasks.surveys import Folds, Surveys, TruthMixin

SCORES = {"classical": ClassicalScores, "net": NetScores, "stack": StackScores, "blend": BlendScores}
"""The task that scores a model, by its kind."""

SPLITS = {"valid": "validation", "test": "test", "optimistic": "validation, by nets that saw its labels:"}


class Predictions(NetTask):
    """Species sets of the validation surveys (honest: by a decoder fitted on other folds or blocks) and of the test."""

    fold = None
    decode = SectionParameter(config.Choice, default=config.Choice("expected_f1"), description="the [decode] section")
    postprocess = SectionParameter(
        config.Choice, default=config.Choice("none"), description="the [postprocess] section"
    )

    def requires(self):
        return super().requires() | {"scores": self.clone(SCORES[self.member.kind])}

    def own_parameters(self):
        return {"decode": config.canonical(self.decode), "postprocess": config.canonical(self.postprocess)}

    def write(self, out):
        from glc.prediction import sets

        self.status(f"deciding sets by {self.decode.name}", 10)
        correction = None
        if self.postprocess.name != "none":
            correction = config.options(
                registry.corrections.get(self.postprocess.name), self.postprocess, "postprocess"
            )
        facts = sets.write(self.input()["scores"].path, self.read_surveys(), out, self.decode, correction)
        storage.note(out, **facts)


class ExperimentProduct(ExperimentTask):
    """A product made of an experiment's predictions."""

    def sections(self):
        """The experiment's sections, as parameters of the tasks below."""
        s = self.settings
        return {
            "surveys": s.surveys,
            "validation": s.validation,
            "model": s.model,
            "scores": s.scores,
            "po": s.po,
            "inputs": s.inputs,
            "pretrain": s.pretrain,
            "train": s.train,
            "cross_fusion": s.cross_fusion,
            "predict": s.predict,
            "decode": s.decode,
            "postprocess": s.postprocess,
            "label": s.name,
        }

    def below(self, task, **parameters):
        """The `task` of this experiment, with `parameters` changed."""
        known = {name for name, _ in task.get_params()}
        wanted = {name: value for name, value in (self.sections() | parameters).items() if name in known}
        return self.clone(task, **wanted)

    def read_surveys(self):
        """The dataset's surveys with their folds."""
        from glc import surveys

        return surveys.read(self.below(Surveys).folder, self.below(Folds).folder)


class Evaluate(TruthMixin, ExperimentProduct):
    """Metrics on validation, and on the test where its truth exists: ``ROOT/metrics/<dataset>/<experiment>.json``."""

    def requires(self):
        predictions = self.below(Predictions)
        return {
            "predictions": predictions,
            "scores": predictions.requires()["scores"],
            "surveys": self.below(Surveys),
            "folds": self.below(Folds),
        }

    def published(self):
        return [Published(self.stable("metrics", f"{self.settings.name}.json"), self.folder / "metrics.json")]

    def write(self, out):
        from glc.evaluation import evaluate

        result = evaluate.write(
            self.input()["predictions"].path,
            self.input()["scores"].path,
            self.read_surveys(),
            out,
            truth=self.read_truth(),
        )
        told = ", ".join(f"{split} F1 {values['sample_f1']:.4f}" for split, values in result.items())
        self.status(f"{self.settings.name}: {told}")


class Submission(ExperimentProduct):
    """The validated file ``ROOT/submissions/<dataset>/<experiment>.csv``, with its metrics and report.

    Its format is the edition's: Kaggle's species sets, or the ranked species with their scores of 2020.
    """

    @property
    def ranked(self):
        """Whether the experiment, or else the dataset's edition, wants ranked species with scores."""
        return (self.settings.submission or self.edition.submission) == "ranked"

    @property
    def edition(self):
        """The dataset's edition."""
        if self.dataset.startswith(VIRTUAL):
            return registry.editions.get(world.SIZES[self.dataset.removeprefix(VIRTUAL)].edition)
        return editions.recognise(self.dataset).edition

    def more_identity(self):
        return "ranked" if self.ranked else self.edition.set_columns

    def requires(self):
        from glc.tasks.report import Report

        predictions = self.below(Predictions)
        needs = {
            "predictions": predictions,
            "surveys": self.below(Surveys),
            "folds": self.below(Folds),
            "metrics": self.clone(Evaluate),
            "report": self.clone(Report),
        }
        return needs | ({"scores": predictions.requires()["scores"]} if self.ranked else {})

    def published(self):
        return [Published(self.stable("submissions", f"{self.settings.name}.csv"), self.folder / "submission.csv")]

    def write(self, out):
        from glc import submission

        data = self.read_surveys()
        known = {"expected": data.places["surveyId"].to_numpy()[data.test], "species": data.species}
        if self.ranked:
            from glc import scores

            facts = submission.write_ranked(
                scores.read(self.input()["scores"].path / "test"), out / "submission.csv", **known
            )
        else:
            table = storage.read_table(self.input()["predictions"].path / "test", "predictions")
            facts = submission.write(
                table["surveyId"].to_pylist(),
                table["species"].to_pylist(),
                out / "submission.csv",
                header=self.edition.set_columns,
                **known,
            )
        storage.note(out, **facts)

    def results(self):
        """Lines that say where the results are, and the scores."""
        metrics = json.loads(self.stable("metrics", f"{self.settings.name}.json").read_text())
        told = ", ".join(
            f"{SPLITS[split]} F1 {values['sample_f1']:.4f}"
            + (f" [{values['sample_f1_low']:.4f}, {values['sample_f1_high']:.4f}]" if "sample_f1_low" in values else "")
            for split, values in metrics.items()
        )
        name = self.settings.name
        return [
            f"{name} on {self.dataset_name}: {told}",
            f"  submission {self.stable('submissions', f'{name}.csv')}",
            f"  scores     {self.stable('metrics', f'{name}.json')}",
            f"  report     {self.stable('reports', name) / 'index.html'}",
            *self._left_out(),
        ]

    def _left_out(self):
        if registry.models.get(self.settings.model.name).kind != "net":
            return []
        names = self.below(Fit).left_out
        return [f"  left out, for the dataset has none: {', '.join(names)}"] if names else []


__all__ = ["Evaluate", "ExperimentProduct", "Predictions", "Submission"]
