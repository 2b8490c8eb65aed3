"""Where an experiment may be trusted: its area of applicability and error profile, from block folds."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import config, registry, storage
from glc.applicability import embedding
from glc.results import read_surveys
from glc.surveys import SurveyData
from glc.tasks.base import GlcTask
from glc.tasks.evaluate import Evaluate
from glc.tasks.importance import Importance
from glc.tasks.inputs import ReadsInputs, input_task
from glc.tasks.parameters import PathParameter
from glc.tasks.scores import EnsembleScores
from glc.tasks.survey_embedding import FILE, SurveyEmbedding
from glc.types import JSON

if TYPE_CHECKING:
    from glc.applicability.embedding import EmbeddedSurveys

EQUAL = "equal"


class Applicability(ReadsInputs):
    """Dissimilarity index, area of applicability and error profile of an experiment: ``applicability.npz``.

    Predictors are the embedding of the net of each fold where the net, or that of a member, reads images, tiles or
    cubes; otherwise the values of rasters that the experiment, or a member of it, reads at the survey itself; of an
    experiment that reads none of these, the coordinates.
    """

    sections = ("inputs",)
    importance = PathParameter(
        "file",
        "write one with the columns `column` and `mean`, or give equal",
        optional=True,
        among=(EQUAL,),
        significant=False,
        description="table of permutation importance by which columns of tables count, or equal; default: measured "
        "on held-out blocks",
    )

    def content(self) -> JSON:
        # of an experiment that reads no table it changes nothing
        if not (self.importance and self.tables):
            return None
        return self.importance if self.importance == EQUAL else storage.file_digest(self.importance)

    @cached_property
    def members(self) -> "list[Applicability]":
        """Those of an ensemble's members, whose predictors count here."""
        if registry.models.get(self.settings.model.name).kind != "ensemble":
            return []
        names = self.clone(EnsembleScores).ensemble.names
        return [self.clone(Applicability, experiment=config.Variant.parse(name)) for name in names]

    @cached_property
    def embeddings(self) -> dict[str, SurveyEmbedding]:
        """Name of a net -> its embedding of the surveys: the nets of all folds, of every net that reads imagery.

        With cross-fusion only the first fold's: those of the others have seen their own validation surveys.
        """
        own: dict[str, SurveyEmbedding] = {}
        if self.clone(SurveyEmbedding).imagery:
            folds = 1 if self.settings.cross_fusion.use else self.validation.run
            name = self.settings.name
            own = {embedding.net_name(name, fold): self.clone(SurveyEmbedding, fold=fold) for fold in range(folds)}
        for member in self.members:
            own |= member.embeddings
        return own

    @cached_property
    def tables(self) -> dict[str, tuple[GlcTask, tuple[str, ...]]]:
        """Name -> the table of an input and the bands that are read of it; none where embeddings are the predictors."""
        if self.embeddings:
            return {}
        own: dict[str, tuple[GlcTask, tuple[str, ...]]] = {
            f"table {wanted.name} of {self.settings.name}": (input_task(self, wanted), wanted.bands)
            for wanted in self.stored
            if wanted.table
        }
        for member in self.members:
            own |= member.tables
        return own

    def requires(self) -> dict[str, GlcTask]:
        tables = {name: task for name, (task, _) in self.tables.items()}
        measured = {"importance": self.clone(Importance)} if tables and not self.importance else {}
        return super().requires() | {"metrics": self.clone(Evaluate)} | tables | measured | self.embeddings

    def write(self, out: Path) -> None:
        from glc.applicability import area
        from glc.applicability.space import Space

        data = self.read_surveys()
        train = data.train()
        evaluated = read_surveys(self.clone(Evaluate).folder)
        of_valid = evaluated["split"] == "valid"
        # of several tests one after the other, in the order of the data
        valid, test = evaluated[of_valid], evaluated[evaluated["split"].isin(data.tests)]
        # sets are right or wrong only where surveys list all species of a place
        measure = "f1" if "f1" in evaluated.columns else "recall_at_25"
        places = data.places.iloc[train]
        known = valid.set_index("surveyId").reindex(places["surveyId"])
        frame = pd.DataFrame(
            {
                "surveyId": places["surveyId"].to_numpy(),
                "fold": places["fold"].to_numpy(),
                "block": places["block"].to_numpy(),
                "nearest_train_m": known["nearest_train_m"].to_numpy(),
                "score": known[measure].to_numpy(),
            }
        )
        nets = self._nets(data)
        predictors: area.Predictors
        if nets:
            self.status(f"dissimilarity of {len(train):,} training surveys by the embeddings of {len(nets)} nets", 20)
            embedded = np.isin(train, next(iter(nets.values())).rows)
            applicability, frame = area.fit_nets(
                {name: net.train for name, net in nets.items()},
                {name: net.components for name, net in nets.items()},
                {name: self.embeddings[name].fold for name in nets},
                frame[embedded].reset_index(drop=True),
                measure,
            )
            predictors = {name: net.test for name, net in nets.items()}
        else:
            values, categories = self._predictors(data)
            if self.tables:
                weights = self._weights(values.columns)
                space = Space.of_table(values.iloc[train], weights, categories)
            else:
                space = Space.of_coordinates()
            self.status(f"dissimilarity of {len(train):,} training surveys by {space.kind}", 20)
            applicability, frame = area.fit(space, values.iloc[train], frame, measure)
            predictors = values.iloc[data.test]
        applicability.save(out / area.FILE)
        valid = frame[frame["surveyId"].isin(valid["surveyId"])].assign(split="valid")
        at = applicability.at(predictors, test["nearest_train_m"].to_numpy())
        test = test[["split", "surveyId", "fold", "block", "nearest_train_m"]].assign(
            score=test[measure],
            dissimilarity=at["dissimilarity"].to_numpy(),
            inside=at["inside"].to_numpy(),
            expected=np.nan if applicability.profile is None else at[f"expected_{measure}"].to_numpy(),
        )
        pd.concat([valid, test], ignore_index=True).to_parquet(out / area.SURVEYS, index=False)
        profile = applicability.profile
        storage.note(
            out,
            threshold=applicability.dissimilarity.threshold,
            dissimilarity=applicability.dissimilarity.facts,
            profile=None if profile is None else profile.facts,
        )

    def _weights(self, columns: Collection[str]) -> dict[str, float] | None:
        """Weight of each column of the tables; None where all weigh the same."""
        from glc.applicability import weights
        from glc.explain.importance import Importance as Measured

        if self.importance == EQUAL:
            return None
        if self.importance:
            return weights.read(self.importance)
        own = weights.of_table(Measured.read(self.clone(Importance).folder).frame, columns)
        if own is None:
            self.status("no column is important on held-out blocks; all weigh the same")
        return own

    def _nets(self, data: SurveyData) -> "dict[str, EmbeddedSurveys]":
        """The embeddings, or none if too few surveys have imagery to compare a fold with the others."""
        from glc.applicability.embedding import EmbeddedSurveys, comparable

        nets = {name: EmbeddedSurveys.load(task.folder / FILE) for name, task in self.embeddings.items()}
        fold = data.places["fold"].to_numpy()
        for name, net in nets.items():
            if not comparable(net.train, fold[net.rows], self.embeddings[name].fold):
                self.status(f"{name}: too few surveys have imagery to compare it; dissimilarity is by coordinates")
                return {}
        return nets

    def _predictors(self, data: SurveyData) -> tuple[pd.DataFrame, dict[str, list[str]]]:
        """Predictors of all surveys of `data`, and the columns of categorical bands; coordinates without a table."""
        from glc.classical import run

        if not self.tables:
            return data.places[["lon", "lat"]], {}
        columns: dict[str, np.ndarray] = {}
        categories: dict[str, list[str]] = {}
        for task, bands in self.tables.values():
            facts = storage.manifest(task.folder)
            names = run.columns_of(facts, bands)
            columns |= dict(zip(names, run.read_table(task.folder, data, bands).T, strict=True))
            categories |= {band: own for band, own in facts["categories"].items() if set(own) <= set(names)}
        return pd.DataFrame(columns), categories
