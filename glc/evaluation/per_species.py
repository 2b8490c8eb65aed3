"""The area under the ROC curve of each species at validation surveys, each scored by the model of its fold."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from glc import storage

TABLE = "species.csv"


def of_folds(areas: np.ndarray, actual: sparse.csr_matrix, species: np.ndarray) -> pd.DataFrame:
    """The area of each species at surveys that list all species of their place.

    areas : (f, m) of each fold, as of `glc.evaluation.areas.Areas`
    actual : (n, m) boolean CSR, labels of the validation surveys; species : (m,) ids
    returns : frame, a row per species that a scored validation survey has, ascending: speciesId; presences, its
        validation surveys; folds, those in which it is both present and absent; auc, the mean over these, because
        scores of different models are not comparable, and NaN where there is none. The mean over a fold's species is
        that fold's macro AUC (`glc.evaluation.evaluate.measure`)
    """
    known = np.isfinite(areas)
    folds = known.sum(axis=0)
    mean = np.where(known, areas, 0).sum(axis=0) / np.maximum(folds, 1)
    presences = np.asarray(actual.sum(axis=0, dtype=np.int64)).ravel()
    frame = pd.DataFrame(
        {"speciesId": species, "presences": presences, "folds": folds, "auc": np.where(folds > 0, mean, np.nan)}
    )
    return frame[presences > 0].reset_index(drop=True)


def write(frame: pd.DataFrame, names: pd.DataFrame | None, folder: Path) -> None:
    """Write ``species.csv`` into `folder`: of `frame`, with the names of the species in the column after the id.

    names : frame of speciesId and name, as of `glc.surveys.read_species`; None: nobody knows them
    """
    frame.insert(1, "name", "" if names is None else frame["speciesId"].map(names.set_index("speciesId")["name"]))
    frame["name"] = frame["name"].fillna("")
    storage.write_csv(frame, folder / TABLE, float_format="%.6g")
