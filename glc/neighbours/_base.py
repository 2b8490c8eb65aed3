"""What every graph feature of a net's inputs must do."""

from collections.abc import Callable
from typing import ClassVar, NotRequired, Protocol, TypedDict

import numpy as np
import pandas as pd
from scipy import sparse

from glc.config import section
from glc.surveys import TEST, SurveyData
from glc.types import Facts, MemberOptions


class RowSource(Protocol):
    """Votes that are made when a batch asks for them: (n, m, scale, source), indexed by row numbers."""

    shape: tuple[int, ...]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray: ...


class GraphInput(TypedDict):
    """What `glc.nets.inputs.features.Features.add_graph` takes of a graph feature."""

    matrix: sparse.csr_matrix | RowSource
    """(n, m) CSR of vectors, or what gives votes."""
    species: np.ndarray
    """(m,) ids of the columns."""
    hidden: NotRequired[np.ndarray | None]
    """(n,) probability that a survey shows none while training; None: it always shows them."""


class GraphFeature:
    """Labels of the surveys around, as far as a model of one fold may see them: an input ``graph = "<name>"``.

    A new one is one new file in ``glc/neighbours``, named as the feature. It must have `features`:

    >>> @graphs.register("everywhere")
    ... class Everywhere(GraphFeature):
    ...     '''The share of each species among the presence-only surveys, the same for each survey.'''
    ...
    ...     @staticmethod
    ...     def features(data, fold, stop, options, classes, progress=False):
    ...         share = sparse.csr_matrix(data.labels_of(data.presence_only).mean(axis=0), dtype=np.float32)
    ...         matrix = sparse.vstack([share] * len(data.places), format="csr")
    ...         return {"matrix": matrix, "species": data.species, "hidden": None}, {"surveys": len(data.presence_only)}
    >>> made, facts = Everywhere.features(data, 0, 1, Everywhere.Options(), data.species)
    >>> made["matrix"].shape == (len(data.places), len(data.species))
    True
    """

    name: ClassVar[str] = ""
    """Given by the registry."""

    @section
    class Options:
        """Options of the input's ``graph`` next to its ``name``: none."""

    @staticmethod
    def features(
        data: SurveyData,
        fold: int,
        stop: int | None,
        options: MemberOptions,
        classes: np.ndarray,
        progress: bool = False,
    ) -> tuple[GraphInput, Facts]:
        """Values of all surveys, without the labels that a model of the fold must not see; no survey sees its own.

        data : all surveys of the dataset
        fold : the validation fold, whose labels neither its own nor training surveys see
        stop : the fold that stops the training, whose labels training surveys do not see; None: `fold` itself
        options : the feature's own `Options`
        classes : (c,) ids of the net's species, ascending
        progress : show a bar
        returns : what `glc.nets.inputs.features.Features.add_graph` takes (``matrix``, ``species`` and, where training
            surveys are hidden by chance, ``hidden``), and plain facts for the manifest
        """
        raise NotImplementedError("a graph feature must say what it makes of the surveys around")

    @classmethod
    def anywhere(
        cls, data: SurveyData, fold: int, stop: int | None, options: MemberOptions, classes: np.ndarray, hidden: bool
    ) -> Callable[[pd.DataFrame], GraphInput]:
        """The feature's values at any places, as a function of a frame with the columns of `SurveyData.places`.

        data, fold, stop, options, classes : as of `features`
        hidden : whether the labels of `fold` stay hidden, as they do to its own surveys; otherwise places see what test
            surveys see
        """

        def around(places: pd.DataFrame) -> GraphInput:
            wider, rows = data.with_places(places, fold if hidden else TEST)
            made, _ = cls.features(wider, fold, stop, options, classes)
            return {"matrix": made["matrix"][rows], "species": made["species"]}

        return around
