"""Pre-training: places and images are drawn together by contrast, and both encoders are saved."""

import glc.training  # noqa: F401, I001 - first: it makes torchvision, which Lightning imports, importable

import math
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F

from glc import config
from glc.config import EncoderPretraining
from glc.errors import DataError
from glc.location.encoder import LocationEncoder
from glc.location.pretraining import contrast, patches, sampling
from glc.location.pretraining.image_encoder import ImageEncoder
from glc.location.pretraining.scenes import Scenes, draw, of_table
from glc.progress import tqdm
from glc.training import batch_norm, lightning, processes
from glc.training.history import HISTORY, History
from glc.training.lightning import quiet, repeatable, run_logger, torch_threads
from glc.training.machine import MACHINE, Machine
from glc.training.part import WHOLE
from glc.training.resume import prepare
from glc.types import Facts, StrPath

LOCATION, IMAGE = "location.ckpt", "image.ckpt"
MEASURES = ("loss", "images_found", "places_found", "band_error")
_TAU_RATE = 10
COLUMNS = (
    "epoch",
    *(f"{part}_{name}" for part in ("train", "valid") for name in MEASURES),
    "temperature",
    "learning_rate",
    "seconds",
)


def pretrain(path: StrPath, out: StrPath, options: EncoderPretraining, machine: Machine = MACHINE) -> Facts:
    """Draw places on the land of the raster `path`, cut their tiles, and `fit` an encoder on them.

    path : a GeoTIFF or a folder of them
    options : `config.EncoderPretraining`
    machine : `glc.training.machine.Machine`
    """
    started = time.perf_counter()
    scenes = draw(path, options, machine.progress)
    facts = {"cutting_seconds": round(time.perf_counter() - started, 2), "drawn": scenes.lost}
    return facts | fit(scenes, out, options, machine)


def pretrain_on_patches(
    folder: StrPath, out: StrPath, options: EncoderPretraining, machine: Machine = MACHINE
) -> Facts:
    """Take patches around the globe, and `fit` an encoder on them.

    folder : what `patches.prepare` wrote
    options : at most ``places`` of them, within ``bounds``
    machine : `glc.training.machine.Machine`
    """
    scenes = patches.scenes(folder, options)
    return {"drawn": scenes.lost} | fit(scenes, out, options, machine)


def pretrain_on_tiles(
    folder: StrPath, surveys: pd.DataFrame, out: StrPath, options: EncoderPretraining, machine: Machine = MACHINE
) -> Facts:
    """Take the tiles of `surveys` from a table, and `fit` an encoder on them.

    folder : a finished table of `glc.etl.tiles`
    surveys : frame with dataset, surveyId, lon, lat
    options : `config.EncoderPretraining`; at most ``places`` places, within ``bounds``
    machine : `glc.training.machine.Machine`
    """
    started = time.perf_counter()
    chosen = {"leave_out": options.leave_out, "bounds": options.bounds, "most": options.places, "seed": options.seed}
    scenes = of_table(folder, surveys, options.size, progress=machine.progress, **chosen)
    facts = {"reading_seconds": round(time.perf_counter() - started, 2), "drawn": scenes.lost}
    return facts | fit(scenes, out, options, machine)


def fit(scenes, out, options, machine=MACHINE):
    """Train a location encoder and an image encoder on `scenes`.

    scenes : `glc.location.pretraining.scenes.Scenes`, of `draw` or `of_table`
    out : an existing folder, gets ``location.ckpt``, ``image.ckpt`` (the last epoch's) and ``history.csv``, one row an
        epoch: losses (with 1,024 in a batch, of places that know nothing: log 1,024 = 6.9), shares of places whose own
        image is the most similar of the batch (images_found) and of images whose own place is, and τ
    options : `glc.config.EncoderPretraining`
    machine : `glc.training.machine.Machine`
    returns : dict of the last row of the history, numbers of places, bands, steps, seconds

    The same seed, data and thread count give the same weights on a CPU. The places of the validation are in squares of
    their own, but tiles at a square's border overlap with training tiles.
    """
    started, out = time.perf_counter(), Path(out)
    facts = processes.run(_fit, machine, out, scenes=scenes, out=out, options=options)
    return facts | {"seconds": round(time.perf_counter() - started, 2)}


