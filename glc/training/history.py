"""The curves of a training: ``history.csv``, written as the epochs end."""

import csv
import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from glc.errors import GlcError
from glc.types import Facts

HISTORY = "history.csv"


class History(Callback):
    """Writes one row an epoch to `path`, and stops a training that has diverged.

    columns : of the file: measures that are logged, and epoch, learning_rate, seconds; what was not measured in that
        epoch is empty, as are those named valid_* where it ends without a validation
    finite : measures that must be; key : the setting of the learning rate, which the error names
    """

    def __init__(self, path: Path, columns: Sequence[str], finite: Sequence[str], key: str) -> None:
        self.path, self.columns, self.finite, self.key = path, columns, finite, key
        self.rows, self._started, self._rate, self._validated = [], time.perf_counter(), math.nan, False
        self._first = True

    def setup(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        self._first = trainer.is_global_zero  # the others of several processes have the same rows

    def on_train_epoch_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._started, self._validated = time.perf_counter(), False
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]  # when the epoch ends it is already the next one's

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if not self._validated:  # Lightning keeps those of the last validation
            measured = {name: value for name, value in measured.items() if not name.startswith("valid_")}
        measured |= {
            "epoch": trainer.current_epoch,
            "learning_rate": self._rate,
            "seconds": round(time.perf_counter() - self._started, 3),
        }
        self.rows.append({name: measured.get(name, math.nan) for name in self.columns})
        self._write()
        refuse_divergence(measured, self.finite, self.key)

    def state_dict(self) -> Facts:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: Facts) -> None:
        self.rows = state_dict["rows"]
        self._write()

    def _write(self) -> None:
        if self._first:
            write(self.path, self.rows)

    def best(self, monitor: str, highest: bool) -> dict[str, float]:
        """The row of the epoch that is best by the measure `monitor`."""
        measured = [row for row in self.rows if not math.isnan(row[monitor])]
        return (max if highest else min)(measured, key=lambda row: row[monitor])


Row = dict[str, float]
"""Column -> value; NaN is empty in the file."""


def refuse_divergence(row: Row, finite: Sequence[str], key: str) -> None:
    """Raise a GlcError, which names the setting `key` of the rate, where one of the measures `finite` is not."""
    for name in finite:
        if not math.isfinite(row.get(name, 0.0)):
            raise GlcError(
                f"training diverged: {name} is {row[name]} in epoch {row['epoch']:.0f}; lower {key} "
                f"(found {row['learning_rate']:g}) or choose another loss"
            )


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows, at least one, which have the same columns."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: "" if math.isnan(value) else value for name, value in row.items()} for row in rows)


def read(path: Path) -> list[Row]:
    """The rows of a file, whose epochs and other whole numbers are int."""
    with open(path, newline="") as file:
        return [
            {name: (int(text) if text.isdecimal() else float(text or math.nan)) for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
