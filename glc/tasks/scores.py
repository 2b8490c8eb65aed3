"""A model's scores of the validation folds and of the test."""

from dataclasses import replace
from pathlib import Path

import luigi

from glc import config, registry, storage
from glc.tasks.base import SectionParameter, spark
from glc.tasks.inputs import InputsMixin
from glc.tasks.machine import machine
from glc.tasks.neighbours import Neighbours
from glc.tasks.surveys import SplitTask
from glc.tasks.training import pretraining


class ModelTask(SplitTask):
    """A node that depends on a model and on how it is validated."""

    model = SectionParameter(config.Choice, default=config.Choice("frequency"), description="model name, or its table")
    scores = SectionParameter(config.Scores, default=config.Scores(), description="the [scores] section")
    label = luigi.Parameter(default="", significant=False, description="the experiment's name, for W&B")

    @property
    def member(self):
        """The registered model."""
        return registry.models.get(self.model.name)


def _kept(scores):
    """What of the [scores] section counts where no net predicts."""
    return config.canonical(config.Scores(keep=scores.keep))


class ClassicalScores(InputsMixin, ModelTask):
    """Scores of a model that needs no gradient: each fold from the others, the test from all training surveys."""

    carried = (*ModelTask.carried, "imagery_folder")

    @property
    def fitted(self):
        """The model with its options."""
        return self.member(config.options(self.member, self.model, "model"))

    def requires(self):
        wanted = self.fitted.neighbours()
        tables = super().requires()
        if wanted is not None:
            tables["neighbours"] = self.clone(Neighbours, neighbours=wanted)
        return tables | self.input_tasks()

    @property
    def resources(self):
        """The Spark session, for the models that use it."""
        return {"spark": 1} if getattr(self.fitted, "spark", False) else {}

    def own_parameters(self):
        return super().own_parameters() | {"run": self.validation.run, "scores": _kept(self.scores)}

    def write(self, out):
        from glc.classical import run

        if self.resources:
            spark()  # with this machine's settings; the model finds it running
        neighbours = None
        if "neighbours" in self.input():
            columns = ["survey_dataset", "survey_id", "dataset", "neighbour_id"]  # the rest may fill the memory
            table = storage.read_table(self.input()["neighbours"].path, "neighbours", columns=columns)
            neighbours = table.to_pandas(strings_to_categorical=True)
        data, table = self.read_surveys(), None
        for wanted in self.stored:  # one, of the kind table
            table = run.read_table(self.input()["input table"].path, data, wanted.bands)
        run.write(
            self.fitted,
            data,
            out,
            folds=range(self.validation.run),
            keep=self.scores.keep,
            neighbours=neighbours,
            table=table,
            progress=self.status,
        )
        if self.left_out:
            storage.note(out, left_out=self.left_out)


class NetTask(InputsMixin, ModelTask):
    """A node that depends on a net's training."""

    carried = (*ModelTask.carried, "imagery_folder")
    pretrain = SectionParameter(config.Choice, default=config.Choice("none"), description="the [pretrain] section")
    po = SectionParameter(config.Po, default=config.Po(), description="the [po] section")
    train = SectionParameter(config.Train, default=config.Train(), description="the [train] section")
    cross_fusion = SectionParameter(
        config.CrossFusion, default=config.CrossFusion(), description="the [cross_fusion] section"
    )
    predict = luigi.DictParameter(default={}, description="the [predict] section, options of the net's own")
    fold = luigi.IntParameter(default=0, description="validation fold; the next one stops the training early")
    fast_dev_run = luigi.BoolParameter(significant=True, description="one batch of everything, to try the wiring")


class Examples(SplitTask):
    """What a net reads for one fold: training and early-stopping examples, and the provenance of pseudo-surveys."""

    po = SectionParameter(config.Po, default=config.Po(), description="the [po] section")
    fold = luigi.IntParameter(default=0)

    def write(self, out):
        from glc.nets.inputs import examples

        facts = examples.write(
            self.read_surveys(), out, fold=self.fold, stop=(self.fold + 1) % self.validation.count, po=self.po
        )
        storage.note(out, **facts)


