"""Surveys and species in groups by which scores are compared: distance, richness, region, frequency."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from glc.evaluation.species import CLASSES

EDGES_KM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Ends that a bin of distances may have."""
EDGES_SPECIES = (2, 3, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200)
"""Ends that a bin of species per survey may have."""
MOST_NAMES = 12
"""Regions or countries that are shown by name; the rest is one group."""
OTHERS, UNKNOWN = "others", "not known"
_DEGREE_M = 111_195
"""Metres of a degree of the meridian, on the sphere of `glc.geo`."""


@dataclass(frozen=True)
class Strata:
    """Groups of surveys or species.

    labels : text of each group, in order; index : (n,) number of each one's group
    """

    labels: Sequence[str]
    index: np.ndarray


def edges(values: np.ndarray, share: float = 0.03, ends: Sequence[float] = EDGES_KM) -> np.ndarray:
    """Edges, from 0 to infinity, of bins that each hold at least `share` of the `values`, (n,).

    A bin holds its lower edge and not its upper one. The inner edges are some of `ends`; the last bin is open where an
    end beyond all values would be far from its beginning.
    """
    values = np.sort(values)
    least, below, bounds = max(1, share * len(values)), 0, [0.0]
    for edge in ends:
        count = int(np.searchsorted(values, edge))
        if count - below >= least and (count == len(values) or len(values) - count >= least):
            bounds.append(edge)
            below = count
    closed = below == len(values) > 0
    if closed and bounds[-1] > 5 * bounds[-2] > 0:
        bounds[-1] = np.inf
    return np.array(bounds if closed else [*bounds, np.inf])


def by_distance(metres: np.ndarray) -> Strata:
    """Bins of the distance to the nearest training survey, in km."""
    km = metres / 1000
    bounds = edges(km)
    labels = [f"{low:g}–{high:g}" if np.isfinite(high) else f"≥ {low:g}" for low, high in pairwise(bounds)]
    return Strata(labels, np.minimum(np.searchsorted(bounds, km, side="right"), len(labels)) - 1)


def by_richness(species: np.ndarray) -> Strata:
    """Bins of the number of species present in a survey."""
    bounds = edges(species, 0.05, EDGES_SPECIES)
    labels = []
    for low, high in pairwise(bounds):
        last = high - 1 if np.isfinite(high) else np.inf
        first = max(int(low), int(species.min())) if len(species) and low == 0 else int(low)
        labels.append(f"≥ {first}" if np.isinf(last) else f"{first}–{int(last)}" if last > first else f"{first}")
    return Strata(labels, np.minimum(np.searchsorted(bounds, species, side="right"), len(labels)) - 1)


def by_name(names: pd.Series, most: int = MOST_NAMES) -> Strata:
    """Groups of equal names, the most frequent first; those after the first `most` are one group, as is no name."""
    known = names.fillna("").astype(str)
    counts = known[known != ""].value_counts()
    # equal counts by name, so that the order never depends on that of the surveys
    ordered = sorted(counts.index, key=lambda name: (-counts[name], name))
    shown = ordered if len(ordered) <= most + 1 else ordered[:most]
    labels = [*shown, *([OTHERS] if len(ordered) > len(shown) else []), *([UNKNOWN] if (known == "").any() else [])]
    number = {name: place for place, name in enumerate(shown)} | {"": len(labels) - 1}
    return Strata(labels, np.array([number.get(name, len(shown)) for name in known], int))


def by_frequency(records: np.ndarray) -> Strata:
    """`CLASSES` of species by their training surveys, those that no species has left out."""
    first = np.array([low for low, _ in CLASSES])
    place = np.searchsorted(first, records, side="right") - 1
    present = np.unique(place)
    labels = []
    for number in present:
        low, high = CLASSES[number]
        labels.append(f"≥ {low:,}" if high is None else f"{low:,}–{high:,}" if high > low else f"{low}")
    return Strata(labels, np.searchsorted(present, place))


def spatial_blocks(frame: pd.DataFrame, size_m: float) -> np.ndarray:
    """Spatial block of each survey, (n,): its own, or a square of degrees of about that size if the split has none.

    frame : surveys of one split, with lon, lat (degrees) and block; size_m : side of a block
    """
    if frame["block"].nunique() > 1:
        return frame["block"].to_numpy()
    side = size_m / _DEGREE_M
    row = np.floor(frame["lat"].to_numpy() / side)
    column = np.floor(frame["lon"].to_numpy() * np.cos(np.radians((row + 0.5) * side)) / side)
    return np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)[1].ravel()
