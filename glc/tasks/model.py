"""A fitted experiment as one folder: ``ROOT/models/<dataset>/<experiment>/``."""

import shlex
import shutil
from pathlib import Path

from glc import storage
from glc.prediction import sets
from glc.results import read_metrics
from glc.tasks import fitted_parts
from glc.tasks.applicability import Applicability
from glc.tasks.base import GlcTask, Outputs
from glc.tasks.evaluate import Evaluate
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.outputs import Output, PublishedFolder
from glc.tasks.scores import Predictions
from glc.tasks.submission import in_words
from glc.tasks.surveys import Surveys
from glc.tasks.wandb import after_experiment
from glc.types import Facts


class Model(ExperimentProduct):
    """A fitted experiment, which ``glc.load(FOLDER)`` reads: on any machine, without Luigi and Spark."""

    version = 1

    def requires(self) -> dict[str, GlcTask]:
        predictions = self.clone(Predictions)
        decided = {} if self.presence_only else {"predictions": predictions}
        needs = super().requires() | decided | fitted_parts.needs_of(self)
        return needs | {"metrics": self.clone(Evaluate), "applicability": self.clone(Applicability)}

    def parts(self) -> list[ExperimentTask]:
        """The experiments that score: this one, or the members of an ensemble."""
        return fitted_parts.parts_of(self)

    @property
    def model_folder(self) -> Path:
        """The stable place of the folder."""
        return self.stable("models")

    def output(self) -> Outputs:
        return [Output(self.folder), *self.published()]

    def raw_files(self) -> list[Facts]:
        # by them `glc predict` knows whether the dataset has changed since
        return self.clone(Surveys).raw_files()

    def published(self) -> list[PublishedFolder]:  # type: ignore[override]  # a folder is as good as a file
        return [PublishedFolder(self.model_folder, self.folder)]

    def followers(self) -> list[GlcTask]:
        return after_experiment(self)

    def write(self, out: Path) -> None:
        from glc.applicability import area

        evaluated = read_metrics(self.clone(Evaluate).folder)
        decoder = None if self.presence_only else self.clone(Predictions).folder / sets.DECODER
        facts: Facts = {
            "scores": in_words(evaluated),
            "provenance": {
                "surveys": self.clone(Surveys).identity,
                "scores": self.clone(Predictions).scores().identity,
                "model": self.identity,
                "checkout": storage.checkout(),
            },
        }
        written = fitted_parts.write(self, out, decoder, facts)
        shutil.copyfile(self.clone(Applicability).folder / area.FILE, out / area.FILE)
        storage.note(out, **written)

    def results(self) -> list[str]:
        """Lines that say where the folder is and how to use it."""
        experiment = shlex.quote(str(self.experiment))  # the path of a TOML, not the name in it
        return [
            f"{self.settings.name} on {self.subject}: fitted experiment {self.model_folder}",
            f'  glc predict {experiment} --dataset {self.dataset} --lon … --lat …, or glc.load("…").predict(…)',
        ]
