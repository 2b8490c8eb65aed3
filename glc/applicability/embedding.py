"""Dissimilarity in the embeddings of nets: each net of a fold has its own space."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from glc.applicability import dissimilarity
from glc.applicability.components import Components
from glc.applicability.dissimilarity import Dissimilarity, whisker
from glc.applicability.space import EMBEDDING, Space
from glc.errors import DataError
from glc.types import Facts, StrPath


@dataclass(frozen=True)
class EmbeddedSurveys:
    """What the net of a fold makes of surveys.

    components : of its embedding
    rows : (n,) int64, numbers of the training surveys among all surveys, ascending
    train, test : (n, k) and (t, k) float32, components of the training and of all test surveys, NaN where a survey has
        no imagery
    """

    components: Components
    rows: np.ndarray
    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, rows: np.ndarray) -> "EmbeddedSurveys":
        """Of an embedding (n + t, d) of the training surveys `rows`, (n,), and then the tests'."""
        components = Components.fit(values[: len(rows)])
        made = components.of(values)
        return cls(components, rows, made[: len(rows)], made[len(rows) :])

    def save(self, path: StrPath) -> None:
        """Write an ``.npz`` of plain arrays."""
        own = self.components
        arrays = {"mean": own.mean, "axes": own.axes, "share": np.array(own.share)}
        np.savez_compressed(path, rows=self.rows, train=self.train, test=self.test, **arrays)

    @classmethod
    def load(cls, path: StrPath) -> "EmbeddedSurveys":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            components = Components(file["mean"], file["axes"], float(file["share"]))
            return cls(components, file["rows"], file["train"], file["test"])


def net_name(experiment: str, fold: int) -> str:
    """What the net of a fold of an experiment is called among others."""
    return f"{experiment} fold {fold}"


def comparable(values: np.ndarray, folds: np.ndarray, fold: int) -> bool:
    """Whether places of `fold`, and of other folds, have an embedding.

    values : (n, k), NaN for a place without one; folds : (n,) int
    """
    known = np.isfinite(values).all(axis=1)
    return bool((known & (folds == fold)).any() and (known & (folds >= 0) & (folds != fold)).any())


@dataclass(frozen=True)
class NetsDissimilarity:
    """The mean, over the nets of the folds, of the dissimilarity in each one's embedding.

    nets : name of a net -> its dissimilarity, whose predictors are components of its embedding
    components : name of a net -> how its embedding becomes these predictors
    threshold : largest dissimilarity within the area of applicability
    facts : plain values about the fit
    """

    nets: dict[str, Dissimilarity]
    components: dict[str, Components]
    threshold: float
    facts: Facts

    @property
    def kind(self) -> str:
        """``embedding``."""
        return EMBEDDING

    def plain(self) -> tuple[Facts, dict[str, np.ndarray]]:
        """Plain values and arrays that `of_plain` reads."""
        facts: Facts = {"nets": []}
        arrays = {}
        for number, (name, net) in enumerate(self.nets.items()):
            own, stored = net.plain()
            components = self.components[name]
            facts["nets"].append({"name": name, "share": components.share, "facts": net.facts, **own})
            stored |= {"component_mean": components.mean, "component_axes": components.axes}
            arrays |= {f"net{number}_{key}": values for key, values in stored.items()}
        return facts, arrays

    @classmethod
    def of_plain(cls, facts: Facts, arrays: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `plain`; `facts` with threshold and dissimilarity, the facts of the fit, as well."""
        nets, components = {}, {}
        for number, own in enumerate(facts["nets"]):
            start = f"net{number}_"
            stored = {name.removeprefix(start): values for name, values in arrays.items() if name.startswith(start)}
            known = {**own, "kind": EMBEDDING, "threshold": facts["threshold"], "dissimilarity": own["facts"]}
            nets[own["name"]] = Dissimilarity.of_plain(known, stored)
            mean, axes = stored["component_mean"], stored["component_axes"]
            components[own["name"]] = Components(mean, axes, own["share"])
        return cls(nets, components, facts["threshold"], facts["dissimilarity"])

    def index(self, predictors: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Dissimilarity of places, (n,) float64, and whether it is unknown, (n,) int64; as `Dissimilarity.index`.

        predictors : name of a net -> (n, k) components of its embedding, NaN where the place has no imagery
        """
        lost = [name for name in self.nets if name not in predictors]
        if lost:
            raise DataError(f"predictors: no embedding of the net {lost[0]!r}; found {', '.join(predictors) or 'none'}")
        parts = [self.nets[name].index(predictors[name])[0] for name in self.nets]
        index = np.mean(parts, axis=0)
        return index, np.isnan(index).astype(np.int64)


def fit(
    values: Mapping[str, np.ndarray],
    components: Mapping[str, Components],
    own_fold: Mapping[str, int],
    folds: np.ndarray,
    seed: int = 0,
) -> tuple[NetsDissimilarity, np.ndarray]:
    """The `NetsDissimilarity` of training places, and their own under cross-validation, (n,) float64.

    values : name of a net -> (n, k) components of its embedding of the training places, NaN where one has no imagery
    components : of the same nets
    own_fold : of the same nets, the fold that the net has not seen
    folds : (n,) int, the validation fold of each place; below 0: in none
    seed : of the sample for the mean distance of many places

    A training place is compared with the places of other folds in the embedding of the net that has not seen its fold:
    a net may embed what it was trained on differently, and a new place is none of these. Several such nets, of an
    ensemble's members, are averaged. The threshold is the upper whisker of these values, as of `dissimilarity.fit`.
    """
    folds = np.asarray(folds)
    nets, total, count = {}, np.zeros(len(folds)), np.zeros(len(folds))
    for name, own in values.items():
        space = Space.of_embedding(own)
        nets[name], across = dissimilarity.fit(space, own, folds, seed, compared=own_fold[name])
        known = np.isfinite(across)
        total[known] += across[known]
        count[known] += 1
    across = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    first = next(iter(nets.values()))
    facts: Facts = {
        "space": EMBEDDING,
        "training_places": first.facts["training_places"],
        "without_predictors": first.facts["without_predictors"],
        "with_missing_predictors": 0,
        "nets": len(nets),
        "predictors": sum(len(part.space.names) for part in nets.values()),
        "share_of_variance": min(components[name].share for name in nets),
        "folds": len(set(own_fold.values())),
        "mean_distance_half_width": max(float(part.facts["mean_distance_half_width"]) for part in nets.values()),
    }
    return NetsDissimilarity(nets, dict(components), whisker(across[np.isfinite(across)]), facts), across
