"""What a kind of task takes as a function of its work, ``start + rate * work ** power``, and the file of all kinds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from glc.errors import DataError
from glc.types import Facts

FILE = Path(__file__).with_name("curves.json")
QUANTITIES = ("seconds", "memory_mb", "bytes")
"""What a task takes: seconds of the clock that the file names, MB of its processes together, bytes of its output."""


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
