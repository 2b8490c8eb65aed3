"""Kernel votes: the records of each species around a survey, summed with Gaussian weights at several scales.

At scale s a record at great-circle distance d counts ``exp(-d^2 / 2 s^2)``, as in `glc.classical.votes`; but nothing is
divided or smoothed, for the net that reads the sums learns how (`glc.nets.architectures.tighnari`). Records of
presence-absence and of presence-only surveys stay apart, and before the scales come the sums over everywhere, each
record counting 1.

Which labels a row may hold follows from who asks, see `Kernels.visible`. A training survey sees the training surveys of
other spatial blocks, as does a survey of a held-out block; what it may lean on is then the same in training and test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree

from glc import geo
from glc.config import SOME, Positive, section
from glc.neighbours._base import GraphFeature, GraphInput
from glc.neighbours.pools import CELLS_PER_SCALE, kernel, pool, sums
from glc.neighbours.uncertainty import Uncertainty, widened
from glc.registry import graphs
from glc.surveys import SurveyData
from glc.types import Facts

_KEEP = 2 << 30  # bytes of votes; fewer are kept once made, for they are the same in each epoch
_OPEN = -2  # in place of the fold of presence-only surveys, which nobody holds back
_NOBODY = np.iinfo(np.int64).min  # and of their part
TRAINING = ("block", "fold", "leave_one_out")


@section
class Options:
    scales_m: Annotated[tuple[Positive, ...], SOME] = (96_000, 48_000, 24_000, 12_000, 6_000, 3_000)
    """Gaussian scales, metres, in any order; a record farther than three scales does not count."""
    po: bool = True
    """Sum presence-only records too, apart from those of presence-absence surveys, where the dataset has any."""
    training: Literal[TRAINING] = "block"
    """What a training survey sees: training surveys of other spatial blocks, of other folds, or all but itself."""
    uncertainty: Uncertainty = "edition"
    """widen: a record adds over all of its uncertainty (geoUncertaintyInM), as many records around it would; ignore: at
    its place alone; edition: widen for records of Darwin Core, ignore for the contests' files."""


@graphs.register("kernels")
class KernelVotes(GraphFeature):
    """Kernel votes, as an experiment names them among a net's inputs; they vote on the logits of their species."""

    Options = Options

    @staticmethod
    def features(
        data: SurveyData,
        fold: int,
        stop: int | None,
        options: Options,
        classes: np.ndarray,
        progress: bool = False,
    ) -> tuple[GraphInput, Facts]:
        """What `glc.nets.inputs.features.Features.add_graph` takes, and facts; of the species `classes` alone."""
        made = Kernels(data, fold, stop, options, np.searchsorted(data.species, classes))
        return {"matrix": made, "species": classes}, made.facts

    @classmethod
    def anywhere(
        cls, data: SurveyData, fold: int, stop: int | None, options: Options, classes: np.ndarray, hidden: bool
    ) -> Callable[[pd.DataFrame], GraphInput]:
        made = Kernels(data, fold, stop, options, np.searchsorted(data.species, classes))
        return lambda places: {"matrix": made.around(places, hidden), "species": classes}


@dataclass(frozen=True)
class _Pool:
    """Surveys pooled by square, and apart by fold and part (block), so that of a pool all are visible or none.

    points : (c, 3) on the unit sphere; counts : (c, m) CSR of records; fold, part : (c,)
    tree : KD-tree of the points
    """

    points: np.ndarray
    counts: sparse.csr_matrix
    fold: np.ndarray
    part: np.ndarray
    tree: cKDTree


