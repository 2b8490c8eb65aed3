"""Predictions compared with what is known, and with the frequency baselines."""

from pathlib import Path

from glc import config, registry, storage
from glc.tasks.base import GlcTask, Published
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.scores import Predictions
from glc.tasks.surveys import ReadsTruth, Surveys


class Baselines(ReadsTruth, ExperimentTask):
    """The frequency baselines on the same validation folds and test."""

    sections = ("validation.run",)

    def write(self, out: Path) -> None:
        from glc.evaluation import baselines

        baselines.write(self.read_surveys(), out, range(self.validation.run), self.read_truth())


class Evaluate(ReadsTruth, ExperimentProduct):
    """Metrics on validation, and on the test where its truth exists: ``ROOT/metrics/<dataset>/<experiment>.json``."""

    sections = ("validation.stop",)
    version = 4

    def predictions(self) -> Predictions:
        """The sets that are evaluated."""
        return self.clone(Predictions)

    @property
    def stop(self) -> str:
        """Which fold stopped the training; next where nothing is trained by steps."""
        kind = registry.models.get(self.settings.model.name).kind
        return "next" if kind == "classical" else self.validation.stop

    def requires(self) -> dict[str, GlcTask]:
        predictions = self.predictions()
        return super().requires() | {"predictions": predictions, "scores": predictions.scores()}

    def published(self) -> list[Published]:
        return [Published(self.stable("metrics", ".json"), self.folder / "metrics.json")]

    def write(self, out: Path) -> None:
        from glc.evaluation import evaluate

        metrics = evaluate.write(
            self.input()["predictions"].path,
            self.input()["scores"].path,
            self.read_surveys(),
            out,
            truth=self.read_truth(),
            unscored=storage.manifest(self.clone(Surveys).folder)["unscored"],
            scheme=self.validation.scheme,
            stop=self.stop,
        )
        scores = ", ".join(f"{split} F1 {metrics[split]['sample_f1']:.4f}" for split in evaluate.splits(metrics))
        caveat = config.caveat(self.validation.scheme, self.stop)
        self.status(f"{self.settings.name}: {scores}{f' ({caveat})' if caveat else ''}")
