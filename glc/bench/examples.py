"""A table of examples of the size of 2024's, and plain ways to read it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from glc import storage
from glc.errors import DataError

CLASSES, BATCH, SURVEYS = 11_255, 256, 400_000
_PA = 88_987
"""Presence-absence surveys among them, which have tens of species; presence-only ones have one or two."""
ROW_GROUP = 8_192
EXAMPLES, SEEN = "examples", "seen.npz"
_CHECKED = 5
"""Rows of each batch whose targets are kept for the comparison."""


def prepare(folder: Path, scale: float) -> None:
    """Write the table.

    folder : gets ``examples``
    scale : share of the surveys
    """
    rng = np.random.default_rng(0)
    count = int(SURVEYS * scale)
    pa_surveys = rng.random(count) < _PA / SURVEYS
    lengths = np.where(pa_surveys, np.clip(rng.gamma(1.7, 10, count), 1, 150), 1 + (rng.random(count) < 0.3)).astype(
        int
    )
    row = np.repeat(np.arange(count), lengths)
    label = np.sort(row * CLASSES + (CLASSES * rng.random(len(row)) ** 3).astype(int))
    label = label[np.r_[True, label[1:] != label[:-1]]]  # a survey has a species once
    offsets = np.searchsorted(label, np.arange(count + 1) * CLASSES).astype(np.int32)
    table = pa.table(
        {
            "dataset": pa_surveys.astype(np.int8),
            "surveyId": rng.permutation(count),
            "easting": rng.normal(4e6, 1e6, count).astype(np.float32),
            "northing": rng.normal(3e6, 1e6, count).astype(np.float32),
            "weight": np.ones(count, np.float32),
            "species": pa.ListArray.from_arrays(offsets, (label % CLASSES).astype(np.int32)),
        }
    )
    storage.write_table(table, EXAMPLES, folder / EXAMPLES, row_group_rows=ROW_GROUP)


class Seen:
    """What a way has read: all ids in their order, and the ones in the first targets of each batch."""

    def __init__(self) -> None:
        self.ids: list[np.ndarray] = []
        self.checked: list[np.ndarray] = []
        self.pairs: list[np.ndarray] = []

    def add(self, ids: torch.Tensor, targets: torch.Tensor) -> None:
        """Note a batch.

        ids : (batch,) int64
        targets : (batch, class) float32
        """
        row, column = targets[:_CHECKED].nonzero(as_tuple=True)
        self.ids.append(ids.numpy())
        self.checked.append(ids[:_CHECKED].numpy())
        self.pairs.append(np.column_stack([ids[row].numpy(), column.numpy()]))

    def save(self, out: Path) -> int:
        """Write it into the folder `out`; the number of rows."""
        ids = np.concatenate(self.ids)
        checked, pairs = np.concatenate(self.checked), np.concatenate(self.pairs)
        np.savez(out / SEEN, ids=ids, checked=checked, pairs=pairs)
        return len(ids)


def check(folder: Path, results: dict[str, Path]) -> None:
    """A DataError where a way has not read every survey once, shuffled, with its species.

    folder : that of `prepare`
    results : name of a way -> folder of its `Seen`
    """
    table = storage.read_table(folder / EXAMPLES, EXAMPLES)
    ids = table["surveyId"].to_numpy()
    place = np.empty_like(ids)
    place[ids] = np.arange(len(ids))
    species = table["species"].to_pylist()
    for name, out in results.items():
        with np.load(out / SEEN) as seen:
            if not np.array_equal(np.sort(seen["ids"]), np.arange(len(ids))):
                raise DataError(f"{name}: {len(seen['ids'])} surveys read, expected each of {len(ids)} once")
            if np.array_equal(seen["ids"], ids):
                raise DataError(f"{name}: surveys in the order of the table, expected another")
            owner, column = seen["pairs"].T
            checked = seen["checked"]
        for survey in checked:
            found, wanted = column[owner == survey].tolist(), species[place[survey]]
            if found != wanted:
                raise DataError(f"{name}: survey {survey} has the targets {found}, expected {wanted}")
