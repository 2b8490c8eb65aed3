"""The fit of cost curves to measurements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from glc.costs.curves import QUANTITIES, Curve, Curves, Measurement

LEAST = {"seconds": 0.5, "memory_mb": 50.0, "bytes": 1e5}
"""Below these, differences do not count."""
START = {"seconds": 0.5, "memory_mb": 1_600.0, "bytes": 0.0}
"""What is taken for constant where one dataset alone was measured."""
FLOOR = {"seconds": 0.0, "memory_mb": 1_600.0, "bytes": 0.0}
"""Measurements below are raised to it. Memory: a program with its libraries, and Java where an earlier stage of the run
has started it, so that equal tasks differ by a gigabyte that says nothing of their work."""
POWERS = np.round(np.arange(0.6, 1.21, 0.05), 2)
ROUNDS = 6
"""Fits, each with errors relative to the estimates of the one before and the values."""
BETTER = 0.9
"""A power other than 1 is taken where it makes the error of datasets that were left out so much smaller."""


def fit_all(measurements: Iterable[Measurement]) -> Curves:
    """The curves of all kinds that were measured."""
    by_kind: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        by_kind.setdefault(measurement.kind, []).append(measurement)
    return {kind: {name: fit(group, name) for name in QUANTITIES} for kind, group in sorted(by_kind.items())}


def fit(measurements: Sequence[Measurement], quantity: str) -> Curve:
    """The curve of one quantity of one kind of task, by least relative squares; nothing in it is negative.

    The power is 1 unless another is clearly better for datasets that are left out of the fit in turn.
    """
    points = _Points(
        terms=np.array([measurement.terms for measurement in measurements]),
        values=np.maximum([_value(measurement, quantity) for measurement in measurements], FLOOR[quantity]),
        datasets=np.array([measurement.dataset for measurement in measurements]),
        quantity=quantity,
    )
    linear = points.curve(1.0)
    if len(set(points.datasets)) < 4:
        return linear
    errors = {float(power): points.error(float(power)) for power in POWERS}
    best = min(errors, key=errors.__getitem__)
    return points.curve(best) if errors[best] < BETTER * errors[1.0] else linear


def _value(measurement: Measurement, quantity: str) -> float:
    return {"seconds": measurement.seconds, "memory_mb": measurement.memory_mb, "bytes": measurement.bytes}[quantity]


@dataclass(frozen=True, eq=False)
class _Points:
    """Measurements of a quantity: terms (n, terms), values (n,) and datasets (n,)."""

    terms: np.ndarray
    values: np.ndarray
    datasets: np.ndarray
    quantity: str

    def curve(self, power: float) -> Curve:
        """The curve of this power."""
        raised = self.terms**power
        scale = np.where(raised.max(axis=0) > 0, raised.max(axis=0), 1)
        shares, terms = raised / scale, len(scale)
        datasets = len(set(self.datasets))
        if datasets == 1:  # nothing tells what is constant
            start = min(START[self.quantity], float(self.values.min()))
            rate = np.mean((self.values - start) / np.maximum(shares.mean(axis=1), 1e-9))
            return Curve(start, tuple(float(own) for own in rate / terms / scale), power)
        together = datasets <= terms  # too few to tell the terms apart
        columns = shares.mean(axis=1, keepdims=True) if together else shares
        values = np.maximum(self.values, LEAST[self.quantity])
        design, estimates = np.column_stack([np.ones(len(values)), columns]), values
        for _ in range(ROUNDS):  # errors relative to values alone would favour what is too low
            weights = 1 / np.sqrt(values * estimates)
            solved, _ = optimize.nnls(design * weights[:, None], self.values * weights)
            estimates = np.maximum(design @ solved, LEAST[self.quantity])
        rates = np.full(terms, solved[1] / terms) if together else solved[1:]
        return Curve(float(solved[0]), tuple(float(rate) for rate in rates / scale), power)

    def error(self, power: float) -> float:
        """Mean absolute logarithm of estimate by value, each dataset by the curve of the others."""
        least, errors = LEAST[self.quantity], []
        for dataset in sorted(set(self.datasets)):
            own = self.datasets == dataset
            curve = _Points(self.terms[~own], self.values[~own], self.datasets[~own], self.quantity).curve(power)
            estimates = np.array([curve.at(row) for row in self.terms[own]])
            errors += np.abs(np.log(np.maximum(estimates, least) / np.maximum(self.values[own], least))).tolist()
        return float(np.mean(errors))
