"""Training of nets: examples, a pre-trained encoder, a net per fold, and its scores of that fold and of the test."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import luigi
import numpy as np

from glc import config, registry, storage
from glc.errors import ConfigError
from glc.tasks.base import GlcTask
from glc.tasks.experiment import ExperimentTask
from glc.tasks.inputs import ReadsInputs
from glc.tasks.machine import machine, training
from glc.tasks.preflight import check_device, check_training
from glc.types import JSON, Facts, MemberOptions

if TYPE_CHECKING:
    from glc.nets.inputs.features import Features

ANY_FOLD = -1
"""The fold of what no fold's split changes, because it is made of presence-only surveys alone."""


class PretrainTask(ExperimentTask):
    """A node that depends on a pre-training, and on a validation fold if it sees training surveys."""

    fold = luigi.IntParameter(default=ANY_FOLD, description="validation fold; -1 where no training survey is seen")

    @property
    def options(self) -> MemberOptions:
        """The validated options of the pre-training."""
        return pretraining_options(self.settings)

    @property
    def stop(self) -> int | None:
        """The fold that will stop the net's training early, which the encoder does not see either; None: `fold`."""
        return self.validation.stopping_fold(self.fold)


class Triplets(PretrainTask):
    """Pairs of surveys near each other, drawn for tile2vec; the distant third comes from the batch."""

    KEYS = ("pairs", "radius_m", "sources", "species_radius_m", "seed")

    def own_parameters(self) -> dict[str, JSON]:
        options = self.options
        # how the species are weighed does not change which they are
        facts = {key: getattr(options, key) for key in self.KEYS} | {"species": options.species != "none"}
        if self.fold != ANY_FOLD:
            facts |= {"stop": self.stop}
        if options.species != "none" and options.species_of != "anchor":
            facts["species_of"] = options.species_of
        return super().own_parameters() | facts

    def write(self, out: Path) -> None:
        from glc.neighbours import triplets

        self.status(f"drawing {self.options.pairs:,} pairs of surveys", 5)
        storage.note(out, **triplets.write(self.read_surveys(), out, self.options, self.fold, self.stop))


class TrainsNet(ReadsInputs):
    """A task that trains a net, and refuses what would end its training before anything runs."""

    def check(self) -> None:
        super().check()
        check_training()
        if self.backbone:
            self.backbone.check()


class Pretrain(TrainsNet, PretrainTask):
    """A pre-trained encoder, and the curves of its training."""

    sections = ("model", "inputs", "pretrain")

    def requires(self) -> dict[str, GlcTask]:
        return {"triplets": self.clone(Triplets)} | self.input_tasks(*self.parts())

    def parts(self) -> list[tuple[str, ...]]:
        """Datasets whose imagery is seen."""
        return [("po",) if source == "po" and not self.presence_only else () for source in self.options.sources]

    def write(self, out: Path) -> None:
        from glc.neighbours import triplets

        say_resumed(self)
        member = registry.pretrainings.get(self.settings.pretrain.name)
        name = self.settings.name
        with self.open_features(*self.parts(), surveys=triplets.surveys(self.input()["triplets"].path)) as features:
            facts = member(self.options).fit(
                self.input()["triplets"].path,
                features,
                out,
                model=self.model(),
                machine=training(
                    self.root, self.group, f"{name}-{self.subject}-pretrain", self.shown(), resume=self.parts_folder()
                ),
            )
        storage.note(out, **facts)


class Examples(ExperimentTask):
    """What a net reads for one fold: training and early-stopping examples, and the provenance of pseudo-surveys."""

    sections = ("po", "validation.stop")
    fold = luigi.IntParameter(default=0, description="validation fold; it or the next one stops the training early")

    def write(self, out: Path) -> None:
        from glc.nets.inputs import examples

        stop = self.validation.stopping_fold(self.fold)
        facts = examples.write(self.read_surveys(), out, fold=self.fold, stop=stop, po=self.settings.po)
        storage.note(out, **facts)


