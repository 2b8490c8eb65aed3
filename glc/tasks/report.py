"""An experiment's story as one HTML page: ``ROOT/reports/<dataset>/<experiment>/index.html``."""

from pathlib import Path

from glc import registry
from glc.tasks.applicability import Applicability
from glc.tasks.base import GlcTask, Published
from glc.tasks.evaluate import Baselines, Evaluate
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.scores import ClassicalScores, Predictions
from glc.tasks.surveys import Folds
from glc.tasks.training import fits


class Report(ExperimentProduct):
    """The report of an experiment on a dataset."""

    @property
    def kind(self) -> str:
        """Kind of the experiment's model."""
        return registry.models.get(self.settings.model.name).kind

    def compared(self) -> dict[str, Evaluate]:
        """The evaluations that this one is compared with, by the experiment's name."""
        return {name: self.clone(Evaluate, experiment=name) for name in self.settings.compare_with}

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
            **optional,
        )
        render = suitability.render if self.presence_only else page.render
        (out / "index.html").write_text(render(story), encoding="utf-8")
