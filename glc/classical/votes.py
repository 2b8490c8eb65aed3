"""Distance-weighted votes over presence-absence and presence-only surveys, smoothed from coarse to fine scales."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo, threads
from glc import scores as score_tables
from glc.classical._base import Classical, Scorer
from glc.config import SOME, NotNegative, Positive, section
from glc.neighbours.pools import CELLS_PER_SCALE, Pool, kernel, pool, sums
from glc.neighbours.uncertainty import Uncertainty, widened
from glc.registry import models
from glc.surveys import SurveyData
from glc.types import MemberOptions

_DRAWN = 3_000
"""Surveys, at most, around which presence-only records are looked at to tell how readily species are recorded."""
_ROWS = 256
"""Places whose shares are made at once: small enough for the processor's caches."""


@models.register("votes")
class Votes(Classical):
    """Species by the votes of the surveys around, a near survey weighing more.

    At each scale s, from coarse to fine, every record votes for its species with weight exp(-d^2 / 2 s^2) (d: metres
    along the great circle), and the share of a species is

        share_s = (votes_s + prior * share_coarser) / (all votes_s + prior),

    the Dirichlet smoothing of language models: where there are few records nearby, the wider surroundings speak. The
    coarsest share is that of the whole training set. A score is the share times the mean number of species in a
    presence-absence survey: an expected count, at most 1. A record of uncertain place may vote over all of its
    uncertainty (`glc.neighbours.uncertainty`).

    People record some species far more readily than others. To correct this, a presence-only record weighs

        (n + k) / (e + k),

    where n training surveys hold its species, and e would if surveys were drawn as the presence-only records around
    them are: the sum over surveys of their number of species times its presence-only share there. This is the mean of
    a rate n / e with a gamma prior (Clayton and Kaldor 1987): of a species that is never in surveys, many records weigh
    little, and few tell nothing yet. How much k shrinks follows from the folds (`_Bias.prior`), so that records that
    are drawn as surveys are keep their weights.
    """

    @section
    class Options:
        scales_m: Annotated[tuple[Positive, ...], SOME] = (40_000, 20_000, 10_000, 5_000)
        """Gaussian scales, metres, in any order."""
        prior: Positive = 2_000
        """Records that the coarser scale counts for."""
        po_weight: NotNegative = 1.0
        """Weight of a presence-only record (0: left out); a species of a presence-absence survey has 1."""
        po_bias: Literal["ignored", "corrected"] = "corrected"
        """ignored: presence-only records of all species weigh the same; corrected: they are corrected for how readily
        each species is recorded, as surveys show it."""
        uncertainty: Uncertainty = "edition"
        """widen: a record adds over all of its uncertainty (geoUncertaintyInM), as many records around it would;
        ignore: at its place alone; edition: widen for records of Darwin Core, ignore for the contests' files."""

    def __init__(self, options: MemberOptions) -> None:
        super().__init__(options)
        self._common: tuple[SurveyData, _Source, _Bias | None] | None = None

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        if options.po_weight:
            return ""
        return "model.po_weight: found 0, which leaves presence-only records out; write NAME+model.po_weight=1"

    def record_weights(self, data: SurveyData, fold: int | None) -> np.ndarray:
        """Weights (m,) float32 of a presence-only record of each species, from the surveys that `fold` may see."""
        bias = self._presence_only(data)[1]
        return np.ones(len(data.species), np.float32) if bias is None else bias.weights(fold)

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        train = data.train(fold)
        sources = [self._source(data, train, 1.0)]
        if self.options.po_weight and len(data.presence_only):
            records, bias = self._presence_only(data)
            if bias is not None:
                records = records.weighted(bias.weights(fold))
            sources.append(records)
        richness = data.labels_of(train).sum() / max(len(train), 1)
        fill_shares = self._smoothed(sources)

        def fill(points: np.ndarray, share: np.ndarray) -> None:
            fill_shares(points, share)
            share *= richness
            np.minimum(share, 1, out=share)

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            points = geo.unit_sphere(places["lon"], places["lat"])
            shares = np.empty((len(points), len(data.species)), np.float32)
            parts = [slice(start, start + _ROWS) for start in range(0, len(points), _ROWS)]
            calls = ((points[part], shares[part]) for part in parts)
            for _done in threads.in_order(fill, calls, min(threads.cores(), max(len(parts), 1))):
                pass
            return score_tables.from_dense(shares)

        return score

    def _smoothed(self, sources: Sequence["_Source"]) -> Callable[[np.ndarray, np.ndarray], None]:
        """A function that fills shares (n, m) float32 at points (n, 3) on the unit sphere, by votes of `sources`."""
        overall = np.sum([source.total for source in sources], axis=0)
        prior, everywhere = self.options.prior, (overall / overall.sum()).astype(np.float32)

        def fill(points: np.ndarray, share: np.ndarray) -> None:
            weights = [source.weights(points) for source in sources]
            # a finer scale takes its part of what the coarser ones left
            left = np.ones(len(points), np.float32)
            for scale in reversed(range(len(sources[0].pools))):
                votes = np.sum([w[scale] @ source.sizes[scale] for w, source in zip(weights, sources, strict=True)], 0)
                for own in weights:
                    own[scale].data *= np.repeat(left / (votes + prior), np.diff(own[scale].indptr))
                left *= prior / (votes + prior)
            np.multiply(left[:, None], everywhere, out=share)
            for own, source in zip(weights, sources, strict=True):
                source.add(own, share)

        return fill

    def _presence_only(self, data: SurveyData) -> "tuple[_Source, _Bias | None]":
        """The presence-only records, which all folds have in common and which are pooled once, and their bias."""
        if self._common is None or self._common[0] is not data:
            records = self._source(data, data.presence_only, self.options.po_weight)
            corrected = self.options.po_bias == "corrected" and records.total.any() and len(data.train())
            self._common = data, records, self._bias(data, records) if corrected else None
        return self._common[1:]

    def _bias(self, data: SurveyData, records: "_Source") -> "_Bias":
        """How often surveys hold each species, and would by the presence-only `records` around them."""
        train = data.train()
        folds, fold = np.unique(data.places["fold"].to_numpy()[train], return_inverse=True)
        member = (fold == np.arange(len(folds))[:, None]).astype(np.float32)
        held = data.labels_of(train)
        drawn = np.sort(np.random.default_rng(0).permutation(len(train))[:_DRAWN])
        places, richness = data.places.iloc[train[drawn]], np.asarray(held[drawn].sum(axis=1)).ravel()
        points, of_fold = geo.unit_sphere(places["lon"], places["lat"]), member[:, drawn] * richness
        fill, expected = self._smoothed([records]), np.zeros((len(folds), held.shape[1]))
        for start in range(0, len(drawn), _ROWS):
            part = slice(start, start + _ROWS)
            share = np.empty((len(points[part]), held.shape[1]), np.float32)
            fill(points[part], share)
            expected += of_fold[:, part] @ share
        return _Bias(folds, np.asarray(member @ held, float), expected)

    def _source(self, data: SurveyData, rows: np.ndarray, weight: float) -> "_Source":
        records = data.labels_of(rows).astype(np.float32) * np.float32(weight)
        widen, places = widened(data, self.options.uncertainty), data.places.iloc[rows]
        points = None if widen else geo.unit_sphere(places["lon"], places["lat"])
        scales = sorted(self.options.scales_m, reverse=True)
        pools = [
            pool(places, records, scale / CELLS_PER_SCALE, spread_m=scale if widen else None, points=points)
            for scale in scales
        ]
        return _Source(scales, pools, np.asarray(records.sum(axis=0, dtype=float)).ravel())


