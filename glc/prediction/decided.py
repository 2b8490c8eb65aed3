"""What is decided of scores: species sets, and how many species are expected."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from glc.prediction.ranking import Ranked


@dataclass(frozen=True)
class Decided:
    """What is decided of the scores of n places.

    ranked : the scores in order
    sets : boolean CSR (n, species), best first in each row; empty sets of a model that decides none
    expected_species : (n,) expected number of species, NaN of a model that decides no sets
    """

    ranked: Ranked
    sets: sparse.csr_matrix
    expected_species: np.ndarray
