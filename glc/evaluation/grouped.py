"""Scores of several experiments by distance, richness, region and frequency, on the surveys that all have evaluated."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from glc.evaluation import evaluate, strata
from glc.surveys import SurveyData

SHARED = ["surveyId", "fold"]
"""What a survey is recognised by in two experiments."""
BY = {
    "distance": "distance to the nearest training survey, km",
    "frequency": "training surveys that have the species",
    "richness": "species present in the survey",
    "region": "region",
    "country": "country",
}
"""What scores are grouped by -> its name."""
COLUMNS = ["by", "group", "experiment", "surveys", "value", "low", "high"]
"""Of this module's tables: grouping, group, whose score, surveys (of frequency: species) in it, score and interval."""


def valid_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The validation surveys of a table of surveys."""
    return frame[frame["split"] == "valid"]


def shared_surveys(frames: Mapping[str, pd.DataFrame]) -> pd.MultiIndex:
    """Validation surveys, by id and fold, that all have evaluated."""
    shared: pd.MultiIndex | None = None
    for frame in frames.values():
        own = pd.MultiIndex.from_frame(valid_rows(frame)[SHARED].astype(np.int64))
        shared = own if shared is None else shared.intersection(own)
    return shared.sort_values() if shared is not None else pd.MultiIndex.from_tuples([], names=SHARED)


def _aligned(frame: pd.DataFrame, shared: pd.MultiIndex) -> pd.DataFrame:
    """The rows of the shared validation surveys, in their order."""
    own = valid_rows(frame)
    return own.set_index(pd.MultiIndex.from_frame(own[SHARED].astype(np.int64))).loc[shared]


def by_surveys(frames: Mapping[str, pd.DataFrame], shared: pd.MultiIndex, size_m: float, value: str) -> pd.DataFrame:
    """Scores by distance, richness, region and country of the surveys that all have evaluated."""
    if not len(shared):
        return pd.DataFrame(columns=COLUMNS)
    aligned = {name: _aligned(frame, shared) for name, frame in frames.items()}
    first = next(iter(aligned.values()))
    known = first["nearest_train_m"].notna().to_numpy()
    groupings = {"distance": (strata.by_distance(first["nearest_train_m"].to_numpy()[known]), known)}
    every = np.ones(len(first), bool)
    if "actual" in first:
        groupings["richness"] = (strata.by_richness(first["actual"].to_numpy()), every)
    groupings |= {name: (strata.by_name(first[name]), every) for name in ("region", "country")}
    block = strata.spatial_blocks(first, size_m)
    rows = []
    for by, (groups, kept) in groupings.items():
        if len(groups.labels) < 2 and by in ("region", "country"):
            continue
        for name, frame in aligned.items():
            if value not in frame:
                continue
            scores = frame[value].to_numpy(np.float64)[kept]
            for number, label in enumerate(groups.labels):
                inside = (groups.index == number) & ~np.isnan(scores)
                mean = float(scores[inside].mean()) if inside.any() else math.nan
                low, high = bounds(scores[inside], block[kept][inside])
                rows.append((by, label, name, int(inside.sum()), mean, low, high))
    return pd.DataFrame(rows, columns=COLUMNS)


def bounds(values: np.ndarray, block: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """The interval of a mean; NaN where fewer than two blocks hold it all."""
    if len(np.unique(block)) < 2:
        return math.nan, math.nan
    return evaluate.bootstrap(values, block, weights=weights)


def by_frequency(
    sets: Mapping[str, tuple[np.ndarray, sparse.csr_matrix]], data: SurveyData, shared: pd.MultiIndex, size_m: float
) -> pd.DataFrame:
    """F1 of all decisions on the species of each class, pooled, on the shared surveys.

    sets : experiment -> ids of validation surveys (n,) and their sets, a boolean CSR over ``data.species``
    """
    ids = shared.get_level_values(0).to_numpy()
    rows = data.rows_of(ids, data.train_name)
    actual = data.labels_of(rows)
    records = np.asarray(data.labels_of(data.train(None)).sum(axis=0)).ravel()
    classes = strata.by_frequency(records)
    block = strata.spatial_blocks(data.places.iloc[rows], size_m)
    lines = []
    for name, (known, decided) in sets.items():
        order = np.argsort(known)
        predicted = decided[order[np.searchsorted(known[order], ids)]]
        for number, label in enumerate(classes.labels):
            columns = np.flatnonzero(classes.index == number)
            right, both = f1_parts(predicted[:, columns], actual[:, columns])
            value = float(right.sum() / both.sum()) if both.sum() else math.nan
            low, high = bounds(right, block, both)
            lines.append(("frequency", label, name, len(columns), value, low, high))
    return pd.DataFrame(lines, columns=COLUMNS)


def f1_parts(predicted: sparse.csr_matrix, actual: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Of each survey twice the species that are rightly predicted, and the predicted and present ones, (n,) each.

    The F1 of pooled decisions is the sum of the first divided by the sum of the second.
    """
    predicted, actual = predicted.astype(np.int64), actual.astype(np.int64)
    right = np.asarray(predicted.multiply(actual).sum(axis=1)).ravel()
    both = np.asarray(predicted.sum(axis=1)).ravel() + np.asarray(actual.sum(axis=1)).ravel()
    return 2.0 * right, both.astype(np.float64)