@dataclass(frozen=True)
class _Bias:
    """How readily species are recorded.

    folds : their numbers; held : (folds, m) surveys with each species; expected : the same by presence-only records
        around surveys drawn among them, in any unit
    """

    folds: np.ndarray
    held: np.ndarray
    expected: np.ndarray

    def weights(self, fold: int | None) -> np.ndarray:
        """Weights (m,) float32 of a record of each species, from the surveys of all folds but `fold`."""
        prior = self.prior(fold)
        if prior == np.inf:
            return np.ones(self.held.shape[1], np.float32)
        held, expected = (counts.sum(axis=0) for counts in self._seen(fold))
        return ((held + prior) / (expected + prior)).astype(np.float32)

    def prior(self, fold: int | None) -> float:
        """Surveys that count for no correction: noise / variance of the rates, infinite where they do not vary.

        What a species is above or below its expected count in one fold, it is in the others too as far as rates vary:
        the products of two folds' differences, of which no noise is left on average, give the variance. The noise, of
        counts that would vary as Poisson's do 1, is that of the folds around each species' own rate.
        """
        held, expected = self._seen(fold)
        away = held - expected
        together = (expected.sum(axis=0) ** 2 - (expected**2).sum(axis=0)).sum()
        if len(held) < 2 or not together > 0:
            return np.inf
        variance = (away.sum(axis=0) ** 2 - (away**2).sum(axis=0)).sum() / together
        rate = (held.sum(axis=0) + 1) / (expected.sum(axis=0) + 1)
        own = rate * expected
        noise = ((held - own) ** 2).sum() / (own.sum() * (1 - 1 / len(held)))
        return float(max(noise, 1) / variance) if variance > 0 else np.inf

    def _seen(self, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Surveys with each species, in all folds but `fold`, and how many are expected, as many in all."""
        seen = np.ones(len(self.folds), bool) if fold is None else self.folds != fold
        held, expected = self.held[seen], self.expected[seen]
        return held, expected * (held.sum() / max(expected.sum(), 1e-12))


class _Source:
    """Records of one kind, pooled for each scale, the coarsest first.

    total : (m,) records of each species; weight : (m,) float32 of a record of each, None: 1; sizes : (c,) float32
        records of each pool, weighted, for each scale
    """

    def __init__(
        self, scales_m: list[float], pools: list[Pool], total: np.ndarray, weight: np.ndarray | None = None
    ) -> None:
        self.scales_m, self.pools, self.weight = scales_m, pools, weight
        each = np.ones(len(total), np.float32) if weight is None else weight
        self.total = total * each
        self.sizes = [np.asarray(cells.counts @ each).ravel().astype(np.float32) for cells in pools]

    def weighted(self, weight: np.ndarray) -> "_Source":
        """The same records of no weight yet, each weighing as its species does."""
        return _Source(self.scales_m, self.pools, self.total, weight)

    def weights(self, points: np.ndarray) -> list[sparse.csr_matrix]:
        """The kernel of each scale around points (n, 3) on the unit sphere."""
        return [kernel(points, cells.tree, scale) for scale, cells in zip(self.scales_m, self.pools, strict=True)]

    def add(self, weights: list[sparse.csr_matrix], share: np.ndarray) -> None:
        """Add the weighted sums of all scales to `share` (n, m)."""
        total = share if self.weight is None else np.zeros_like(share)
        for own, cells in zip(weights, self.pools, strict=True):
            if own.nnz:
                total += sums(own, cells.counts)
        if self.weight is not None:
            total *= self.weight
            share += total
