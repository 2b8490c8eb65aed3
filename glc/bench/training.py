"""What the benches of trainings share: synthetic surveys, and the rates of a net that is trained on them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from scipy import sparse

from glc import config, storage
from glc.nets import trainer
from glc.nets.inputs import batches, features
from glc.nets.inputs.summary import Summary
from glc.progress import tqdm

CLASSES, SPECIES = 5_016, 11_255
"""Of GeoLifeCLEF 2024: species of its presence-absence surveys, and all."""
_LABELS, _NEIGHBOURS = 17, 60  # species of a survey; species in its graph vector
_WARM = 3  # batches, in which a GPU's kernels are chosen


@dataclass(frozen=True)
class Rates:
    """What was measured of a training.

    parameters : of the net
    per_second : surveys that were trained on
    waiting : share of the time spent waiting for batches; the device is busy for the rest
    loader_per_second : surveys that the loader gives when nothing is trained
    peak_bytes : of the GPU's memory; 0 on a CPU
    """

    parameters: int
    per_second: float
    waiting: float
    loader_per_second: float = 0.0
    peak_bytes: int = 0

    @property
    def headroom(self) -> float:
        """How many times faster the loader is than the training."""
        return self.loader_per_second / self.per_second


def chip() -> str:
    """Name of the GPU, or that there is none."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU, no GPU"


def synthetic(
    surveys: int, layouts: Mapping[str, features.Layout], graph: bool = True, seed: int = 0
) -> features.Features:
    """Random inputs of `surveys` surveys of the dataset number 1, ids 0 .. surveys - 1.

    layouts : of the inputs; pixels are bytes, all others float32
    graph : with the votes of neighbours, ``gfv``
    """
    rng = np.random.default_rng(seed)
    keys = np.column_stack([np.ones(surveys, np.int64), np.arange(surveys)])
    values = {}
    for name, layout in layouts.items():
        shape = (surveys, *layout.shape)
        if layout.kind == "pixels":
            values[name] = np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
        else:
            values[name] = rng.standard_normal(shape, np.float32)
    known = {name: np.ones((surveys, len(layout.bands)), bool) for name, layout in layouts.items()}
    inputs = features.Features(dict(layouts), values, known, dict.fromkeys(layouts, keys))
    if graph:
        indptr = np.arange(surveys + 1) * _NEIGHBOURS
        columns = rng.integers(SPECIES, size=surveys * _NEIGHBOURS)
        weights = rng.random(len(columns), np.float32)
        matrix = sparse.csr_matrix((weights, columns, indptr), (surveys, SPECIES))
        inputs.add_graph("gfv", matrix, np.arange(SPECIES), keys)
    return inputs


def examples(surveys: int, folder: Path, seed: int = 0, classes: int = CLASSES) -> None:
    """Write an examples table of the same surveys, each with random species of `classes`."""
    rng = np.random.default_rng(seed)
    species = np.sort(rng.integers(classes, size=(surveys, _LABELS)), axis=1).astype(np.int32)
    columns = {"dataset": np.ones(surveys, np.int8), "surveyId": np.arange(surveys)}
    columns |= {name: rng.uniform(2e6, 4e6, surveys).astype(np.float32) for name in ("easting", "northing")}
    columns |= {"weight": np.ones(surveys, np.float32), "species": pa.array(list(species), pa.list_(pa.int32()))}
    storage.write_table(pa.table(columns), "examples", folder, row_group_rows=8_192)


def train(
    learner: trainer.Learner, loader: batches.Batches, steps: int, *, bfloat16: bool = False, compiled: bool = False
) -> Rates:
    """Train for `steps` batches, 0 for an epoch; the first ones are not timed.

    learner : a new one
    bfloat16 : products in bfloat16
    compiled : by torch
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = learner.to(device).train()
    learner.log = lambda *_, **__: None  # no Lightning trainer is there to take it
    if compiled:
        learner.net.compile()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    optimizer = learner.configure_optimizers()
    total = min(len(loader), steps) if steps else len(loader)
    warm = min(_WARM, total - 1)
    waited = surveys = 0
    began = asked = time.perf_counter()
    for step, piece in enumerate(tqdm(loader, total=total, unit="batch", leave=False)):
        got = time.perf_counter()
        if step == warm:
            began, waited, surveys = asked, 0, 0
        waited, surveys = waited + got - asked, surveys + len(piece["surveyId"])
        piece = {name: values.to(device, non_blocking=True) for name, values in piece.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss = learner.training_step(piece)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        asked = time.perf_counter()
        if step + 1 == total:
            break
    taken = asked - began
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    parameters = sum(weight.numel() for weight in learner.net.parameters())
    return Rates(parameters, surveys / taken, waited / taken, peak_bytes=peak)


def read(loader: batches.Batches, steps: int) -> float:
    """Surveys per second of `steps` batches (0: an epoch) that nothing is done with; the first ones are not timed."""
    total = min(len(loader), steps) if steps else len(loader)
    warm = min(_WARM, total - 1)
    surveys, began = 0, time.perf_counter()
    for step, piece in enumerate(loader):
        if step >= warm:
            surveys += len(piece["surveyId"])
        elif step + 1 == warm:
            began = time.perf_counter()
        if step + 1 == total:
            break
    return surveys / (time.perf_counter() - began)


def learner(
    model: config.Choice, settings: config.Train, summary: Summary, inputs: features.Features | None
) -> trainer.Learner:
    """An untrained net of the examples' classes with its loss."""
    return trainer.Learner(model, settings, len(summary.counts), summary, inputs.layouts if inputs else {})