class Fit(TrainsNet):
    """A trained net of one fold: checkpoint and learning curve."""

    sections: tuple[str, ...] = ("model", "po", "inputs", "pretrain", "train", "start")
    fold = luigi.IntParameter(default=0, description="validation fold; it or the next one stops the training early")
    fast_dev_run = luigi.BoolParameter(description="one batch of everything, to try the wiring")

    def requires(self) -> dict[str, GlcTask]:
        needs = super().requires() | {"examples": self.clone(Examples)} | self.input_tasks(*self.parts())
        return {**needs, **self.start()}

    def start(self) -> Mapping[str, GlcTask]:
        """What the net starts from: a `Pretrain`, the net of a stage before, or nothing."""
        earlier = stage_before(self)
        if earlier is None:
            return pretraining(self)
        return {"earlier": earlier, "earlier examples": earlier.clone(Examples)}

    def parts(self) -> list[tuple[str, ...]]:
        """Datasets whose imagery the net is trained on, and stopped by."""
        seen = self.settings.po.use in ("surveys", "only") and not self.presence_only
        return [(), ("po",)] if seen else [()]

    def train(self) -> tuple[config.Train, Facts]:
        """The settings of the training, and the weights to start from, as arguments of `trainer.fit`."""
        from glc.nets import checkpoints

        needs, start = self.input(), {}
        if "pretrain" in needs:
            start = {"pretrained": needs["pretrain"].path / checkpoints.ENCODER}
        elif "earlier" in needs:
            start = {**self.cloned("earlier"), "recentred": True}
        return self.settings.train, start

    def cloned(self, earlier: str) -> Facts:
        """The weights of another net to go on from, as an argument of `trainer.fit`.

        earlier : its name among the inputs; its classes are in the input of that name with ``examples``
        """
        from glc.nets import checkpoints
        from glc.nets.inputs.examples import read_classes

        needs = self.input()
        own = read_classes(needs["examples"].path)
        known = read_classes(needs[f"{earlier} examples"].path)  # ascending
        place = np.minimum(np.searchsorted(known, own), len(known) - 1)
        columns = np.where(known[place] == own, place, -1)
        return {"cloned": (needs[earlier].path / checkpoints.CHECKPOINT, columns)}

    def write(self, out: Path) -> None:
        say_resumed(self)
        with self.open_features(*self.parts()) as features:
            summary = self.fit(self.input()["examples"].path, features, out)
        match = self.backbone.check() if self.backbone else None
        storage.note(out, **summary, **self.facts, **({"weights": match.facts()} if match else {}))

    def fit(self, examples: Path, features: "Features | None", out: Path) -> Facts:
        """Train the net, or take it from a training; returns what `glc.nets.trainer.fit` returns.

        examples : output of `Examples`; features : of `open_features`; out : gets the files
        """
        from glc.nets import trainer

        train, start = self.train()
        facts = self.arguments(examples) | {"train_config": train, "features": features}
        return trainer.fit(examples / "train", examples / "stop", out, **facts, **start)

    def arguments(self, examples: Path) -> Facts:
        """Net, settings, classes and machine, as arguments of `glc.nets.trainer.fit`."""
        number = "all-folds" if self.fold == ANY_FOLD else f"fold{self.fold}"
        return {
            "model": self.model(),
            "train_config": self.settings.train,
            "n_classes": storage.manifest(examples)["classes"],
            "machine": training(
                self.root,
                self.group,
                f"{self.settings.name}-{self.subject}-{number}",
                self.shown(),
                resume=self.parts_folder(),
                fast_dev_run=self.fast_dev_run,
            ),
        }


class FitAllFolds(Fit):
    """The nets of all epochs of a training that is the same for every fold: of presence-only records alone.

    What the folds' surveys would stop runs to `train.max_epochs`.
    """

    fold = luigi.IntParameter(default=ANY_FOLD, description="-1, as no training survey is seen")

    def requires(self) -> dict[str, GlcTask]:
        return {**super().requires(), "examples": self.clone(Examples, fold=0)}  # of each fold they are the same

    def fit(self, examples: Path, features: "Features | None", out: Path) -> Facts:
        from glc.nets import trainer

        _, start = self.train()  # an encoder that has seen no training survey either
        return trainer.fit(examples / "train", None, out, **self.arguments(examples), features=features, **start)


class ChosenEpoch(Fit):
    """The net of one fold, of a training that all folds share: that of the epoch which the stopping surveys choose."""

    def requires(self) -> dict[str, GlcTask]:
        return {**super().requires(), "epochs": self.clone(FitAllFolds, fold=ANY_FOLD)}

    def fit(self, examples: Path, features: "Features | None", out: Path) -> Facts:
        from glc.nets import epochs

        folder = self.input()["epochs"].path
        tables = examples / "train", examples / "stop"
        return epochs.choose(folder, *tables, out, **self.arguments(examples), features=features)


class FineTune(Fit):
    """A net of a later fold that goes on from the first fold's: cross-fusion (Liu et al. 2024, section 4.2).

    Through the first fold's net it has seen its own validation labels: its validation scores are not honest.
    """

    sections = (*Fit.sections, "cross_fusion")

    def start(self) -> Mapping[str, GlcTask]:
        return {"first": self.clone(Fit, fold=0), "first examples": self.clone(Examples, fold=0)}

    def train(self) -> tuple[config.Train, Facts]:
        first, cross_fusion = self.input()["first"].path, self.settings.cross_fusion
        train = replace(
            self.settings.train,
            learning_rate=storage.manifest(first)["learning_rate"] * cross_fusion.rate,
            max_epochs=cross_fusion.max_epochs,
            find_learning_rate=False,
        )
        return train, self.cloned("first")


