"""The ecologist's questions to a fitted experiment: ``ROOT/explain/<dataset>/<experiment>/``."""

import json
from pathlib import Path

import luigi

from glc import storage
from glc.tasks.base import GlcTask, Outputs
from glc.tasks.evaluate import Evaluate
from glc.tasks.experiment import ExperimentProduct
from glc.tasks.importance import Importance
from glc.tasks.model import Model
from glc.tasks.outputs import Output, PublishedFolder
from glc.tasks.parameters import CountParameter
from glc.tasks.scores import Predictions
from glc.tasks.surveys import Folds, Surveys
from glc.tasks.value_tables import value_tables

ODMAP, CITATION, BIBTEX = "odmap.csv", "citation.md", "citation.bib"


class SpeciesParameter(luigi.Parameter[tuple[str, ...]]):
    """Ids or names of species: one, or a JSON list of several."""

    def normalize(self, x: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
        return self.parse(x) if isinstance(x, str) else tuple(map(str, x))

    def parse(self, x: str) -> tuple[str, ...]:
        if x.lstrip().startswith("["):
            return tuple(map(str, json.loads(x)))
        return (x,) if x.strip() else ()

    def serialize(self, x: tuple[str, ...]) -> str:
        return json.dumps(list(x))


class Explanation(ExperimentProduct):
    """Response curves, permutation importance of inputs, species' maps, ODMAP and a citation, as tables.

    The tables are also at ``ROOT/explain/<dataset>/<experiment>/``, where the next report of the experiment finds them.
    """

    species = SpeciesParameter(default=(), description="ids or names, a JSON list; default: the most frequent ones")
    count = CountParameter(default=2, description="most frequent species that are explained if none are named")
    repeats = CountParameter(default=5, description="permutations per input and fold")
    most = CountParameter(least=20, default=1_000, description="validation surveys per fold, at most")
    background = CountParameter(default=200, description="training surveys over which a curve is the mean")

    def requires(self) -> dict[str, GlcTask]:
        sets: dict[str, GlcTask] = {} if self.presence_only else {"predictions": self.clone(Predictions)}
        return sets | {
            "surveys": self.clone(Surveys),
            "folds": self.clone(Folds),
            "model": self.clone(Model),
            "importance": self.clone(Importance, repeats=self.repeats, most=self.most),
            "metrics": self.clone(Evaluate),
        }

    @property
    def explanation_folder(self) -> Path:
        """The stable place."""
        return self.stable("explain")

    def output(self) -> Outputs:
        return [Output(self.folder), *self.published()]

    def published(self) -> list[PublishedFolder]:  # type: ignore[override]  # a folder is as good as a file
        return [PublishedFolder(self.explanation_folder, self.folder)]

    def write(self, out: Path) -> None:
        from glc.explain.citation import citation
        from glc.explain.explanation import Explanation as Answers
        from glc.explain.importance import Importance as Measured
        from glc.explain.odmap import odmap
        from glc.explain.response import chosen
        from glc.explain.run import Run
        from glc.fitted.load import load

        needs = self.requires()
        fitted = load(needs["model"].folder, self.imagery_folder)
        answers = Answers.made(
            fitted,
            chosen(fitted, self.species, self.count),
            Measured.read(needs["importance"].folder),
            background=self.background,
            progress=self.status,
        )
        answers.write(out)
        joined = tuple(part.settings for part in self.clone(Model).parts() if part.settings != self.settings)
        run = Run.read(
            self.settings,
            self.subject,
            surveys=needs["surveys"].folder,
            folds=needs["folds"].folder,
            metrics=needs["metrics"].folder,
            predictions=needs["predictions"].folder if "predictions" in needs else None,
            tables=value_tables(self.clone(Model).parts()),
            members=joined,
            answers=answers,
        )
        storage.write_csv(odmap(run).drop(columns="source"), out / ODMAP)
        cited = citation(self.subject, run.surveys, [part.description for part in (self.settings, *joined)])
        (out / CITATION).write_text(cited.text(), encoding="utf-8")
        (out / BIBTEX).write_text(cited.bibtex(), encoding="utf-8")
        storage.note(out, evaluation=needs["metrics"].identity)

    def results(self) -> list[str]:
        """Where the tables are."""
        return [f"explanation {self.explanation_folder}"]
