"""Tables as batches of tensors, read by Petastorm.

A batch is a dict of tensors named as the columns of the ``examples`` schema, with `species` (batch, width) int32 class
indices padded by -1. They become targets on the torch side (`glc.training.targets`), where the model's device does it.
Beside them are the tensors of the net's inputs (`glc.nets.inputs.features`).
"""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from glc.errors import ConfigError, DataError
from glc.nets.inputs._petastorm import (
    BatchedDataLoader,
    BatchedRandomShufflingBuffer,
    TransformSpec,
    make_batch_reader,
)
from glc.nets.inputs.features import Features
from glc.nets.inputs.kept import Kept
from glc.nets.inputs.summary import COLUMNS, Summary, files
from glc.training.part import WHOLE, Part

Loader = Literal["petastorm", "memory"]
"""How an examples table is read; the batches are the same."""


def with_inputs(summary: Summary, features: Features | None) -> Summary:
    """`summary` with the moments of the inputs over its examples; as it is when `features` is None."""
    if features is None:
        return summary
    parts = list(blocks(files(summary.folder), ["dataset", "surveyId"]))
    columns = (np.concatenate([part[name] for part in parts]) for name in ("dataset", "surveyId"))
    return replace(summary, inputs=features.moments(*columns))


def blocks(paths, columns):
    """Yield `columns` of the parquet files `paths` in pieces, in the order of files and rows, as dicts of NumPy arrays.

    Lists must be of one length in all rows, and become a second axis; text cannot be read.
    """
    reader = make_batch_reader(
        [f"file://{Path(path).absolute()}" for path in paths],
        schema_fields=list(columns),
        reader_pool_type="dummy",  # the others do not keep the order
        shuffle_row_groups=False,
    )
    with reader:
        for piece in reader:
            yield {name: getattr(piece, name) for name in columns}


