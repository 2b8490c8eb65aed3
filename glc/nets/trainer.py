"""Examples tables in, one self-describing checkpoint out: the trainer (Lightning) every net shares."""

import logging
import math
import tempfile
import time
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.tuner import Tuner
from torchmetrics.classification import MultilabelF1Score

from glc import config
from glc.errors import ConfigError
from glc.nets.checkpoints import CHECKPOINT, LINKS, clone, load_encoder, make, save
from glc.nets.inputs.augment import mixup
from glc.nets.inputs.batches import Batches, with_inputs
from glc.nets.inputs.features import Features, Layout
from glc.nets.inputs.summary import Summary, summarise
from glc.nets.recentred import recentre
from glc.registry import losses
from glc.training import batch_norm, every_epoch, lightning, processes
from glc.training.batch_norm import SharedBatchNorm
from glc.training.best import Best
from glc.training.history import HISTORY, History, Row
from glc.training.lightning import quiet, repeatable, run_logger, torch_threads
from glc.training.machine import MACHINE, Machine
from glc.training.part import WHOLE, Part
from glc.training.resume import prepare
from glc.training.targets import MultiHot, multi_hot
from glc.types import Facts

log = logging.getLogger(__name__)

TOP_K = 25
TOPS = (1, 10, 30)  # accuracies beside cross-entropy (Deneu et al. 2020, section 3.2)
_TOPS = tuple(f"valid_top{k}" for k in TOPS)
MONITORS = {"f1": ("valid_f1", "max"), "loss": ("valid_loss", "min"), "top30": ("valid_top30", "max")}
"""Measure of the best epoch, and whether higher or lower is better, by `config.Train.monitor`."""
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
_FINDER_SKIPS = 10  # first steps, whose running mean is of few batches
_COLUMNS = ("epoch", "train_loss", "valid_loss", "valid_f1", "learning_rate", "valid_f1_micro", "seconds")


FINITE = ("train_loss", "valid_loss")
"""Measures without which a training has diverged."""


def fit(
    train: Path,
    valid: Path | None,
    out: Path,
    *,
    model: config.Choice,
    train_config: config.Train,
    n_classes: int,
    features: Features | None = None,
    pretrained: Path | None = None,
    cloned: tuple[Path, np.ndarray] | None = None,
    recentred: bool = False,
    machine: Machine = MACHINE,
) -> Facts:
    """Train the net `model` on the examples table `train` and keep the weights that do best on `valid`.

    train, valid : folders of examples tables, species as class indices 0 .. n_classes - 1; without `valid` nothing
        stops the training, and the net of each epoch is kept for `glc.nets.epochs.choose`
    out : an existing folder, gets ``model.ckpt``, or a file per epoch, and ``history.csv`` (one row an epoch)
    model : config.Choice of a registered net
    train_config : config.Train
    features : `glc.nets.inputs.features.Features` of the examples' surveys, for a net with inputs
    pretrained : a checkpoint of the net's encoder, or None
    cloned : (checkpoint, columns) of a net to go on from, see `glc.nets.checkpoints.clone`, or None
    recentred : whether its biases are first shifted to the frequencies of these examples, see `glc.nets.recentred`
    machine : `glc.training.machine.Machine`; with `devices` the same batches are divided between processes
    returns : dict of best_epoch, epochs, the best epoch's history row, learning_rate, rows, seconds; without `valid`
        the last epoch counts as the best one

    The same seed, data and thread count give the same weights on a CPU, also where `machine.resume` holds a checkpoint
    of a training that was killed and from which this one continues.
    """
    started = time.perf_counter()
    out = Path(out)
    summaries = [summarise(folder, n_classes) for folder in (train, valid) if folder]
    summaries[0] = with_inputs(summaries[0], features)
    facts = processes.run(
        _fit,
        machine,
        out,
        summaries=summaries,
        out=out,
        model=model,
        train_config=train_config,
        n_classes=n_classes,
        features=features,
        pretrained=pretrained,
        cloned=cloned,
        recentred=recentred,
    )
    return facts | {"seconds": round(time.perf_counter() - started, 2)}