def _fit(scenes: Scenes, out: Path, options: EncoderPretraining, machine: Machine) -> Facts:
    """What `fit` does, in each of its processes; the first one writes."""
    part = machine.part
    pl.seed_everything(options.seed, verbose=False)
    loaders = _loaders(scenes, options, 1 if machine.fast_dev_run else options.epochs, machine.progress)
    learner = Learner(scenes.bands, scenes.tiles.shape[-1], options)
    learner.image.prepare(scenes.tiles, loaders[0].rows)
    history = History(out / HISTORY, COLUMNS, ("train_loss", "valid_loss"), "learning_rate")
    resume = prepare(machine, loaders)
    part.join(machine.accelerator)
    for sharing in (*loaders, learner):
        sharing.part = part
    learner.normalised = batch_norm.share(learner, part)
    part.draw_apart()
    if machine.compile:
        learner.image.compile()
    with (
        quiet(),
        torch_threads(machine.threads),
        repeatable(machine.accelerator),
        run_logger(machine) as logger,
    ):
        trainer = lightning.trainer(
            [history],
            machine=machine,
            epochs=options.epochs,
            folder=out,
            logger=logger,
            resume=resume,
        )
        lightning.fit(trainer, learner, loaders, resume)
    facts = {name: value for name, value in history.rows[-1].items() if math.isfinite(value)}
    facts |= {
        "places": len(loaders[0].rows),
        "places_validated": len(loaders[1].rows),
        "places_left_by_last_epoch": loaders[0].left,
        "bands": list(scenes.bands),
        "source": scenes.source,
        "image_start": learner.image.net.start,
        "steps": trainer.global_step,
    }
    # without times: the same seed gives the same file, whose checksum is part of what is made with the encoder
    known = {"options": config.to_dict(options)} | {name: facts[name] for name in facts if name != "seconds"}
    if part.first:
        for encoder, name in ((learner.location, LOCATION), (learner.image, IMAGE)):
            encoder.cpu().facts = known
            encoder.save(out / name)
    return facts


class Learner(pl.LightningModule):
    """Both encoders and their loss; AdamW without decay of the temperature, its rate by `share`."""

    def __init__(self, bands, size, options):
        super().__init__()
        self.options = options
        self.location = LocationEncoder(options.features, options.network, options.dim)
        self.image = ImageEncoder(bands, size, options.image, options.dim)
        self.loss = contrast.InfoNCE(options.temperature)
        self.bands = nn.Linear(options.dim, 2 * len(bands)) if options.regression else None
        self.part, self.normalised = WHOLE, []

    def _step(self, batch, part):
        rows = self.part.total_rows(batch, "lon")
        for layer in self.normalised:
            layer.counts = None if self.part.own(rows) else 0
        # the encoders work on the rows of this process, the losses on those of all
        places = self.part.whole(self.location(batch["lon"], batch["lat"]), rows)
        images = self.part.whole(self.image(batch["tiles"]), rows)
        loss = self.loss(places, images)
        shares = contrast.retrieval(places.detach(), images.detach())
        measures = dict(zip(MEASURES, (loss.detach(), *shares), strict=False))
        if self.bands is not None:
            seen = self.image.standard(batch["tiles"])
            middle = seen.shape[-1] // 2
            wanted = self.part.whole(torch.cat([seen[:, :, middle, middle], seen.mean(dim=(2, 3))], dim=1), rows)
            # a unit vector's values shrink with its length
            error = F.mse_loss(self.bands(places * self.options.dim**0.5), wanted)
            measures["band_error"] = error.detach()
            loss = loss + self.options.regression * error
        self.log_dict(
            {f"{part}_{name}": value for name, value in measures.items()},
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            batch_size=len(places),
        )
        return loss

    def training_step(self, batch):
        self.log("temperature", self.loss.temperature, on_step=False, on_epoch=True, batch_size=1)
        return self._step(batch, "train")

    def validation_step(self, batch):
        self._step(batch, "valid")

    def configure_optimizers(self):
        options, tau = self.options, self.loss.log_scale
        groups = [
            {"params": [p for p in self.parameters() if p is not tau], "weight_decay": options.weight_decay},
            # decay would pull it to 1; it has far to go in few steps
            {"params": [tau], "weight_decay": 0.0, "lr": _TAU_RATE * options.learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, lr=options.learning_rate)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(share, self.trainer.estimated_stepping_batches))
        return [optimizer], [{"scheduler": rate, "interval": "step"}]


