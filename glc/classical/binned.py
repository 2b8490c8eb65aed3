"""Species binned by frequency: a classifier learns the bin of an occurrence, so that thousands of labels are tractable.

The idea and its reason are in Miyaguchi et al. 2024, sections 7.1.1 and 8.
"""

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Ge
from scipy import sparse

from glc.classical._base import Scorer
from glc.classical._cells import Cells, Coordinates
from glc.classical._classifiers import CLASSIFIERS
from glc.classical._sources import ChoosesSources, TrainingSources, training_rows
from glc.config import SOME, Count, NotNegative, Positive, Seed, section
from glc.errors import DataError
from glc.registry import models
from glc.surveys import SurveyData


@models.register("binned")
class Binned(ChoosesSources):
    """Species binned by frequency: expected presences from P(bin | coordinates).

    Every record of a training survey is an example of its species' bin. A species scores

        P(bin | place) * (the species' share of its bin's records) * (mean number of species in a training survey),

    at most 1. A species without training records scores 0. Only the place is looked at, as in the paper.
    """

    trial = {"bins": 3, "trees": 5}

    @section
    class Options(TrainingSources):
        bins: Annotated[int, Ge(2)] = 32
        """Groups of species with about as many records each."""
        classifier: Literal[tuple(CLASSIFIERS)] = "xgboost"
        """What tells the bins apart."""
        features: Literal["coordinates", "cells"] = "coordinates"
        """coordinates, standardised; or cells: one-hot squares of `cells_m`."""
        cells_m: Annotated[tuple[Positive, ...], SOME] = (200_000, 100_000, 50_000, 25_000)
        """Sides of the squares, metres."""
        trees: Count = 100
        """Rounds of xgboost, each of which grows one tree per bin; trees of forest."""
        depth: Count = 6
        """Maximum depth of the trees of xgboost and forest."""
        least: Count = 20
        """Minimum weight of a leaf of xgboost (sum of the Hessian); minimum examples in a leaf of forest."""
        learning_rate: Positive = 0.1
        """Step size of xgboost and factorisation_machine."""
        smoothing: Positive = 1.0
        """Records that naive_bayes adds to each square."""
        c: Positive = 1.0
        """Inverse penalty of linear_svm; smaller is smoother."""
        factors: Count = 8
        """Length of a factor of factorisation_machine."""
        iterations: Count = 50
        """Steps of factorisation_machine."""
        penalty: NotNegative = 1e-4
        """L2 penalty of factorisation_machine."""
        sample: Count = 20_000
        """Records that factorisation_machine draws."""
        negatives: Count = 2
        """False pairs that factorisation_machine draws for each record."""
        seed: Seed = 0
        """Seed of the draws."""

    @property
    def spark(self) -> bool:
        """Whether it needs a Spark session."""
        return self.options.classifier == "factorisation_machine"

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        train = training_rows(data, fold, self.options.sources)
        labels = data.labels_of(train).astype(np.float32)
        records = np.asarray(labels.sum(axis=0, dtype=float)).ravel()
        if not records.any():
            raise DataError(
                f"model 'binned': the {len(train)} training surveys of {data.train_name} have no species; "
                "expected at least one; look at the surveys table's column 'species'"
            )
        bin = bins_of(records, self.options.bins)
        share = records / np.bincount(bin, records)[bin]
        encoder = self._encoder(data.places.iloc[train])
        predict = self._fit(encoder, encoder.keys(data.places.iloc[train]), labels, bin)
        present = np.flatnonzero(records)
        expected = (share * records.sum() / len(train))[present]

        def score(places: pd.DataFrame, _: np.ndarray | None) -> sparse.csr_matrix:
            values = np.empty((len(places), len(present)), np.float32)
            for start in range(0, len(places), _ROWS):
                part = slice(start, start + _ROWS)
                chance = predict(encoder.encode(encoder.keys(places.iloc[part])))
                values[part] = np.minimum(chance[:, bin[present]] * expected, 1)
            each_row = np.arange(len(places) + 1) * len(present)
            columns = np.tile(present, len(places))
            return sparse.csr_matrix((values.ravel(), columns, each_row), shape=(len(places), len(records)))

        return score

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


_ROWS = 4_096
"""Places that are encoded at once."""


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
