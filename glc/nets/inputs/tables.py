"""Tables of tiles, cubes and values read into `glc.nets.inputs.features.Features`, each once, through Petastorm.

Features of the place itself, such as a location encoder's, are computed here. What is larger than the memory it may
take goes to a scratch file.
"""

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
from glc.nets.inputs.features import Features, Index, Layout
from glc.nets.inputs.selection import CubeSelection, PlaceFeatures, TileSelection, chosen
from glc.progress import tqdm

_BATCH = 8_192  # places at once


def read(
    inputs: Sequence[Input],
    folders: Sequence[Sequence[Path | pd.DataFrame]],
    *,
    memory_bytes: int = 4 << 30,
    scratch: Path | None = None,
    surveys: np.ndarray | None = None,
) -> Features | None:
    """The content of `inputs` (config.Input); `folders` lists for each the outputs of Tiles, Cubes or Tabular.

    Of an input made from the place, whose encoder names its file, it lists frames of dataset, surveyId, lon and lat.
    memory_bytes : of all inputs together; those that do not fit are kept in files under the folder `scratch`
    surveys : (k, 2) int64, the numbers of datasets and ids of the surveys that are kept; None keeps all
    returns : `Features`, or None when there are no inputs
    A ConfigError names a band or year that a table does not have.
    """
    if not inputs:
        return None
    layouts, values, known, keys, left = {}, {}, {}, {}, memory_bytes
    kept = None if surveys is None else Index(np.unique(surveys, axis=0))
    for wanted, outputs in zip(inputs, folders, strict=True):
        kind = _stored(wanted) if wanted.stored else _Places
        sources = [kind(wanted, source) for source in outputs]
        layout, dtype = sources[0].layout, np.result_type(*(source.dtype for source in sources))
        for source in sources[1:]:
            if source.layout != layout:
                raise DataError(f"{source.folder}: found {source.layout}, expected {layout}, as in {sources[0].folder}")
        every = np.concatenate([source.keys() for source in sources])
        keep = np.ones(len(every), bool) if kept is None else kept(*every.T) >= 0
        shape = (np.count_nonzero(keep), *layout.shape)
        size = int(np.prod(shape)) * dtype.itemsize
        if size > left and scratch is not None:
            storage.check_space(
                scratch,
                size,
                f"input {wanted.name!r}",
                "name fewer bands or a smaller block, give ROOT more space, or raise memory_gb of [machine]",
            )
            array = np.memmap(Path(scratch) / f"{wanted.name}.values", dtype, "w+", shape=shape)
        else:
            array, left = np.empty(shape, dtype), left - size
        layouts[wanted.name], values[wanted.name], keys[wanted.name] = layout, array, every[keep]
        known[wanted.name] = _fill(array, sources, every, keep)
    return Features(layouts, values, known, keys)


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

    def blocks(self):
        columns = self.selection.columns
        names = ["surveyId", *columns, *(f"{name}_valid" for name in columns)]
        for block in batches.blocks(self.files, names):
            valid = {name: block[f"{name}_valid"] for name in columns}
            yield block["surveyId"], *self.selection.stack(block, valid, self.folder)


class _Cubes(_Stored):
    """A table of cubes: their values, or the 1-D DCT coefficients of their series."""

    dtype = CubeSelection.dtype

    def __init__(self, wanted, folder):
        super().__init__(folder, "cubes/*.parquet")
        if not self.files:
            raise DataError(f"{folder}: no table of cubes; run the task Cubes")
        self.selection = CubeSelection(wanted, storage.manifest(folder), folder)
        self.layout = self.selection.layout

    def blocks(self):
        for block in batches.blocks(self.files, ["surveyId", self.selection.column]):
            yield block["surveyId"], *self.selection.take_from(block[self.selection.column])


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

    def blocks(self):
        for block in batches.blocks(self.files, ["surveyId", *self.columns]):
            values = np.stack([block[name] for name in self.columns], axis=1).astype(np.float32)
            yield block["surveyId"], values[:, :, None, None], np.isfinite(values)


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
