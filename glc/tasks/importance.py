"""Permutation importance of an experiment's inputs on held-out blocks."""

from pathlib import Path

from glc import scratch, storage
from glc.tasks import fitted_parts
from glc.tasks.base import GlcTask
from glc.tasks.experiment import ExperimentTask
from glc.tasks.parameters import CountParameter


class Importance(ExperimentTask):
    """How much the score on held-out blocks falls when an input's values change places: ``importance.csv``.

    Measured with validation labels and the model of the fold that has not seen them; never with labels of a test.
    `Applicability` weights predictors by it, for which the defaults suffice; `Explanation` shows that of more.
    """

    repeats = CountParameter(default=2, description="permutations per input and fold")
    most = CountParameter(least=20, default=500, description="validation surveys per fold, at most")

    def requires(self) -> dict[str, GlcTask]:
        return super().requires() | fitted_parts.needs_of(self)

    def write(self, out: Path) -> None:
        from glc.explain import importance
        from glc.fitted.load import load

        with scratch.folder(self.root, "importance") as folder:
            self.status("reading the models of the folds")
            with storage.atomic_directory(folder / "model") as model:
                fitted_parts.write(self, model, None, {"scores": "not measured"})
            measured = importance.measured(
                load(folder / "model", self.imagery_folder),
                repeats=self.repeats,
                surveys=self.most,
                progress=self.status,
            )
        measured.write(out)
        storage.note(out, measure=measured.measure, score=measured.score, surveys=measured.surveys)