class Fit(NetTask):
    """A trained net of one fold: checkpoint and learning curve."""

    def requires(self):
        needs = ModelTask.requires(self) | {"examples": self.clone(Examples)} | self.input_tasks(*self.parts())
        if self.cloned:
            return needs | {"first": self.clone(Fit, fold=0), "first examples": self.clone(Examples, fold=0)}
        return needs | pretraining(self)

    @property
    def cloned(self):
        """Whether the net starts from the first fold's."""
        return self.cross_fusion.use and self.fold > 0

    def parts(self):
        """Datasets whose imagery the net is trained on."""
        return [(), ("po",)] if self.po.use == "surveys" else [()]

    def own_parameters(self):
        others = {"scores", "predict"}
        if not self.cloned:  # the first fold's net is the same whether others are cloned from it
            others.add("cross_fusion")
        return {key: value for key, value in super().own_parameters().items() if key not in others}

    def write(self, out):
        from glc.nets import checkpoints, trainer

        examples = self.input()["examples"].path
        start = self.input()["pretrain"].path / checkpoints.ENCODER if "pretrain" in self.input() else None
        facts = storage.manifest(examples)
        train, cloned = self._first(examples) if self.cloned else (self.train, None)
        with self.open_features(*self.parts()) as features:
            summary = trainer.fit(
                examples / "train",
                examples / "stop",
                out,
                model=self.model,
                train_config=train,
                cloned=cloned,
                n_classes=facts["classes"],
                features=features,
                pretrained=start,
                accelerator=machine().accelerator,
                fast_dev_run=self.fast_dev_run,
                wandb=self.wandb(),
            )
        storage.note(out, **summary, **self.told)

    def _first(self, examples):
        """How a cloned net is trained: its `Train`, and the checkpoint and columns that `trainer.fit` clones."""
        import numpy as np

        from glc.nets import checkpoints
        from glc.nets.inputs.examples import read_classes

        first = self.input()["first"].path
        rate = storage.manifest(first)["learning_rate"] * self.cross_fusion.rate
        epochs = self.cross_fusion.max_epochs
        train = replace(self.train, learning_rate=rate, max_epochs=epochs, find_learning_rate=False)
        own, known = read_classes(examples), read_classes(self.input()["first examples"].path)  # ascending
        place = np.minimum(np.searchsorted(known, own), len(known) - 1)
        return train, (first / checkpoints.CHECKPOINT, np.where(known[place] == own, place, -1))

    def wandb(self):
        """Settings of the run at W&B."""
        return {
            "mode": machine().wandb_mode,
            "project": machine().wandb_project,
            "group": self.label or self.model.name,
            "name": f"{self.label or self.model.name}-{self.dataset_name}-fold{self.fold}",
            "config": self.own_parameters() | {"dataset": self.dataset_name},
            "dir": str(Path(self.root) / "wandb"),
        }


class FoldScores(NetTask):
    """Scores of one fold's net: of its own validation surveys (``valid``) and of the test (``test``)."""

    def requires(self):
        needs = super().requires() | {"examples": self.clone(Examples), "fit": self.clone(Fit)}
        return needs | self.input_tasks()

    def own_parameters(self):
        scores = config.canonical(replace(self.scores, average=config.Scores.average))
        parameters = super().own_parameters() | {"scores": scores}
        if self.fold == 0:  # whether others are cloned from its net changes nothing here
            del parameters["cross_fusion"]
        return parameters

    def write(self, out):
        from glc.nets import predict

        data = self.read_surveys()
        with self.open_features(training=False) as features:
            predict.write(
                self.input()["fit"].path,
                self.input()["examples"].path,
                data,
                out,
                fold=self.fold,
                first=0 if self.cross_fusion.use and self.fold > 0 else None,
                keep=self.scores.keep,
                features=features,
                predict=self.predict,
                accelerator=machine().accelerator,
            )
        storage.note(out, **self.told)


class NetScores(NetTask):
    """A net's scores: ``valid`` joins the folds that were run, ``test`` is the mean of their models.

    With ``cross_fusion.use`` only the first fold is ``valid``, and ``optimistic`` is the mean of all models there.
    """

    fold = None

    def requires(self):
        return {f"fold {fold}": self.clone(FoldScores, fold=fold) for fold in range(self.validation.run)}

    def own_parameters(self):
        # the rest counts through the folds
        return {"average": self.scores.average, "keep": self.scores.keep, "cross_fusion": self.cross_fusion.use}

    def write(self, out):
        from glc import scores

        folders = [target.path for target in self.input().values()]
        settings = {"average": self.scores.average, "cloned": self.cross_fusion.use}
        scores.combine(folders, out, keep=self.scores.keep, **settings)
