"""Imagery by survey: the tables of tiles and cubes as tensors from which any batch of surveys is gathered.

The tables stay as they are; no copy for a fold, a triplet or an epoch is ever written. Each is read once, through
Petastorm, into memory, or into a scratch file where it is larger than the memory it may take, and a batch takes the
rows of its surveys.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import torch

from glc import schema, storage
from glc.errors import ConfigError, DataError, did_you_mean
from glc.nets import batches

_BYTES = 64 << 20  # of float32 values that are gathered at a time, where that is ours to choose


@dataclass(frozen=True)
class Layout:
    """What a batch holds of one input: (batch, band, row, col) float32, NaN where it is missing."""

    kind: str
    """coeffs: low DCT terms of tiles; pixels; series: 64 1-D DCT terms laid out 8 x 8; cube: values by (band, ., .);
    table: values by (feature, 1, 1); graph: a weight by (species, 1, 1), 0 where there is no neighbour with it."""
    bands: tuple[str, ...]
    rows: int
    cols: int
    size: int = 0
    """Side in pixels of the tiles; 0 for cubes."""

    @property
    def shape(self):
        """(band, row, col)."""
        return len(self.bands), self.rows, self.cols

    def to_dict(self):
        """Plain values, for a checkpoint."""
        return asdict(self) | {"bands": list(self.bands)}

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`."""
        return cls(**values | {"bands": tuple(values["bands"])})


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of an input over training examples, (band, row, col) float32.

    Where no example has a value the mean is 0; where all have the same the deviation is 0.
    """

    mean: np.ndarray
    std: np.ndarray
    known: float
    """Share of the examples that have any value."""


class Features:
    """Imagery of surveys, by input.

    layouts : dict of input name -> `Layout`
    values : dict of input name -> (survey, band, row, col) array of uint8, int16, ... or float
    known : dict of input name -> (survey, band) bool, whether the survey has the band
    keys : dict of input name -> (survey, 2) int64, number of the dataset in `schema.DATASETS`, and surveyId
    """

    def __init__(self, layouts, values, known, keys):
        self.layouts, self._values, self._known = layouts, values, known
        self._index = {name: _Index(pairs) for name, pairs in keys.items()}

    def add_graph(self, name, matrix, species, keys):
        """Take the vectors of an ecological graph as the input `name`.

        matrix : (n, m) CSR; species : (m,) ids; keys : (n, 2) as of the others. They come normalised: no moments
        """
        self.layouts[name] = Layout("graph", tuple(map(str, species)), 1, 1)
        self._values[name], self._known[name] = _Rows(matrix), np.ones((len(keys), 1), bool)
        self._index[name] = _Index(keys)

    def of(self, dataset, survey):
        """Imagery of surveys by their dataset's number and id, (n,) integers: name -> (n, band, row, col) float32.

        What a survey does not have, all of it or a band, is NaN.
        """
        dataset, survey = np.asarray(dataset), np.asarray(survey)
        found = {}
        for name in self.layouts:
            rows = self._index[name](dataset, survey)
            there = rows >= 0
            known = there[:, None] & self._known[name][rows]  # row -1 is any survey's: not there, so masked
            taken = self._values[name][rows].astype(np.float32, copy=False)
            if not known.all():
                taken[~np.broadcast_to(known, taken.shape[:2])] = np.nan
            found[name] = torch.from_numpy(taken)
        return found

    def steps(self, count):
        """Slices of `count` surveys whose imagery takes bounded memory."""
        one = sum(4 * int(np.prod(layout.shape)) for layout in self.layouts.values())
        rows = max(1, _BYTES // max(one, 1))
        return [slice(start, start + rows) for start in range(0, count, rows)]

    def known(self, dataset, survey):
        """Whether surveys (n,) have a value of any input, (n,) bool."""
        found = np.zeros(len(survey), bool)
        for name in self.layouts:
            rows = self._index[name](np.asarray(dataset), np.asarray(survey))
            found |= (rows >= 0) & self._known[name][rows].any(axis=1)
        return found

    def moments(self, dataset, survey):
        """`Moments` of each input over surveys (n,), in float64, whatever is missing left out."""
        layouts = {name: layout for name, layout in self.layouts.items() if layout.kind != "graph"}
        total = {name: np.zeros((3, *layout.shape)) for name, layout in layouts.items()}
        known = dict.fromkeys(layouts, 0)
        centre = {}
        for rows in self.steps(len(survey)):
            found = self.of(dataset[rows], survey[rows])
            for name, block in ((name, found[name]) for name in layouts):
                block = block.numpy().astype(np.float64)
                valid = np.isfinite(block)
                known[name] += int(valid.any(axis=(1, 2, 3)).sum())
                if name not in centre:  # squares about a typical value: large offsets cost no digits
                    count = valid.sum(axis=0)
                    centre[name] = np.where(valid, block, 0).sum(axis=0) / np.maximum(count, 1)
                block = np.where(valid, block - centre[name], 0)
                total[name] += np.stack([valid.sum(axis=0), block.sum(axis=0), (block**2).sum(axis=0)])
        found = {}
        for name, (count, first, second) in total.items():
            if not known[name]:
                raise DataError(
                    f"input {name!r}: none of {len(survey):,} training examples has any value of it; look at the flags "
                    "and the quarantine of its table, or leave the input out"
                )
            count = np.maximum(count, 1)
            mean = first / count
            spread = np.sqrt(np.maximum(second / count - mean**2, 0))
            found[name] = Moments(
                (centre[name] + mean).astype(np.float32), spread.astype(np.float32), known[name] / len(survey)
            )
        return found


class _Rows:
    """A sparse matrix whose rows are taken as dense (n, m, 1, 1) float32."""

    def __init__(self, matrix):
        self.matrix = matrix.tocsr()

    def __getitem__(self, rows):
        return self.matrix[rows].toarray().astype(np.float32, copy=False)[:, :, None, None]


class _Index:
    """Rows of (dataset, survey) pairs; -1 for a pair that is not there."""

    def __init__(self, pairs):
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        self._parts = {}
        for number in np.unique(pairs[:, 0]):
            rows = order[pairs[order, 0] == number]
            self._parts[int(number)] = (pairs[rows, 1], rows)

    def __call__(self, dataset, survey):
        rows = np.full(len(survey), -1, np.int64)
        for number, (ids, at) in self._parts.items():
            mine = np.flatnonzero(dataset == number)
            place = np.minimum(np.searchsorted(ids, survey[mine]), len(ids) - 1)
            rows[mine] = np.where(ids[place] == survey[mine], at[place], -1)
        return rows


def read(inputs, folders, *, memory_bytes=4 << 30, scratch=None, surveys=None):
    """The content of `inputs` (config.Input); `folders` lists for each the outputs of Tiles, Cubes or Tabular.

    memory_bytes : of all inputs together; those that do not fit are kept in files under the folder `scratch`
    surveys : (k, 2) int64, the numbers of datasets and ids of the surveys that are kept; None keeps all
    returns : `Features`, or None when there are no inputs
    A ConfigError names a band or year that a table does not have.
    """
    if not inputs:
        return None
    layouts, values, known, keys, left = {}, {}, {}, {}, memory_bytes
    kept = None if surveys is None else _Index(np.unique(surveys, axis=0))
    for wanted, outputs in zip(inputs, folders, strict=True):
        kind = _Tiles if wanted.tiles else _Cubes if wanted.cube else _Table
        sources = [kind(wanted, Path(folder)) for folder in outputs]
        layout, dtype = sources[0].layout, np.result_type(*(source.dtype for source in sources))
        for source in sources[1:]:
            if source.layout != layout:
                raise DataError(f"{source.folder}: found {source.layout}, expected {layout}, as in {sources[0].folder}")
        every = np.concatenate([_keys(source.files) for source in sources])
        keep = np.ones(len(every), bool) if kept is None else kept(*every.T) >= 0
        shape = (np.count_nonzero(keep), *layout.shape)
        size = int(np.prod(shape)) * dtype.itemsize
        if size > left and scratch is not None:
            _check_space(scratch, size, wanted.name)
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
                raise DataError(f"{source.folder}: rows came in another order than they lie in; make the table anew")
            into = slice(done, done + np.count_nonzero(keep[rows]))
            array[into], known[into] = block[keep[rows]], has[keep[rows]]
            start, done = rows.stop, into.stop
    if start != len(every):
        raise DataError(f"{sources[0].folder}: one pass gave {start:,} rows, expected {len(every):,}")
    return known


def _check_space(folder, size, name):
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"{folder}: input {name!r} needs a file of {size / 2**30:,.1f} GiB, {free / 2**30:,.1f} GiB are free; "
            "name fewer bands or a smaller block, give ROOT more space, or raise imagery_memory_gb of [machine]"
        )


class _Tiles:
    """A table of tiles."""

    def __init__(self, wanted, folder):
        self.folder, self.files = folder, sorted(folder.glob("part-*.parquet"))
        if not self.files:
            raise DataError(f"{folder}: no part of a table of tiles; run the task Tiles")
        facts = storage.manifest(folder)
        self.columns = _chosen(wanted.bands, facts["bands"], f"tiles {wanted.tiles!r}")
        side = wanted.block or wanted.size
        self.layout = Layout("coeffs" if wanted.block else "pixels", self.columns, side, side, facts["size"])
        types = pq.read_schema(self.files[0])
        self.dtype = np.result_type(*(types.field(name).type.value_type.to_pandas_dtype() for name in self.columns))

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


class _Cubes:
    """A table of cubes: their values, or the 1-D DCT terms of their series."""

    dtype = np.dtype(np.float32)

    def __init__(self, wanted, folder):
        self.folder, self.files = folder, sorted((folder / "cubes").glob("*.parquet"))
        if not self.files:
            raise DataError(f"{folder}: no table of cubes; run the task Cubes")
        facts = storage.manifest(folder)
        names, self.shape = facts["names"], tuple(facts["shape"])
        where = f"cube {wanted.cube!r}"
        chosen = _chosen(wanted.bands, names, where)
        self.take = [names.index(name) for name in chosen]
        self.column, self.years = "cube", None
        if wanted.coeffs:
            side = int(np.sqrt(facts["terms"]))
            if side * side != facts["terms"]:
                raise DataError(f"{folder}: {facts['terms']} terms of a series, expected a square number of them")
            self.column, self.shape = "coeffs", (len(names), side, side)
            self.layout = Layout("series", chosen, side, side)
            return
        rows, cols = self.shape[1:]
        if wanted.years:
            axis = list(facts["axes"]).index("year")
            self.years = (axis, _years(wanted.years, self.shape[axis], facts, where))
            rows, cols = (len(wanted.years) if at == axis else n for at, n in ((1, rows), (2, cols)))
        self.layout = Layout("cube", chosen, rows, cols)

    def blocks(self):
        for block in batches.blocks(self.files, ["surveyId", self.column]):
            values = block[self.column].reshape(-1, *self.shape)[:, self.take]
            if self.years:
                axis, numbers = self.years
                values = np.take(values, numbers, axis=axis + 1)
            yield block["surveyId"], values, np.isfinite(values).any(axis=(2, 3))


class _Table:
    """A table of values at the surveys."""

    dtype = np.dtype(np.float32)

    def __init__(self, wanted, folder):
        self.folder, self.files = folder, sorted((folder / "tabular").glob("part-*.parquet"))
        if not self.files:
            raise DataError(f"{folder}: no table of values; run the task Tabular")
        self.columns = _chosen(wanted.bands, storage.manifest(folder)["columns"], "table")
        self.layout = Layout("table", self.columns, 1, 1)

    def blocks(self):
        for block in batches.blocks(self.files, ["surveyId", *self.columns]):
            values = np.stack([block[name] for name in self.columns], axis=1).astype(np.float32)
            yield block["surveyId"], values[:, :, None, None], np.isfinite(values)


def _keys(files):
    """(n, 2) int64, dataset number and surveyId of all rows, in the order of the files."""
    table = ds.dataset(files).to_table(columns=["dataset", "surveyId"])
    number = pc.index_in(table["dataset"], pa.array(schema.DATASETS)).to_numpy()
    return np.column_stack([number, table["surveyId"].to_numpy()]).astype(np.int64)


def _chosen(wanted, names, where):
    """The bands of `names` that `wanted` names: itself, or all classes ``<band>_<class>`` of a categorical band."""
    if not wanted:
        return tuple(names)
    chosen = []
    for band in wanted:
        own = [
            name for name in names if name == band or (name.startswith(f"{band}_") and name[len(band) + 1 :].isdigit())
        ]
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