class FoldScores(ReadsInputs):
    """Scores of one fold's net: of its own validation surveys (``valid``) and of the test (``test``)."""

    sections = ("scores.keep", "predict")
    fold = luigi.IntParameter(default=0, description="validation fold of the net")

    def check(self) -> None:
        super().check()
        check_device()

    def requires(self) -> dict[str, GlcTask]:
        needs = super().requires() | {"examples": self.clone(Examples), "fit": fit_of(self, self.fold)}
        return needs | self.input_tasks()

    def write(self, out: Path) -> None:
        from glc.nets import predict

        with self.open_features(training=False) as features:
            predict.write(
                self.input()["fit"].path,
                self.input()["examples"].path,
                self.read_surveys(),
                out,
                fold=self.fold,
                first=0 if self.settings.cross_fusion.use and self.fold > 0 else None,
                keep=self.settings.scores.keep,
                features=features,
                predict=self.settings.predict,
                accelerator=machine().accelerator,
            )
        storage.note(out, **self.facts)


def fit_of(task: ExperimentTask, fold: int) -> Fit:
    """The training of one fold of the experiment of `task`."""
    fit = task.clone(Fit, fold=fold)
    if task.settings.cross_fusion.use and fold > 0:
        return fit.clone(FineTune)
    return fit.clone(ChosenEpoch) if _alike(fit) else fit


def _alike(task: Fit) -> bool:
    """Whether nets of all folds learn the same: from presence-only records, from random weights, without graphs."""
    settings = task.settings
    fitted = settings.start.experiment or any(entry.graph.name != "none" for entry in settings.inputs)
    pretrained = [each for each in pretraining(task).values() if each.fold != ANY_FOLD]
    return settings.po.use == "only" and not (task.presence_only or fitted or pretrained)


def stage_before(task: Fit) -> Fit | None:
    """The training of the same fold that the net of `task` goes on from (`config.Start`), or None.

    Raises ConfigError where its net is another or reads other inputs.
    """
    settings = task.settings
    if not settings.start.experiment:
        return None
    variant = config.Variant.parse(settings.start.experiment)
    earlier = config.load(variant)
    changes: dict[str, dict[str, JSON]] = {}
    # equal surveys and folds, so that neither stage sees the labels that are evaluated
    for name, keys in (("surveys", None), ("validation", None), ("train", ["seed"])):
        here, there = (config.to_dict(getattr(each, name)) for each in (settings, earlier))
        differing = {key: here[key] for key in keys or here if here[key] != there[key]}
        changes |= {name: differing} if differing else {}
    for key, own, other in (
        ("model.name", settings.model.name, earlier.model.name),
        ("inputs", [entry.name for entry in settings.inputs], [entry.name for entry in earlier.inputs]),
    ):
        if own != other:
            raise ConfigError(
                f"start.experiment: found {settings.start.experiment!r} with {key} = {other!r}, expected {own!r}, that "
                f"of {settings.name!r}; its weights are taken over"
            )
    return fit_of(task.clone(Fit, experiment=variant.changed(**changes)), task.fold)


def stages(task: Fit) -> list[Fit]:
    """The trainings that the net of `task` has gone through, its own last."""
    earlier = stage_before(task)
    shared = [task.clone(FitAllFolds, fold=ANY_FOLD)] if isinstance(task, ChosenEpoch) else []
    return [*(stages(earlier) if earlier else []), *shared, task]


def all_stages(task: ExperimentTask) -> list[Fit]:
    """The `stages` of all folds that the experiment of `task` runs; what folds share comes once."""
    return list(dict.fromkeys(stage for fit in fits(task) for stage in stages(fit)))


def fits(task: ExperimentTask) -> list[Fit]:
    """The trainings of all folds that the experiment of `task` runs."""
    return [fit_of(task, fold) for fold in range(task.validation.run)]


def say_resumed(task: GlcTask) -> None:
    """Say after which epoch a training continues that was killed.

    task : that trains, with its checkpoints in its `parts_folder`
    """
    from glc.training.resume import finished_epochs

    epochs = finished_epochs(task.parts_folder())
    if epochs:
        task.status(f"resuming after epoch {epochs}")


def pretraining_options(settings: config.Experiment) -> MemberOptions:
    """The validated options of an experiment's pre-training."""
    return config.options(registry.pretrainings.get(settings.pretrain.name), settings.pretrain, "pretrain")


def pretraining(task: Fit) -> dict[str, Pretrain]:
    """The `Pretrain` that the net of `task` (of a fold) starts from, by name; empty when it has none."""
    if task.settings.pretrain.name == "none":
        return {}
    # presence-only records alone are the training surveys themselves
    sees_training = task.presence_only or "train" in pretraining_options(task.settings).sources
    return {"pretrain": task.clone(Pretrain, fold=task.fold if sees_training else ANY_FOLD)}
