"""What a kind of task takes as a function of its work: ``start + rate * work ** power``, and the fit of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import optimize

from glc.errors import DataError
from glc.types import Facts

FILE = Path(__file__).with_name("curves.json")
QUANTITIES = ("seconds", "memory_mb", "bytes")
"""What a task takes: seconds of the clock that the file names, MB of its processes together, bytes of its output."""
LEAST = {"seconds": 0.5, "memory_mb": 50.0, "bytes": 1e5}
"""Below these, differences do not count."""
START = {"seconds": 0.5, "memory_mb": 600.0, "bytes": 0.0}
"""What is taken for constant where one dataset alone was measured: a program with its libraries."""
POWERS = np.round(np.arange(0.6, 1.21, 0.05), 2)
BETTER = 0.9
"""A power other than 1 is taken where it makes the error of datasets that were left out so much smaller."""


@dataclass(frozen=True)
class Measurement:
    """What a finished task took.

    dataset : its name in paths; kind, terms : as `glc.costs.work.Work` has them
    seconds, memory_mb, bytes : see `QUANTITIES`; the mean of tasks with the same terms, such as those of folds
    """

    dataset: str
    kind: str
    terms: tuple[float, ...]
    seconds: float
    memory_mb: float
    bytes: float


@dataclass(frozen=True)
class Curve:
    """``start + sum(rate * term ** power)`` over the terms of a work."""

    start: float
    rates: tuple[float, ...]
    power: float

    def at(self, terms: Sequence[float]) -> float:
        """The value for these terms."""
        return self.start + sum(rate * term**self.power for rate, term in zip(self.rates, terms, strict=True))


Curves = Mapping[str, Mapping[str, Curve]]
"""Kind of task -> quantity -> its curve."""


@dataclass(frozen=True)
class Costs:
    """The content of a file of curves.

    machine : on which they were measured: ``processor``, ``cores``, ``memory_gb``; calibration : seconds, see
        `glc.costs.machine`; clock : wall or processor; commit, date : of the measurements
    """

    machine: Facts
    calibration: float
    clock: str
    commit: str
    date: str
    curves: Curves
    measurements: tuple[Measurement, ...]


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


def write(costs: Costs, path: Path = FILE) -> None:
    """Write a file of curves."""
    text = json.dumps(asdict(costs), indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path = FILE) -> Costs:
    """The curves of a file; a DataError says how to make it."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        curves = {
            kind: {name: Curve(own["start"], tuple(own["rates"]), own["power"]) for name, own in by_name.items()}
            for kind, by_name in facts.pop("curves").items()
        }
        measured = tuple(Measurement(**own | {"terms": tuple(own["terms"])}) for own in facts.pop("measurements"))
        return Costs(curves=curves, measurements=measured, **facts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: no file of cost curves ({error}); make it of finished runs: python -m glc.costs.fit ROOT …"
        ) from None
