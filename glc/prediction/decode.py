"""Scores to species sets. Every decoder decides how many of a survey's best species to keep.

All sets are prefixes of the scores in order (`glc.prediction.ranking.Ranked`). None is empty, the smallest size is one,
unless the experiment allows it and validation says that it pays (`Decoder.allow_empty`). What a decoder must and may
offer is in `Decoder`.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, TypeVar

import numpy as np
from annotated_types import Ge
from scipy import sparse

from glc import config
from glc.config import Count, Positive, Share, require, section
from glc.errors import DataError
from glc.prediction import calibration, expected_f1
from glc.prediction.ranking import Ranked
from glc.registry import decoders
from glc.types import Facts, MemberOptions

Statistics: TypeAlias = dict[str, np.ndarray]
"""Sums over surveys that a decoder learns from, by their names."""
Group = TypeVar("Group", bound=Hashable)
D = TypeVar("D", bound="Decoder")

_CERTAIN = 0.99
"""A score counts for no more as evidence that a survey has species."""
_EVIDENCE = np.geomspace(1e-3, 1e2, 201)
"""Evidence below which sets are tried to be empty: 100 means that no species is missed with a chance of e^-100."""
_ERRORS = 2.0
"""Standard errors by which empty sets have to raise the F1; a few surveys without species are chance."""


def decide(decoder: "Decoder", ranked: Ranked, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Species sets of a fitted `decoder`: boolean CSR of `shape`, best first in each row; see `sizes`."""
    return ranked.take(sizes(decoder, ranked), shape)


def sizes(decoder: "Decoder", ranked: Ranked) -> np.ndarray:
    """Sizes of the sets of a fitted `decoder`, (n,), at least 1 except where it has learned that empty sets pay."""
    if (ranked.lengths == 0).any():
        raise DataError(
            f"{int((ranked.lengths == 0).sum())} surveys have no positive score; a model must fall back on frequencies"
        )
    kept = np.maximum(decoder.sizes(ranked), 1)
    return kept if decoder.empty_below is None else np.where(evidence(ranked) < decoder.empty_below, 0, kept)


def evidence(ranked: Ranked) -> np.ndarray:
    """How much the scores of each survey say that any species is there, (n,) float64.

    It is minus the logarithm of the chance that none is, were the scores the chances of independent presences; what
    they really are does not matter, because a decoder learns from which value on a set should have species.
    """
    each = -np.log1p(-np.minimum(ranked.values.astype(np.float64), _CERTAIN))
    return np.bincount(np.repeat(np.arange(len(ranked.lengths)), ranked.lengths), each, len(ranked.lengths))


def gains_of_empty(decoder: "Decoder", ranked: Ranked) -> Statistics:
    """What empty sets would gain in F1 over those of a fitted `decoder`, as sums over surveys by their `evidence`.

    ranked : scores of validation surveys in order, with their labels
    returns : ``gain`` and ``square`` (the gain's), each a sum per interval of evidence, and ``surveys``
    """
    without = (ranked.labels()[1] == 0).astype(float)
    gain = without - _f1_of_sizes(ranked, np.minimum(np.maximum(decoder.sizes(ranked), 1), ranked.lengths))
    interval = np.searchsorted(_EVIDENCE, evidence(ranked), side="right")
    sums = [np.bincount(interval, values, len(_EVIDENCE) + 1) for values in (gain, gain**2)]
    return {"gain": sums[0], "square": sums[1], "surveys": np.array(len(gain))}


def cross_fitted(
    make: Callable[[], "Decoder"],
    ranked: Ranked,
    shape: tuple[int, int],
    groups: np.ndarray,
    decided: Ranked | None = None,
) -> sparse.csr_matrix:
    """Honest sets for the validation surveys: each group is decided by a decoder fitted on the other groups.

    make : () -> decoder; ranked : with labels; groups : (n,) folds or spatial blocks, at least two different ones
    decided : other scores of the same surveys, `Ranked`, that the sets are taken from; None: the same
    """
    decided = decided or ranked
    inside = {group: np.flatnonzero(groups == group) for group in np.unique(groups)}
    learned = {group: make().statistics(ranked.rows(rows)) for group, rows in inside.items()}
    sizes = np.zeros(len(groups), np.int64)
    for group, decoder in of_others(make, learned).items():
        sizes[inside[group]] = np.maximum(decoder.sizes(decided.rows(inside[group])), 1)
    return decided.take(sizes, shape)


