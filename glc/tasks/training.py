"""Self-supervised training of a net's encoder, before it learns species."""

from pathlib import Path

import luigi

from glc import config, registry, storage
from glc.tasks.base import SectionParameter
from glc.tasks.inputs import InputsMixin
from glc.tasks.machine import machine
from glc.tasks.surveys import SplitTask

ANY_FOLD = -1
"""The fold of what no fold's split changes, as it is made of presence-only surveys alone."""


class PretrainTask(SplitTask):
    """A node that depends on a pretraining, and on a validation fold if it sees training surveys."""

    pretrain = SectionParameter(config.Choice, default=config.Choice("tile2vec"), description="the [pretrain] section")
    fold = luigi.IntParameter(default=ANY_FOLD, description="validation fold; -1 where no training survey is seen")

    @property
    def options(self):
        """The validated options of the pretraining."""
        return config.options(registry.pretrainings.get(self.pretrain.name), self.pretrain, "pretrain")

    @property
    def stop(self):
        """The fold that will stop the net's training early, which the encoder does not see either."""
        return (self.fold + 1) % self.validation.count


class Triplets(PretrainTask):
    """Pairs of surveys near each other, drawn for tile2vec; the distant third comes from the batch."""

    KEYS = ("pairs", "radius_m", "sources", "species_radius_m", "seed")

    def own_parameters(self):
        options = self.options
        # how the species are weighed does not change which they are
        facts = {key: getattr(options, key) for key in self.KEYS} | {"species": options.species != "none"}
        return facts | {"fold": self.fold}

    def write(self, out):
        from glc.neighbours import triplets

        self.status(f"drawing {self.options.pairs:,} pairs of surveys", 5)
        storage.note(out, **triplets.write(self.read_surveys(), out, self.options, self.fold, self.stop))


class Pretrain(InputsMixin, PretrainTask):
    """A pretrained encoder, and the curves of its training."""

    carried = (*PretrainTask.carried, "imagery_folder")
    model = SectionParameter(config.Choice, default=config.Choice("tile_cnn"), description="model name, or its table")
    label = luigi.Parameter(default="", significant=False, description="the experiment's name, for W&B")

    def requires(self):
        return {"triplets": self.clone(Triplets)} | self.input_tasks(*self.parts())

    def parts(self):
        """Datasets whose imagery is seen."""
        return [{"po": ("po",), "train": ()}[source] for source in self.options.sources]

    def write(self, out):
        from glc.neighbours import triplets

        member = registry.pretrainings.get(self.pretrain.name)
        name = f"{self.label or self.pretrain.name}-{self.dataset_name}-pretrain"
        with self.open_features(*self.parts(), surveys=triplets.surveys(self.input()["triplets"].path)) as features:
            facts = member(self.options).fit(
                self.input()["triplets"].path,
                features,
                out,
                model=self.model,
                accelerator=machine().accelerator,
                wandb={
                    "mode": machine().wandb_mode,
                    "project": machine().wandb_project,
                    "group": self.label or self.pretrain.name,
                    "name": name,
                    "config": self.own_parameters() | {"dataset": self.dataset_name},
                    "dir": str(Path(self.root) / "wandb"),
                },
            )
        storage.note(out, **facts)


def pretraining(task):
    """The `Pretrain` that the net `task` starts from, in a dict; an empty one when it has none."""
    if task.pretrain.name == "none":
        return {}
    options = config.options(registry.pretrainings.get(task.pretrain.name), task.pretrain, "pretrain")
    return {"pretrain": task.clone(Pretrain, fold=task.fold if "train" in options.sources else ANY_FOLD)}
