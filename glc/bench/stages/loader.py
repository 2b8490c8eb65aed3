"""Examples streamed from parquet through Petastorm, and by pyarrow."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.dataset
import torch
from torch.utils.data import DataLoader, IterableDataset

from glc.bench import examples
from glc.bench.examples import BATCH, CLASSES
from glc.bench.stage import Facts, Stage, Way
from glc.nets.inputs.batches import Batches
from glc.nets.inputs.summary import summarise
from glc.training.targets import MultiHot

BUFFER = 1 << 15
"""Rows among which both ways shuffle."""


def ours(folder: Path, out: Path) -> Facts:
    """The loader of nets on a table that is larger than the memory it may take."""
    summary = summarise(folder / examples.EXAMPLES, CLASSES)
    targets, seen = MultiHot(CLASSES), examples.Seen()
    for batch in Batches(summary, BATCH, shuffle=True, memory_bytes=0, buffer_rows=BUFFER):
        seen.add(batch["surveyId"], targets(batch["species"]))
    return {"rows": seen.save(out)}


class Arrow(IterableDataset):
    """Record batches of pyarrow in random order of their rows, cut into batches of tensors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        rng = np.random.default_rng(0)
        for record in pyarrow.dataset.dataset(self.folder).to_batches(batch_size=BUFFER):
            order = rng.permutation(len(record))
            ids, *numbers = (
                torch.from_numpy(record[name].to_numpy()[order])
                for name in ("surveyId", "dataset", "easting", "northing", "weight")
            )
            values, offsets = record["species"].values.to_numpy(), record["species"].offsets.to_numpy()
            for start in range(0, len(record), BATCH):
                rows = order[start : start + BATCH]
                lengths = offsets[rows + 1] - offsets[rows]
                entry = np.repeat(offsets[rows] - lengths.cumsum() + lengths, lengths) + np.arange(lengths.sum())
                targets = torch.zeros(len(rows), CLASSES)
                row = torch.from_numpy(np.repeat(np.arange(len(rows)), lengths))
                targets[row, torch.from_numpy(values[entry]).long()] = 1
                batch = slice(start, start + BATCH)
                yield ids[batch], targets, *(values[batch] for values in numbers)


def arrow(folder: Path, out: Path) -> Facts:
    """pyarrow.dataset in an IterableDataset."""
    seen = examples.Seen()
    for ids, targets, *_ in DataLoader(Arrow(folder / examples.EXAMPLES), batch_size=None):
        seen.add(ids, targets)
    return {"rows": seen.save(out)}


STAGE = Stage(
    title=f"parquet to shuffled batches of {BATCH} with multi-hot targets of {CLASSES:,}, {examples.SURVEYS:,} surveys",
    wanted="at least 0.7 × the rate (1.43 × the time)",
    prepare=examples.prepare,
    ways=(Way("glc, Petastorm streamed", ours), Way("pyarrow.dataset + IterableDataset", arrow)),
    check=examples.check,
)
