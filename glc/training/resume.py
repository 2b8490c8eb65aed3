"""A training that was killed continues from its last saved epoch, and ends with the same bytes as an undisturbed one.

Lightning's checkpoint holds weights, optimiser, schedules, progress and callbacks. `Resume` adds what draws: the random
states of torch, NumPy and Python, how many passes the loaders have begun, and generators of the inputs.
"""

import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from glc import __version__, storage
from glc.training.machine import Machine
from glc.training.part import WHOLE, Part
from glc.types import Facts, Keywords

LEAST_SECONDS = 5.0
"""Between two checkpoints; of shorter epochs not all are saved."""
SHARE = 0.05
"""Of the time of a training that writing checkpoints may take, at most."""
_KEY = "glc"
_log = logging.getLogger(__name__)


class Loader(Protocol):
    """Batches whose order follows from the number of the pass."""

    begun: int
    """Passes that have begun."""


class Draws(Protocol):
    """Something that keeps random generators besides the global ones."""

    def random_state(self) -> Facts:
        """The state of its generators, plain values."""

    def set_random_state(self, state: Facts) -> None:
        """Go back to a state that `random_state` returned."""


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that are written whole or not at all, and read without unpickling code."""

    def save_checkpoint(self, checkpoint: Facts, path: str, storage_options: Keywords = None) -> None:
        """Write a checkpoint.

        checkpoint : Lightning's, of tensors and plain values
        path : of the file
        storage_options : not used
        """
        with storage.atomic_file(path) as scratch:
            torch.save(checkpoint, scratch)

    def load_checkpoint(self, path: str, *_: Keywords, **__: Keywords) -> Facts:
        """Read a checkpoint onto the CPU; other arguments are not used.

        path : of the file
        """
        return torch.load(path, map_location="cpu", weights_only=True)


class Resume(pl.Callback):
    """Saves a training as its epochs end, and finds what an earlier one saved.

    It is the last of the callbacks, so that it saves what the others have noted. Only the last checkpoint is kept.

    folder : of the checkpoints; it outlives a training that fails, and is named after all that changes the result
    loaders : of training and validation
    draws : what the loaders read, if it draws random numbers, or None
    part : this process; a checkpoint holds the random states of all
    """

    def __init__(self, folder: Path, loaders: Sequence[Loader], draws: Draws | None = None, part: Part = WHOLE) -> None:
        self.folder, self.loaders, self.draws, self.part = Path(folder), loaders, draws, part
        self.checkpoint = _usable(self.folder, part)
        """File to continue from, or None."""
        self.epochs = _epochs(self.checkpoint) if self.checkpoint else 0
        """Epochs that it has finished."""
        self._state: Facts = {}
        self._saved, self._cost = time.monotonic(), 0.0

    def on_save_checkpoint(self, trainer: pl.Trainer, learner: pl.LightningModule, checkpoint: Facts) -> None:
        checkpoint[_KEY] = {
            "versions": _versions(self.part),
            "over": trainer.should_stop,
            "passes": [loader.begun for loader in self.loaders],
            "draws": self.part.of_all(self.draws.random_state() if self.draws else None),
            "random": self.part.of_all(random_state()),
        }

    def on_load_checkpoint(self, trainer: pl.Trainer, learner: pl.LightningModule, checkpoint: Facts) -> None:
        self._state = checkpoint[_KEY]
        trainer.should_stop = self._state["over"]  # Lightning forgets that early stopping has decided

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._saved = time.monotonic()
        if not self._state:
            return
        for loader, begun in zip(self.loaders, self._state["passes"], strict=True):
            loader.begun = begun
        if self.draws:
            self.draws.set_random_state(self._state["draws"][self.part.index])
        set_random_state(self._state["random"][self.part.index])

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        began = time.monotonic()
        # all processes take part in a checkpoint, so one clock decides
        if self.part.from_first(began - self._saved < max(LEAST_SECONDS, self._cost / SHARE)):
            return
        path = self.folder / f"{trainer.current_epoch + 1}.ckpt"
        self.folder.mkdir(parents=True, exist_ok=True)
        trainer.save_checkpoint(path)
        for other in _checkpoints(self.folder):
            if other != path and self.part.first:
                other.unlink()
        self._saved = time.monotonic()
        self._cost = self._saved - began


def prepare(machine: Machine, loaders: Sequence[Loader], draws: Draws | None = None) -> Resume | None:
    """The callback of a training on this machine; None where it is not to be resumed.

    machine : its `resume` is the folder of the checkpoints
    loaders, draws : of `Resume`
    """
    if machine.resume is None or machine.fast_dev_run:
        return None
    return Resume(machine.resume, loaders, draws, machine.part)


def finished_epochs(folder: Path) -> int:
    """Epochs that a training with the checkpoints in `folder` has finished; 0 where there are none."""
    return max(map(_epochs, _checkpoints(folder)), default=0)


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.ckpt") if path.stem.isdecimal()]


def _epochs(path: Path) -> int:
    return int(path.stem)


def _usable(folder: Path, part: Part) -> Path | None:
    """The last checkpoint in `folder`, unless it cannot be read here."""
    path = max(_checkpoints(folder), key=_epochs, default=None)
    if path is None:
        return None
    try:
        writer = torch.load(path, map_location="cpu", weights_only=True)[_KEY]["versions"]
    except Exception as error:  # torch raises many kinds, by what is wrong with the file
        _log.warning("%s: cannot be read (%s); the training starts again", path, type(error).__name__)
        return None
    expected = _versions(part)
    if writer != expected:
        _log.warning("%s: written by %s, expected %s; the training starts again", path, writer, expected)
        return None
    return path


def random_state() -> Facts:
    """The states of the random generators of torch, NumPy and Python, as tensors and plain values."""
    _, keys, *numpy = np.random.get_state()
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (torch.from_numpy(keys.astype(np.int64)), *numpy),
        "python": (version, torch.tensor(words), gauss),
    }


def set_random_state(state: Facts) -> None:
    """Set the generators to a state that `random_state` returned."""
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    keys, *numpy = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *numpy))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))


def _versions(part: Part) -> Facts:
    versions = {"glc": __version__, "torch": str(torch.__version__), "lightning": pl.__version__}
    return versions | {"devices": part.count}
