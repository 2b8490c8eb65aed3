"""An experiment's story as one HTML page: ``ROOT/reports/<dataset>/<experiment>/index.html``."""

import logging
import os
import shlex
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from luigi.task import flatten

from glc import registry, storage
from glc.errors import DamagedError
from glc.remote import contest_scores
from glc.surveys import read_species
from glc.tasks.applicability import Applicability
from glc.tasks.base import GlcTask, Published
from glc.tasks.evaluate import Baselines, Evaluate
from glc.tasks.experiment import ExperimentProduct, ExperimentTask
from glc.tasks.scores import ClassicalScores, EnsembleScores, Predictions
from glc.tasks.surveys import Folds, Surveys
from glc.tasks.training import all_stages, fits
from glc.tasks.value_tables import value_tables
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from glc.evaluation.species import SpeciesResults
    from glc.report.other_split import OtherSplit
    from glc.report.story import Made

log = logging.getLogger(__name__)


class Report(ExperimentProduct):
    """The report of an experiment on a dataset, with the answers of `Explanation` if they were asked for."""

    version = 4
    only_looked_at = True

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
        sets = {} if self.presence_only else {"predictions": predictions, "scores": predictions.scores()}
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

    @cached_property
    def other_splits(self) -> "tuple[OtherSplit, ...]":
        """Finished scores of this experiment on another split of the surveys; of sets alone."""
        from glc.report import other_split

        return () if self.presence_only else tuple(other_split.read(self.stable("metrics").parent, self.settings))

    @cached_property
    def leaderboard(self) -> str:
        """Scores of the submission of these predictions at its contest, as a sentence; empty where there are none."""
        if self.presence_only:
            return ""
        path = self.stable("submissions", contest_scores.SUFFIX)
        score = contest_scores.of_predictions(path, self.clone(Predictions).identity)
        return "" if score is None else score.sentence

    def content(self) -> JSON:
        folder = self.explanation
        explained = None if folder is None else storage.manifest(folder)["identity"]
        others: list[JSON] = [[split.experiment, split.valid["sample_f1"]] for split in self.other_splits]
        others += [self.leaderboard] if self.leaderboard else []
        return [explained, *others] if others else explained

    def raw_files(self) -> list[Facts]:
        folder = self.explanation
        return [] if folder is None else [storage.raw_file(folder / storage.MANIFEST)]

    def same_folds(self, other: Evaluate) -> bool:
        """Whether another experiment is validated on the same folds, of which it may run more or fewer."""
        return other.clone(Folds).identity == self.clone(Folds).identity

    def published(self) -> list[Published]:
        return [Published(self.stable("reports") / "index.html", self.folder / "index.html")]

    def used_sections(self) -> frozenset[str]:
        """The sections of the experiment that the tasks above read; without those of other experiments."""
        names: set[str] = set()
        seen: set[GlcTask] = set()
        left: list[GlcTask] = [self]
        while left:
            task = left.pop()
            if task in seen:
                continue
            seen.add(task)
            left += flatten(task.requires())
            if isinstance(task, ExperimentTask) and task.settings == self.settings:
                names |= {path.partition(".")[0] for path in task.sections}
        return frozenset(names)

    def steps(self) -> dict[str, list[Path]]:
        """What was done, in words -> folders of the outputs, to say how long it took."""
        needs = self.requires()
        words = {"surveys": "survey tables", "folds": "folds", "neighbours": "neighbours", "scores": "scores"}
        words |= {"predictions": "species sets", "baselines": "frequency baselines", "metrics": "evaluation"}
        words |= {"applicability": "area of applicability"}
        steps = {title: [needs[name].folder] for name, title in words.items() if name in needs}
        trained = [stage.folder for stage in all_stages(self)] if self.kind == "net" else []
        return ({"training, all folds": trained} if trained else {}) | steps

    def links(self) -> tuple[tuple[str, str, str], ...]:
        """(what, path relative to the page, note) of the experiment's other products."""
        name, start = self.settings.name, self.stable("reports")
        again = f"{shlex.quote(name)} --dataset {shlex.quote(str(self.dataset))}"
        places = [("Metrics (JSON)", self.stable("metrics", ".json"), "")]
        if not self.presence_only:
            places += [
                ("Submission (CSV)", self.stable("submissions", ".csv"), "written after this page"),
                ("Predicted sets (Parquet)", self.clone(Predictions).folder, ""),
            ]
        places += [
            ("Fitted model", self.stable("models"), f"after: glc predict {again}"),
            ("Maps", self.stable("maps"), f"after: glc map {again}"),
        ]
        return tuple((what, quote(os.path.relpath(path, start)), note) for what, path, note in places)

    def made(self) -> "Made":
        """Where the page comes from."""
        from glc.report.story import Made

        checkout = storage.checkout()
        commit = f"{checkout['commit']}{' with later changes' if checkout['dirty'] else ''}" if checkout else None
        return Made(
            date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            command=f"glc run {shlex.quote(self.settings.name)} --dataset {shlex.quote(str(self.dataset))}",
            commit=commit,
            fingerprint=f"surveys {self.clone(Surveys).identity}, folds {self.clone(Folds).identity}",
            links=self.links(),
            leaderboard=self.leaderboard,
        )

    def species(self) -> "SpeciesResults | None":
        """How well each species is predicted on validation; None of presence-only records alone."""
        from glc.evaluation import species

        if self.presence_only:
            return None
        predictions = self.clone(Predictions)
        names = read_species(self.clone(Surveys).folder)
        return species.read(predictions.scores().folder, predictions.folder, self.read_surveys(), names)

    def write(self, out: Path) -> None:
        from glc.report import page, story, suitability

        needs = self.requires()
        names = ("predictions", "neighbours", "joined", "applicability")
        optional = {name: needs[name].folder for name in names if name in needs}
        facts = story.read(
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
            species=self.species(),
            other_splits=self.other_splits,
            sections=self.used_sections(),
            steps=self.steps(),
            made=self.made(),
            **optional,
        )
        render = suitability.render if self.presence_only else page.render
        (out / "index.html").write_text(render(facts), encoding="utf-8")
