"""How every training here runs Lightning: one device, one bar, no chatter, a logger, threads as asked."""

import contextlib
import logging
import math
import signal
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy

from glc import config
from glc.dashboards import run as dashboards
from glc.dashboards.run import Wandb
from glc.errors import ConfigError
from glc.progress import tqdm
from glc.training.machine import Machine
from glc.training.part import Part
from glc.training.resume import Loader, Resume, WholeFiles
from glc.types import Keywords, StrPath

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger, WandbLogger

log = logging.getLogger(__name__)


class Bar(pl.Callback):
    """One bar over all batches of a training, in place of Lightning's bar for each epoch and each validation.

    resumed : epochs that an earlier run has finished
    """

    def __init__(self, resumed: int = 0) -> None:
        self.bar, self.resumed = tqdm(disable=True), resumed

    def on_train_start(self, trainer, module):
        batches = trainer.num_training_batches
        known = math.isfinite(batches) and trainer.max_epochs > 0
        self.bar = tqdm(
            total=batches * trainer.max_epochs if known else None,
            initial=batches * self.resumed if known else 0,
            unit="batch",
            leave=False,
        )

    def on_train_epoch_start(self, trainer, module):
        resumed = f", resuming after epoch {self.resumed}" if self.resumed else ""
        self.bar.set_description(f"epoch {trainer.current_epoch + 1} of at most {trainer.max_epochs}{resumed}")

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.bar.update()

    def on_train_end(self, trainer, module):
        self.bar.close()

    def on_exception(self, trainer, module, exception):
        self.bar.close()


class _Processes(ClusterEnvironment):
    """Tells Lightning that the processes are there already, and which of them this one is.

    part : this process; they have met (`Part.join`), so that Lightning asks for no address
    """

    main_address, main_port = "127.0.0.1", 0
    creates_processes_externally = True

    def __init__(self, part: Part) -> None:
        self.part = part

    @staticmethod
    def detect() -> bool:
        """Never: it is given to the trainer."""
        return False

    def world_size(self) -> int:
        return self.part.count

    def set_world_size(self, size: int) -> None:
        """Lightning says what it was given."""

    def global_rank(self) -> int:
        return self.part.index

    def set_global_rank(self, rank: int) -> None:
        """Lightning says what it was given."""

    def local_rank(self) -> int:
        return self.part.index

    def node_rank(self) -> int:
        return 0


_PROCESSOR = Path("/proc/cpuinfo")
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})
"""Instructions for products in bfloat16, as Linux calls them."""


def without_bfloat16(device: torch.device) -> str:
    """Why products in bfloat16 save no time on `device`; empty for a GPU or a processor that has them."""
    if device.type != "cuda":
        known = _PROCESSOR.read_text(encoding="utf-8").split() if _PROCESSOR.exists() else []
        has = device.type == "cpu" and not _BFLOAT16.isdisjoint(known)
        return "" if has else f"there is no GPU, and the processor has none of {', '.join(sorted(_BFLOAT16))}"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return ""
    return f"{torch.cuda.get_device_name(device)} only emulates them"


def trainer(
    callbacks: Sequence[pl.Callback],
    *,
    machine: Machine,
    epochs: int,
    folder: StrPath,
    logger: "Logger | Literal[False]",
    resume: Resume | None = None,
    **more: Keywords,
) -> pl.Trainer:
    """A Lightning trainer of `epochs` on one device, whose own files go to `folder`.

    machine : `glc.training.machine.Machine`; a fast_dev_run is not logged. Its `part` of several processes has met the
        others
    logger : of `run_logger`
    resume : of `glc.training.resume.prepare`
    more : of ``pl.Trainer``
    """
    plugins: list[WholeFiles | _Processes] = [WholeFiles()]
    if machine.part.count > 1:
        plugins.append(_Processes(machine.part))
        # buffers are the same everywhere: they follow from whole batches (`glc.training.batch_norm`)
        more["strategy"] = DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True)
    return pl.Trainer(
        accelerator=machine.accelerator,
        devices=machine.part.count,
        max_epochs=epochs,
        callbacks=[
            *callbacks,
            *([resume] if resume else []),
            *([Bar(resume.epochs if resume else 0)] if machine.progress else []),
        ],
        plugins=plugins,
        enable_checkpointing=False,  # `Resume` writes them, `Best` keeps the best weights
        logger=False if machine.fast_dev_run else logger,
        default_root_dir=folder,
        enable_progress_bar=False,  # ours is among the callbacks
        enable_model_summary=False,
        num_sanity_val_steps=0,  # the data have been looked at whole
        log_every_n_steps=10,
        fast_dev_run=machine.fast_dev_run,
        **more,
    )


def fit(run: pl.Trainer, learner: pl.LightningModule, loaders: Sequence[Loader], resume: Resume | None = None) -> None:
    """Train, from the last checkpoint where there is one; an interrupt is raised as it came.

    run : of `trainer`
    loaders : of training and validation
    resume : that of `run`
    """
    with interruptible():
        run.fit(learner, *loaders, ckpt_path=resume.checkpoint if resume else None)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise the KeyboardInterrupt that Lightning turns into ``SystemExit(1)``, which reads as a failed task."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)  # Lightning ignores the second Ctrl-C, and all later ones
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Torch with `count` threads on a CPU; None or 0: as many as it has."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count or before)
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def repeatable(accelerator: str) -> Iterator[None]:
    """Results on a CPU do not depend on which of torch's threads comes first.

    Without it the gradient of ``values[index]``, where an index repeats, is summed in the order in which threads come.

    accelerator : Lightning's; on a GPU such kernels are slow, and not all exist
    """
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    if accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available()):
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # that finds faults of kernels, and takes time
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = filled


@contextlib.contextmanager
def run_logger(machine: Machine) -> Iterator["Logger | Literal[False]"]:
    """The logger that `machine` wants, or False; its run is finished when the block ends.

    Of several processes the first logs.
    """
    if not machine.part.first:
        yield False
        return
    if machine.logger == "wandb" or machine.wandb is None:
        with wandb_logger(machine.wandb) as logger:
            yield logger
        return
    from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

    kinds = {"tensorboard": TensorBoardLogger, "csv": CSVLogger}
    if machine.logger not in kinds:
        raise ConfigError(f"logger: found {machine.logger!r}, expected 'wandb', 'tensorboard' or 'csv'")
    folder = Path(machine.wandb.get("dir", ".")) / machine.logger
    run = kinds[machine.logger](folder, name=None, version=config.file_name(machine.wandb.get("name", "run")))
    run.log_hyperparams(machine.wandb.get("config", {}))
    try:
        yield run
    finally:
        run.finalize("success")


@contextlib.contextmanager
def wandb_logger(settings: Wandb | None) -> Iterator["WandbLogger | Literal[False]"]:
    """A W&B logger as Lightning wants it, or False; the run is finished when the block ends."""
    settings = settings or {"mode": "disabled"}
    mode = settings["mode"]
    if mode not in ("offline", "online", "disabled"):
        raise ConfigError(f"wandb.mode: found {mode!r}, expected 'offline', 'online' or 'disabled'")
    if mode == "disabled":
        yield False
        return
    from pytorch_lightning.loggers import WandbLogger

    logger: WandbLogger | Literal[False] = False
    with contextlib.ExitStack() as running:
        try:
            logger = WandbLogger(experiment=running.enter_context(dashboards.started(settings)))
        except (ConfigError, OSError) as error:  # hours of training are worth more than its curves at W&B
            log.warning("the training is not logged at W&B: %s", error)
        yield logger


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning silent: no tips, device lines or advice about loaders that are not its own."""
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
