"""An experiment's story as one HTML page: ``ROOT/reports/<dataset>/<experiment>/index.html``."""

import json

from glc import registry, storage
from glc.tasks.base import Published
from glc.tasks.neighbours import Neighbours
from glc.tasks.scores import ClassicalScores, Fit
from glc.tasks.submission import Evaluate, ExperimentProduct, Predictions
from glc.tasks.surveys import Folds, RunFoldsTask, Surveys, TruthMixin


class Floor(TruthMixin, RunFoldsTask):
    """The frequency baselines on the same validation folds and test."""

    def write(self, out):
        from glc.evaluation import baselines

        baselines.write(self.read_surveys(), out, range(self.validation.run), self.read_truth())


class Report(ExperimentProduct):
    """The report of an experiment on a dataset."""

    def requires(self):
        member = registry.models.get(self.settings.model.name)
        needs = {
            "surveys": self.below(Surveys),
            "folds": self.below(Folds),
            "predictions": self.below(Predictions),
            "metrics": self.clone(Evaluate),
            "floor": self.below(Floor),
        }
        needs |= {f"beside {name}": self.clone(Evaluate, experiment=name) for name in self.settings.compare_with}
        if member.kind == "net":
            needs |= {f"fit {fold}": self.below(Fit, fold=fold) for fold in range(self.settings.validation.run)}
        elif member.kind in ("stack", "blend"):
            needs["joined"] = needs["predictions"].requires()["scores"]
        elif member.kind == "classical":
            wanted = self.below(ClassicalScores).fitted.neighbours()
            if wanted is not None:
                needs["neighbours"] = self.below(Neighbours, neighbours=wanted)
        return needs

    def same_folds(self, other):
        """Whether the experiment `other` is validated on the same folds, of which it may run more or fewer."""
        return other.below(Folds).identity == self.below(Folds).identity

    def published(self):
        return [Published(self.stable("reports", self.settings.name) / "index.html", self.folder / "index.html")]

    def write(self, out):
        import pandas as pd

        from glc.report import page

        needs = self.requires()
        fits = [task for name, task in needs.items() if name.startswith("fit")]
        story = page.Story(
            experiment=self.settings,
            dataset=self.dataset_name,
            surveys=storage.manifest(needs["surveys"].folder),
            quarantine=storage.read_table(needs["surveys"].folder / "quarantine", "quarantine").to_pandas(),
            folds=storage.manifest(needs["folds"].folder),
            metrics=json.loads((needs["metrics"].folder / "metrics.json").read_text()),
            per_survey=pd.read_parquet(needs["metrics"].folder / "surveys.parquet"),
            floor=json.loads((needs["floor"].folder / "floor.json").read_text()),
            decoder=storage.manifest(needs["predictions"].folder)["fitted"],
            neighbours=storage.manifest(needs["neighbours"].folder) if "neighbours" in needs else None,
            beside={
                name: pd.read_parquet(task.folder / "surveys.parquet") if self.same_folds(task) else None
                for name, task in ((name, needs[f"beside {name}"]) for name in self.settings.compare_with)
            },
            members={
                fold: told["members"] for fold, told in storage.manifest(needs["joined"].folder)["model_facts"].items()
            }
            if "joined" in needs
            else {},
            histories={task.fold: pd.read_csv(task.folder / "history.csv") for task in fits},
        )
        (out / "index.html").write_text(page.render(story), encoding="utf-8")
