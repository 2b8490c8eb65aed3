"""What every classical model must do, and what it may offer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse

from glc.config import Neighbours, section
from glc.surveys import SurveyData
from glc.types import JSON, Facts, MemberOptions

_ROWS = 2_048
"""Surveys scored at once."""
Scorer: TypeAlias = Callable[[pd.DataFrame, np.ndarray | None], sparse.csr_matrix]
"""What was fitted, as a function: scores (n, species) CSR of places, a frame (n) with the columns of
`SurveyData.places`, and their values of rasters (n, feature), None for a model that reads none."""


class Classical:
    """A model without gradients: it scores surveys from the training surveys that a fold may see.

    A new one is one new file in ``glc/classical``, named as the model. It must have `fit`; all else has a default:

    >>> @models.register("prevalence")
    ... class Prevalence(Classical):
    ...     '''Each species scores its share of the training surveys, shrunk towards 0.'''
    ...
    ...     @section
    ...     class Options:
    ...         prior: Positive = 1.0
    ...
    ...     def fit(self, data, fold, table=None):
    ...         labels = data.labels_of(data.train(fold))
    ...         share = labels.sum(axis=0) / (labels.shape[0] + self.options.prior)
    ...         return lambda places, _: sparse.csr_matrix(np.repeat(share, len(places), axis=0), dtype=np.float32)
    >>> model = Prevalence(Prevalence.Options(prior=2.0))
    >>> model.scores(data, 0, data.valid(0)).shape == (len(data.valid(0)), len(data.species))
    True
    """

    name: ClassVar[str] = ""
    """Given by the registry."""
    kind: ClassVar[str] = "classical"
    """Which tasks score it."""
    ensemble: ClassVar[bool] = False
    """Whether its scores are made of those of other experiments."""
    trial: ClassVar[dict[str, JSON]] = {}
    """Options, as a TOML gives them, with which it is fitted in seconds: those of the tests that every model passes."""
    reads: ClassVar[tuple[str, ...]] = ()
    """What it reads apart from the surveys: ``("table",)`` for the values of rasters, its one ``[[inputs]]`` table."""
    distances: bool = False
    """Whether it reads ``distance_m`` of its neighbour table, which else stays on disk; may be a property."""
    spark: bool = False
    """Whether it uses the process's Spark session; may be a property that follows from the options."""

    @section
    class Options:
        """Options of ``[model]`` next to its ``name``: none."""

    @section
    class Prediction:
        """Options of prediction only (the experiment's ``[predict]``): none."""

    def __init__(self, options: MemberOptions) -> None:
        """Keep the options; nothing is fitted before `fit`.

        options : the model's own `Options`
        """
        self.options = options
        self.facts: Facts = {}
        """Plain values about the last fit, for manifest and report; set by `fit`, and by its `Scorer`."""

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        """Why it cannot do without presence-absence surveys, and what to use instead; empty where it can.

        options : the model's own `Options`
        returns : text that follows a colon; in it NAME is the experiment's name
        """
        return ""

    def neighbours(self) -> Neighbours | None:
        """The neighbour table that `scores` reads; None where it reads none."""
        return None

    def fit(self, data: SurveyData, fold: int | None, table: np.ndarray | None = None) -> Scorer:
        """Learn from ``data.train(fold)`` and ``data.presence_only`` alone.

        data : all surveys of the dataset; labels of other rows than those above must not be looked at
        fold : the validation fold; None for the model of the test, which may see all training surveys
        table : (surveys, feature) float32, NaN where missing, for a model that `reads` a table
        returns : the `Scorer`, of any places
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it learns")

    def blocks(
        self,
        data: SurveyData,
        fold: int | None,
        queries: np.ndarray,
        neighbours: pd.DataFrame | None = None,
        table: np.ndarray | None = None,
    ) -> Iterator[sparse.csr_matrix]:
        """Scores of surveys, some after another so that not all are in memory; overridden where a table of their
        neighbours is made before.

        data, fold : as of `fit`
        queries : (n,) row numbers of the surveys to score
        neighbours : frame of schema ``neighbours``, of the table that `neighbours` asks for
        table : (surveys, feature) float32, NaN where missing, for a model that `reads` a table
        returns : CSR of scores from 0 to 1, (k, species) of the first k surveys, of the next, and so on; no row
            without a positive score
        """
        scorer = self.fit(data, fold, table)
        for start in range(0, len(queries), _ROWS):
            rows = queries[start : start + _ROWS]
            yield scorer(data.places.iloc[rows], None if table is None else table[rows])

    def scores(
        self,
        data: SurveyData,
        fold: int | None,
        queries: np.ndarray,
        neighbours: pd.DataFrame | None = None,
        table: np.ndarray | None = None,
    ) -> sparse.csr_matrix:
        """The `blocks` as one matrix (n, species)."""
        parts = list(self.blocks(data, fold, queries, neighbours, table))
        empty = sparse.csr_matrix((0, len(data.species)), dtype=np.float32)
        return sparse.vstack(parts, format="csr") if parts else empty

    def save(self, folder: Path) -> None:
        """Write what the last `fit` learned, if it is worth keeping.

        folder : exists, is empty, and is removed where nothing is written
        """

    def restore(self, folder: Path, data: SurveyData) -> Scorer | None:
        """The `Scorer` of what `save` wrote into `folder`; None for a model that saves nothing and is fitted again.

        data : the surveys that it was fitted to
        """
        return None
