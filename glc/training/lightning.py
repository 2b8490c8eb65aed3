"""How every training here runs Lightning: one device, a bar, no chatter, a W&B logger, threads as asked."""

import contextlib
import logging
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import TQDMProgressBar

from glc.errors import ConfigError


def trainer(callbacks, *, accelerator, epochs, folder, logger, progress, fast_dev_run, bar_every=20, **more):
    """A Lightning trainer of `epochs` on one device, whose own files go to `folder`.

    logger : of `wandb_logger`; bar_every : batches between two looks of the progress bar; more : of ``pl.Trainer``
    fast_dev_run : one batch of training and validation, unlogged
    """
    return pl.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=epochs,
        callbacks=[*callbacks, *([TQDMProgressBar(refresh_rate=bar_every, leave=False)] if progress else [])],
        logger=False if fast_dev_run else logger,
        default_root_dir=folder,
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,  # the data have been looked at whole
        log_every_n_steps=10,
        fast_dev_run=fast_dev_run,
        **more,
    )


@contextlib.contextmanager
def torch_threads(count):
    """Torch with `count` threads on a CPU; None or 0: as many as it has."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count or before)
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def wandb_logger(settings):
    """A W&B logger as Lightning wants it, or False; the run is finished when the block ends."""
    settings = dict(settings or {"mode": "disabled"})
    mode = settings.pop("mode", "offline")
    if mode not in ("offline", "online", "disabled"):
        raise ConfigError(f"wandb.mode: found {mode!r}, expected 'offline', 'online' or 'disabled'")
    if mode == "disabled":
        yield False
        return
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    folder = Path(settings.pop("dir", "."))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run = wandb.init(mode=mode, dir=folder, settings=wandb.Settings(silent=True, console="off"), **settings)
    except wandb.errors.Error as error:
        raise ConfigError(f"W&B cannot start in mode {mode!r}: {error}; try: wandb login, or mode offline") from error
    with run:
        yield WandbLogger(experiment=run)


@contextlib.contextmanager
def quiet():
    """Keep Lightning to its progress bar: no tips, device lines or advice about loaders that are not its own."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pytorch_lightning\.")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