class Batches:
    """Batches of `summary`'s table, a fresh pass at each ``iter()``; `len` is the number of batches.

    The rows of a table of at most `memory_bytes` are shuffled as a whole for each pass; of a larger one the row groups
    come in random order and the rows from a buffer of `buffer_rows`. The order follows from `seed` and the number of
    the pass alone; no other random numbers change it. With several `workers`, threads that read a large table, it does
    not follow. A pass that comes up short raises.

    loader : ``petastorm`` reads a small table through Petastorm once and keeps it, and a large one at each pass;
        ``memory`` reads any table with pyarrow once and keeps it, without padding. Both give the same batches in the
        same order
    Where imagery is streamed, the examples are kept in the same way, and the order is that of
    `glc.nets.inputs.streamed.Reading`, also without `shuffle`.

    part : the process among those of a training, which takes its rows of each batch (`glc.training.part`); the
        batches, and their number, are those of one process
    features : `glc.nets.inputs.features.Features` of the examples' surveys, which join each batch, or None
    """

    def __init__(
        self,
        summary: Summary,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        part: Part = WHOLE,
        workers: int = 1,
        loader: Loader = "petastorm",
        memory_bytes: int = 1 << 30,
        buffer_rows: int = 1 << 17,
        features: Features | None = None,
    ) -> None:
        if workers < 1:  # Petastorm would wait for ever
            raise ConfigError(f"workers: found {workers}, expected at least 1 thread that reads")
        self.features = features
        self.summary, self.batch_size, self.shuffle, self.seed = summary, batch_size, shuffle, seed
        self.part, self.loader, self.buffer_rows = part, loader, buffer_rows
        self.workers = workers if part.count == 1 else 1  # with more the order of a pass is not that of the others
        self.rows = summary.rows
        self.in_memory = self.rows * (21 + 4 * summary.width) <= memory_bytes
        self._kept: dict[str, torch.Tensor] | None = None
        self._table: Kept | None = None
        self.begun = 0  # passes

    def __len__(self):
        return math.ceil(self.rows / self.batch_size)

    def __iter__(self):
        examples = map(self.part.take, self._examples())
        if self.features is None:
            yield from examples
            return
        with ThreadPoolExecutor(1) as gatherer:  # the next batch's imagery is gathered while the net works on this one
            ahead = None
            for batch in examples:
                gathered = gatherer.submit(self.features.of, batch["dataset"], batch["surveyId"])
                if ahead:
                    yield ahead[0] | ahead[1].result()
                ahead = batch, gathered
            if ahead:
                yield ahead[0] | ahead[1].result()

    def _examples(self):
        seed = self.seed + 1_000_003 * self.begun
        self.begun += 1
        streamed = self.shuffle and not self.in_memory
        if self.features is not None and self.features.reading is not None:
            yield from self._following(self.features.reading, np.random.default_rng(seed))
        elif self.loader == "memory":
            for rows in self._positions(seed) if streamed else self._places(seed):
                yield self._in_memory().batch(rows)
        elif streamed:
            yield from self._streamed(seed)
        elif not self.in_memory:
            yield from self._read(self.batch_size)
        else:
            if self._kept is None:
                parts = list(self._read(65_536))
                self._kept = {name: torch.cat([part[name] for part in parts]) for name in COLUMNS}
            for rows in self._places(seed):
                yield {name: kept[rows] for name, kept in self._kept.items()}

    def _places(self, seed):
        """Yield the rows of each batch where the table is shuffled as a whole, or not at all."""
        order = torch.randperm(self.rows, generator=torch.Generator().manual_seed(seed)) if self.shuffle else None
        for start in range(0, self.rows, self.batch_size):
            chosen = slice(start, start + self.batch_size)
            yield chosen if order is None else order[chosen]

    def _positions(self, seed):
        """Yield the rows of each batch of `_streamed`, without reading them."""
        ends = np.cumsum(self.summary.groups)
        groups = list(range(len(ends)))
        np.random.RandomState(seed).shuffle(groups)
        filled = (group for group in groups if self.summary.groups[group])
        numbers = (torch.arange(ends[group] - self.summary.groups[group], ends[group]) for group in filled)
        yield from _drawn(numbers, self.batch_size, self.buffer_rows, seed)

    def _following(self, reading, rng):
        """Yield batches in the order in which imagery is read."""
        table = self._in_memory()
        surveys = table.columns["dataset"].numpy(), table.columns["surveyId"].numpy()
        order = reading.shuffled(*surveys, rng) if self.shuffle else reading.in_order(*surveys)
        for start in range(0, self.rows, self.batch_size):
            yield table.batch(torch.from_numpy(order[start : start + self.batch_size]))

    def _in_memory(self):
        """The table, read once."""
        if self._table is None:
            self._table = Kept(files(self.summary.folder), COLUMNS, self.summary.width)
            self._expect(len(self._table))
        return self._table

    def _streamed(self, seed):
        """Yield batches of one pass through Petastorm, which reads the row groups in random order.

        Petastorm's buffer of rows would copy all of them at each row group. Here it holds their places in tensors that
        stay where they are.
        """
        slots = min(self.rows, self.buffer_rows + self.batch_size + max(self.summary.groups))
        held: dict[str, torch.Tensor] = {}
        free, left = torch.arange(slots), []  # left: by batches since the last row group
        rows = 0

        def arrivals(reader):
            nonlocal free, rows
            for piece in reader:
                count = len(piece.surveyId)
                rows += count
                free = torch.cat([free, *left])
                left.clear()
                if count > len(free):
                    raise self._changed(rows)
                taken, free = free[:count], free[count:]
                for name in COLUMNS:
                    values = _tensor(getattr(piece, name))
                    held.setdefault(name, values.new_empty((slots, *values.shape[1:])))[taken] = values
                yield taken

        with self._reader(seed) as reader:
            for chosen in _drawn(arrivals(reader), self.batch_size, self.buffer_rows, seed):
                yield {name: held[name][chosen] for name in COLUMNS}
                left.append(chosen)
        self._expect(rows)

    def _reader(self, seed=None):
        """Petastorm's reader of the table; `seed` None keeps its order."""
        return make_batch_reader(
            [f"file://{path.absolute()}" for path in files(self.summary.folder)],
            schema_fields=COLUMNS,
            reader_pool_type="thread",
            workers_count=self.workers,
            results_queue_size=4,
            shuffle_row_groups=seed is not None,
            seed=seed,
            transform_spec=TransformSpec(self._pad, edit_fields=[("species", np.int32, (self.summary.width,), False)]),
        )

    def _read(self, batch_size):
        """Yield batches of one pass through Petastorm in the order of the table."""
        rows = 0
        with BatchedDataLoader(self._reader(), batch_size=batch_size, transform_fn=_tensor) as loader:
            for batch in loader:
                rows += len(batch["surveyId"])
                yield {name: batch[name] for name in COLUMNS}  # Petastorm's come in any order
        self._expect(rows)

    def _expect(self, rows):
        if rows != self.rows:
            raise self._changed(rows)

    def _changed(self, rows):
        return DataError(
            f"{self.summary.folder}: one pass gave {rows:,} rows, expected {self.rows:,}; the table changed while it "
            "was read, or petastorm is not 0.12.1 (0.13 drops rows): pip install petastorm==0.12.1"
        )

    def _pad(self, frame):
        lists = frame["species"].to_numpy()
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        padded = np.full((len(lists), self.summary.width), -1, np.int32)
        if lengths.any():
            padded[np.arange(self.summary.width) < lengths[:, None]] = np.concatenate(lists)
        return frame.assign(species=list(padded))


def _tensor(values):
    return torch.as_tensor(np.require(values, requirements="W"))


def _drawn(groups: Iterable[torch.Tensor], batch_size: int, buffer_rows: int, seed: int) -> Iterator[torch.Tensor]:
    """Yield batches of the numbers of `groups`, drawn at random from `buffer_rows` of them by Petastorm's buffer."""
    least = buffer_rows - 1
    buffer = BatchedRandomShufflingBuffer(
        least + batch_size, min_after_retrieve=least, extra_capacity=1 << 40, batch_size=batch_size
    )
    state = torch.Generator().manual_seed(seed).get_state()

    def ready():
        nonlocal state
        while buffer.can_retrieve():
            # it draws from torch's global generator: lend it ours, so that nobody else's draws matter
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(state)
                (batch,) = buffer.retrieve()
                state = torch.get_rng_state()
            yield batch

    for numbers in groups:
        buffer.add_many([numbers])
        yield from ready()
    buffer.finish()
    yield from ready()
