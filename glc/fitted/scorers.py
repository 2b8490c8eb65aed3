"""What scores places in the folder of a fitted experiment: a classical model, nets of the folds, or an ensemble."""

import json
import shutil
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from glc import config, labels, registry, schema
from glc import scores as score_tables
from glc.applicability.components import Components
from glc.applicability.embedding import net_name
from glc.errors import ConfigError, DataError
from glc.fitted import layout
from glc.surveys import TEST, SurveyData
from glc.types import Facts

if TYPE_CHECKING:
    from glc.fitted.inputs import InputsAt
    from glc.nets.inputs.features import Features


@dataclass(frozen=True)
class Source:
    """Where the tasks left what scores an experiment.

    settings : the experiment
    scores : folder of its scores
    describe : writes what the inputs need into a folder and returns facts about them (`glc.fitted.inputs.describe`)
    fits : fold -> (folder of the trained net, folder of its examples); empty for a model that is no net
    members : of an ensemble
    table : (surveys, feature) values of rasters that a classical model is fitted to, None where it reads none
    """

    settings: config.Experiment
    scores: Path
    fits: Mapping[int, tuple[Path, Path]]
    describe: Callable[[Path], Facts]
    members: Sequence["Source"] = ()
    table: np.ndarray | None = None


def write(source: Source, folder: Path) -> None:
    """Copy what scores the experiment of `source` into the new `folder`."""
    folder.mkdir(parents=True)
    settings = config.to_dict(source.settings)
    inputs = {} if source.members else source.describe(folder)
    content = {"settings": settings, "folds": sorted(source.fits), "inputs": inputs}
    (folder / layout.SETTINGS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for fold, (fit, examples) in source.fits.items():
        own = folder / str(fold)
        own.mkdir()
        shutil.copyfile(fit / "model.ckpt", own / "model.ckpt")
        shutil.copyfile(examples / layout.CLASSES, own / layout.CLASSES)
    if source.members:
        shutil.copytree(source.scores, folder / layout.JOINED, ignore=shutil.ignore_patterns("valid", "test"))
        for number, member in enumerate(source.members):
            write(member, folder / layout.MEMBERS / str(number))
    if source.table is not None:
        np.savez_compressed(folder / layout.TABLE, values=source.table)
    if not source.members and (source.scores / layout.SAVED).is_dir():
        shutil.copytree(source.scores / layout.SAVED, folder / layout.SAVED)


class PlaceScorer:
    """Scores of places by one experiment.

    folder : that `write` wrote
    data : the surveys that it was fitted to
    """

    def __init__(self, folder: Path, data: SurveyData) -> None:
        self.folder, self.data = folder, data
        content = json.loads((folder / layout.SETTINGS).read_text(encoding="utf-8"))
        self.folds: list[int] = content["folds"]
        self.inputs: Facts = content["inputs"] if content["inputs"].get("inputs") else {}
        self.settings = config.build(config.Experiment, content["settings"], str(folder / layout.SETTINGS))
        self.keep = self.settings.scores.keep
        self.wanted: Mapping[str, Components] = {}

    @property
    def members(self) -> "list[PlaceScorer]":
        """The scorers of an ensemble's members; otherwise none."""
        return []

    def scores(self, places: pd.DataFrame, values: "Mapping[str, InputsAt]", fold: int | None) -> sparse.csr_matrix:
        """Scores (n, species) CSR float32 of `places`, at most `keep` each.

        places : as of `Surroundings.places`
        values : inputs by the experiment's name
        fold : the validation fold whose labels the model must not have seen; None: that of the test
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it scores")

    def want(self, components: Mapping[str, Components]) -> None:
        """Say of which nets, by name, `embeddings` will be asked for."""
        self.wanted = components
        for member in self.members:
            member.want(components)

    def embeddings(self, places: pd.DataFrame, values: "Mapping[str, InputsAt]") -> dict[str, np.ndarray]:
        """Name of a net -> the components (n, k) of its embedding of `places`, NaN where a place has no imagery.

        places, values : as of `scores`; right after `scores` of the same ones no net is asked again
        """
        return {name: part for member in self.members for name, part in member.embeddings(places, values).items()}


class ClassicalScorer(PlaceScorer):
    """A classical model: restored where it saves what it learns, otherwise fitted again when it is first asked."""

    def __init__(self, folder: Path, data: SurveyData) -> None:
        super().__init__(folder, data)
        member = registry.models.get(self.settings.model.name)
        self.model = member(config.options(member, self.settings.model, "model"))
        self._fitted = {}

    def scores(self, places, values, fold):
        table = values[self.settings.name].table() if self.model.reads else None
        if fold is not None or self.settings.scores.refit:
            return score_tables.keep_best(self._scorer(fold)(places, table), self.keep)
        folds = range(self.settings.validation.run)
        parts = [score_tables.keep_best(self._scorer(fold)(places, table), self.keep) for fold in folds]
        return _mean(parts, self.data.species, self.keep, "probabilities")

    def _scorer(self, fold):
        if fold not in self._fitted:
            self._fitted[fold] = self._saved(fold) or self.model.fit(self.data, fold, self._table())
        return self._fitted[fold]

    def _saved(self, fold):
        saved = self.folder / layout.SAVED
        last = None if self.settings.scores.refit else self.settings.validation.run - 1
        with layout.reading(saved):
            return self.model.restore(saved, self.data) if fold == last and saved.is_dir() else None

    def _table(self):
        """The values of rasters at the surveys that the model is fitted to."""
        if not self.model.reads:
            return None
        path = self.folder / layout.TABLE
        if not path.is_file():
            raise DataError(f"{path}: no values of the training surveys, which the model is fitted to; save it again")
        with layout.reading(path), np.load(path, allow_pickle=False) as arrays:
            return arrays["values"]


class NetScorer(PlaceScorer):
    """Nets of the folds, whose scores are averaged."""

    def __init__(self, folder: Path, data: SurveyData) -> None:
        super().__init__(folder, data)
        self._graphs = {}
        self._embedded: dict[int, np.ndarray] = {}
        self._embedded_of: list[weakref.ref] = []  # weakly: a block's inputs may be large

    def scores(self, places, values, fold):
        folds = self.folds if fold is None else [fold]
        if fold is not None and fold not in self.folds:
            raise ConfigError(f"fold: found {fold}, expected one of {self.folds}, whose nets there are")
        if self._wanted_of():
            self._embedded, self._embedded_of = {}, []
        average = self._mean if self.settings.scores.average == "probabilities" else self._of_logits
        scores = average(places, values, folds, fold is None)
        if fold is None and self._embedded:
            self._embedded_of = [weakref.ref(places), weakref.ref(values[self.settings.name])]
        return scores

    def embeddings(self, places, values):
        wanted = self._wanted_of()
        if not wanted:
            return {}
        asked = [places, values[self.settings.name]]
        if not self._embedded_of or any(
            known() is not now for known, now in zip(self._embedded_of, asked, strict=True)
        ):
            self.scores(places, values, None)
        known = np.any([bands.any(axis=1) for bands in values[self.settings.name].known.values()], axis=0)
        return {
            name: np.where(known[:, None], self._embedded[fold], np.float32(np.nan)) for fold, name in wanted.items()
        }

    def _wanted_of(self):
        """Fold -> the name of its net, of those whose embedding is wanted."""
        names = {fold: net_name(self.settings.name, fold) for fold in self.folds}
        return {fold: name for fold, name in names.items() if name in self.wanted}

    def _mean(self, places, values, folds, sees_all):
        """As `glc.scores.mean` of the folds' scores, to the bit, but summed as the nets give them: dense."""
        total = np.zeros((len(places), len(self.data.species)), np.float32)
        for fold in folds:
            count, start = len(self._classes[fold]), 0
            source = np.full(total.shape[1], count)  # a column of zeros behind the net's classes
            source[np.searchsorted(self.data.species, self._classes[fold])] = np.arange(count)
            for block in self._blocks(places, values, fold, sees_all):
                best = score_tables.keep_best(block, self.keep).toarray() if count > self.keep else block
                padded = np.zeros((len(best), count + 1), np.float32)
                np.maximum(best, 0, out=padded[:, :-1])
                total[start : start + len(best)] += padded.take(source, axis=1)
                start += len(best)
        mean = score_tables.from_dense(total) / np.float32(len(folds))
        return score_tables.keep_best(mean.tocsr(), self.keep)

    def _of_logits(self, places, values, folds, sees_all):
        parts = []
        for fold in folds:
            blocks = self._blocks(places, values, fold, sees_all)
            kept = sparse.vstack([score_tables.keep_best(block, self.keep) for block in blocks], format="csr")
            parts.append(labels.widen(kept.astype(np.float32), self._classes[fold], self.data.species))
        return _mean(parts, self.data.species, self.keep, self.settings.scores.average)

    def _blocks(self, places, values, fold, sees_all):
        from glc.nets import checkpoints
        from glc.registry import models

        checkpoint = self.folder / str(fold) / checkpoints.CHECKPOINT
        net = models.get(self.settings.model.name)
        prediction = config.prediction(net, self.settings.predict)
        ids = places["surveyId"].to_numpy() if places["surveyId"].is_unique else -1 - np.arange(len(places))
        named = places.assign(surveyId=ids)
        asked = named.assign(dataset=schema.dataset_numbers(places["dataset"]))
        features = self._features(named, asked, values, fold, sees_all)
        features, _ = net.prediction_features(features, self.data, prediction)
        name, parts = self._wanted_of().get(fold), []
        embedded = None if name is None or not sees_all else lambda block: parts.append(self.wanted[name].of(block))
        yield from checkpoints.predict_blocks(checkpoint, asked, features, prediction=prediction, embedded=embedded)
        if parts:
            self._embedded[fold] = np.concatenate(parts)

    @cached_property
    def _classes(self):
        from glc.nets.inputs.examples import read_classes

        with layout.reading(self.folder):
            return {fold: read_classes(self.folder / str(fold)) for fold in self.folds}

    def _features(self, places, asked, values, fold, sees_all) -> "Features | None":
        from glc.nets.inputs.features import Features

        features = values[self.settings.name].features(places) if self.settings.name in values else None
        for wanted in self.settings.inputs:
            if wanted.graph.name != "none":
                features = features or Features({}, {}, {}, {})
                keys = asked[["dataset", "surveyId"]].to_numpy(np.int64)
                features.add_graph(wanted.name, keys=keys, **self._graph(wanted, fold, sees_all)(places))
        return features

    def _graph(self, wanted, fold, sees_all):
        key = (wanted.name, fold, sees_all)
        if key not in self._graphs:
            member = registry.graphs.get(wanted.graph.name)
            options = config.options(member, wanted.graph, "graph")
            stop = self.settings.validation.stopping_fold(fold)
            self._graphs[key] = member.anywhere(
                self.data, fold, stop, options, self._classes[fold], hidden=not sees_all
            )
        return self._graphs[key]


class EnsembleScorer(PlaceScorer):
    """Other experiments' scores, joined."""

    def __init__(self, folder: Path, data: SurveyData) -> None:
        super().__init__(folder, data)
        member = registry.models.get(self.settings.model.name)
        self.model = member(config.options(member, self.settings.model, "model"))
        self._members = [open_scorer(folder / layout.MEMBERS / str(at), data) for at in range(len(self.model.names))]
        self._joiners = {}

    @property
    def members(self) -> list[PlaceScorer]:
        return self._members

    def scores(self, places, values, fold):
        fold_number = TEST if fold is None else fold
        if fold_number not in self._joiners:
            joined = self.folder / layout.JOINED
            with layout.reading(joined):
                self._joiners[fold_number] = self.model.restore(joined, self.data, self.keep, fold_number)
        return self._joiners[fold_number]([member.scores(places, values, fold) for member in self._members], places)


_KINDS = {"classical": ClassicalScorer, "net": NetScorer, "ensemble": EnsembleScorer}


def open_scorer(folder: Path, data: SurveyData) -> PlaceScorer:
    """The scorer that `write` wrote into `folder`."""
    content = json.loads((folder / layout.SETTINGS).read_text(encoding="utf-8"))
    kind = registry.models.get(content["settings"]["model"]["name"]).kind
    return _KINDS[kind](folder, data)


def _mean(parts, species, keep, average):
    ids, fold = np.arange(parts[0].shape[0]), np.full(parts[0].shape[0], TEST, np.int32)
    return score_tables.AVERAGES[average](
        [score_tables.Scores(ids, fold, species, part) for part in parts], keep
    ).matrix
