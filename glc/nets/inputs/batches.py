"""Tables as batches of tensors, read by Petastorm: the one file that knows it.

A batch is a dict of tensors named as the columns of the ``examples`` schema, with `species` (batch, width) int32 class
indices padded by -1. They become multi-hot targets on the torch side (`multi_hot`), where the model's device does it.
Beside them are the tensors of the net's inputs (`glc.nets.inputs.features`).
"""

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from petastorm import TransformSpec, make_batch_reader
from petastorm.pytorch import BatchedDataLoader

from glc import schema
from glc.errors import ConfigError, DataError
from glc.nets.inputs.features import Features, Moments
from glc.nets.inputs.unpadded import Unpadded
from glc.progress import tqdm
from glc.training.part import WHOLE, Part
from glc.types import StrPath

# Petastorm 0.12 reads through pyarrow's legacy dataset, which warns at each use
warnings.filterwarnings("ignore", module=r"petastorm\.")
warnings.filterwarnings("ignore", category=FutureWarning, module=r"pyarrow\.")

_COLUMNS = schema.TABLES["examples"].names


@dataclass(frozen=True)
class Summary:
    """What is known of an examples table before it is trained on."""

    folder: str
    rows: int
    groups: tuple[int, ...]
    """Rows of each parquet row group, files in the order of their names."""
    width: int
    """Length of the longest species list, at least 1."""
    counts: np.ndarray
    """(class,) int64, examples of each class."""
    place_mean: tuple[float, float]
    """Of (easting, northing), metres."""
    place_std: tuple[float, float]
    inputs: dict[str, Moments] = field(default_factory=dict)
    """Name of each of the net's inputs -> `glc.nets.inputs.features.Moments` over the examples."""


