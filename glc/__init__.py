"""Which plant species grow where: from survey tables and rasters to validated predictions.

The sentence the tree spells: survey CSVs and GeoTIFFs become parquet tables (`glc.etl`, Spark), the tables become
neighbours (`glc.neighbours`, Spark + NumPy), a model reads them (`glc.classical`, or `glc.nets` through Petastorm and
Lightning), its scores become species sets (`glc.prediction`), the sets a validated submission (`glc.submission`) and a
report (`glc.report`) -- and every arrow is one Luigi task (`glc.tasks`).
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def load(folder: str | Path, imagery_folder: str | Path = "") -> Any:
    """The fitted experiment in a folder, a `glc.fitted.FittedExperiment` ready to predict.

    folder : ``ROOT/models/<dataset>/<experiment>``, or a copy of it
    imagery_folder : rasters, images and time series, searched before the folders that were used for the fit
    """
    # every module of the package imports this one, and only who calls this needs nets and tables
    return import_module("glc.fitted").load(folder, imagery_folder)
