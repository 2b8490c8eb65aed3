"""Predictions, or scores of relative suitability, compared with what is known, and with the frequency baselines."""

from pathlib import Path

from glc import config, registry, storage
from glc.evaluation import per_species
from glc.surveys import read_species
from glc.tasks.base import GlcTask, Published
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.scores import Predictions
from glc.tasks.surveys import ReadsTruth, Surveys


class Baselines(ReadsTruth, ExperimentTask):
    """The frequency baselines on the same validation folds and test."""

    sections = ("validation.run",)

    def write(self, out: Path) -> None:
        from glc.evaluation import baselines

        write = baselines.write_relative if self.presence_only else baselines.write
        write(self.read_surveys(), out, range(self.validation.run), self.read_truth())


class Evaluate(ReadsTruth, ExperimentProduct):
    """Metrics on validation, and on the test where its truth exists: ``ROOT/metrics/<dataset>/<experiment>.json``.

    The area under the ROC curve of each species on validation is the table ``<experiment>.species.csv`` there.
    Of presence-only records alone no sets are decided: the scores themselves are evaluated
    (`glc.evaluation.suitability`).
    """

    sections = ("validation.stop",)
    version = 6

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
        sets = {} if self.presence_only else {"predictions": predictions}
        return super().requires() | sets | {"scores": predictions.scores()}

    def published(self) -> list[Published]:
        return [
            Published(self.stable("metrics", ".json"), self.folder / "metrics.json"),
            Published(self.stable("metrics", ".species.csv"), self.folder / per_species.TABLE),
        ]

    def write(self, out: Path) -> None:
        caveat = config.caveat(self.validation.scheme, self.stop)
        texts = self._write_relative(out) if self.presence_only else self._write_sets(out)
        self.status(f"{self.settings.name}: {texts}{f' ({caveat})' if caveat else ''}")

    def _write_relative(self, out: Path) -> str:
        from glc.evaluation import suitability

        names = read_species(self.clone(Surveys).folder)
        metrics = suitability.write(
            self.input()["scores"].path,
            self.read_surveys(),
            out,
            truth=self.read_truth(),
            scheme=self.validation.scheme,
            stop=self.stop,
            names=names,
        )
        per_species.write(suitability.by_species(out), names, out)
        return f"relative suitability: {suitability.in_words(metrics)}"

    def _write_sets(self, out: Path) -> str:
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
            names=read_species(self.clone(Surveys).folder),
        )
        return ", ".join(f"{split} F1 {metrics[split]['sample_f1']:.4f}" for split in evaluate.splits(metrics))
