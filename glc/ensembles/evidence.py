"""How often a species was recorded around a survey, and how much was recorded there at all, at several scales.

Where a stack knows how much evidence there is, its weights can depend on it. The sums of presence-absence records are
kept apart by validation fold, so that what a fold holds is left out by leaving out its column.
"""

from dataclasses import dataclass

import numpy as np

from glc import geo
from glc.neighbours.pools import CELLS_PER_SCALE, kernel, pool


@dataclass(frozen=True)
class Records:
    """Records around n surveys, weighted by exp(-d^2 / 2 s^2) at each of S scales s (d: great-circle metres).

    known : (n, C, S, sources) float32, those of each survey's C chosen species; total : (n, S, sources), of all species
    The sources are the validation folds 0, 1, ... of the presence-absence surveys and, last, the presence-only ones.
    """

    known: np.ndarray
    total: np.ndarray

    def pooled(self, seen):
        """Presence-absence records of the folds that a survey may see, and presence-only records.

        seen : (n, folds) bool; returns known (n, C, 2 S) and total (n, 2 S), the presence-absence scales first
        """
        seen = seen.astype(np.float32)
        known = np.einsum("ncsf,nf->ncs", self.known[..., :-1], seen)
        total = np.einsum("nsf,nf->ns", self.total[..., :-1], seen)
        return np.concatenate([known, self.known[..., -1]], axis=2), np.concatenate(
            [total, self.total[..., -1]], axis=1
        )

    @staticmethod
    def join(parts):
        """One Records of several."""
        parts = list(parts)
        return Records(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("known", "total")))


class Surroundings:
    """The records of a dataset, ready to be summed around any survey.

    data : `glc.surveys.SurveyData`, of which only training labels are read; scales_m : Gaussian scales, metres
    """

    def __init__(self, data, scales_m):
        folds = int(data.places["fold"].max()) + 1
        rows = [*(data.valid(fold) for fold in range(folds)), data.presence_only]
        self.sources = [
            [
                pool(data.places.iloc[own], data.labels_of(own).astype(np.float32), scale / CELLS_PER_SCALE)
                for own in rows
            ]
            for scale in scales_m
        ]
        self.scales_m = scales_m

    def around(self, places, columns):
        """`Records` around `places`, a frame (n) with lon and lat, of the species at `columns` (n, C)."""
        points = geo.unit_sphere(places["lon"], places["lat"])
        shape = (len(self.scales_m), len(self.sources[0]))
        known = np.zeros((*columns.shape, *shape), np.float32)
        total = np.zeros((len(places), *shape), np.float32)
        for s, (scale, sources) in enumerate(zip(self.scales_m, self.sources, strict=True)):
            for source, records in enumerate(sources):
                if not len(records.points):
                    continue
                sums = kernel(points, records.tree, scale) @ records.counts
                near = np.flatnonzero(np.diff(sums.indptr))  # most folds are far away
                if len(near):
                    dense = sums[near].toarray()
                    known[near, :, s, source] = np.take_along_axis(dense, columns[near], axis=1)
                    total[near, s, source] = dense.sum(axis=1)
        return Records(known, total)
