"""Why a place is predicted as it is: what the nearest training surveys hold, and each input's share."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glc import geo
from glc.fitted import predictions

if TYPE_CHECKING:
    from glc.fitted.inputs import InputsAt
    from glc.fitted.load import FittedExperiment

NEAREST = 5
"""Training surveys that are shown."""
SPECIES = 5
"""Species, the best of the prediction, that are compared."""


@dataclass(frozen=True)
class NearSurvey:
    """A training survey near the place.

    surveyId, year : of the survey; the year is None where it has none
    distance_m : great-circle metres from the place
    species : how many it holds
    shared : ids of those that the prediction has too, best first
    """

    surveyId: int
    year: int | None
    distance_m: float
    species: int
    shared: list[int]


@dataclass(frozen=True)
class InputShare:
    """What changes if an input is left out (missing at this place).

    input : its name
    probability : id -> probability without it, of the best species of the prediction
    expected_species : without it; None of presence-only models
    missing : whether it is not known here anyhow, so that nothing can change
    """

    input: str
    probability: dict[int, float]
    expected_species: float | None
    missing: bool


def nearest_surveys(
    fitted: "FittedExperiment", lon: float, lat: float, predicted: list[int], count: int = NEAREST
) -> list[NearSurvey]:
    """The training surveys nearest to a place.

    lon, lat : degrees
    predicted : ids of the prediction, best first
    """
    data = fitted.data
    rows = data.train()
    places = data.places.iloc[rows]
    distance = geo.great_circle_m(lon, lat, places["lon"].to_numpy(), places["lat"].to_numpy())
    near = []
    for at in np.argsort(distance, kind="stable")[:count]:
        present = set(data.species[data.labels_of(rows[at : at + 1]).indices].tolist())
        year = places["year"].iloc[at]
        near.append(
            NearSurvey(
                surveyId=int(places["surveyId"].iloc[at]),
                year=None if pd.isna(year) else int(year),
                distance_m=float(distance[at]),
                species=len(present),
                shared=[species for species in predicted if species in present],
            )
        )
    return near


def input_shares(
    fitted: "FittedExperiment", places: pd.DataFrame, values: "Mapping[str, InputsAt]", best: list[int]
) -> list[InputShare]:
    """What each input brings at one place: the prediction with that input missing, in all models that read it.

    places, values : of `FittedExperiment.places` and `inputs`, one row
    best : ids whose probabilities are compared
    """
    columns = np.searchsorted(fitted.species["speciesId"].to_numpy(), best)
    missing = predictions.missing_inputs(places, values)
    shares = []
    for name in missing.columns:
        scores = fitted.scores(places, {model: without(inputs, name) for model, inputs in values.items()})
        dense = scores.toarray()[0]
        expected = None if fitted.relative else float(fitted.expected_species(scores)[0])
        probability = {species: float(dense[column]) for species, column in zip(best, columns, strict=True)}
        shares.append(InputShare(name, probability, expected, bool(missing[name].iloc[0])))
    return shares


def without(values: "InputsAt", name: str) -> "InputsAt":
    """The values with one input missing everywhere; as they are where they have no such input.

    name : of the input, a column of ``values.missing``
    """
    if name not in values.missing.columns:
        return values
    tables, known = dict(values.tables), dict(values.known)
    if name in tables:
        tables[name] = tables[name] * np.float32(np.nan)
    if name in known:
        known[name] = np.zeros_like(known[name])
    return dataclasses.replace(values, tables=tables, known=known, missing=values.missing.assign(**{name: True}))