def summarise(folder: StrPath, n_classes: int) -> Summary:
    """Read the examples table in `folder` once, in pieces, and check it against `n_classes`.

    A DataError names the folder and what is wrong: no file, no rows, a missing column, species outside
    0 .. n_classes - 1 or a null list, places or weights that are not finite, a negative weight.
    """
    groups, width, counts = [], 1, np.zeros(n_classes, np.int64)
    places = []  # (rows, mean, sum of squared deviations) of each piece
    for path in tqdm(_files(folder), desc="examples", unit="file", leave=False, delay=2):
        file = pq.ParquetFile(path)
        missing = [name for name in _COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise DataError(
                f"{path}: column {missing[0]!r} is missing from an examples table; found {file.schema_arrow.names}"
            )
        for group in range(file.num_row_groups):
            table = schema.check(file.read_row_group(group, columns=_COLUMNS), "examples", path)
            groups.append(table.num_rows)
            if table.num_rows:
                width = max(width, pc.max(pc.list_value_length(table["species"])).as_py() or 0)
                counts += _class_counts(table["species"], n_classes, path)
                places.append(_places(table, path))
    if not places:
        raise DataError(f"{folder}: no rows in this examples table; expected at least one example to train on")
    rows, means, squares = (np.array(part) for part in zip(*places, strict=True))
    mean = rows @ means / rows.sum()
    std = np.sqrt((squares + rows[:, None] * (means - mean) ** 2).sum(axis=0) / rows.sum())
    return Summary(str(folder), int(rows.sum()), tuple(groups), width, counts, tuple(mean), tuple(std))


def with_inputs(summary: Summary, features: Features | None) -> Summary:
    """`summary` with the moments of the inputs over its examples; as it is when `features` is None."""
    if features is None:
        return summary
    parts = list(blocks(_files(summary.folder), ["dataset", "surveyId"]))
    columns = (np.concatenate([part[name] for part in parts]) for name in ("dataset", "surveyId"))
    return replace(summary, inputs=features.moments(*columns))


def multi_hot(species, n_classes):
    """(batch, n_classes) float32, 1 where a row of `species` (batch, width), padded with -1, names the class."""
    targets = torch.zeros(len(species), n_classes, device=species.device)
    row, place = (species >= 0).nonzero(as_tuple=True)
    targets.view(-1)[row * n_classes + species[row, place]] = 1
    return targets


def blocks(files, columns):
    """Yield the `columns` of parquet `files` in pieces, in the order of files and rows, as a dict of NumPy arrays.

    Lists must be of one length in all rows, and become a second axis; text cannot be read.
    """
    reader = make_batch_reader(
        [f"file://{Path(path).absolute()}" for path in files],
        schema_fields=list(columns),
        reader_pool_type="dummy",  # the others do not keep the order
        shuffle_row_groups=False,
    )
    with reader:
        for piece in reader:
            yield {name: getattr(piece, name) for name in columns}


class Batches:
    """Batches of `summary`'s table, a fresh pass at each ``iter()``; `len` is the number of batches.

    A table that fits in `memory_bytes` is read through Petastorm once and kept as tensors, shuffled as a whole for
    each pass; a larger one is read at each pass, its row groups in random order and its rows from a buffer of
    `buffer_rows`. The order follows from `seed` and the number of the pass, whatever else draws random numbers (with
    more than one of `workers`, threads that read a large table, it does not). A pass that comes up short raises.
    Where imagery is streamed, the order is that of `glc.nets.inputs.streamed.Reading`, also without `shuffle`.

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
        memory_bytes: int = 1 << 30,
        buffer_rows: int = 1 << 17,
        features: Features | None = None,
    ) -> None:
        if workers < 1:  # Petastorm would wait for ever
            raise ConfigError(f"workers: found {workers}, expected at least 1 thread that reads")
        self.features = features
        self.summary, self.batch_size, self.shuffle, self.seed = summary, batch_size, shuffle, seed
        self.part, self.buffer_rows = part, buffer_rows
        self.workers = workers if part.count == 1 else 1  # with more the order of a pass is not that of the others
        self.rows = summary.rows
        self.in_memory = self.rows * (21 + 4 * summary.width) <= memory_bytes
        self._kept = None
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
        if self.features is not None and self.features.reading is not None:
            yield from self._following(self.features.reading, np.random.default_rng(seed))
            return
        if not self.in_memory:
            yield from self._read(self.batch_size, seed)
            return
        if self._kept is None:
            parts = list(self._read(65_536, None))
            self._kept = {name: torch.cat([part[name] for part in parts]) for name in _COLUMNS}
        order = None
        if self.shuffle:
            order = torch.randperm(self.rows, generator=torch.Generator().manual_seed(seed))
        for start in range(0, self.rows, self.batch_size):
            chosen = slice(start, start + self.batch_size)
            yield {name: kept[chosen if order is None else order[chosen]] for name, kept in self._kept.items()}

    def _following(self, reading, rng):
        """Batches in the order in which imagery is read; the examples stay in memory, their lists without padding."""
        if self._kept is None:
            self._kept = Unpadded(self._read(65_536, None))
        surveys = self._kept.columns["dataset"].numpy(), self._kept.columns["surveyId"].numpy()
        order = reading.shuffled(*surveys, rng) if self.shuffle else reading.in_order(*surveys)
        for start in range(0, self.rows, self.batch_size):
            yield self._kept.take(order[start : start + self.batch_size], self.summary.width)

    def _read(self, batch_size, seed):
        """One pass through Petastorm; `seed` None keeps the order of the table."""
        shuffle = self.shuffle and seed is not None
        reader = make_batch_reader(
            [f"file://{path.absolute()}" for path in _files(self.summary.folder)],
            schema_fields=_COLUMNS,
            reader_pool_type="thread",
            workers_count=self.workers,
            results_queue_size=4,
            shuffle_row_groups=shuffle,
            seed=seed if shuffle else None,
            transform_spec=TransformSpec(self._pad, edit_fields=[("species", np.int32, (self.summary.width,), False)]),
        )
        loader = BatchedDataLoader(
            reader,
            batch_size=batch_size,
            transform_fn=lambda values: torch.as_tensor(np.require(values, requirements="W")),
            shuffling_queue_capacity=self.buffer_rows if shuffle else 0,
        )
        state, rows = torch.Generator().manual_seed(seed or 0).get_state(), 0
        with loader:
            batches = iter(loader)
            while True:
                # Petastorm shuffles with torch's global generator: lend it ours, so that nobody else's draws matter
                with torch.random.fork_rng(devices=[]):
                    torch.set_rng_state(state)
                    batch = next(batches, None)
                    state = torch.get_rng_state()
                if batch is None:
                    break
                rows += len(batch["surveyId"])
                yield batch
        if rows != self.rows:
            raise DataError(
                f"{self.summary.folder}: one pass gave {rows:,} rows, expected {self.rows:,}; the table changed while "
                "it was read, or petastorm is not 0.12.1 (0.13 drops rows): pip install petastorm==0.12.1"
            )

    def _pad(self, frame):
        lists = frame["species"].to_numpy()
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        padded = np.full((len(lists), self.summary.width), -1, np.int32)
        if lengths.any():
            padded[np.arange(self.summary.width) < lengths[:, None]] = np.concatenate(lists)
        return frame.assign(species=list(padded))


def _files(folder):
    files = sorted(Path(folder).glob("*.parquet"))
    if not files:
        raise DataError(f"{folder}: no parquet file of an examples table; run the task that makes it")
    return files


def _class_counts(species, n_classes, path):
    if species.null_count:
        raise DataError(
            f"{path}: column 'species' has {species.null_count} null lists; expected an empty list where none is known"
        )
    values = species.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if len(values) and not (values.min() >= 0 and values.max() < n_classes):
        wrong = values[(values < 0) | (values >= n_classes)][0]
        raise DataError(
            f"{path}: column 'species' holds {wrong}, expected class indices 0 to {n_classes - 1}; build the examples "
            "with the vocabulary the net is trained for"
        )
    return np.bincount(values, minlength=n_classes)


def _places(table, path):
    """(rows, mean (2,), sum of squared deviations (2,)) of the places; weights are checked on the way."""
    columns = {name: table[name].to_numpy() for name in ("easting", "northing", "weight")}
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise DataError(
                f"{path}: column {name!r} has {np.count_nonzero(~np.isfinite(values))} values that are not finite; "
                "leave such surveys out"
            )
    if columns["weight"].min() < 0:
        raise DataError(f"{path}: column 'weight' holds {columns['weight'].min()}, expected 0 or above")
    place = np.column_stack([columns["easting"], columns["northing"]]).astype(np.float64)
    mean = place.mean(axis=0)
    return len(place), mean, ((place - mean) ** 2).sum(axis=0)
