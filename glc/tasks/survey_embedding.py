"""What the net of a fold makes of the surveys' imagery, for the dissimilarity of places."""

from functools import cached_property
from pathlib import Path

import luigi
import numpy as np

from glc import registry, storage
from glc.tasks.base import GlcTask
from glc.tasks.inputs import ReadsInputs
from glc.tasks.machine import machine
from glc.tasks.preflight import check_device
from glc.tasks.training import Examples, fit_of

FILE = "embedding.npz"
MOST = 20_000
"""Training surveys that are embedded: of more, a random sample."""


class SurveyEmbedding(ReadsInputs):
    """The embedding of training and test surveys by one fold's net: ``embedding.npz`` (`EmbeddedSurveys`)."""

    sections = ("predict",)
    fold = luigi.IntParameter(default=0, description="validation fold of the net")

    def check(self) -> None:
        super().check()
        check_device()

    @cached_property
    def imagery(self) -> tuple[str, ...]:
        """Names of the inputs that are tiles or cubes; empty for a model that is no net."""
        if registry.models.get(self.settings.model.name).kind != "net":
            return ()
        return tuple(wanted.name for wanted in self.present if wanted.tiles or wanted.cube)

    def requires(self) -> dict[str, GlcTask]:
        needs = super().requires() | {"examples": self.clone(Examples), "fit": fit_of(self, self.fold)}
        return needs | self.input_tasks()

    def write(self, out: Path) -> None:
        from glc.applicability.embedding import EmbeddedSurveys
        from glc.nets import checkpoints, embedding

        data = self.read_surveys()
        train = data.train()
        if len(train) > MOST:
            train = np.sort(np.random.default_rng(0).choice(train, MOST, replace=False))
        rows = np.concatenate([train, data.test])
        self.status(f"embedding of {len(rows):,} surveys by the net of fold {self.fold}")
        with self.open_features(training=False) as features:
            values = embedding.of_surveys(
                self.input()["fit"].path / checkpoints.CHECKPOINT,
                data,
                rows,
                features,
                imagery=self.imagery,
                predict=self.settings.predict,
                accelerator=machine().accelerator,
            )
        embedded = EmbeddedSurveys.of(values, train)
        embedded.save(out / FILE)
        storage.note(out, share=embedded.components.share, dimensions=values.shape[1], **self.facts)
