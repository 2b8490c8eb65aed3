"""Species binned by frequency: a classifier learns the bin of an occurrence, so that thousands of labels are tractable.

The idea and its reason are in Miyaguchi et al. 2024, sections 7.1.1 and 8.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from glc import config
from glc.classical._base import Classical
from glc.classical._cells import Cells, Coordinates
from glc.classical._classifiers import CLASSIFIERS
from glc.errors import DataError
from glc.registry import models


@models.register("binned")
class Binned(Classical):
    """Expected presences from P(bin | place).

    Every record of a training survey is an example of its species' bin. A species scores

        P(bin | place) * (the species' share of its bin's records) * (mean number of species in a training survey),

    at most 1. A species without training records scores 0. Only the place is looked at, as in the paper.
    """

    @dataclass(frozen=True)
    class Options:
        """bins : groups of species with about as many records each; classifier : one of `CLASSIFIERS`.

        features : ``coordinates`` (standardised) or ``cells`` (one-hot squares of `cells_m` metres).
        trees, depth : of xgboost (rounds; each grows one tree a bin) and forest;
        least : the least weight of a leaf (xgboost: sum of the Hessian), or examples in it (forest);
        learning_rate : of xgboost and factorisation_machine; smoothing : records added to each square by naive_bayes;
        c : of linear_svm, smaller is smoother; factors, iterations, penalty, sample, negatives : of
        factorisation_machine: length of a factor, steps, L2 penalty, records drawn and false pairs for each.
        """

        bins: int = 32
        classifier: str = "xgboost"
        features: str = "coordinates"
        cells_m: tuple[float, ...] = (200_000, 100_000, 50_000, 25_000)
        trees: int = 100
        depth: int = 6
        least: int = 20
        learning_rate: float = 0.1
        smoothing: float = 1.0
        c: float = 1.0
        factors: int = 8
        iterations: int = 50
        penalty: float = 1e-4
        sample: int = 20_000
        negatives: int = 2
        seed: int = 0

        def __post_init__(self):
            config.require(self.bins >= 2, "bins", self, "at least 2")
            config.require(
                self.classifier in CLASSIFIERS, "classifier", self, f"one of {', '.join(map(repr, CLASSIFIERS))}"
            )
            config.require(self.features in ("coordinates", "cells"), "features", self, "'coordinates' or 'cells'")
            config.require(
                len(self.cells_m) > 0 and min(self.cells_m) > 0, "cells_m", self, "one or more sizes in metres above 0"
            )
            for name in ("trees", "depth", "least", "factors", "iterations", "sample", "negatives"):
                config.require(getattr(self, name) >= 1, name, self, "at least 1")
            for name in ("learning_rate", "smoothing", "c"):
                config.require(getattr(self, name) > 0, name, self, "a number above 0")
            config.require(self.penalty >= 0, "penalty", self, "0 or above")

    def __init__(self, options):
        self.options = options

    @property
    def spark(self):
        """Whether it needs a Spark session."""
        return self.options.classifier == "factorisation_machine"

    def neighbours(self):
        """No neighbour table is needed."""
        return None

    def scores(self, data, fold, queries, neighbours=None, rows=4_096):
        """Scores (n, m) CSR of the rows `queries` from the training surveys that a model of `fold` may see."""
        train = data.train(fold)
        labels = data.labels_of(train).astype(np.float32)
        records = np.asarray(labels.sum(axis=0, dtype=float)).ravel()
        if not records.any():
            raise DataError(
                f"model 'binned': the {len(train)} training surveys of {data.train_name} hold no species; "
                "expected at least one; look at the surveys table's column 'species'"
            )
        bin = bins_of(records, self.options.bins)
        share = records / np.bincount(bin, records)[bin]
        encoder = self._encoder(data.places.iloc[train])
        predict = self._fit(encoder, encoder.keys(data.places.iloc[train]), labels, bin)
        found = np.flatnonzero(records)
        expected = (share * records.sum() / len(train))[found]
        values = np.empty((len(queries), len(found)), np.float32)
        for start in range(0, len(queries), rows):
            part = slice(start, start + rows)
            chance = predict(encoder.encode(encoder.keys(data.places.iloc[queries[part]])))
            values[part] = np.minimum(chance[:, bin[found]] * expected, 1)
        each_row = np.arange(len(queries) + 1) * len(found)
        columns = np.tile(found, len(queries))
        return sparse.csr_matrix((values.ravel(), columns, each_row), shape=(len(queries), len(records)))

    def _encoder(self, places):
        if self.options.features == "cells":
            return Cells(places, self.options.cells_m)
        return Coordinates(places)

    def _fit(self, encoder, keys, labels, bin):
        """Probabilities (n, bins) as a function of features, from surveys merged where their features are equal."""
        places, at = np.unique(keys, axis=0, return_inverse=True)
        merge = sparse.csr_matrix((np.ones(len(at), np.float32), (at.ravel(), np.arange(len(at)))))
        member = sparse.csr_matrix((np.ones(len(bin), np.float32), (np.arange(len(bin)), bin)))
        counts = (merge @ (labels @ member)).tocsr()
        if counts.shape[1] == 1:
            return lambda X: np.ones((X.shape[0], 1))
        return CLASSIFIERS[self.options.classifier](self.options).fit(encoder.encode(places), counts).probabilities


def bins_of(records, bins):
    """The bin of each species: (m,) int, 0 holds the most frequent.

    records : (m,) training records of each species, not all 0. In order of falling frequency, species are cut where
    their cumulative records pass a multiple of total / bins, a species going where its middle lies: the bins' totals
    differ by less than the most frequent species has, and a species with more than total / bins shares its bin at
    most with its next. Bins left empty by such species are closed up, so there may be fewer than `bins`.
    """
    records = np.asarray(records, float)
    order = np.argsort(-records, kind="stable")
    middle = np.cumsum(records[order]) - records[order] / 2
    cut = np.minimum(middle * bins // records.sum(), bins - 1).astype(int)
    bin = np.empty(len(records), int)
    bin[order] = np.unique(cut, return_inverse=True)[1]
    return bin
