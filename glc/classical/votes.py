"""Distance-weighted votes over presence-absence and presence-only surveys, smoothed from coarse to fine scales."""

from typing import Annotated

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc import scores as score_tables
from glc.classical._base import Classical, Scorer
from glc.config import SOME, NotNegative, Positive, section
from glc.neighbours.pools import CELLS_PER_SCALE, kernel, pool, sums
from glc.neighbours.uncertainty import Uncertainty, widened
from glc.registry import models
from glc.surveys import SurveyData
from glc.types import MemberOptions

_ROWS = 1_024
"""Places whose shares are in memory at once."""


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

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        if options.po_weight:
            return ""
        return "model.po_weight: found 0, which leaves presence-only records out; write NAME+model.po_weight=1"

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        train, po = data.train(fold), data.presence_only
        seen = np.concatenate([train, po]) if self.options.po_weight else train
        weight = np.where(np.arange(len(seen)) < len(train), 1.0, self.options.po_weight).astype(np.float32)
        records = sparse.diags(weight) @ data.labels_of(seen).astype(np.float32)
        overall = np.asarray(records.sum(axis=0)).ravel()
        richness = data.labels_of(train).sum() / max(len(train), 1)
        scales = sorted(self.options.scales_m, reverse=True)
        widen = widened(data, self.options.uncertainty)
        known = data.places.iloc[seen]
        sphere = None if widen else geo.unit_sphere(known["lon"], known["lat"])
        pools = [
            pool(known, records, scale / CELLS_PER_SCALE, spread_m=scale if widen else None, points=sphere)
            for scale in scales
        ]
        del known, sphere

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            points = geo.unit_sphere(places["lon"], places["lat"])
            shares = np.empty((len(places), len(overall)), np.float32)
            for start in range(0, len(places), _ROWS):
                share = shares[start : start + _ROWS]
                share[:] = (overall / overall.sum()).astype(np.float32)
                for scale, cells in zip(scales, pools, strict=True):
                    votes = sums(kernel(points[start : start + _ROWS], cells.points, scale), cells.counts)
                    share *= self.options.prior
                    share += votes
                    share /= votes.sum(axis=1, keepdims=True) + self.options.prior
                share *= richness
                np.minimum(share, 1, out=share)
            return score_tables.from_dense(shares)

        return score
