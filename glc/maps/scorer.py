"""What a map asks of a fitted experiment (`glc.fitted`); maps need no more of it, and know no model."""

from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse



class Inputs(Protocol):
    """What a fitted experiment reads at places.

    missing : (place, input) bool, where an input has no value and the training mean is taken
    """

    @property
    def missing(self) -> pd.DataFrame: ...


class Scorer(Protocol):
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

    def inputs(self, places: pd.DataFrame, allow_missing: bool = ...) -> Inputs:
        """What the experiment reads at `places`; `allow_missing` : do not refuse places without any."""

    def scores(self, places: pd.DataFrame, values: Inputs | None = ...) -> sparse.csr_matrix:
        """Scores (place, species) from 0 to 1."""

    def sets(self, scores: sparse.csr_matrix, places: pd.DataFrame) -> sparse.csr_matrix:
        """The decided sets, boolean (place, species)."""

    def expected_species(self, scores: sparse.csr_matrix) -> np.ndarray:
        """Expected number of species, (place,)."""

    def applicability(self, places: pd.DataFrame, values: Inputs | None) -> pd.DataFrame:
        """Columns dissimilarity, inside, distance_to_training_m and expected_f1, a row per place; NaN: not known."""
