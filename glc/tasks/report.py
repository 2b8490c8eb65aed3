"""An experiment's story as one HTML page: ``ROOT/reports/<dataset>/<experiment>/index.html``."""

import logging
from pathlib import Path

from glc import registry, storage
from glc.errors import DamagedError
from glc.tasks.applicability import Applicability
from glc.tasks.base import GlcTask, Published
from glc.tasks.evaluate import Baselines, Evaluate
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.scores import ClassicalScores, EnsembleScores, Predictions
from glc.tasks.surveys import Folds
from glc.tasks.training import fits
from glc.tasks.value_tables import value_tables
from glc.types import JSON, Facts

log = logging.getLogger(__name__)


class Report(ExperimentProduct):
    """The report of an experiment on a dataset, with the answers of `Explanation` if they were asked for."""

    version = 2

    @property
    def kind(self) -> str:
        """Kind of the experiment's model."""
        return registry.models.get(self.settings.model.name).kind

    def compared(self) -> dict[str, Evaluate]:
        """The evaluations that this one is compared with, by the experiment's name."""
        return {name: self.clone(Evaluate, experiment=name) for name in self.settings.compare_with}

    def parts(self) -> list[ExperimentTask]:
        """The experiments that score: this one, or the members of an ensemble."""
        scores = self.clone(Predictions).scores()
        return list(scores.members.values()) if isinstance(scores, EnsembleScores) else [self]

    def requires(self) -> dict[str, GlcTask]:
        predictions = self.clone(Predictions)
        sets = {} if self.presence_only else {"predictions": predictions}
        needs = super().requires() | sets
        needs |= {
            "metrics": self.clone(Evaluate),
            "baselines": self.clone(Baselines),
            "applicability": self.clone(Applicability),
        }
        needs |= {f"compare with {name}": task for name, task in self.compared().items()}
        if self.kind == "net":
            needs |= {f"fit {task.fold}": task for task in fits(self)}
        elif self.kind == "classical":
            neighbours = self.clone(ClassicalScores).neighbours()
            needs |= {} if neighbours is None else {"neighbours": neighbours}
        else:
            needs["joined"] = predictions.scores()
        return needs

    @property
    def explanation(self) -> Path | None:
        """Answers that were made from this evaluation; None where nobody has asked."""
        folder = self.stable("explain")
        if not storage.exists(folder):
            return None
        try:
            storage.check(folder)
        except DamagedError as error:
            log.warning("%s; the report is made without it: run glc explain again", error.cause)
            return None
        return folder if storage.manifest(folder).get("evaluation") == self.clone(Evaluate).identity else None

    def content(self) -> JSON:
        folder = self.explanation
        return None if folder is None else storage.manifest(folder)["identity"]

    def raw_files(self) -> list[Facts]:
        folder = self.explanation
        return [] if folder is None else [storage.raw_file(folder / storage.MANIFEST)]

    def same_folds(self, other: Evaluate) -> bool:
        """Whether another experiment is validated on the same folds, of which it may run more or fewer."""
        return other.clone(Folds).identity == self.clone(Folds).identity

    def published(self) -> list[Published]:
        return [Published(self.stable("reports") / "index.html", self.folder / "index.html")]

    def write(self, out: Path) -> None:
        from glc.report import page, suitability

        needs = self.requires()
        names = ("predictions", "neighbours", "joined", "applicability")
        optional = {name: needs[name].folder for name in names if name in needs}
        story = page.read(
            experiment=self.settings,
            dataset=self.subject,
            surveys=needs["surveys"].folder,
            folds=needs["folds"].folder,
            metrics=needs["metrics"].folder,
            baselines=needs["baselines"].folder,
            compared={name: task.folder for name, task in self.compared().items() if self.same_folds(task)},
            elsewhere={name: task.folder for name, task in self.compared().items() if not self.same_folds(task)},
            fits={task.fold: task.folder for task in fits(self)} if self.kind == "net" else {},
            explanation=self.explanation,
            tables=value_tables(self.parts()),
            joins=tuple(part.settings for part in self.parts() if part.settings != self.settings),
            **optional,
        )
        render = suitability.render if self.presence_only else page.render
        (out / "index.html").write_text(render(story), encoding="utf-8")
