"""The area under the ROC curve of each species at validation surveys, each scored by the model of its fold."""

from pathlib import Path

import numpy as np
import pandas as pd

from glc import labels
from glc import scores as score_tables
from glc.evaluation import metrics, suitability
from glc.surveys import SurveyData
from glc.types import StrPath

TABLE = "species.csv"


def of_surveys(scores_folder: StrPath, data: SurveyData) -> pd.DataFrame:
    """The area of each species at surveys that list all species of their place.

    scores_folder : with the scores ``valid``
    returns : frame, a row per species that a scored validation survey has, ascending: speciesId; presences, its
        validation surveys; folds, those in which it is both present and absent; auc, the mean over these, because
        scores of different models are not comparable, and NaN where there is none. The mean over a fold's species is
        that fold's macro AUC (`glc.evaluation.evaluate.measure`)
    """
    valid = score_tables.read(Path(scores_folder) / "valid")
    actual = data.labels_of(data.rows_of(valid.surveys, data.train_name))
    scores = labels.widen(valid.matrix, valid.species, data.species)
    areas = np.array(
        [metrics.species_auc(scores[rows], actual[rows]) for rows in (valid.fold == k for k in np.unique(valid.fold))]
    )
    known = np.isfinite(areas)
    folds = known.sum(axis=0)
    mean = np.where(known, areas, 0).sum(axis=0) / np.maximum(folds, 1)
    presences = np.asarray(actual.sum(axis=0, dtype=np.int64)).ravel()
    frame = pd.DataFrame(
        {
            "speciesId": data.species,
            "presences": presences,
            "folds": folds,
            "auc": np.where(folds > 0, mean, np.nan),
        }
    )
    return frame[presences > 0].reset_index(drop=True)


def of_records(folder: StrPath) -> pd.DataFrame:
    """The area of each species against target-group sites, of presence-only records alone.

    folder : of what `glc.evaluation.suitability.write` wrote
    returns : frame as of `of_surveys`, of the species that were measured in a fold; presences are sites with a record
    """
    table = pd.read_parquet(Path(folder) / suitability.SPECIES)
    valid = table[table["split"] == "valid"]
    grouped = valid.groupby("speciesId")
    return pd.DataFrame(
        {"presences": grouped["sites"].sum(), "folds": grouped["fold"].nunique(), "auc": grouped["auc"].mean()}
    ).reset_index()


def write(frame: pd.DataFrame, names: pd.DataFrame, folder: Path) -> None:
    """Write ``species.csv`` into `folder`: of `frame`, with the names of the species in the column after the id.

    names : frame of speciesId and name, as of `glc.surveys.read_species`
    """
    name = frame["speciesId"].map(names.set_index("speciesId")["name"])
    frame.insert(1, "name", name.fillna(""))
    frame.to_csv(folder / TABLE, index=False, float_format="%.6g")
