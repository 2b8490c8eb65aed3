"""Which plant species grow where: from survey tables and rasters to validated predictions.

The sentence the tree spells: survey CSVs and GeoTIFFs become parquet tables (`glc.etl`, Spark), the tables become
neighbours (`glc.neighbours`, Spark + NumPy), a model reads them (`glc.classical`, or `glc.nets` through Petastorm and
Lightning), its scores become species sets (`glc.prediction`), the sets a validated submission (`glc.submission`) and a
report (`glc.report`) -- and every arrow is one Luigi task (`glc.tasks`).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glc.fitted import FittedExperiment
    from glc.types import StrPath

__version__ = "0.1.0"


def load(folder: "StrPath", imagery_folder: "StrPath" = "") -> "FittedExperiment":
    """The fitted experiment in a folder, ready to predict; see `glc.fitted.FittedExperiment`."""
    from glc.fitted import load as load_folder

    return load_folder(folder, imagery_folder)
