"""Dissimilarity, area of applicability and error profile of a fitted experiment, as one file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc import storage
from glc.applicability import dissimilarity as dissimilarities
from glc.applicability import embedding as embeddings
from glc.applicability import profile as profiles
from glc.applicability.components import Components
from glc.applicability.dissimilarity import Dissimilarity
from glc.applicability.embedding import NetsDissimilarity
from glc.applicability.profile import ErrorProfile
from glc.applicability.space import COORDINATES, EMBEDDING, Space
from glc.errors import DataError
from glc.types import StrPath

Predictors = pd.DataFrame | np.ndarray | Mapping[str, np.ndarray]
FILE = "applicability.npz"
SURVEYS = "surveys.parquet"
"""Next to it in the output of the task: validation and test surveys with what `fit` and `at` say of them."""
_FORMAT = 1


@dataclass(frozen=True)
class Applicability:
    """Where the predictions of an experiment may be trusted, and how far.

    dissimilarity : to all training places; of nets with imagery the mean over the nets' embeddings
    profile : expected score; None where no validation survey has one, as with presence-only data alone
    """

    dissimilarity: Dissimilarity | NetsDissimilarity
    profile: ErrorProfile | None = None

    @property
    def kind(self) -> str:
        """The predictors that `at` reads: ``table``, ``embedding`` or ``coordinates`` (`Space`)."""
        return self.dissimilarity.kind

    @property
    def components(self) -> dict[str, Components]:
        """Name of a net -> how its embedding becomes the predictors that `at` reads; empty unless kind is embedding."""
        return self.dissimilarity.components

    def at(self, predictors: Predictors, distance_m: np.ndarray) -> pd.DataFrame:
        """What is known of places.

        predictors : frame with the training's columns (lon, lat for coordinates), or array (n, d) in their order; for
            ``embedding``, name of a net -> (n, k) `components`
        distance_m : (n,) metres to the nearest training survey
        returns : frame (n): ``dissimilarity`` float64, NaN where no predictor is known; ``inside`` bool, the area of
            applicability, false where that is unknown; ``expected_f1`` float64, NaN where validation covers no place as
            dissimilar and as far, and where the profile is of another measure, which then has a column of its name,
            such as ``expected_auc``; ``missing_predictors`` int64, which the training mean replaces
        """
        index, missing = self.dissimilarity.index(predictors)
        frame = pd.DataFrame({"dissimilarity": index, "inside": index <= self.dissimilarity.threshold})
        frame["expected_f1"] = np.nan
        if self.profile is not None:
            frame[f"expected_{self.profile.measure}"] = self.profile.expected(index, distance_m)
        frame["missing_predictors"] = missing
        return frame

    def save(self, path: StrPath) -> None:
        """Write one ``.npz`` of plain arrays; nothing in it needs pickle."""
        index, profile = self.dissimilarity, self.profile
        facts = {
            "format": _FORMAT,
            "kind": index.kind,
            "threshold": index.threshold,
            "dissimilarity": index.facts,
            "profile": None if profile is None else {"best": profile.best, "facts": profile.facts},
        }
        own, arrays = index.plain()
        facts |= own
        if profile is not None:
            arrays |= {f"knots_{name}": knots for name, knots in profile.knots.items()}
            arrays |= {f"drops_{name}": drops for name, drops in profile.drops.items()}
            arrays["reach"] = np.column_stack([profile.reach_distance, profile.reach_dissimilarity])
            arrays |= {f"parts_{name}": column.to_numpy() for name, column in profile.parts.items()}
        with storage.atomic_file(path) as scratch, open(scratch, "wb") as file:
            np.savez_compressed(file, facts=np.array(json.dumps(facts)), **arrays)


def load(path: StrPath) -> Applicability:
    """The `Applicability` that `save` wrote; a DataError names a file that is none."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        facts = json.loads(str(arrays["facts"]))
        if facts["format"] != _FORMAT:
            raise DataError(f"{path}: format {facts['format']}, expected {_FORMAT}; fit the experiment again")
        index = (NetsDissimilarity if facts["kind"] == EMBEDDING else Dissimilarity).of_plain(facts, arrays)
        return Applicability(index, _profile(facts["profile"], arrays) if facts["profile"] else None)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(
            f"{path}: cannot be read as the applicability of an experiment ({type(error).__name__}: {error}); fit the "
            "experiment again"
        ) from None


def fit(
    space: Space,
    predictors: pd.DataFrame | np.ndarray,
    validation: pd.DataFrame,
    measure: str = "f1",
    seed: int = 0,
) -> tuple[Applicability, pd.DataFrame]:
    """The `Applicability` of an experiment, and what it says of the validation surveys.

    predictors : (n, d) of the training places
    validation : frame (n) of the same places: ``fold``, below 0 where a place is in none; ``block``;
        ``nearest_train_m``, to the training surveys that the fold's model saw; ``score``, of the prediction by that
        model, NaN where there is none
    measure : what the score is
    seed : of the sample for the mean distance of many places
    returns : the applicability, and `validation` with ``dissimilarity`` to the training surveys that the fold's model
        saw, ``inside``, and ``expected``: by profiles that have not seen the survey's fold
    """
    index, own = dissimilarities.fit(space, predictors, validation["fold"].to_numpy(), seed)
    return _with_profile(index, own, validation, measure)


def fit_nets(
    values: Mapping[str, np.ndarray],
    components: Mapping[str, Components],
    own_fold: Mapping[str, int],
    validation: pd.DataFrame,
    measure: str = "f1",
    seed: int = 0,
) -> tuple[Applicability, pd.DataFrame]:
    """As `fit`, in the embeddings of nets.

    values, components, own_fold : as of `glc.applicability.embedding.fit`
    """
    index, own = embeddings.fit(values, components, own_fold, validation["fold"].to_numpy(), seed)
    return _with_profile(index, own, validation, measure)


def _with_profile(index, own, validation, measure):
    """The `Applicability` of `index`, whose training places have the values `own` across folds; see `fit`."""
    fold, score = validation["fold"].to_numpy(), validation["score"].to_numpy(np.float64)
    frame = validation.assign(dissimilarity=own, inside=own <= index.threshold, expected=np.nan)
    measured = np.isfinite(score) & np.isfinite(own) & np.isfinite(frame["nearest_train_m"].to_numpy())
    if not measured.any():
        return Applicability(index), frame
    columns = [frame[name].to_numpy()[measured] for name in ("score", "dissimilarity", "nearest_train_m", "block")]
    # of coordinates one variable follows from the other
    variables = (profiles.DISTANCE,) if index.kind == COORDINATES else (profiles.DISSIMILARITY, profiles.DISTANCE)
    frame.loc[measured, "expected"] = profiles.crossfitted(*columns, groups=fold[measured], variables=variables)
    return Applicability(index, profiles.fit(*columns, measure=measure, variables=variables)), frame


def _profile(facts: dict, arrays: dict[str, np.ndarray]) -> ErrorProfile:
    named = {
        kind: {name.removeprefix(f"{kind}_"): values for name, values in arrays.items() if name.startswith(f"{kind}_")}
        for kind in ("knots", "drops", "parts")
    }
    return ErrorProfile(
        measure=facts["facts"]["measure"],
        best=facts["best"],
        knots=named["knots"],
        drops=named["drops"],
        reach_distance=arrays["reach"][:, 0],
        reach_dissimilarity=arrays["reach"][:, 1],
        parts=pd.DataFrame(named["parts"]),
        facts=facts["facts"],
    )
