"""A fitted experiment whose scores are a known function of its table."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from glc import config
from glc.surveys import SurveyData


@dataclass(frozen=True)
class Values:
    tables: dict = field(default_factory=dict)
    imagery: dict = field(default_factory=dict)
    known: dict = field(default_factory=dict)
    missing: pd.DataFrame = field(default_factory=pd.DataFrame)


class Known:
    """Species score `answer` of the table (n, columns) at n places; the table is a function of the coordinates.

    folds that scored are kept in `asked`.
    """

    def __init__(self, answer, count=400, species=3, folds=4, run=2, relative=False, seed=0):
        rng = np.random.default_rng(seed)
        self.answer, self.relative, self.asked = answer, relative, []
        self.settings = config.Experiment(
            model=config.Choice("votes"), validation=config.Validation(count=folds, run=run), name="known"
        )
        places = pd.DataFrame(
            {
                "dataset": "pa_train", "surveyId": np.arange(count), "lon": rng.uniform(1, 9, count),
                "lat": rng.uniform(43, 49, count), "year": 2020, "block": np.arange(count),
                "fold": rng.integers(folds, size=count).astype(np.int32),
            }
        )  # fmt: skip
        scores = answer(self.table(places))
        labels = sparse.csr_matrix(scores > rng.uniform(0.3, 0.7, scores.shape))
        self.data = SurveyData(places, np.arange(10, 10 + species), labels, "pa_train", "pa_test", False)
        self.species = pd.DataFrame(
            {
                "speciesId": np.arange(10, 10 + species, dtype=np.int32),
                "name": ["Quercus ilex", None, "Abies alba"][:species],
                "key": None,
                "records": np.asarray(labels.sum(axis=0)).ravel(),
            }
        )

    @staticmethod
    def table(places):
        """used and its copy, which are a function of the place; noise; a category of three."""
        rng = np.random.default_rng(len(places))
        lon = places["lon"].to_numpy()
        used = (lon - 1) / 8
        kind = np.floor(places["lat"].to_numpy() * 7).astype(int) % 3
        return pd.DataFrame(
            {"used": used, "copy": used**3, "noise": rng.uniform(size=len(places))}
            | {f"rock_type_{name}": (kind == at).astype(float) for at, name in enumerate(("chalk", "clay", "granite"))}
        ).astype(np.float32)

    def places(self, lon, lat):
        return pd.DataFrame({"dataset": "place", "surveyId": -1, "lon": lon, "lat": lat, "year": 2020})

    def inputs(self, places, allow_missing=False):
        assert allow_missing
        missing = pd.DataFrame({"table": np.zeros(len(places), bool)})
        return {self.settings.name: Values({"table": self.table(places)}, missing=missing)}

    def scores(self, places, values=None, fold=None):
        self.asked.append((len(places), fold))
        return sparse.csr_matrix(self.answer(values["known"].tables["table"]).astype(np.float32))


def by_used(table):
    """Species 10 rises with `used`, 11 is constant, 12 has its top in the middle."""
    used = np.nan_to_num(table["used"].to_numpy(float))
    return np.column_stack([used, np.full(len(used), 0.4), np.exp(-(((used - 0.5) / 0.2) ** 2))])


@pytest.fixture
def known():
    """Class of a fitted experiment whose answer is known."""
    return Known


@pytest.fixture
def fitted():
    """One whose species depend on the column `used` alone."""
    return Known(by_used)
