"""Tables of tiles, cubes and values read into `glc.nets.inputs.features.Features`, each once, through Petastorm.

Features of the place itself, such as a location encoder's, are computed here. Tables that are larger than the memory
they may take are read when they are needed, by row group (`glc.nets.inputs.streamed`).
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from glc import schema, storage
from glc.config import Input
from glc.errors import DataError
from glc.nets.inputs import batches
from glc.nets.inputs.features import Features, Layout
from glc.nets.inputs.index import Index
from glc.nets.inputs.selection import CubeSelection, PlaceFeatures, TileSelection, chosen
from glc.nets.inputs.streamed import Cache, Reading, Streamed, row_groups
from glc.progress import tqdm

_BATCH = 8_192  # places at once
_LEAST_HELD = 4  # row groups that are in memory at a time, however small the budget
_ALIGNED = 4  # row groups of a second table for one of the first, over their least number: above, orders differ


def read(
    inputs: Sequence[Input],
    folders: Sequence[Sequence[Path | pd.DataFrame]],
    *,
    memory_bytes: int = 4 << 30,
    processes: int = 1,
    scratch: Path | None = None,
    surveys: np.ndarray | None = None,
) -> Features | None:
    """The content of `inputs` (config.Input); `folders` lists for each the outputs of Tiles, Cubes or Tabular.

    Of an input made from the place, whose encoder names its file, it lists frames of dataset, surveyId, lon and lat.
    memory_bytes : of all inputs together. The smallest are kept in memory; of those that do not fit the largest is
        streamed from its table, and others whose rows are in about the same order, as tiles of images and cubes are
    processes : that will read them; memory is shared, and each has its own cache of row groups of what is streamed
    scratch : folder for the inputs that neither fit nor can be streamed: those made from the place, and those whose
        rows are in another order than the largest's; None: they are in memory nevertheless
    surveys : (k, 2) int64, the numbers of datasets and ids of the surveys that are kept; None keeps all
    returns : `Features`, or None when there are no inputs
    A ConfigError names a band or year that a table does not have.
    """
    if not inputs:
        return None
    kept = None if surveys is None else Index(np.unique(surveys, axis=0))
    every = {wanted.name: _Content(wanted, outputs, kept) for wanted, outputs in zip(inputs, folders, strict=True)}
    whole = sum(content.size for content in every.values()) <= memory_bytes
    if not whole:
        memory_bytes //= processes
    left, large = memory_bytes if whole else memory_bytes // 2, []  # the other half is for what is streamed
    for content in sorted(every.values(), key=lambda content: content.size):
        if content.size <= left or scratch is None:
            left -= content.size
        else:
            large.append(content)
    streamed, reading = _streamed(large[::-1], memory_bytes // 2 + left)
    values, known, keys = {}, {}, {}
    for name, content in every.items():
        if name in streamed:
            values[name], keys[name], known[name] = streamed[name], streamed[name].keys, streamed[name].known()
        else:
            values[name], known[name] = content.read(scratch if content in large else None)
            keys[name] = content.keys[content.keep]
    return Features({name: content.layout for name, content in every.items()}, values, known, keys, reading)


class _Content:
    """All tables of one input.

    keys : (n, 2) int64, number of the dataset and surveyId of all rows; keep : (n,) bool, those that are wanted
    size : bytes of the values that are wanted
    """

    def __init__(self, wanted, outputs, kept):
        self.name, self.stored = wanted.name, wanted.stored
        kind = _stored(wanted) if wanted.stored else _Places
        self.sources = [kind(wanted, source) for source in outputs]
        self.layout = self.sources[0].layout
        self.dtype = np.result_type(*(source.dtype for source in self.sources))
        for source in self.sources[1:]:
            if source.layout != self.layout:
                raise DataError(
                    f"{source.folder}: found {source.layout}, expected {self.layout}, as in {self.sources[0].folder}"
                )
        self.keys = np.concatenate([source.keys() for source in self.sources])
        self.keep = np.ones(len(self.keys), bool) if kept is None else kept(*self.keys.T) >= 0
        self.shape = (np.count_nonzero(self.keep), *self.layout.shape)
        self.size = int(np.prod(self.shape)) * self.dtype.itemsize

    def read(self, scratch):
        """The values that are wanted, in memory or in a file in the folder `scratch`, and which bands they have."""
        if scratch is None:
            array = np.empty(self.shape, self.dtype)
        else:
            storage.check_space(
                scratch,
                self.size,
                f"input {self.name!r}",
                "name fewer bands or a smaller block, give ROOT more space, or raise memory_gb of [machine]",
            )
            array = np.memmap(Path(scratch) / f"{self.name}.values", self.dtype, "w+", shape=self.shape)
        return array, _fill(array, self.sources, self.keys, self.keep)

    def stream(self, cache):
        """The values of all rows, read by row group."""
        groups = [group for source in self.sources for group in row_groups(source, source.files)]
        return Streamed(self.name, groups, self.keys, self.layout.shape, self.dtype, cache)


def _streamed(large, memory_bytes):
    """Of the inputs that do not fit, the largest first: those that are streamed, by name, and the order that follows.

    memory_bytes : of their row groups in memory
    """
    stored = [content for content in large if content.stored]
    if not stored:
        return {}, None
    cache = Cache(memory_bytes)
    leader = stored[0].stream(cache)
    streamed, index = {leader.name: leader}, Index(leader.keys)
    needed = _group_bytes(leader)
    for content in stored[1:]:
        other = content.stream(cache)
        rows = index(*other.keys.T)
        both = rows >= 0
        pairs = np.column_stack([leader.group_of(rows[both]), other.group_of(np.flatnonzero(both))])
        each = len(np.unique(pairs, axis=0)) / len(leader.groups)  # of its row groups, for one of the leader's
        if each <= _ALIGNED * max(1, len(other.groups) / len(leader.groups)):
            streamed[other.name] = other
            needed += each * _group_bytes(other)
    cache.capacity = max(memory_bytes, math.ceil(_LEAST_HELD * needed))
    return streamed, Reading(leader, int(cache.capacity / needed))


def _group_bytes(values):
    """Bytes of the largest row group of `values`."""
    return max(group.rows for group in values.groups) * int(np.prod(values.shape[1:])) * values.dtype.itemsize


def layout_of(wanted: Input, folder: Path) -> Layout:
    """The `Layout` of an input that is stored, of the kind tiles, cube or table.

    folder : an output of Tiles, Cubes or Tabular
    """
    return _stored(wanted)(wanted, folder).layout


def _stored(wanted):
    return _Tiles if wanted.tiles else _Cubes if wanted.cube else _Table


def _fill(array, sources, every, keep):
    """Read the rows of `every` that `keep` marks into `array`; returns which bands they have, (survey, band) bool."""
    known = np.zeros(array.shape[:2], bool)
    start = done = 0
    for source in sources:
        for ids, block, has in source.blocks():
            rows = slice(start, start + len(ids))
            if not np.array_equal(ids, every[rows, 1]):
                raise DataError(f"{source.folder}: rows are out of order; rebuild the table")
            into = slice(done, done + np.count_nonzero(keep[rows]))
            array[into], known[into] = block[keep[rows]], has[keep[rows]]
            start, done = rows.stop, into.stop
    if start != len(every):
        raise DataError(f"{sources[0].folder}: one pass gave {start:,} rows, expected {len(every):,}")
    return known


class _Stored:
    """A table on disk."""

    def __init__(self, folder, pattern):
        self.folder, self.files = Path(folder), sorted(Path(folder).glob(pattern))

    def keys(self):
        """(n, 2) int64, dataset number and surveyId of all rows, in the order of the files."""
        table = ds.dataset(self.files).to_table(columns=["dataset", "surveyId"])
        number = pc.index_in(table["dataset"], pa.array(schema.DATASETS)).to_numpy()
        return np.column_stack([number, table["surveyId"].to_numpy()]).astype(np.int64)

    def blocks(self):
        """Ids, values and known bands of all rows, in pieces, in the order of the files."""
        for block in batches.blocks(self.files, ["surveyId", *self.columns]):
            yield block["surveyId"], *self.take(block)

    @property
    def known_columns(self):
        """As of `glc.nets.inputs.streamed.Source`, as is `known`."""
        return self.columns

    def known(self, content):
        return self.take(content)[1]


class _Tiles(_Stored):
    """A table of tiles."""

    def __init__(self, wanted, folder):
        super().__init__(folder, "part-*.parquet")
        if not self.files:
            raise DataError(f"{folder}: no part of a table of tiles; run the task Tiles")
        facts, types = storage.manifest(folder), pq.read_schema(self.files[0])
        types = {name: types.field(name).type.value_type.to_pandas_dtype() for name in facts["bands"]}
        self.selection = TileSelection(wanted, facts["bands"], facts["size"], types)
        self.layout, self.dtype = self.selection.layout, self.selection.dtype
        self.columns = (*self.selection.columns, *self.known_columns)

    @property
    def known_columns(self):
        return tuple(f"{name}_valid" for name in self.selection.columns)

    def known(self, content):
        return np.stack([content[name] > 0 for name in self.known_columns], axis=1)

    def take(self, content):
        valid = {name: content[f"{name}_valid"] for name in self.selection.columns}
        return self.selection.stack(content, valid, self.folder)


class _Cubes(_Stored):
    """A table of cubes: their values, or the 1-D DCT coefficients of their series."""

    dtype = CubeSelection.dtype

    def __init__(self, wanted, folder):
        super().__init__(folder, "cubes/*.parquet")
        if not self.files:
            raise DataError(f"{folder}: no table of cubes; run the task Cubes")
        self.selection = CubeSelection(wanted, storage.manifest(folder), folder)
        self.layout = self.selection.layout
        self.columns = (self.selection.column,)

    def take(self, content):
        return self.selection.take_from(content[self.selection.column])


class _Table(_Stored):
    """A table of values at the surveys."""

    dtype = np.dtype(np.float32)

    def __init__(self, wanted, folder):
        super().__init__(folder, "tabular/part-*.parquet")
        if not self.files:
            raise DataError(f"{folder}: no table of values; run the task Tabular")
        facts = storage.manifest(folder)
        self.columns = chosen(wanted.bands, facts["columns"], "table", facts["categories"])
        self.layout = Layout("table", self.columns, 1, 1)

    def take(self, content):
        values = np.stack([content[name] for name in self.columns], axis=1).astype(np.float32)
        return values[:, :, None, None], np.isfinite(values)


class _Places:
    """Features of the places themselves: of a feature map, or of a pre-trained encoder."""

    dtype = np.dtype(np.float32)

    def __init__(self, wanted, places):
        self.folder, self.places = "places", places
        self.features = PlaceFeatures(wanted)
        self.layout = self.features.layout

    def keys(self):
        number = schema.dataset_numbers(self.places["dataset"])
        return np.column_stack([number, self.places["surveyId"]]).astype(np.int64)

    def blocks(self):
        ids, lon, lat = (self.places[name].to_numpy() for name in ("surveyId", "lon", "lat"))
        for start in tqdm(range(0, len(ids), _BATCH), "places", unit="batch", leave=False, delay=2):
            rows = slice(start, start + _BATCH)
            values = self.features.of(lon[rows], lat[rows])
            yield ids[rows], values[:, :, None, None], np.isfinite(values)
