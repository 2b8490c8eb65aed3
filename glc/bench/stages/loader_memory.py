"""Examples in memory: ``[machine] loader = memory``, and tensors as one would keep them."""

import time
from pathlib import Path

import numpy as np
import torch

from glc import storage
from glc.bench import examples
from glc.bench.examples import BATCH, CLASSES
from glc.bench.stage import Facts, Stage, Way
from glc.nets.inputs.batches import Batches
from glc.nets.inputs.summary import summarise
from glc.training.targets import MultiHot, multi_hot


def ours(folder: Path, out: Path) -> Facts:
    """A pass of the loader that has read the table."""
    batches = Batches(
        summarise(folder / examples.EXAMPLES, CLASSES), BATCH, shuffle=True, memory_bytes=0, loader="memory"
    )
    next(iter(batches))  # it is read now
    targets, seen = MultiHot(CLASSES), examples.Seen()
    began = time.perf_counter()
    for batch in batches:
        seen.add(batch["surveyId"], targets(batch["species"]))
    return {"seconds": time.perf_counter() - began, "rows": seen.save(out)}


def tensors(folder: Path, out: Path) -> Facts:
    """A pass over padded tensors, drawn by ``torch.randperm``."""
    table = storage.read_table(folder / examples.EXAMPLES, examples.EXAMPLES)
    lists = table["species"].combine_chunks()
    lengths = lists.value_lengths().to_numpy()
    padded = np.full((len(lists), lengths.max()), -1, np.int32)
    padded[np.arange(lengths.max()) < lengths[:, None]] = lists.values.to_numpy()
    columns = [name for name in table.column_names if name != "species"]
    kept = {name: torch.from_numpy(table[name].to_numpy().copy()) for name in columns}
    kept["species"] = torch.from_numpy(padded)
    seen = examples.Seen()
    began = time.perf_counter()
    order = torch.randperm(len(padded))
    for start in range(0, len(order), BATCH):
        batch = {name: values[order[start : start + BATCH]] for name, values in kept.items()}
        seen.add(batch["surveyId"], multi_hot(batch["species"], CLASSES))
    return {"seconds": time.perf_counter() - began, "rows": seen.save(out)}


STAGE = Stage(
    title=f"{examples.SURVEYS:,} surveys in memory to batches of {BATCH} with multi-hot targets of {CLASSES:,}",
    wanted="at least 0.9 × the rate (1.11 × the time)",
    prepare=examples.prepare,
    ways=(Way("glc, loader = memory", ours), Way("tensors in memory", tensors)),
    check=examples.check,
)
