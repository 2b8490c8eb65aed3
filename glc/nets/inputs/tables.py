"""Tables of tiles, cubes and values read into `glc.nets.inputs.features.Features`, each once, through Petastorm.

Features of the place itself, such as a location encoder's, are computed here. What is larger than the memory it may
take goes to a scratch file.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from glc import schema, storage
from glc.config import Input
from glc.errors import ConfigError, DataError, did_you_mean
from glc.location import LocationEncoder, features
from glc.nets.inputs import batches
from glc.nets.inputs.features import Features, Index, Layout
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
        kind = _Tiles if wanted.tiles else _Cubes if wanted.cube else _Table if wanted.table else _Places
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
        facts = storage.manifest(folder)
        self.columns = _chosen(wanted.bands, facts["bands"], f"tiles {wanted.tiles!r}")
        side = wanted.block or wanted.size
        types = pq.read_schema(self.files[0])
        self.dtype = np.result_type(*(types.field(name).type.value_type.to_pandas_dtype() for name in self.columns))
        levels = 255 if self.dtype == np.uint8 else 0
        kind = "coeffs" if wanted.block else "pixels"
        self.layout = Layout(kind, self.columns, side, side, facts["size"], levels)

    def blocks(self):
        side = self.layout.rows
        names = ["surveyId", *self.columns, *(f"{name}_valid" for name in self.columns)]
        for block in batches.blocks(self.files, names):
            tiles = np.stack([block[name] for name in self.columns], axis=1)
            if tiles.shape[-1] != side * side:
                raise DataError(
                    f"{self.folder}: bands of {tiles.shape[-1]} values, expected {side} x {side}; a covariate whose "
                    "classes are written as shares or centres is no map"
                )
            has = np.stack([block[f"{name}_valid"] > 0 for name in self.columns], axis=1)
            yield block["surveyId"], tiles.reshape(*tiles.shape[:2], side, side), has


class _Cubes(_Stored):
    """A table of cubes: their values, or the 1-D DCT coefficients of their series."""

    dtype = np.dtype(np.float32)

    def __init__(self, wanted, folder):
        super().__init__(folder, "cubes/*.parquet")
        if not self.files:
            raise DataError(f"{folder}: no table of cubes; run the task Cubes")
        facts = storage.manifest(folder)
        names, self.shape = facts["names"], tuple(facts["shape"])
        where = f"cube {wanted.cube!r}"
        chosen = _chosen(wanted.bands, names, where)
        self.take = [names.index(name) for name in chosen]
        self.column, self.years, self.by_year = "cube", None, False
        if wanted.coeffs:
            side = int(np.sqrt(facts["terms"]))
            if side * side != facts["terms"]:
                raise DataError(f"{folder}: {facts['terms']} coefficients of a series, expected a square number")
            self.column, self.shape = "coeffs", (len(names), side, side)
            self.layout = Layout("series", chosen, side, side)
            return
        rows, cols = self.shape[1:]
        if wanted.years:
            axis = list(facts["axes"]).index("year")
            self.years = (axis, _years(wanted.years, self.shape[axis], facts, where))
            rows, cols = (len(wanted.years) if at == axis else n for at, n in ((1, rows), (2, cols)))
        self.layout = Layout("cube", chosen, rows, cols)
        self.by_year = wanted.by_year
        if self.by_year:
            axis = list(facts["axes"]).index("year")
            years = wanted.years or range(facts["years"][0], facts["years"][1] + 1)
            self.months = 5 - (axis + 1)  # where the months of a batch are: after surveys, variables and years
            self.layout = Layout("cube", tuple(f"{name}_{year}" for name in chosen for year in years), 1, 1)

    def blocks(self):
        for block in batches.blocks(self.files, ["surveyId", self.column]):
            values = block[self.column].reshape(-1, *self.shape)[:, self.take]
            if self.years:
                axis, numbers = self.years
                values = np.take(values, numbers, axis=axis + 1)
            if self.by_year:
                values = values.mean(axis=self.months).reshape(-1, *self.layout.shape)
            yield block["surveyId"], values, np.isfinite(values).any(axis=(2, 3))


class _Table(_Stored):
    """A table of values at the surveys."""

    dtype = np.dtype(np.float32)

    def __init__(self, wanted, folder):
        super().__init__(folder, "tabular/part-*.parquet")
        if not self.files:
            raise DataError(f"{folder}: no table of values; run the task Tabular")
        facts = storage.manifest(folder)
        self.columns = _chosen(wanted.bands, facts["columns"], "table", facts["categories"])
        self.layout = Layout("table", self.columns, 1, 1)

    def blocks(self):
        for block in batches.blocks(self.files, ["surveyId", *self.columns]):
            values = np.stack([block[name] for name in self.columns], axis=1).astype(np.float32)
            yield block["surveyId"], values[:, :, None, None], np.isfinite(values)


class _Places:
    """Features of the places themselves: of a feature map, or of a pre-trained encoder."""

    dtype = np.dtype(np.float32)

    def __init__(self, wanted, places):
        self.folder, self.places, choice = "places", places, wanted.location
        if choice.name == "encoder":
            encoder = LocationEncoder.load(choice.options["path"])
            self.features, width = encoder.embed, encoder.dim
        else:
            self.features = partial(features.features, choice.name, **choice.options)
            width = features.make(choice).width
        self.layout = Layout("table", tuple(f"{choice.name}_{number}" for number in range(width)), 1, 1)

    def keys(self):
        number = schema.dataset_numbers(self.places["dataset"])
        return np.column_stack([number, self.places["surveyId"]]).astype(np.int64)

    def blocks(self):
        ids, lon, lat = (self.places[name].to_numpy() for name in ("surveyId", "lon", "lat"))
        for start in tqdm(range(0, len(ids), _BATCH), "places", unit="batch", leave=False, delay=2):
            rows = slice(start, start + _BATCH)
            values = self.features(lon[rows], lat[rows])
            yield ids[rows], values[:, :, None, None], np.isfinite(values)


def _chosen(wanted, names, where, categories=None):
    """The bands of `names` that `wanted` names: itself, or all classes ``<band>_<class>`` of a categorical band.

    categories : of a table, columns of each categorical band, whose classes may be called by words
    """
    if not wanted:
        return tuple(names)
    chosen = []
    for band in wanted:
        own = [
            name for name in names if name == band or (name.startswith(f"{band}_") and name[len(band) + 1 :].isdigit())
        ] or (categories or {}).get(band, [])
        if not own:
            raise ConfigError(
                f"inputs, {where}: unknown band {band!r}; expected some of: {', '.join(names)}"
                f"{did_you_mean(band, names)}"
            )
        chosen += own
    return tuple(dict.fromkeys(chosen))


def _years(wanted, count, facts, where):
    first = facts["years"][0]
    outside = [year for year in wanted if not first <= year < first + count]
    if outside:
        raise ConfigError(
            f"inputs, {where}: found year {outside[0]}, expected years of {first} to {first + count - 1}, which it has"
        )
    return [year - first for year in wanted]
