"""Distance-weighted votes over presence-absence and presence-only surveys, smoothed from coarse to fine scales."""

from typing import Annotated

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
    """

    @section
    class Options:
        scales_m: Annotated[tuple[Positive, ...], SOME] = (40_000, 20_000, 10_000, 5_000)
        """Gaussian scales, metres, in any order."""
        prior: Positive = 2_000
        """Records that the coarser scale counts for."""
        po_weight: NotNegative = 1.0
        """Weight of a presence-only record (0: left out); a species of a presence-absence survey has 1."""
        uncertainty: Uncertainty = "edition"
        """widen: a record adds over all of its uncertainty (geoUncertaintyInM), as many records around it would;
        ignore: at its place alone; edition: widen for records of Darwin Core, ignore for the contests' files."""

    def __init__(self, options: MemberOptions) -> None:
        super().__init__(options)
        self._common: tuple[SurveyData, _Source] | None = None

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        if options.po_weight:
            return ""
        return "model.po_weight: found 0, which leaves presence-only records out; write NAME+model.po_weight=1"

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        train = data.train(fold)
        sources = [self._source(data, train, 1.0)]
        if self.options.po_weight and len(data.presence_only):
            sources.append(self._presence_only(data))
        overall = np.sum([source.total for source in sources], axis=0)
        richness = data.labels_of(train).sum() / max(len(train), 1)
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
            share *= richness
            np.minimum(share, 1, out=share)

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            points = geo.unit_sphere(places["lon"], places["lat"])
            shares = np.empty((len(points), len(overall)), np.float32)
            parts = [slice(start, start + _ROWS) for start in range(0, len(points), _ROWS)]
            calls = ((points[part], shares[part]) for part in parts)
            for _done in threads.in_order(fill, calls, min(threads.cores(), max(len(parts), 1))):
                pass
            return score_tables.from_dense(shares)

        return score

    def _presence_only(self, data: SurveyData) -> "_Source":
        """The presence-only records, which all folds have in common and which are pooled once."""
        if self._common is None or self._common[0] is not data:
            self._common = data, self._source(data, data.presence_only, self.options.po_weight)
        return self._common[1]

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


class _Source:
    """Records of one kind, pooled for each scale, the coarsest first.

    total : (m,) records of each species; sizes : (c,) float32 records of each pool, for each scale
    """

    def __init__(self, scales_m: list[float], pools: list[Pool], total: np.ndarray) -> None:
        self.scales_m, self.pools, self.total = scales_m, pools, total
        self.sizes = [np.asarray(cells.counts.sum(axis=1)).ravel().astype(np.float32) for cells in pools]

    def weights(self, points: np.ndarray) -> list[sparse.csr_matrix]:
        """The kernel of each scale around points (n, 3) on the unit sphere."""
        return [kernel(points, cells.tree, scale) for scale, cells in zip(self.scales_m, self.pools, strict=True)]

    def add(self, weights: list[sparse.csr_matrix], share: np.ndarray) -> None:
        """Add the weighted sums of all scales to `share` (n, m)."""
        for own, cells in zip(weights, self.pools, strict=True):
            if own.nnz:
                share += sums(own, cells.counts)
