"""What a map asks of a fitted experiment (`glc.fitted`); maps need no more of it, and know no model."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from glc.prediction.decided import Decided


class Inputs(Protocol):
    """What one model of a fitted experiment reads at places.

    missing : (place, input) bool, where an input has no value and the training mean is taken
    notes : what a user should know of the files, sentences
    """

    @property
    def missing(self) -> pd.DataFrame: ...

    @property
    def notes(self) -> list[str]: ...


InputsT = TypeVar("InputsT", bound=Inputs)


class Scorer(Protocol[InputsT]):
    """A fitted experiment.

    species : columns speciesId, name, key and records, a row per species
    relative : whether presence-only records alone trained it: its scores are a relative suitability
    """

    @property
    def species(self) -> pd.DataFrame: ...

    @property
    def relative(self) -> bool: ...

    def places(self, lon: ArrayLike, lat: ArrayLike) -> pd.DataFrame:
        """The places at degrees `lon`, `lat`, a row each."""

    def inputs(self, places: pd.DataFrame, allow_missing: bool = ...) -> Mapping[str, InputsT]:
        """What its models read at `places`, by name; `allow_missing` : do not refuse places without any."""

    def scores(self, places: pd.DataFrame, values: Mapping[str, InputsT] | None = ...) -> sparse.csr_matrix:
        """Scores (place, species) from 0 to 1."""

    def decide(self, scores: sparse.csr_matrix, places: pd.DataFrame) -> Decided:
        """The decided sets and the expected number of species."""

    def applicability(self, places: pd.DataFrame, values: Mapping[str, InputsT] | None = ...) -> pd.DataFrame:
        """Columns dissimilarity, inside, distance_to_training_m and expected_f1, a row per place; NaN: not known."""


def missing_inputs(places: pd.DataFrame, values: Mapping[str, Inputs]) -> pd.DataFrame:
    """Which inputs have no value at places: (place, input) bool; an input of several models is one column."""
    columns: dict[str, np.ndarray] = {}
    for inputs in values.values():
        for name in inputs.missing.columns:
            column = inputs.missing[name].to_numpy(bool)
            columns[str(name)] = column | columns[str(name)] if str(name) in columns else column
    return pd.DataFrame(columns, index=places.index)
