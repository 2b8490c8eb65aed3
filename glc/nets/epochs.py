"""One training that serves all folds: each chooses the epoch that does best on the surveys that stop it.

Nets of presence-only records alone learn from the same examples in every fold; only the surveys that say when to stop
differ. `glc.nets.trainer.fit` without these keeps the net of each epoch, and `choose` ends where a training of that
fold alone would have ended: with the same weights.
"""

import math
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl

from glc import config
from glc.nets.checkpoints import CHECKPOINT, read
from glc.nets.inputs.batches import Batches, with_inputs
from glc.nets.inputs.features import Features
from glc.nets.inputs.summary import summarise
from glc.nets.trainer import FINITE, MONITORS, Learner, facts_of
from glc.training import every_epoch, history, lightning
from glc.training.history import HISTORY
from glc.training.machine import MACHINE, Machine
from glc.types import Facts


def choose(
    epochs: Path,
    train: Path,
    valid: Path,
    out: Path,
    *,
    model: config.Choice,
    train_config: config.Train,
    n_classes: int,
    features: Features | None = None,
    machine: Machine = MACHINE,
) -> Facts:
    """Keep the net of the epoch that does best on `valid`, and end when `train_config.patience` is over.

    epochs : output of `glc.nets.trainer.fit` with the same settings and without `valid`
    out : an existing folder, gets ``model.ckpt`` and ``history.csv``, whose seconds are those of the training
    the others, and what is returned : see there
    """
    started = time.perf_counter()
    summaries = [summarise(folder, n_classes) for folder in (train, valid)]
    summaries[0] = with_inputs(summaries[0], features)
    monitor, mode = MONITORS[train_config.monitor]
    rows, best, score, waited = [], -1, -math.inf, 0
    with (
        lightning.quiet(),
        lightning.torch_threads(machine.threads),
        lightning.repeatable(machine.accelerator),
        tempfile.TemporaryDirectory(dir=out, prefix=".lightning-") as scratch,
    ):
        # nothing is trained here, so that an encoder which was kept need not be told from another
        measuring = replace(train_config, freeze=False)
        learner = Learner(model, measuring, n_classes, summaries[0], features.layouts if features else {})
        loader = Batches(
            summaries[1],
            train_config.batch_size,
            seed=train_config.seed,
            workers=machine.workers,
            loader=machine.loader,
            memory_bytes=machine.memory_bytes,
            features=features,
        )
        run = lightning.trainer([], machine=machine, epochs=1, folder=scratch, logger=False)
        for row in history.read(epochs / HISTORY):
            rows.append(row)
            path = every_epoch.path_of(epochs, int(row["epoch"]))
            if not path.exists():  # of `train.validate_every` epochs the last one is looked at
                continue
            measured = _validate(run, learner, path, loader)
            row |= {name: value for name, value in measured.items() if name in row}
            history.refuse_divergence(row, FINITE, "train.learning_rate")
            better = row[monitor] * (1 if mode == "max" else -1)
            if better > score:
                best, score, waited = len(rows) - 1, better, 0
                continue
            waited += 1
            if waited >= train_config.patience:
                break
    chosen = rows[best]
    shutil.copyfile(every_epoch.path_of(epochs, int(chosen["epoch"])), out / CHECKPOINT)
    history.write(out / HISTORY, rows)
    facts = facts_of(chosen, len(rows), rows[0]["learning_rate"], summaries[0])
    return facts | {"seconds": round(time.perf_counter() - started, 2)}


def _validate(run: pl.Trainer, learner: Learner, path: Path, loader: Batches) -> dict[str, float]:
    """The measures of the net in the file `path`."""
    learner.net.load_state_dict(read(path)["state_dict"])
    with lightning.interruptible():
        (measured,) = run.validate(learner, loader, verbose=False)
    return {name: float(np.float32(value)) for name, value in measured.items()}