def _fit(
    summaries: list[Summary],
    out: Path,
    model: config.Choice,
    train_config: config.Train,
    n_classes: int,
    features: Features | None,
    pretrained: Path | None,
    cloned: tuple[Path, np.ndarray] | None,
    recentred: bool,
    machine: Machine,
) -> Facts:
    """What `fit` does once it knows its examples, in each of its processes; the first one writes."""
    part = machine.part
    # not where its weights came from: they are in it, and another machine has other paths
    written = config.Choice(model.name, {key: value for key, value in model.options.items() if key != "weights"})
    with quiet(), tempfile.TemporaryDirectory(dir=out, prefix=".lightning-") as scratch:
        with torch_threads(machine.threads), repeatable(machine.accelerator):
            pl.seed_everything(train_config.seed, verbose=False)
            settings = {"seed": train_config.seed, "workers": machine.workers, "features": features}
            settings |= {"memory_bytes": machine.memory_bytes, "loader": machine.loader}
            loaders = [
                Batches(summary, train_config.batch_size, shuffle=not number, **settings)
                for number, summary in enumerate(summaries)
            ]
            layouts = features.layouts if features else {}
            learner = Learner(model, train_config, n_classes, summaries[0], layouts, pretrained)
            if cloned:
                clone(learner.net, *cloned)
                if recentred:  # by batches that no pass of the training counts
                    asked = Batches(summaries[0], train_config.batch_size, shuffle=True, **settings)
                    recentre(learner.net, summaries[0], asked, learner.link)
            resume = prepare(machine, loaders, features)
            known = resume is not None and resume.checkpoint is not None  # a rate that was found is in the checkpoint
            if part.first and train_config.find_learning_rate and not machine.fast_dev_run and not known:
                _find_learning_rate(learner, loaders, machine.accelerator, scratch)
            _join(machine, learner, loaders, features)
            columns = _COLUMNS + (_TOPS if learner.single else ())
            validate_every = 1 if machine.fast_dev_run else train_config.validate_every
            history = History(out / HISTORY, columns, FINITE, "train.learning_rate")
            best = Best(*MONITORS[train_config.monitor])

            def write(path: Path) -> None:
                save(path, learner.net, written, n_classes, layouts, _facts(summaries[0]), learner.link)

            every = every_epoch.EveryEpoch(machine.resume or out, validate_every, write)
            stop = EarlyStopping(
                best.monitor, patience=train_config.patience, mode=best.mode, check_on_train_epoch_end=False
            )
            keeping = [best, stop] if len(loaders) > 1 else [every]
            with run_logger(machine) as logger:
                run = lightning.trainer(
                    [*keeping, history],
                    machine=machine,
                    epochs=train_config.max_epochs,
                    folder=scratch,
                    logger=logger,
                    resume=resume,
                    precision=PRECISIONS[train_config.precision],
                    check_val_every_n_epoch=validate_every,
                )
                why = lightning.without_bfloat16(run.strategy.root_device)
                if train_config.precision == "bfloat16" and why:
                    log.warning(
                        "train.precision: products in bfloat16 save no time here, because %s; try "
                        "+train.precision=float32",
                        why,
                    )
                lightning.fit(run, learner, loaders, resume)
        if not part.first:
            return {}
        if len(loaders) == 1:
            every.move(out)
            return facts_of(history.rows[-1], len(history.rows), learner.learning_rate, summaries[0])
        learner.load_state_dict(best.weights)
    write(out / CHECKPOINT)
    row = history.best(best.monitor, highest=best.mode == "max")
    return facts_of(row, len(history.rows), learner.learning_rate, summaries[0])


def facts_of(row: Row, epochs: int, learning_rate: float, summary: Summary) -> Facts:
    """What a manifest says of a training.

    row : of the history, that of the epoch whose net is kept; epochs : that were run; summary : of the examples
    """
    measures = {name: value for name, value in row.items() if name.startswith(("train_", "valid_"))}
    return {name: value for name, value in measures.items() if not math.isnan(value)} | {
        "best_epoch": row["epoch"],
        "epochs": epochs,
        "learning_rate": learning_rate,
        "rows": summary.rows,
    }


