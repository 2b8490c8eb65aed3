"""The curves of a training: ``history.csv``, written as the epochs end."""

import csv
import math
import time

from pytorch_lightning.callbacks import Callback

from glc.errors import GlcError

HISTORY = "history.csv"


class History(Callback):
    """Writes one row an epoch to `path`, and stops a training that has diverged.

    columns : of the file: measures that are logged, and epoch, learning_rate, seconds; what was not measured is empty
    finite : measures that must be; key : the setting of the learning rate, which the error names
    """

    def __init__(self, path, columns, finite, key):
        self.path, self.columns, self.finite, self.key = path, columns, finite, key
        self.rows, self._started = [], time.perf_counter()

    def on_train_epoch_start(self, trainer, learner):
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer, learner):
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        measured |= {
            "epoch": trainer.current_epoch,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.perf_counter() - self._started, 3),
        }
        self.rows.append({name: measured.get(name, math.nan) for name in self.columns})
        with open(self.path, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows({k: "" if v != v else v for k, v in row.items()} for row in self.rows)
        for name in self.finite:
            if not math.isfinite(measured.get(name, 0.0)):
                raise GlcError(
                    f"training diverged: {name} is {measured[name]} in epoch {trainer.current_epoch}; lower {self.key} "
                    f"(found {measured['learning_rate']:g}) or choose another loss"
                )

    def best(self, monitor, highest):
        """The row of the epoch that is best by the measure `monitor`."""
        return (max if highest else min)(self.rows, key=lambda row: row[monitor])
