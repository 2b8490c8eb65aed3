"""A model's scores of the validation folds and of the test, and the species sets decided from them."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from glc import config, registry, storage
from glc.errors import ConfigError
from glc.tasks.base import GlcTask, spark
from glc.tasks.experiment import ExperimentTask
from glc.tasks.inputs import ReadsInputs
from glc.tasks.neighbours import Neighbours
from glc.tasks.training import FoldScores

if TYPE_CHECKING:
    from glc.classical._base import Classical
    from glc.ensembles._base import Ensemble


class ClassicalScores(ReadsInputs):
    """Scores of a model that needs no gradient: each fold from the others, the test from all training surveys.

    With ``scores.refit = false`` the test is scored by the folds' models.
    """

    sections = ("model", "inputs", "scores.keep", "scores.refit", "validation.run")
    version = 7

    @cached_property
    def fitted(self) -> "Classical":
        """The model with its options."""
        member = registry.models.get(self.settings.model.name)
        return member(config.options(member, self.settings.model, "model"))

    def neighbours(self) -> Neighbours | None:
        """The neighbour table that the model reads, if it reads one."""
        wanted = self.fitted.neighbours()
        return None if wanted is None else self.clone(Neighbours, neighbours=wanted)

    def requires(self) -> dict[str, GlcTask]:
        table = self.neighbours()
        return super().requires() | ({} if table is None else {"neighbours": table}) | self.input_tasks()

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]  # Luigi only reads it
        """The Spark session, for the models that use it."""
        return {"spark": 1} if self.fitted.spark else {}

    def write(self, out: Path) -> None:
        from glc.classical import run

        if self.resources:
            spark(self.root)  # with this machine's settings; the model finds it running
        neighbours = None
        if "neighbours" in self.input():
            columns = ["survey_dataset", "survey_id", "dataset", "neighbour_id"]  # the rest may fill the memory
            columns += ["distance_m"] * self.fitted.distances
            table = storage.read_table(self.input()["neighbours"].path, "neighbours", columns=columns)
            neighbours = table.to_pandas(strings_to_categorical=True)
        data, table = self.read_surveys(), None
        for wanted in self.stored:  # one, of the kind table
            table = run.read_table(self.input()["input table"].path, data, wanted.bands)
        fitted = self.fitted
        del self.fitted  # Luigi keeps all tasks until the run ends; the records that the model pooled need not stay
        run.write(
            fitted,
            data,
            out,
            folds=range(self.validation.run),
            keep=self.settings.scores.keep,
            refit=self.settings.scores.refit,
            neighbours=neighbours,
            table=table,
            progress=self.status,
        )
        if self.left_out:
            storage.note(out, left_out=self.left_out)


class NetScores(ExperimentTask):
    """A net's scores: ``valid`` joins the folds that were run, ``test`` is the mean of their models.

    With cross-fusion only the first fold is ``valid``, and ``optimistic`` is the mean of all models there.
    """

    sections = ("scores.average", "scores.keep", "cross_fusion.use")

    def requires(self) -> dict[str, GlcTask]:
        return {f"fold {fold}": self.clone(FoldScores, fold=fold) for fold in range(self.validation.run)}

    def write(self, out: Path) -> None:
        from glc import scores

        scores.combine(
            [target.path for target in self.input().values()],
            out,
            keep=self.settings.scores.keep,
            average=self.settings.scores.average,
            cloned=self.settings.cross_fusion.use,
        )


class EnsembleScores(ExperimentTask):
    """Scores made of other experiments', the members', on the folds of this one."""

    sections = ("model", "scores.keep", "validation.run")
    version = 2

    @cached_property
    def ensemble(self) -> "Ensemble":
        """The model with its options."""
        member = registry.models.get(self.settings.model.name)
        return member(config.options(member, self.settings.model, "model"))

    @cached_property
    def members(self) -> "dict[str, Predictions]":
        """The `Predictions` of each member, by its name; a ConfigError refuses one of other surveys or folds."""
        from glc.ensembles.stack import check_member

        least = self.ensemble.least_folds
        if self.ensemble.learns and self.validation.run < least:
            raise ConfigError(f"validation.run: found {self.validation.run}, expected at least {least} to join models")
        members = {}
        for name in self.ensemble.names:
            member = config.Variant.parse(name)
            settings = config.load(member)
            if self.surveys.squares_m and not settings.surveys.squares_m:  # of which a member need not say anything
                squares = {key: getattr(self.surveys, key) for key in ("squares_m", "squares_crs")}
                member = member.changed(surveys=squares)
                settings = config.load(member)
            check_member(name, settings, self.surveys, self.validation, self.ensemble.joins_cross_fused)
            # of cross-fusion the other folds' nets give test scores alone
            run = member if settings.cross_fusion.use else member.changed(validation={"run": self.validation.run})
            members[name] = self.clone(Predictions, experiment=run)
        return members

    def requires(self) -> dict[str, GlcTask]:
        needs = super().requires() | {f"member {name}": task.scores() for name, task in self.members.items()}
        sets = {f"sets {name}": task for name, task in self.members.items()}
        return needs | (sets if self.ensemble.reads_sets else {})

    def write(self, out: Path) -> None:
        from glc.ensembles._base import Members

        needs, names = self.input(), self.ensemble.names
        members = Members(
            names=names,
            scores=[needs[f"member {name}"].path for name in names],
            sets=[needs[f"sets {name}"].path for name in names if self.ensemble.reads_sets],
            data=self.read_surveys(),
            folds=range(self.validation.run),
            keep=self.settings.scores.keep,
            progress=self.status,
        )
        self.ensemble.write(members, out)


SCORES = {"classical": ClassicalScores, "net": NetScores, "ensemble": EnsembleScores}
"""The task that scores a model, by its kind."""


class Predictions(ExperimentTask):
    """Species sets of the validation surveys (honest: by a decoder fitted on other folds or blocks) and of the test."""

    sections = ("decode", "postprocess")
    version = 3

    def check(self) -> None:
        super().check()
        if self.presence_only:
            raise ConfigError(
                f"Predictions: {self.subject} has presence-only records alone: scores are relative suitability, and no "
                "decoder can say how many species are present; for metrics and report try: glc run "
                f"{self.settings.name} --dataset {self.dataset}"
            )

    def scores(self) -> ExperimentTask:
        """The task that scores the experiment's model."""
        return self.clone(SCORES[registry.models.get(self.settings.model.name).kind])

    def requires(self) -> dict[str, GlcTask]:
        return super().requires() | {"scores": self.scores()}

    def write(self, out: Path) -> None:
        from glc.prediction import sets

        decode, postprocess = self.settings.decode, self.settings.postprocess
        self.status(f"deciding sets by {decode.name}", 10)
        correction = None
        if postprocess.name != "none":
            member = registry.corrections.get(postprocess.name)
            correction = member(config.options(member, postprocess, "postprocess"))
        facts = sets.write(self.input()["scores"].path, self.read_surveys(), out, decode, correction)
        storage.note(out, **facts)