def of_others(make: Callable[[], D], statistics: Mapping[Group, Statistics]) -> dict[Group, D]:
    """For each group of validation surveys a decoder that has learned from all other groups.

    make : () -> decoder; statistics : of the surveys of each group, at least two
    """
    if len(statistics) < 2:
        raise DataError("cross-fitting needs at least two groups of validation surveys; run more folds or blocks")
    return {
        group: make().learn(together(own for other, own in statistics.items() if other != group))
        for group in statistics
    }


def together(statistics: Iterable[Statistics]) -> Statistics:
    """The `Decoder.statistics` of all surveys, from those of parts of them."""
    first, *others = statistics
    total = {name: np.array(value) for name, value in first.items()}
    for part in others:
        for name, value in part.items():
            total[name] += value
    return total


def save(decoder: "Decoder", path: Path) -> None:
    """Write what a fitted `decoder` learned, as plain arrays, to the file `path` (.npz)."""
    arrays: dict[str, Any] = {name: np.asarray(getattr(decoder, name)) for name in decoder.learned}
    np.savez(path, **arrays)


def restore(choice: config.Choice, path: Path) -> "Decoder":
    """The decoder of a `config.Choice` with what `save` wrote to `path`; it decides as the saved one does."""
    decoder = make(choice)
    with np.load(path, allow_pickle=False) as arrays:
        for name in decoder.learned:
            setattr(decoder, name, arrays[name])
    return decoder


def make(choice: config.Choice) -> "Decoder":
    """A fresh decoder for a `config.Choice`."""
    member = decoders.get(choice.name)
    return member(config.options(member, choice, "decoder"))