def _join(machine: Machine, learner: "Learner", loaders: list[Batches], features: Features | None) -> None:
    """Meet the other processes: from here on each takes its part of every batch.

    Until now each has worked as if it were alone, and only the first has searched for a learning rate.
    """
    part = machine.part
    part.join(machine.accelerator)
    state = learner.learning_rate, [loader.begun for loader in loaders]
    learner.learning_rate, passes = part.from_first(state)
    for loader, begun in zip(loaders, passes, strict=True):
        loader.begun, loader.part = begun, part
    learner.share(part)
    part.draw_apart()
    if features:
        features.draw_apart(part)
    if machine.compile:
        learner.net.compile()  # its parameters keep their names


Optimisers = torch.optim.Optimizer | tuple[list[torch.optim.Optimizer], list[torch.optim.lr_scheduler.LRScheduler]]
"""An optimiser alone, or optimisers and the schedules of their learning rates."""


class Learner(pl.LightningModule):
    """A net with its loss, optimiser (AdamW or SGD) and validation measures."""

    def __init__(
        self,
        model: config.Choice,
        train_config: config.Train,
        n_classes: int,
        summary: Summary,
        layouts: dict[str, Layout],
        pretrained: Path | None = None,
    ) -> None:
        super().__init__()
        self.net = make(model, n_classes, layouts)
        self.net.prepare(summary)
        self.frozen = train_config.freeze
        if (pretrained is not None or self.frozen) and self.net.encoder is None:
            raise ConfigError(f"model {model.name!r} has no encoder to pretrain or keep; choose one such as tile_cnn")
        if pretrained is not None:
            load_encoder(self.net.encoder, pretrained)
        elif self.frozen:
            raise ConfigError("train.freeze: found true, expected a [pretrain] table: a random encoder would be kept")
        if self.frozen:
            self.net.encoder.requires_grad_(False)
        member = losses.get(train_config.loss.name)
        self.mixup, self.mixup_probability = self.net.mixup, self.net.mixup_probability
        if self.mixup and not member.soft_targets:
            able = ", ".join(repr(name) for name in losses.choices() if losses.get(name).soft_targets)
            raise ConfigError(
                f"train.loss: found {train_config.loss.name!r}, expected {able}, because mixup makes labels between 0 "
                "and 1; or set the model's mixup to 0"
            )
        self.loss = member(config.options(member, train_config.loss, "loss"))
        self.link = member.link
        self.single = self.link == "softmax"
        self.n_classes, self.settings = n_classes, train_config
        self.learning_rate = train_config.learning_rate  # the finder may choose another
        weights = torch.as_tensor(summary.counts / max(summary.counts.mean(), 1e-12), dtype=torch.float32)
        self.register_buffer("class_weights", weights if train_config.class_weights else None, persistent=False)
        self.multi_hot = MultiHot(n_classes)
        self.micro = MultilabelF1Score(n_classes, average="micro", threshold=0.5, validate_args=False)
        self.part = WHOLE
        self._normalised: list[SharedBatchNorm] = []

    def share(self, part: Part) -> None:
        """Take part in a training of several processes.

        part : this process, which has met the others
        """
        self.part, self._normalised = part, batch_norm.share(self.net, part)

    def _rows(self, batch):
        """Rows of the whole batch, of which this process has a part."""
        return self.part.total_rows(batch, "species")

    def _step(self, batch):
        """Of a validation, whose measures want dense targets: logits, targets, and the loss of the whole batch."""
        logits = self.net(batch).float()  # the loss has no use for eight bits
        targets = self.multi_hot(batch["species"])
        return logits, targets, self._loss(self.loss, logits, targets, batch)[1]

    def _loss(self, cost, logits, labels, batch):
        """The loss to be minimised here, and that of the whole batch."""
        of_rows, rows = self.loss.of_rows, self._rows(batch)
        return self.part.loss(cost, of_rows, logits, labels, batch["weight"], self.class_weights, rows)

    def on_train_epoch_start(self) -> None:
        if self.frozen:
            self.net.encoder.eval()  # Lightning has set all of it to training: batch statistics would drift

    def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        rows = self._rows(batch)
        for layer in self._normalised:
            layer.counts = self.part.own(rows)
        # nothing is drawn where all batches are mixed
        if self.mixup and (self.mixup_probability == 1 or torch.rand(()) < self.mixup_probability):
            batch, targets = mixup(batch, multi_hot(batch["species"], self.n_classes), self.mixup)
            loss, of_batch = self._loss(self.loss, self.net(batch).float(), targets, batch)
        else:
            logits = self.net(batch).float()  # the loss has no use for eight bits
            loss, of_batch = self._loss(self.loss.of_lists, logits, batch["species"], batch)
        self.log("train_loss", of_batch, on_step=True, on_epoch=True, prog_bar=True, batch_size=rows)
        return loss

    def validation_step(self, batch: dict[str, torch.Tensor]) -> None:
        logits, targets, loss = self._step(batch)
        rows, part = self._rows(batch), self.part
        own = slice(part.own(rows))  # without the padding
        if own.stop:  # it takes no empty batch
            self.micro.update(LINKS[self.link](logits[own]), targets[own].int())
        measures = {"valid_loss": loss, "valid_f1": part.mean(top_k_f1(logits, targets), rows)}
        if self.single:
            accuracies = top_k_accuracy(logits, targets, TOPS)
            measures |= {name: part.mean(value, rows) for name, value in zip(_TOPS, accuracies, strict=True)}
        self.log_dict(measures, prog_bar=True, batch_size=rows)
        self.log("valid_f1_micro", self.micro)

    def on_save_checkpoint(self, checkpoint: Facts) -> None:
        checkpoint["learning_rate"] = self.learning_rate

    def on_load_checkpoint(self, checkpoint: Facts) -> None:
        self.learning_rate = checkpoint["learning_rate"]

    def configure_optimizers(self) -> Optimisers:
        settings = self.settings
        shared = {"lr": self.learning_rate, "weight_decay": settings.weight_decay, "fused": True}
        if settings.optimizer == "sgd":
            optimizer = torch.optim.SGD(self.parameters(), momentum=settings.momentum, **shared)
        else:
            optimizer = torch.optim.AdamW(self.parameters(), **shared)
        if not settings.milestones:
            return optimizer
        return [optimizer], [torch.optim.lr_scheduler.MultiStepLR(optimizer, settings.milestones, settings.gamma)]