class Kernels:
    """Kernel votes around the surveys of a `glc.surveys.SurveyData` for the models of one fold.

    fold, stop : the validation fold and the fold that stops the training, or None
    species : (m,) columns of the labels that are wanted; None: all

    ``kernels[rows]`` makes those of surveys by row number: (n, m, 1 + scale, source) float32, scales from coarse to
    fine behind the sums over everywhere, sources the training surveys and, where there are any, the presence-only ones.
    Presence-only surveys have none: zeros. About a millisecond a survey (3,400 species, 6 scales, 127,000 surveys), and
    nothing for one asked for again where all fit in 2 GiB.
    """

    def __init__(
        self,
        data: SurveyData,
        fold: int,
        stop: int | None = None,
        options: Options | None = None,
        species: np.ndarray | None = None,
    ) -> None:
        options = options or Options()
        places, train = data.places, data.train()
        self._fold, self._stop = fold, stop
        self._points = geo.unit_sphere(places["lon"], places["lat"])
        self._folds = places["fold"].to_numpy(np.int64)
        alone = options.training == "leave_one_out"
        self._parts = np.arange(len(places)) if alone else places[options.training].to_numpy(np.int64)
        self._train, self._test = np.isin(np.arange(len(places)), train), np.isin(np.arange(len(places)), data.test)
        sources = [train, *([data.presence_only] if options.po and len(data.presence_only) else [])]
        labels = [data.labels_of(rows).astype(np.float32) for rows in sources]
        if species is not None:
            labels = [matrix[:, species] for matrix in labels]
        self.scales = tuple(sorted(options.scales_m, reverse=True))
        self._widen = widened(data, options.uncertainty)
        self.shape = (len(places), labels[0].shape[1], 1 + len(self.scales), len(sources))
        self._pools = [
            [self._pool(places.iloc[rows], rows, matrix, number > 0, scale) for scale in (None, *self.scales)]
            for number, (rows, matrix) in enumerate(zip(sources, labels, strict=True))
        ]
        asking = np.flatnonzero(self._train | self._test)
        self._slot, self._made = np.full(len(places), -1), np.zeros(len(asking), bool)
        self._slot[asking] = np.arange(len(asking))
        fits = 4 * len(asking) * int(np.prod(self.shape[1:])) <= _KEEP
        self._kept = np.empty((len(asking), *self.shape[1:]), np.float32) if fits else None
        self._totals = {}
        self.facts = {
            "scales_m": list(self.scales),
            "surveys": [len(rows) for rows in sources],
            "records": [int(matrix.sum()) for matrix in labels],
            "pools": [[len(cells.points) for cells in pools] for pools in self._pools],
        }

    def __getitem__(self, rows):
        rows = np.asarray(rows)
        slot = self._slot[rows]
        counts = np.zeros((len(rows), *self.shape[1:]), np.float32)
        asking = np.flatnonzero(slot >= 0)
        if self._kept is None:
            counts[asking] = self._make(rows[asking])
            return counts
        slot = slot[asking]
        fresh = np.flatnonzero(~self._made[slot])
        self._kept[slot[fresh]] = self._make(rows[asking[fresh]])
        self._made[slot[fresh]] = True
        counts[asking] = self._kept[slot]
        return counts

    def around(self, places: pd.DataFrame, hidden: bool) -> np.ndarray:
        """Kernel votes around places that need not be surveys: (n, m, 1 + scale, source) float32.

        places : frame with lon and lat, degrees
        hidden : leave out the records of the validation fold
        """
        counts = np.empty((len(places), *self.shape[1:]), np.float32)
        for source, pools in enumerate(self._pools):
            seen = (pools[0].fold != self._fold) | (not hidden)
            counts[:, :, 0, source] = seen.astype(np.float32) @ pools[0].counts
            for number in range(1, len(pools)):
                counts[:, :, number, source] = self.around_at(places, hidden, number, source)
        return counts

    def around_at(self, places: pd.DataFrame, hidden: bool, number: int, source: int) -> np.ndarray:
        """Those of `around` of one scale, ``scales[number - 1]``, and one source: (n, m) float32."""
        near = self._pools[source][number]
        weight = kernel(geo.unit_sphere(places["lon"], places["lat"]), near.tree, self.scales[number - 1])
        seen = (near.fold != self._fold) | (not hidden)
        weight.data *= seen[weight.indices]
        return sums(weight, near.counts)

    def at(self, rows: np.ndarray, number: int, source: int) -> np.ndarray:
        """Those of training or test surveys, of one scale, ``scales[number - 1]``, and one source: (n, m) float32.

        They are made each time that they are asked for; threads may ask at once.
        """
        near = self._pools[source][number]
        weight = kernel(self._points[rows], near.tree, self.scales[number - 1])
        asker = np.repeat(rows, np.diff(weight.indptr))
        weight.data *= self.visible(asker, near.fold[weight.indices], near.part[weight.indices])
        return sums(weight, near.counts)

    def _make(self, rows):
        counts = np.empty((len(rows), *self.shape[1:]), np.float32)
        if not len(rows):
            return counts
        for source, pools in enumerate(self._pools):
            counts[:, :, 0, source] = self._everywhere(rows, source)
            for number in range(1, len(pools)):
                counts[:, :, number, source] = self.at(rows, number, source)
        return counts

    def visible(self, rows: np.ndarray, fold: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Whether surveys by row number may see records of a fold and part; all (n,), and so is the result, bool.

        Test surveys see all, and surveys of the validation fold all but that fold. Others, which train or stop the
        training, see neither that fold nor the stopping one, nor their own part. Presence-only records all see.
        """
        test, valid = self._test[rows], self._train[rows] & (self._folds[rows] == self._fold)
        hidden = (fold == self._fold) | ~valid & ((fold == self._stop) | (part == self._parts[rows]))
        return test | (fold == _OPEN) | ~hidden

    def _everywhere(self, rows, source):
        """All visible records (n, m): the totals of those who see the same folds, less what the own part hides."""
        cells, counts = self._pools[source][0], np.empty((len(rows), self.shape[1]), np.float32)
        who = np.where(self._test[rows], 0, np.where(self._folds[rows] == self._fold, 1, 2))
        for kind in np.unique(who):
            mine = np.flatnonzero(who == kind)
            first = np.full(len(cells.fold), rows[mine[0]])
            if (source, kind) not in self._totals:
                seen = self.visible(first, cells.fold, np.full(len(first), _NOBODY))
                self._totals[source, kind] = seen, seen.astype(np.float32) @ cells.counts
            seen, counts[mine] = self._totals[source, kind]
            if kind == 2:
                own = seen & (cells.part == self._parts[rows[mine], None])
                counts[mine] -= (sparse.csr_matrix(own, dtype=np.float32) @ cells.counts).toarray()
        return counts

    def _pool(self, places, rows, labels, always, scale):
        fold = np.full(len(rows), _OPEN) if always else self._folds[rows]
        part = np.full(len(rows), _NOBODY) if always else self._parts[rows]
        size_m = None if scale is None else scale / CELLS_PER_SCALE
        made = pool(places, labels, size_m, fold, part, spread_m=scale if self._widen else None)
        return _Pool(made.points, made.counts, fold[made.first], part[made.first], made.tree)
