"""Distance-weighted votes over presence-absence and presence-only surveys, smoothed from coarse to fine scales."""

from typing import Annotated

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc.classical._base import Classical
from glc.config import SOME, NotNegative, Positive, section
from glc.neighbours.pools import CELLS_PER_SCALE, kernel, pool
from glc.neighbours.uncertainty import Uncertainty, widened
from glc.registry import models
from glc.surveys import SurveyData


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

    def scores(
        self,
        data: SurveyData,
        fold: int | None,
        queries: np.ndarray,
        neighbours: pd.DataFrame | None = None,
        table: np.ndarray | None = None,
        *,
        rows: int = 1_024,
    ) -> sparse.csr_matrix:
        """Scores (n, m) CSR of the rows `queries` from the training surveys that a model of `fold` may see."""
        train, po = data.train(fold), data.presence_only
        seen = np.concatenate([train, po]) if self.options.po_weight else train
        weight = np.where(np.arange(len(seen)) < len(train), 1.0, self.options.po_weight).astype(np.float32)
        records = sparse.diags(weight) @ data.labels_of(seen).astype(np.float32)
        overall = np.asarray(records.sum(axis=0)).ravel()
        richness = data.labels_of(train).sum() / max(len(train), 1)
        scales = sorted(self.options.scales_m, reverse=True)
        widen = widened(data, self.options.uncertainty)
        pools = [
            pool(data.places.iloc[seen], records, scale / CELLS_PER_SCALE, spread_m=scale if widen else None)
            for scale in scales
        ]
        asked = data.places.iloc[queries]
        points = geo.unit_sphere(asked["lon"], asked["lat"])
        blocks = []
        for start in range(0, len(queries), rows):
            share = np.tile((overall / overall.sum()).astype(np.float32), (min(rows, len(queries) - start), 1))
            for scale, cells in zip(scales, pools, strict=True):
                votes = (kernel(points[start : start + rows], cells.points, scale) @ cells.counts).toarray()
                share *= self.options.prior
                share += votes
                share /= votes.sum(axis=1, keepdims=True) + self.options.prior
            blocks.append(sparse.csr_matrix(np.minimum(share * richness, 1)))
        return sparse.vstack(blocks, format="csr")
