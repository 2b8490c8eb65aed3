"""A fitted experiment in memory, with the methods that predictions ask for: quick, and known by heart."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from glc import geo
from glc.errors import DataError
from glc.prediction import ranking
from glc.prediction.decided import Decided
from glc.surveys import SurveyData

SPECIES = np.arange(10, 50, dtype=np.int32)


@dataclass(frozen=True)
class Values:
    tables: dict
    imagery: dict
    known: dict
    missing: pd.DataFrame


@dataclass
class SmallModel:
    """Species j is likelier towards its own longitude, and where the input ``warmth`` (the latitude) is near 45."""

    relative: bool = False
    listed_sizes: int = 3
    trusted: bool = False
    """Whether there is an area of applicability."""
    asked: list = field(default_factory=list)
    """Number of places of each call of `scores`."""

    @property
    def facts(self):
        return {"experiment": "small", "dataset": "nowhere"}

    @property
    def species(self):
        names = [None if species % 5 == 0 else f"Planta {species}" for species in SPECIES]
        return pd.DataFrame({"speciesId": SPECIES, "name": pd.array(names, "string")})

    @property
    def data(self):
        lon = np.linspace(0, 8, 40)
        places = pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(40), "lon": lon, "lat": 44.0, "fold": 0})
        places["year"] = pd.array([None, *[2020] * 39], dtype="Int32")
        labels = sparse.eye(40, dtype=bool, format="csr") + sparse.eye(40, k=1, dtype=bool, format="csr")
        return SurveyData(places, SPECIES, labels.tocsr(), "pa_train", "pa_test", False)

    def places(self, lon, lat, date=None, survey_ids=None):
        return pd.DataFrame({"lon": lon, "lat": lat, "date": date})

    def inputs(self, places, allow_missing=False):
        warmth = np.where(places["lat"] > 50, np.nan, places["lat"]).astype(np.float32)
        frame = pd.DataFrame({"degrees": warmth})
        missing = pd.DataFrame({"warmth": np.isnan(warmth)})
        if missing.to_numpy().all() and not allow_missing:
            raise DataError("none of the places has a value of warmth: --allow-missing")
        return {"small": Values({"warmth": frame}, {}, {}, missing)}

    def scores(self, places, values=None, fold=None):
        self.asked.append(len(places))
        near = np.exp(-np.abs(places["lon"].to_numpy()[:, None] - np.linspace(0, 8, 40)))
        warmth = np.nan_to_num(values["small"].tables["warmth"]["degrees"].to_numpy(), nan=44.0)
        return sparse.csr_matrix((near * np.exp(-np.abs(warmth - 45))[:, None]).astype(np.float32))

    def sets(self, scores, places):
        order = np.argsort(-scores.toarray(), axis=1, kind="stable")[:, : self.listed_sizes]
        chosen = np.zeros(scores.shape, bool)
        np.put_along_axis(chosen, order, True, axis=1)
        return sparse.csr_matrix(chosen)

    def decide(self, scores, places):
        return Decided(ranking.rank(scores), self.sets(scores, places), self.expected_species(scores))

    def expected_species(self, scores):
        return np.asarray(scores.sum(axis=1)).ravel()

    def training_distance_m(self, places):
        lon, lat = self.data.places["lon"].to_numpy(), self.data.places["lat"].to_numpy()
        return geo.great_circle_m(places["lon"].to_numpy()[:, None], places["lat"].to_numpy()[:, None], lon, lat).min(1)

    def applicability(self, places, values=None):
        distance_m = self.training_distance_m(places)
        far = distance_m > 1e6
        nothing = np.full(len(places), np.nan)
        return pd.DataFrame(
            {
                "dissimilarity": far * 1.5 if self.trusted else nothing,
                "inside": pd.array(~far if self.trusted else [pd.NA] * len(places), "boolean"),
                "distance_to_training_m": distance_m,
                "expected_f1": np.where(far, 0.1, 0.4) if self.trusted else nothing,
            }
        )