class Decoder:
    """How many of a survey's best species make its set. It must have `sizes`; all else has a default:

    >>> @decoders.register("mean_size")
    ... class MeanSize(Decoder):
    ...     '''As many species as a validation survey has on average.'''
    ...
    ...     learned = ("size",)
    ...
    ...     def statistics(self, ranked):
    ...         return {"surveys": np.array(len(ranked.actual)), "species": ranked.actual.sum()}
    ...
    ...     def learn(self, statistics):
    ...         self.size = round(statistics["species"] / statistics["surveys"])
    ...         self.facts = {"size": self.size}
    ...         return self
    ...
    ...     def sizes(self, ranked):
    ...         return np.full(len(ranked.lengths), self.size)
    >>> MeanSize(MeanSize.Options()).fit(ranked).sizes(ranked).tolist()
    [2, 2]
    """

    name: ClassVar[str] = ""
    """Given by the registry."""
    learned: tuple[str, ...] = ()
    """Attributes that `learn` sets and `sizes` reads, arrays or numbers: what is kept of a fitted decoder."""
    may_be_empty: bool = False
    """Whether it is to be told by `allow_empty` which sets should be empty; may be a property."""
    empty_below: float | None = None
    """`evidence` below which sets are empty; None: no set is."""

    @section
    class Options:
        """Options of ``[decode]`` next to its ``name``: none."""

    def __init__(self, options: MemberOptions) -> None:
        """Keep the options.

        options : the decoder's own `Options`
        """
        self.options = options
        self.facts: Facts = {}
        """Plain values about what was fitted, for the report."""

    def statistics(self, ranked: Ranked) -> Statistics:
        """What is to be known of validation surveys to learn from them, as sums over surveys: arrays by name.

        The surveys of a fold come in parts, and every fold's sets are decided from the sums of the others', so that no
        more than a part is ever in memory. A decoder with nothing to learn has none.

        ranked : scores of validation surveys in order, with their labels
        """
        return {}

    def learn(self, statistics: Statistics) -> Self:
        """Learn from validation, and from nothing else; a decoder with nothing to learn returns itself.

        statistics : of all surveys that it may learn from, `together`
        """
        return self

    def allow_empty(self, statistics: Statistics) -> None:
        """Let sets be empty where that raises the F1 of surveys that it may learn from, by more than chance does.

        statistics : `gains_of_empty` of these surveys by this decoder, `together`
        """
        gain, square = (np.cumsum(statistics[name])[:-1] for name in ("gain", "square"))
        gain[gain <= _ERRORS * np.sqrt(square)] = -np.inf
        best = int(gain.argmax())
        self.empty_below = float(_EVIDENCE[best]) if gain[best] > 0 else 0.0
        raised = float(gain[best] / statistics["surveys"]) if gain[best] > 0 else 0.0
        self.facts |= {"empty_below": round(self.empty_below, 6), "raised_by_empty": raised}

    def fit(self, ranked: Ranked) -> Self:
        """Learn from validation surveys that are in memory as a whole.

        ranked : scores of validation surveys in order, with their labels
        """
        return self.learn(self.statistics(ranked))

    def sizes(self, ranked: Ranked) -> np.ndarray:
        """How many of its best species each survey keeps, (n,) int.

        ranked : scores in order
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how large a set is")


@decoders.register("all")
class Everything(Decoder):
    """Every species with a score, as the published neighbour models do."""

    @section
    class Options:
        pass

    def sizes(self, ranked: Ranked) -> np.ndarray:
        return ranked.lengths


@decoders.register("top_k")
class TopK(Decoder):
    """The k best species."""

    @section
    class Options:
        k: Count = 25
        """Species in every set."""

    def sizes(self, ranked: Ranked) -> np.ndarray:
        return np.full(len(ranked.lengths), self.options.k)


@decoders.register("threshold")
class Threshold(Decoder):
    """Species with a score above `threshold`, or the best one when there is none."""

    @section
    class Options:
        threshold: Share = 0.5
        """Score from which a species is in the set."""

    def sizes(self, ranked: Ranked) -> np.ndarray:
        return ranked.above(self.options.threshold)


@decoders.register("threshold_top_k")
class ThresholdTopK(Decoder):
    """Species above θ, joined with the k best or cut to them; (k, θ) maximise the sample-averaged F1 on validation.

    Liu et al. 2024 (Tighnari), section 3.7, contradicts itself: eq. 14 joins both, the text before it filters the k
    best by θ. No set is empty: where none of the k best is above θ the best one is predicted.
    """

    learned = ("k", "threshold")

    @section
    class Options:
        largest: Count = 100
        """k is searched in 1 to `largest`."""
        lowest: float = 0.10
        """Lowest θ that is tried."""
        highest: float = 0.50
        """Highest θ that is tried."""
        step: Positive = 0.01
        """Step from one θ to the next."""
        reading: Literal["union", "intersection"] = "union"
        """union: species above θ or among the k best, eq. 14; intersection: those of the k best above θ, the prose of
        section 3.7."""

        def __post_init__(self) -> None:
            require(self.lowest <= self.highest, "lowest", self, "at most highest")

    def statistics(self, ranked: Ranked) -> Statistics:
        o, (ks, thresholds) = self.options, self._grid()
        total = np.empty((len(ks), len(thresholds)))
        # no set of the grid reaches further down than that
        ranked = ranked.head(np.maximum(ranked.above(thresholds.min()), o.largest))
        by_k = _f1_of_sizes(ranked, np.minimum(ks[:, None], ranked.lengths))
        for column, threshold in enumerate(thresholds):
            # the set holds the k best or those above the threshold: the larger (union) or the smaller (intersection)
            above = ranked.above(threshold)
            group = np.minimum(above, o.largest + 1)
            member = sparse.csr_matrix(
                (np.ones(len(group)), (group, np.arange(len(group)))), (o.largest + 2, len(group))
            )
            of_k = np.cumsum(member @ by_k.T, axis=0)  # [g, k]: sum over surveys with at most g above
            of_threshold = np.bincount(group, _f1_of_sizes(ranked, np.maximum(above, 1)), minlength=o.largest + 2)
            below = np.cumsum(of_threshold)  # [g]: sum over surveys with at most g above
            if o.reading == "union":
                total[:, column] = of_k[ks, ks - 1] + (of_threshold.sum() - below[ks])
            else:
                total[:, column] = below[ks] + of_k[-1] - of_k[ks, ks - 1]
        return {"f1": total, "surveys": np.array(len(ranked.lengths))}

    def learn(self, statistics: Statistics) -> Self:
        ks, thresholds = self._grid()
        # pairs that give the same sets have the same F1, of which the first is taken, however the sums were rounded
        self.grid = np.round(statistics["f1"] / statistics["surveys"], 12)
        best = np.unravel_index(self.grid.argmax(), self.grid.shape)
        self.k, self.threshold = int(ks[best[0]]), float(thresholds[best[1]])
        self.facts = {
            "reading": self.options.reading,
            "k": self.k,
            "threshold": round(self.threshold, 6),
            "validation_f1": float(self.grid.max()),
            "grid": {
                "k": ks.tolist(),
                "threshold": [round(float(value), 6) for value in thresholds],
                "f1": [[round(float(value), 5) for value in row] for row in self.grid],
            },
        }
        return self

    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """The k and the θ that are tried."""
        o = self.options
        return np.arange(1, o.largest + 1), np.arange(o.lowest, o.highest + o.step / 2, o.step)

    def sizes(self, ranked: Ranked) -> np.ndarray:
        larger = self.options.reading == "union"
        return (np.maximum if larger else np.minimum)(self.k, ranked.above(self.threshold))


@decoders.register("expected_f1")
class ExpectedF1(Decoder):
    """For each survey the set size with the highest expected F1 (`glc.prediction.expected_f1`).

    Probabilities are calibrated by one isotonic curve from score to presence rate, pooled over all species and surveys
    of validation. How unevenly rich surveys are beyond that (`spread`) is learned there too.
    """

    learned: tuple[str, ...] = ("curve", "spread")

    @section
    class Options:
        largest: Count = 150
        """Most species in a set."""
        bins: Annotated[int, Ge(10)] = 2_000
        """Bins of the calibration, dense where scores are high."""
        empty: bool = False
        """Whether a set may be empty: it then is where the scores are lower than a value below which empty sets raise
        the F1 of validation surveys. Without, the best species is always predicted, also where none may be."""

    def __init__(self, options: MemberOptions) -> None:
        super().__init__(options)
        self.may_be_empty = options.empty
        if options.empty:
            self.learned = (*self.learned, "empty_below")

    def statistics(self, ranked: Ranked) -> Statistics:
        hits, actual = ranked.labels()
        return calibration.statistics(ranked.values, hits, ranked.indptr, actual)

    def learn(self, statistics: Statistics) -> Self:
        self.curve = calibration.curve(statistics, self.options.bins)
        self.spread = calibration.spread(statistics, self.curve)
        self.facts = {
            "calibration": [[float(x), float(y)] for x, y in zip(*_thinned(self.curve), strict=True)],
            "spread": round(self.spread, 4),
            "validation_pairs": int(statistics["pairs"].sum()),
        }
        return self

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated presence probabilities of positive scores; zero stays zero."""
        return np.where(scores > 0, np.interp(scores, *self.curve), 0.0)

    def sizes(self, ranked: Ranked, rows: int = 256) -> np.ndarray:
        width = int(ranked.lengths.max())
        sizes = [
            expected_f1.best_sizes(
                self.probabilities(ranked.block(start, min(start + rows, len(ranked.lengths)), width)),
                largest=self.options.largest,
                spread=self.spread,
            )[0]
            for start in range(0, len(ranked.lengths), rows)
        ]
        return np.concatenate(sizes)


def _f1_of_sizes(ranked: Ranked, sizes: np.ndarray) -> np.ndarray:
    """F1 of the first `sizes` species of each survey, (..., n)."""
    return 2 * ranked.hits_among(sizes) / np.maximum(sizes + ranked.labels()[1], 1)


def _thinned(curve: tuple[np.ndarray, np.ndarray], points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """At most `points` knots of a curve, for the report."""
    pick = np.unique(np.linspace(0, len(curve[0]) - 1, points).astype(int))
    return curve[0][pick], curve[1][pick]
