"""Folds whose distances to training places are those of the places that are to be predicted.

kNNDM (Linnenbrink, Milà, Ludwig and Meyer 2024, Geoscientific Model Development 17): of many groupings of the training
surveys take the one whose nearest-neighbour distances under cross-validation have the smallest Wasserstein distance to
those from the prediction places to all training surveys. Theirs are clusters of k-means or of a hierarchy; ours are the
squares of a grid, dealt to folds as those of ``block`` are, which takes millions of surveys.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import wasserstein_distance

from glc import geo
from glc.errors import ConfigError
from glc.etl.squares import Grid
from glc.types import Facts

SIZES = 16
"""Sizes of squares that are tried; then as many between the neighbours of the best."""
QUERIES = 20_000
"""Surveys and places whose distances are compared; those that they are near to are never thinned."""


@dataclass(frozen=True)
class Matched:
    """Folds and how well they match.

    fold : (n,) int32
    size_m : side of the squares in metres; 0 where surveys are dealt one by one
    wasserstein_m : mean difference of the two distributions of distances, metres
    median_m : distance from a survey to the nearest one of other folds, median
    wanted_median_m : from a place that is to be predicted to the nearest training survey, median
    """

    fold: np.ndarray
    size_m: float
    wasserstein_m: float
    median_m: float
    wanted_median_m: float

    @property
    def facts(self) -> Facts:
        """For the manifest."""
        return {
            "knndm": {
                "size_m": round(self.size_m),
                "wasserstein_m": round(self.wasserstein_m),
                "median_m": round(self.median_m),
                "wanted_median_m": round(self.wanted_median_m),
            }
        }


def assign(
    lon: np.ndarray,
    lat: np.ndarray,
    squares: Grid,
    target_lon: np.ndarray,
    target_lat: np.ndarray,
    count: int,
    seed: int,
) -> Matched:
    """Deal surveys to `count` folds so that distances between folds match those to prediction places.

    lon, lat : (n,) degrees, of training surveys
    squares : the same places as a grid: `Squares` of projected surveys, or `Cells` anywhere on Earth
    target_lon, target_lat : (m,) degrees, of the places that are to be predicted; their labels are not known here
    count, seed : of `config.Validation`
    Raises ConfigError where there are no places, or fewer surveys than folds.
    """
    if not len(target_lon):
        raise ConfigError(
            "validation.scheme: knndm matches the distances of places that are to be predicted, and the dataset has no "
            "test surveys; expected some, or validation.scheme = 'block'"
        )
    if len(lon) < count:
        raise ConfigError(f"validation.count: found {count} folds for {len(lon)} surveys; lower validation.count")
    points = geo.unit_sphere(lon, lat)
    rng = np.random.default_rng(seed)
    order = np.lexsort([target_lat, target_lon])  # thinned alike in any order of the rows
    targets = geo.unit_sphere(target_lon, target_lat)[order][_thinned(len(target_lon), rng)]
    wanted = geo.arc(cKDTree(points).query(targets)[0])
    asked = _thinned(len(points), rng)

    def tried(size_m: float) -> Matched:
        fold = squares.deal(size_m, count, np.random.default_rng(seed))
        distance = _between(points, fold, asked)
        return Matched(
            fold,
            size_m,
            float(wasserstein_distance(distance, wanted)),
            float(np.median(distance)),
            float(np.median(wanted)),
        )

    sizes = squares.sizes(count, SIZES)
    matches = [tried(0.0), *map(tried, sizes)]
    best = min(range(len(matches)), key=lambda i: matches[i].wasserstein_m)
    if best:
        low, high = sizes[max(best - 2, 0)], sizes[min(best, len(sizes) - 1)]
        matches += map(tried, np.geomspace(low, high, SIZES + 2)[1:-1])
    return min(matches, key=lambda match: match.wasserstein_m)


def _thinned(count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `QUERIES` of `count` numbers, ascending."""
    return np.sort(rng.permutation(count)[:QUERIES])


def _between(points: np.ndarray, fold: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Metres from each point of `asked` to the nearest one of another fold."""
    nearest = np.empty(len(asked))
    for each in np.unique(fold):
        own = fold[asked] == each
        nearest[own] = cKDTree(points[fold != each]).query(points[asked[own]])[0]
    return geo.arc(nearest)