def share(steps, step):
    """Of the learning rate at `step` of `steps`: it rises for a tenth of them, then falls to nothing as a cosine."""
    rise = max(steps // 10, 1)
    if step < rise:
        return (step + 1) / rise
    return (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1))) / 2


class Loader:
    """Batches of the places `rows` of scenes: dicts of lon, lat (n,) float64 and tiles (n, band, row, col) float32.

    `shuffled` gives each place the tile of another one.

    Of several processes each has the rows of a batch that are its `part`.

    Each `iter` is the next of so many `passes`, all of as many batches: Lightning asks once how long an epoch is, and
    validates after a batch of that number. Places that fill no batch of the shortest pass are `left`.
    """

    def __init__(self, scenes, rows, size, apart_km, seed, passes=1, progress=False, shuffled=False):
        self.scenes, self.rows = scenes, rows
        self.part = WHOLE
        self.images = np.random.default_rng([seed, 3]).permutation(rows) if shuffled else rows
        batches = sampling.Batches(scenes.lon[rows], scenes.lat[rows], size, apart_km, seed)
        settings = {"desc": "drawing batches", "unit": "epoch", "disable": not progress, "leave": False}
        self.passes = [list(batches) for _ in tqdm(range(passes), **settings)]
        self.length, self.begun = min(map(len, self.passes)), 0
        self.left = len(rows) - self.length * size

    def __len__(self):
        return self.length

    def __iter__(self):
        batches = self.passes[self.begun % len(self.passes)][: self.length]
        self.begun += 1
        for batch in batches:
            rows, images = self.rows[batch], self.images[batch]
            own = self.part.rows(len(rows))
            values = {
                "lon": self.scenes.lon[rows[own]],
                "lat": self.scenes.lat[rows[own]],
                "tiles": self.scenes.tiles[images[own]],
            }
            yield self.part.say({name: torch.from_numpy(value) for name, value in values.items()}, len(rows))


def split(scenes, options):
    """Row numbers of the places of `scenes` to train on, and of those held out, as `options` and their seed say."""
    rng = np.random.default_rng([options.seed, 1])
    valid = sampling.held_out(scenes.lon, scenes.lat, options.holdout, rng, options.holdout_deg)
    return np.flatnonzero(~valid), np.flatnonzero(valid)


def _loaders(scenes, options, epochs, progress):
    """Loaders of the training and of the validation."""
    parts = split(scenes, options)
    sizes = min(options.batch_size, len(parts[0])), min(options.batch_size, len(parts[1]))
    if min(sizes) < 2:
        raise DataError(
            f"scenes: {len(parts[0]):,} places to train on and {len(parts[1]):,} to validate on, expected 2 or more of "
            f"each; whole squares of {options.holdout_deg:g} degrees are held out: make them smaller (holdout_deg), or "
            f"change the share (holdout = {options.holdout:g}), or take more places"
        )
    return [
        Loader(scenes, parts[0], sizes[0], options.apart_km, options.seed, epochs, progress, options.shuffled),
        Loader(scenes, parts[1], sizes[1], 0.0, options.seed + 1, shuffled=options.shuffled),
    ]
