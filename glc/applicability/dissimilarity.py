"""The dissimilarity index and the threshold that bounds the area of applicability (Meyer & Pebesma 2021)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from glc.applicability.components import Components
from glc.applicability.nearest import Nearest, mean_distance
from glc.applicability.space import Space
from glc.errors import DataError
from glc.types import Facts


@dataclass(frozen=True)
class Dissimilarity:
    """Distance to the nearest training point over the mean distance between training points.

    space : how predictors become points
    training : (m, d) the different predictors of the training places, as `Space.matrix` has them
    mean_distance : over all pairs of training places, in the space
    threshold : largest dissimilarity within the area of applicability
    facts : plain values about the fit: training places, those with missing predictors, error of the mean distance, …
    """

    space: Space
    training: np.ndarray
    mean_distance: float
    threshold: float
    facts: Facts

    @property
    def kind(self) -> str:
        """That of the space."""
        return self.space.kind

    @property
    def weighted(self) -> bool:
        """Whether predictors differ in weight."""
        return bool(np.ptp(self.space.weight) > 0)

    @property
    def components(self) -> dict[str, Components]:
        """None: predictors are as they are read."""
        return {}

    def plain(self) -> tuple[Facts, dict[str, np.ndarray]]:
        """Plain values and arrays that `of_plain` reads."""
        arrays = {"mean": self.space.mean, "scale": self.space.scale, "weight": self.space.weight}
        facts: Facts = {"names": list(self.space.names), "mean_distance": self.mean_distance}
        return facts, arrays | {"training": _compact(self.training)}

    @classmethod
    def of_plain(cls, facts: Facts, arrays: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `plain`; `facts` with kind, threshold and dissimilarity, the facts of the fit, as well."""
        space = Space(facts["kind"], tuple(facts["names"]), arrays["mean"], arrays["scale"], arrays["weight"])
        training = arrays["training"].astype(np.float64)
        return cls(space, training, facts["mean_distance"], facts["threshold"], facts["dissimilarity"])

    @cached_property
    def _nearest(self) -> Nearest:
        points, _ = self.space.points(self.training)
        return Nearest(points)

    def index(self, predictors: pd.DataFrame | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Dissimilarity of places, (n,) float64, and their numbers of missing predictors, (n,) int64.

        predictors : a frame with the columns of the training, or an array (n, d) in their order

        NaN where no predictor is known.
        """
        points, missing = self.space.points(predictors)
        return self._nearest.distance(points) / self.mean_distance, missing


def fit(
    space: Space,
    predictors: pd.DataFrame | np.ndarray,
    folds: np.ndarray,
    seed: int = 0,
    compared: int | None = None,
) -> tuple[Dissimilarity, np.ndarray]:
    """The `Dissimilarity` of training places, and their own under cross-validation, (n,) float64.

    predictors : (n, d) of the training places
    folds : (n,) int, the validation fold of each; below 0: a place that is in none, and only trained on
    seed : of the sample for the mean distance of many places
    compared : the one fold whose places are compared, for a space that belongs to it; None: all

    A training place is compared with those of other folds. The threshold is the upper whisker of these values, the
    third quartile plus 1.5 times the interquartile range, and at most their maximum, as in CAST's ``trainDI`` since 0.9
    (before 0.7.1 it was the largest value below the whisker). NaN where a place's predictors are all missing, or it is
    in no fold.

    Source: Meyer & Pebesma 2021, Methods in Ecology and Evolution 12, sections 2.2 to 2.4.
    """
    matrix, folds = space.matrix(predictors), np.asarray(folds)
    points, missing = space.points(matrix)
    known = np.isfinite(points).all(axis=1)
    present = np.unique(folds[known & (folds >= 0)])
    numbers = present if compared is None else present[present == compared]
    if known.sum() < 2 or len(present) < 2 or not len(numbers):
        raise DataError(
            f"training places: {known.sum()} with known predictors in {len(present)} folds, expected at least two "
            "in two folds; dissimilarity is measured across folds"
        )
    mean, half_width = mean_distance(points[known], seed=seed)
    if not mean > 0:
        raise DataError("training places: all have the same predictors, expected some that differ")
    own = np.full(len(points), np.nan)
    for number in numbers:
        inside = known & (folds == number)
        own[inside] = Nearest(points[known & (folds != number)]).distance(points[inside]) / mean
    facts: Facts = {
        "space": space.kind,
        "training_places": int(known.sum()),
        "without_predictors": int((~known).sum()),
        "with_missing_predictors": int((missing[known] > 0).sum()),
        "missing_predictors": int(missing[known].sum()),
        "predictors": len(space.names),
        "ignored_predictors": [
            name for name, counts in zip(space.names, space.weight * space.scale > 0, strict=True) if not counts
        ],
        "folds": len(numbers),
        "mean_distance_half_width": half_width,
    }
    different = np.unique(points[known], axis=0, return_index=True)[1]
    return Dissimilarity(space, matrix[known][np.sort(different)], mean, whisker(own[np.isfinite(own)]), facts), own


def whisker(values: np.ndarray) -> float:
    """Third quartile plus 1.5 times the interquartile range of `values`, (n,), at most their maximum."""
    first, third = np.quantile(values, [0.25, 0.75])  # as R's type 7
    return float(min(third + 1.5 * (third - first), values.max()))


def _compact(values: np.ndarray) -> np.ndarray:
    """As float32 where that loses nothing: values of rasters are."""
    single = values.astype(np.float32)
    return single if np.array_equal(single.astype(np.float64), values, equal_nan=True) else values
