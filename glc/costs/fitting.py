"""The fit of cost curves to measurements."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import optimize

from glc.costs.curves import QUANTITIES, Curve, Curves, Measurement

LEAST = {"seconds": 0.5, "memory_mb": 50.0, "bytes": 1e5}
"""Below these, differences do not count."""
START = {"seconds": 0.5, "memory_mb": 600.0, "bytes": 0.0}
"""What is taken for constant where one dataset alone was measured: a program with its libraries."""
POWERS = np.round(np.arange(0.6, 1.21, 0.05), 2)
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
    terms = np.array([measurement.terms for measurement in measurements])
    values = np.maximum([_value(measurement, quantity) for measurement in measurements], LEAST[quantity])
    groups = np.array([measurement.dataset for measurement in measurements])
    start = START[quantity]
    linear = _solve(terms, values, groups, 1.0, start)
    if len(set(groups)) < 4:
        return linear
    errors = {float(power): _left_out(terms, values, groups, float(power), start) for power in POWERS}
    best = min(errors, key=errors.__getitem__)
    return _solve(terms, values, groups, best, start) if errors[best] < BETTER * errors[1.0] else linear


def _value(measurement: Measurement, quantity: str) -> float:
    return {"seconds": measurement.seconds, "memory_mb": measurement.memory_mb, "bytes": measurement.bytes}[quantity]


def _solve(terms: np.ndarray, values: np.ndarray, groups: np.ndarray, power: float, start: float) -> Curve:
    raised = terms**power
    scale = np.where(raised.max(axis=0) > 0, raised.max(axis=0), 1)
    shares = raised / scale
    datasets = len(set(groups))
    if datasets == 1:  # nothing tells what is constant
        start = min(start, float(values.min()))
        rate = np.mean((values - start) / np.maximum(shares.mean(axis=1), 1e-9))
        return Curve(start, tuple(float(own) for own in rate / len(scale) / scale), power)
    together = datasets <= len(scale)  # too few to tell the terms apart
    columns = shares.mean(axis=1, keepdims=True) if together else shares
    design = np.column_stack([np.ones(len(values)), columns])
    solved, _ = optimize.nnls(design / values[:, None], np.ones(len(values)))
    rates = np.full(len(scale), solved[1] / len(scale)) if together else solved[1:]
    return Curve(float(solved[0]), tuple(float(rate) for rate in rates / scale), power)


def _left_out(terms: np.ndarray, values: np.ndarray, groups: np.ndarray, power: float, start: float) -> float:
    """Mean absolute logarithm of estimate by value, over datasets that are left out."""
    errors = []
    for group in sorted(set(groups)):
        kept = groups != group
        curve = _solve(terms[kept], values[kept], groups[kept], power, start)
        errors += [abs(np.log(max(curve.at(row), 1e-9) / value)) for row, value in
                   zip(terms[~kept], values[~kept], strict=True)]  # fmt: skip
    return float(np.mean(errors))
