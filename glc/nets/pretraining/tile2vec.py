"""tile2vec: an encoder learns, without labels, that places near each other look alike and distant ones do not.

Jean et al. 2019, as Miyaguchi et al. 2024 use it (section 5.2.2): a triplet is an anchor, a survey near it (see
`glc.neighbours.triplets`) and a distant one; the triplet loss draws the first two together. Beside it may stand a loss
of the species around the anchor (the text does not say of whom; the authors' code adds those of the neighbour and of
the distant one). Their plain sum is as published, and there the species term, a sum over thousands of classes, drowns
the other (section 6.4); the terms can be balanced instead.
"""

import math
import time
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from annotated_types import Ge
from torch import nn

from glc import config
from glc.config import Choice, Count, Member, NotNegative, OpenShare, Positive, Seed, Sources, section
from glc.errors import ConfigError
from glc.nets.architectures._base import Net
from glc.nets.checkpoints import ENCODER, make, save_encoder
from glc.nets.inputs.features import Features
from glc.nets.pretraining import triplets
from glc.nets.pretraining._base import Pretraining
from glc.registry import losses, pretrainings
from glc.training import batch_norm, lightning, processes
from glc.training.history import HISTORY, History
from glc.training.lightning import quiet, repeatable, run_logger, torch_threads
from glc.training.machine import MACHINE, Machine
from glc.training.part import WHOLE
from glc.training.resume import prepare
from glc.types import Facts

MEASURES = ("triplet", "species", "satisfied", "alone", "norm")
COLUMNS = (
    "epoch",
    *(f"{part}_{name}" for part in ("train", "valid") for name in MEASURES),
    "weight_triplet",
    "weight_species",
    "learning_rate",
    "seconds",
)


@pretrainings.register("tile2vec")
class Tile2Vec(Pretraining):
    """Pretraining of a net's encoder on pairs of surveys near each other."""

    @section
    class Options:
        """Number of pairs, radius and source are as published. The text gives no margin: 0.1 is that of the authors'
        code. The rest is ours."""

        pairs: Count = 1_000_000
        """Anchors, each with a neighbour and a distant survey."""
        radius_m: Positive = 100_000.0
        """A neighbour is at most this far from the anchor, the distant one further. Metres."""
        sources: Sources = ("po",)
        """Surveys of the pairs: po, presence-only; train, the training surveys of the fold."""
        margin: Positive = 0.1
        """Margin of the triplet loss, which the paper does not give."""
        species: Literal["none", "sum", "normalised", "learned"] = "none"
        """How the loss of the species near the anchor joins: none; sum (as published); normalised: each term over the
        running mean of itself; learned: weights exp(-s) and penalties s (Kendall et al. 2018)."""
        species_of: Literal["anchor", "triplet"] = "anchor"
        """Whose species the loss asks for: the anchor's; or triplet: the sum of the losses of anchor, neighbour and
        distant one, as in the authors' code."""
        species_radius_m: Positive = 3_000.0
        """The species of a survey are those of the source surveys within this distance, metres."""
        loss: Annotated[Choice, Member("losses")] = field(default_factory=lambda: Choice("asl"))
        """Loss of the species."""
        epochs: Count = 5
        """Passes over the pairs."""
        batch_size: Annotated[int, Ge(2)] = 256
        """Pairs per step; the distant survey of one is another's anchor."""
        learning_rate: Positive = 1e-3
        """Step size of the optimiser."""
        weight_decay: NotNegative = 1e-4
        """Decoupled weight decay."""
        holdout: OpenShare = 0.05
        """Share of the pairs, by the place of their anchor, that is kept for the validation curve."""
        seed: Seed = 0
        """Seed of the pairs, the weights at the start and the batches."""

    def fit(
        self,
        folder: Path,
        features: Features | None,
        out: Path,
        *,
        model: Choice,
        machine: Machine = MACHINE,
    ) -> Facts:
        """Train the encoder of the net `model` on the pairs in `folder`.

        folder : what `glc.neighbours.triplets.write` wrote
        features : `inputs.features.Features` of the surveys
        out : an existing folder, gets ``encoder.ckpt`` (the last epoch's) and ``history.csv`` (one row an epoch)
        model : config.Choice of a net with an `encoder`, batch to (batch, latent), and a `head`, latent to logits
        machine : `glc.training.machine.Machine`
        returns : dict of the last epoch's history row, counts of pairs, and seconds

        The same seed, data and thread count give the same weights on a CPU.
        """
        started = time.perf_counter()
        options, out = self.options, Path(out)
        whole = options.species_of == "triplet"
        table = triplets.read(folder, options.species != "none", whole and options.species != "none")
        pl.seed_everything(options.seed, verbose=False)
        net = make(model, table.n_classes, features.layouts if features else {})
        for part, module in (("encoder", net.encoder), ("head", net.head)):
            if module is None:
                raise ConfigError(
                    f"pretrain 'tile2vec': the model {model.name!r} has no {part}; choose one that reads imagery, such "
                    "as tile_cnn"
                )
        train, valid, facts = triplets.split(table, features, options.holdout, options.seed, machine.progress)
        with quiet(), torch_threads(machine.threads), repeatable(machine.accelerator):
            net.prepare(triplets.summarise(table, train, features, str(folder)))
            facts |= processes.run(
                _fit,
                machine,
                out,
                net=net,
                table=table,
                parts=(train, valid),
                features=features,
                out=out,
                options=options,
                facts=facts | {"model": model.name},
            )
        return facts | {"seconds": round(time.perf_counter() - started, 2)}


