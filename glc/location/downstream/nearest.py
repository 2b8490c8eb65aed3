"""The nearest labelled places on the sphere: the reference that a location encoder has to beat.

Alike, or by inverse distance (Shepard 1968): a place x km away counts ``1 / (1 + x) ** power``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from glc import geo
from glc.location.downstream.heads import Prediction, known_classes

KS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
POWERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_ROWS = 4_096


@dataclass(frozen=True)
class Votes:
    """How the nearest places vote: how many are asked, and the power of the distance by which their weights fall."""

    k: int
    power: float = 0.0


def fit_predict(places, targets, query, k=10, power=0.0):
    """Mean (values) or votes (classes) of the `k` nearest places, great-circle, weighted by ``1 / (1 + km) ** power``.

    places, query : (lon, lat), arrays of degrees
    targets : name -> (n,) values, or labels with None where missing: such a place is no neighbour for that target
    returns : name -> `glc.location.downstream.heads.Prediction`; among classes with as many votes the nearer ones win
    """
    return predict(places, targets, query, dict.fromkeys(targets, Votes(k, power)))


def predict(places, targets, query, votes: Mapping[str, Votes]):
    """The same with `Votes` of each target; one search serves all targets that are known at the same places."""
    points, at = geo.unit_sphere(*places), geo.unit_sphere(*query)
    predictions = {}
    for rows, names in _groups(targets):
        km, nearest = _search(points[rows], at, max(votes[name].k for name in names))
        for name in names:
            own = votes[name]
            predictions[name] = _mean(targets[name][rows], nearest[:, : own.k], km[:, : own.k], own.power)
    return {name: predictions[name] for name in targets}


def choose(places, targets, fold, otherwise: Votes) -> dict[str, Votes]:
    """Of `KS` and `POWERS` those with which the other folds predict each fold best: name -> Votes.

    places, targets : as of `fit_predict`
    fold : (n,) folds of these places; those of `fold_knndm` are as far from each other as the places to predict
    otherwise : for a target whose places are all of one fold
    Values are judged by squared error, classes by accuracy; of equally good ones the fewest places win.
    """
    points, chosen = geo.unit_sphere(*places), {}
    ks = np.array(KS)
    for rows, names in _groups(targets):
        numbers = np.unique(fold[rows])
        if len(numbers) < 2:
            chosen |= dict.fromkeys(names, otherwise)
            continue
        wrong = {name: np.zeros((len(ks), len(POWERS))) for name in names}
        coded = {name: _coded(targets[name][rows]) for name in names}
        for number in numbers:
            own = fold[rows] == number
            km, nearest = _search(points[rows][~own], points[rows][own], ks[-1])
            for name in names:
                classes, values = coded[name]
                loss = _squares if classes is None else _misses
                for i, power in enumerate(POWERS):
                    weights = (1 + km) ** -power
                    wrong[name][:, i] += loss(values[~own][nearest], weights, values[own], np.minimum(ks, km.shape[1]))
        for name in names:
            k, power = np.unravel_index(wrong[name].argmin(), wrong[name].shape)
            chosen[name] = Votes(KS[k], POWERS[power])
    return {name: chosen[name] for name in targets}


def _groups(targets) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Row numbers of the places where targets are known, and the names of these targets: mostly all of them."""
    groups = {}
    for name, target in targets.items():
        known = target.dtype != object or np.array([label is not None for label in target])
        rows = np.flatnonzero(np.broadcast_to(known, len(target)))
        groups.setdefault(rows.tobytes(), (rows, []))[1].append(name)
    yield from groups.values()


def _search(points, at, k):
    """Kilometres, and numbers, of the nearest `points` of each place, or of all if they are fewer: (m, k) each."""
    chord, nearest = cKDTree(points).query(at, range(1, min(k, len(points)) + 1), workers=-1)
    return geo.arc(chord) / 1000, nearest


def _coded(target):
    """Sorted classes and codes, or None and values."""
    return known_classes(target) if target.dtype == object else (None, target.astype(np.float64))


def _mean(target, nearest, km, power):
    classes, values = _coded(target)
    count = nearest.shape[1]
    weights = (1 + km) ** -power
    if classes is None:
        if not power:
            return Prediction(values[nearest].mean(axis=1))
        return Prediction((values[nearest] * weights).sum(axis=1) / weights.sum(axis=1))
    if not power:
        # nearer ones win among as many votes; all the tie-breaks of a place together stay below one vote
        weights = weights + (count - np.arange(count)) / (2 * count * (count + 1))
    votes = np.zeros((len(nearest), len(classes)))
    for rank, column in enumerate(values[nearest].T):
        votes[np.arange(len(votes)), column] += weights[:, rank]
    return Prediction((votes / votes.sum(axis=1, keepdims=True)).astype(np.float32), classes)


def _squares(values, weights, truth, ks):
    """Sum of squared errors of the first k of the neighbours' `values` (m, most), for each k."""
    mean = np.cumsum(values * weights, axis=1)[:, ks - 1] / np.cumsum(weights, axis=1)[:, ks - 1]
    return np.square(mean - truth[:, None]).sum(axis=0)


def _misses(codes, weights, truth, ks):
    """How many places the votes of the first k of the neighbours' `codes` (m, most) get wrong, for each k.

    Votes only grow, so that who leads is known without a look at all classes; of equal ones the first to get there.
    """
    misses = np.zeros(len(ks))
    for start in range(0, len(codes), _ROWS):
        part = slice(start, start + _ROWS)
        near, weight, known = codes[part].T, weights[part].T, truth[part]
        votes = np.zeros((len(known), max(int(codes.max()), int(truth.max())) + 1))
        rows, most, leader = np.arange(len(known)), np.zeros(len(known)), near[0].copy()
        for rank, (code, gain) in enumerate(zip(near, weight, strict=True), 1):
            total = votes[rows, code] + gain
            votes[rows, code] = total
            ahead = total > most
            most[ahead], leader[ahead] = total[ahead], code[ahead]
            misses[ks == rank] += (leader != known).sum()
    return misses
