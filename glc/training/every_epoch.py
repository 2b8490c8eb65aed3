"""The net after each epoch of a training, on disk."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl

from glc import storage


class EveryEpoch(pl.Callback):
    """Writes the net after every `every`-th epoch.

    folder : of the files; it outlives a training that is killed and continues
    write : writes the net as it is to a path
    """

    def __init__(self, folder: Path, every: int, write: Callable[[Path], None]) -> None:
        self.folder, self.every, self.write = folder, every, write

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if trainer.is_global_zero and (trainer.current_epoch + 1) % self.every == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            with storage.atomic_file(path_of(self.folder, trainer.current_epoch)) as scratch:
                self.write(scratch)

    def move(self, folder: Path) -> None:
        """Move the files to `folder`, when the training has ended."""
        if folder != self.folder:
            for path in sorted(self.folder.glob(path_of(Path(), "*").name)):
                shutil.move(path, folder / path.name)


def path_of(folder: Path, epoch: int | str) -> Path:
    """The file of the net after an epoch, counted from 0."""
    return folder / f"epoch-{epoch}.ckpt"
