"""What every task on the model side shares: an experiment, and the sections of it that change the task's bytes."""

import json
from functools import cached_property
from pathlib import Path

from glc import config, registry
from glc.references import paper_named
from glc.tasks.base import DatasetTask, ProductTask
from glc.tasks.parameters import ExperimentParameter, imagery_folder
from glc.tasks.surveys import ReadsSurveys
from glc.types import JSON

OWN = "ours"
"""In place of a paper, of experiments and tables that are of none."""


class ExperimentTask(ReadsSurveys, DatasetTask):
    """A node that depends on an experiment on a dataset.

    sections : what of the experiment changes the bytes, besides what counts through the inputs: names of sections, or
        of single keys with their section (``scores.keep``)

    ``clone`` hands `surveys` and `validation` on to tasks on the data side, which have parameters of these names.
    """

    experiment = ExperimentParameter(
        default="geolocation", significant=False, description="name of an experiment, or the path of its TOML"
    )
    imagery_folder = imagery_folder()
    sections: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return super().__repr__().replace(f"({self.subject}", f"({self.subject}, {self.experiment}", 1)

    @cached_property
    def settings(self) -> config.Experiment:
        """The experiment, validated."""
        return config.load(self.experiment)

    @property
    def surveys(self) -> config.Surveys:
        """The [surveys] section."""
        return self.settings.surveys

    @property
    def validation(self) -> config.Validation:
        """The [validation] section."""
        return self.settings.validation

    def check(self) -> None:
        if self.presence_only:
            config.refuse_without_surveys(self.settings, self.subject)
        self.refuse_single_block()

    def own_parameters(self) -> dict[str, JSON]:
        return super().own_parameters() | {path: self.setting(path) for path in self.sections}

    def random_seeds(self) -> dict[str, int]:
        """Seeds of the sections and, where the model or the pre-training draws numbers, of their options."""
        seeds = super().random_seeds()
        for section, members in (("model", registry.models), ("pretrain", registry.pretrainings)):
            choice = getattr(self.settings, section)
            if section in self.sections and choice.name != "none":
                options = config.to_dict(config.options(members.get(choice.name), choice, section))
                seeds |= {f"{section}.seed": options["seed"]} if "seed" in options else {}
        return seeds

    def shown(self) -> dict[str, JSON]:
        """The settings that W&B shows of this task."""
        return self.own_parameters() | {"experiment": self.settings.name, "dataset": self.subject, "paper": self.paper}

    @property
    def paper(self) -> str:
        """The paper that the experiment is of, or *ours*."""
        return paper_named(self.settings.description) or OWN

    @property
    def group(self) -> str:
        """The group of its runs at W&B: those of a dataset and a paper."""
        return f"{self.subject}: {self.paper}"

    def setting(self, path: str) -> JSON:
        """What counts of a section, or of a key such as ``scores.keep``, as plain values."""
        section, _, key = path.partition(".")
        value = getattr(self.settings, section)
        return getattr(value, key) if key else _plain(value)


def _plain(value: JSON) -> JSON:
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return json.loads(config.canonical(value))


class ExperimentProduct(ExperimentTask, ProductTask):
    """A product of an experiment that carries its name."""

    def own_parameters(self) -> dict[str, JSON]:
        return super().own_parameters() | {"experiment": self.settings.name}

    def stable(self, kind: str, end: str = "", start: str = "") -> Path:
        """Stable path of a product: ``ROOT/<kind>/<dataset>/<start><experiment><end>``."""
        return Path(self.root) / kind / self.subject / f"{config.file_name(f'{start}{self.settings.name}')}{end}"