def top_k_f1(logits, targets, k=TOP_K):
    """F1 of each example, (batch,) float32, when its `k` highest logits are predicted; 0 where nothing is true."""
    k = min(k, logits.shape[1])
    hits = targets.gather(1, logits.topk(k, dim=1).indices).sum(dim=1)
    return 2 * hits / (k + targets.sum(dim=1))


def top_k_accuracy(logits, targets, ks):
    """Share of each example's true classes among its k highest logits, (k, batch) float32 for the `ks`.

    Of an example with one label it is 0 or 1, whose mean is the top-k accuracy; of one without it is 0.
    """
    best = logits.topk(min(max(ks), logits.shape[1]), dim=1).indices
    hits = targets.gather(1, best).cumsum(dim=1) / targets.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.stack([hits[:, min(k, logits.shape[1]) - 1] for k in ks])


def _find_learning_rate(learner, loaders, accelerator, folder):
    start = learner.learning_rate
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=-1,  # the finder counts steps
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with lightning.interruptible():
        finder = Tuner(trainer).lr_find(
            learner, *loaders, min_lr=start / 1000, max_lr=start * 100, num_training=100, update_attr=False
        )
    # A tenth of the highest rate before the loss leaves its lowest. The finder's own suggestion, the steepest descent,
    # follows the noise of single batches where the loss falls slowly, as it does from a start at the class frequencies.
    losses = np.asarray(finder.results["loss"][_FINDER_SKIPS:])
    if len(losses) and np.isfinite(losses).any():
        low = np.flatnonzero(losses <= 1.02 * np.nanmin(losses))
        learner.learning_rate = float(finder.results["lr"][_FINDER_SKIPS + int(low[-1])]) / 10


def _facts(summary):
    return {
        "rows": summary.rows,
        "labels": int(summary.counts.sum()),
        "place_mean": [float(value) for value in summary.place_mean],
        "place_std": [float(value) for value in summary.place_std],
    }
