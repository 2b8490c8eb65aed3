"""Norberg et al. 2019: joint species models of birds, plants and vegetation, by how far the test extrapolates.

    python -m luigi --module tasks.norberg_2019 norberg_2019.Communities --data-folder FOLDER

The multi-species net compared with a forest per species (and the other models of `glc.sdm`), on presence and absence.
"""

import luigi

from glc.sdm import norberg
from glc.tasks.sdm import MODELS, Benchmark, tables_folder

luigi.namespace("norberg_2019", scope=__name__)


class Communities(Benchmark):
    """AUC, PRG-AUC and correlation by community and partition."""

    benchmark = "norberg"
    published_in = "Norberg et al. 2019"
    data_folder = tables_folder("NORBERG")
    title = "Norberg et al. 2019: communities, 600 sites to learn from and 600 to predict"
    pairs = (("net", "forest"), *(("ensemble", name) for name in MODELS))
    references = {"forest (reference)": norberg.REFERENCE}
    remarks = (
        "The reference, the mean AUC of a forest per species, came with the data; its settings and species are not "
        "known.",
        "Species need a presence and an absence both in training and in the test; others are left out.",
    )