def _fit(
    net: Net,
    table: triplets.Table,
    parts: tuple[np.ndarray, np.ndarray],
    features: Features | None,
    out: Path,
    options: Tile2Vec.Options,
    facts: Facts,
    machine: Machine,
) -> Facts:
    """Train the prepared `net` on the pairs of `parts`, in each of the processes; the first one writes."""
    part = machine.part
    if part.count > 1:  # a single one goes on drawing where `Tile2Vec.fit` is
        pl.seed_everything(options.seed, verbose=False)
    with quiet(), torch_threads(machine.threads), repeatable(machine.accelerator):
        loaders = [
            triplets.Loader(table, rows, features, options.batch_size, options.radius_m, options.seed, shuffle, part)
            for rows, shuffle in zip(parts, (True, False), strict=True)
        ]
        learner = Learner(net, options, table.n_classes, part)
        resume = prepare(machine, loaders, features)
        curve = History(out / HISTORY, COLUMNS, COLUMNS, "pretrain.learning_rate")
        part.join(machine.accelerator)
        part.draw_apart()
        if features:
            features.draw_apart(part)
        if machine.compile:
            net.encoder.compile()
        with run_logger(machine) as logger:
            run = lightning.trainer(
                [curve],
                machine=machine,
                epochs=options.epochs,
                folder=out,
                logger=logger,
                resume=resume,
            )
            lightning.fit(run, learner, loaders, resume)
    last = {name: value for name, value in curve.rows[-1].items() if math.isfinite(value)}
    facts |= {f"last_{name}": value for name, value in last.items() if name != "seconds"}
    if part.first:
        save_encoder(out / ENCODER, net.encoder, facts)
    return facts


def triplet_loss(anchor, neighbour, distant, margin):
    """Equation 1 for each triplet, (batch,): ``[|a - n| - |a - d| + margin]_+`` with Euclidean norms, and both norms.

    anchor, neighbour, distant : (batch, latent). Where two embeddings are equal their norm's gradient is 0.
    """
    near = torch.linalg.vector_norm(anchor - neighbour, dim=1)  # torch's gradient at 0 is 0; that of sqrt is not
    far = torch.linalg.vector_norm(anchor - distant, dim=1)
    return (near - far + margin).clamp(min=0), near, far


class Balance(nn.Module):
    """Weights of the two terms: forward(triplet, species) to (their weighted sum, weights (2,) detached).

    Equal values, to which both normalised and learned lead, are not equal gradients: most of a species loss cannot be
    learned away, so the triplets then pull harder, as under sum the species do.

    mode : sum, normalised or learned, see `Tile2Vec.Options`. The running means forget with a half-life of about 70
    steps and move while training only.
    """

    _KEEP = 0.99
    _LEAST = 1e-6
    _FLOOR = 1e-3  # of the learned scale: weights are at most 1,000

    def __init__(self, mode):
        super().__init__()
        self.mode = mode
        if mode == "learned":
            self.log_scale = nn.Parameter(torch.zeros(2))
        if mode == "normalised":
            self.register_buffer("total", torch.zeros(2))
            self.register_buffer("share", torch.zeros(()))

    def forward(self, triplet, species):
        terms = torch.stack([triplet, species])
        if self.mode == "learned":
            # a term that is learned to 0 would ask for an endless weight
            log_scale = self.log_scale.clamp(min=math.log(self._FLOOR))
            weights = (-log_scale).exp()
            return (weights * terms + log_scale).sum(), weights.detach()
        weights = torch.ones_like(terms)
        if self.mode == "normalised":
            if self.training:
                self.total.mul_(self._KEEP).add_(terms.detach(), alpha=1 - self._KEEP)
                self.share.mul_(self._KEEP).add_(1 - self._KEEP)
            mean = self.total / self.share.clamp(min=self._LEAST)  # of what was seen: the first steps count in full
            weights = mean.clamp(min=self._LEAST).reciprocal()
        return (weights * terms).sum(), weights


class Learner(pl.LightningModule):
    """A net's encoder with the loss of triplets and, if wanted, of species."""

    def __init__(self, net, options, n_classes, part=WHOLE):
        super().__init__()
        self.net, self.options, self.n_classes, self.part = net, options, n_classes, part
        self.normalised = batch_norm.share(net, part)
        self.loss = self.balance = None
        if options.species == "none":
            net.head.requires_grad_(False)
        else:
            member = losses.get(options.loss.name)
            self.loss = member(config.options(member, options.loss, "loss"))
            self.balance = Balance(options.species)

    def terms(self, batch):
        """(triplet, species) losses, species None where it takes no part, and the measures of a batch; see `Loader`."""
        total = len(batch["distant"])
        for layer in self.normalised:
            layer.counts = None if self.part.own(total) else 0
        # the encoder works on the rows of this process, the losses on those of all
        anchor, neighbour = (self.part.whole(x, total) for x in self.net.encoder(batch["inputs"]).chunk(2))
        there = batch["distant"] >= 0
        known = anchor[there]
        each, near, far = triplet_loss(known, neighbour[there], anchor[batch["distant"][there]], self.options.margin)
        count = max(len(known), 1)  # a batch of one neighbourhood has no triplet and a loss of 0
        triplet = each.sum() / count
        measures = {
            "triplet": (triplet, len(known)),
            "satisfied": ((near < far).float().sum() / count, len(known)),
            "alone": ((~there).float().mean(), len(there)),
            "norm": (torch.cat([anchor, neighbour]).detach().norm(dim=1).mean(), len(there)),
        }
        species = None
        if self.loss is not None:
            species = self._species(batch, anchor, neighbour, there)
            measures["species"] = (species, len(there))
        return triplet, species, measures

    def _species(self, batch, anchor, neighbour, there):
        """The loss of the anchors' species, or the sum of those of anchors, neighbours and distant ones."""
        logits = self.net.head(anchor)
        loss = self.loss.of_lists(logits, batch["species"])
        if self.options.species_of == "anchor":
            return loss
        loss = loss + self.loss.of_lists(self.net.head(neighbour), batch["neighbour_species"])
        if not there.any():
            return loss
        far = batch["distant"][there]  # other anchors of the batch
        return loss + self.loss.of_lists(logits[far], batch["species"][far])

    def _log(self, part, measures):
        for name, (value, count) in measures.items():
            if count:  # the mean of an epoch is over triplets, not over batches
                shown = name in ("triplet", "satisfied") and part == "train"
                self.log(
                    f"{part}_{name}", value.detach(), on_step=False, on_epoch=True, prog_bar=shown, batch_size=count
                )

    def training_step(self, batch):
        triplet, species, measures = self.terms(batch)
        loss, weights = triplet, triplet.new_ones(1)
        if species is not None:
            loss, weights = self.balance(triplet, species)
        names = ("weight_triplet", "weight_species")[: len(weights)]
        size = len(batch["distant"])
        self.log_dict(dict(zip(names, weights, strict=True)), on_step=False, on_epoch=True, batch_size=size)
        self._log("train", measures)
        return loss

    def validation_step(self, batch):
        self._log("valid", self.terms(batch)[2])

    def configure_optimizers(self):
        options, own = self.options, []
        groups = [{"params": [p for p in self.net.parameters() if p.requires_grad]}]
        if options.species == "learned":  # decay would pull them to the plain sum; they have far to go in few steps
            own = [{"params": [self.balance.log_scale], "lr": 10 * options.learning_rate, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups + own, lr=options.learning_rate, weight_decay=options.weight_decay)
