"""Imagery larger than memory: read from its parquet by row group, and the order of surveys in which that is cheap.

A row group is decoded whole, and the last ones that were read stay in a bounded cache. Whoever asks for surveys in the
order of `Reading` decodes each group about once a pass. Petastorm cannot read a row group by its number, so that
pyarrow reads them here; what fits in memory, and the examples, come through Petastorm.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow.parquet as pq

from glc.errors import DataError
from glc.nets.inputs.index import Index


class Source(Protocol):
    """What becomes of the columns of a table."""

    columns: tuple[str, ...]
    """Read besides ``surveyId``."""
    known_columns: tuple[str, ...]
    """Those that tell which bands a survey has."""

    def take(self, content: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Values (row, band, row, col), and which bands a survey has, (row, band) bool, of `columns`."""

    def known(self, content: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which bands a survey has, (row, band) bool, of `known_columns`."""


@dataclass(frozen=True)
class RowGroup:
    """A row group of a table: its number in the file, and its rows."""

    source: Source
    file: Path
    number: int
    rows: int

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """The ids of its surveys, (row,), and their values, (row, band, row, col)."""
        content = read(self.file, self.number, ("surveyId", *self.source.columns))
        return content["surveyId"], self.source.take(content)[0]

    def known(self) -> np.ndarray:
        """Which bands its surveys have, (row, band) bool."""
        return self.source.known(read(self.file, self.number, self.source.known_columns))


def row_groups(source: Source, files: Sequence[Path]) -> list[RowGroup]:
    """The row groups of a table's `files`, in order."""
    return [
        RowGroup(source, file, number, metadata.row_group(number).num_rows)
        for file in files
        for metadata in [pq.read_metadata(file)]
        for number in range(metadata.num_row_groups)
    ]


def read(file: Path, number: int, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of one row group; lists, which must be of one length, become a second axis.

    file : a parquet file
    number : of the row group in it
    columns : names, of numbers or lists of numbers
    """
    table = pq.ParquetFile(file).read_row_group(number, columns=list(columns))
    content = {}
    for name in columns:
        column = table[name].combine_chunks()
        if column.type.num_fields:
            content[name] = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
        else:
            content[name] = column.to_numpy(zero_copy_only=False)
    return content


class Cache:
    """The row groups that were read last, decoded, of all inputs that are streamed.

    capacity : bytes that they take together; the one that is read now may exceed it
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.reads = 0
        """Row groups that were decoded so far."""
        self._kept: OrderedDict[tuple[str, int], np.ndarray] = OrderedDict()
        self._size = 0
        self._lock = threading.RLock()  # the batch that is gathered ahead is in another thread than a validation

    def __reduce__(self) -> tuple[type["Cache"], tuple[int]]:
        return Cache, (self.capacity,)  # another process starts with none

    def get(self, key: tuple[str, int], read: Callable[[], np.ndarray], size: int) -> np.ndarray:
        """The values of a row group.

        key : name of the input, number of the group
        read : gives the values where they are not kept
        size : bytes of the values
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            while self._kept and self._size + size > self.capacity:
                self._size -= self._kept.popitem(last=False)[1].nbytes
            values = read()
            self.reads += 1
            self._kept[key], self._size = values, self._size + values.nbytes
            return values


class Streamed:
    """Values of an input by the number of their row, (n, band, row, col), of which a `Cache` keeps some row groups.

    name : of the input
    groups : in the order of the table's rows
    keys : (n, 2) int64, number of the dataset and surveyId of each row
    shape : of the values of a survey, (band, row, col)
    dtype : of the values
    cache : may be that of several inputs
    """

    def __init__(
        self,
        name: str,
        groups: Sequence[RowGroup],
        keys: np.ndarray,
        shape: tuple[int, int, int],
        dtype: np.dtype,
        cache: Cache,
    ) -> None:
        self.name, self.groups, self.keys, self.dtype, self.cache = name, groups, keys, dtype, cache
        self.shape = (len(keys), *shape)
        self.starts = np.concatenate([[0], np.cumsum([group.rows for group in groups], dtype=np.int64)])
        if self.starts[-1] != len(keys):
            raise DataError(
                f"{groups[0].file.parent}: row groups of {self.starts[-1]:,} rows, expected {len(keys):,}; the table "
                "changed while it was read: run again"
            )

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        values = np.zeros((len(rows), *self.shape[1:]), self.dtype)  # of row -1, which is no survey's
        group = self.group_of(rows)
        order = np.argsort(group, kind="stable")
        numbers, first = np.unique(group[order], return_index=True)
        for number, mine in zip(numbers.tolist(), np.split(order, first[1:]), strict=True):
            if number >= 0:
                values[mine] = self._values(number)[rows[mine] - self.starts[number]]
        return values

    def group_of(self, rows: np.ndarray) -> np.ndarray:
        """Number of the row group of each of the `rows`; -1 of row -1."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def known(self) -> np.ndarray:
        """Which bands the surveys have, (n, band) bool, by one pass over the columns that tell it."""
        return np.concatenate([group.known() for group in self.groups])

    def _values(self, number: int) -> np.ndarray:
        size = self.groups[number].rows * int(np.prod(self.shape[1:])) * self.dtype.itemsize
        return self.cache.get((self.name, number), lambda: self._read(number), size)

    def _read(self, number: int) -> np.ndarray:
        group = self.groups[number]
        ids, values = group.values()
        if not np.array_equal(ids, self.keys[self.starts[number] : self.starts[number + 1], 1]):
            raise DataError(f"{group.file}: rows are out of order; rebuild the table")
        return values.astype(self.dtype, copy=False)


class Reading:
    """The order of surveys in which imagery that is streamed is read about once a pass: that of one input's row groups.

    leader : values of that input
    held : its row groups that are in memory at a time, with what other inputs that are streamed need for them
    """

    def __init__(self, leader: Streamed, held: int) -> None:
        self.leader, self.held = leader, held
        self._index = Index(leader.keys)

    def in_order(self, dataset: np.ndarray, survey: np.ndarray) -> np.ndarray:
        """Numbers of surveys (n,), given by dataset's number and id, in the order of the table."""
        return np.argsort(self._index(np.asarray(dataset), np.asarray(survey)), kind="stable")

    def shuffled(self, dataset: np.ndarray, survey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Numbers of surveys (n,) in an order that is random as `shuffled` says."""
        return shuffled(self._groups(dataset, survey), self.held, rng)

    def shuffled_pairs(
        self,
        first: tuple[np.ndarray, np.ndarray],
        second: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Numbers of pairs of surveys, each (dataset, survey), in an order that is random as `shuffled_pairs` says."""
        return shuffled_pairs(self._groups(*first), self._groups(*second), self.held, rng)

    def _groups(self, dataset: np.ndarray, survey: np.ndarray) -> np.ndarray:
        return self.leader.group_of(self._index(np.asarray(dataset), np.asarray(survey)))


def shuffled(group: np.ndarray, held: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of rows, each once, that needs few row groups at a time.

    group : (n,) the row group of each row; -1: it has none
    held : row groups that fit in memory
    rng : what the order follows from
    returns : (n,) row numbers

    The groups are put in random order, and each row is moved from its group's place by up to half of the groups that
    are held, uniformly, but not beyond the first or last group. So the rows of a batch are a mixture of those groups,
    in which each has the same share in the middle of a pass and at most about three times so at its ends. Two rows of
    one group meet in a batch more often than by chance: by the number of groups over those held. Over passes any two
    rows may meet. Rows without a group are anywhere.
    """
    numbers, which = np.unique(group, return_inverse=True)
    middle = rng.permutation(len(numbers))[which] + 0.5
    reach = max(0.5, (held - 2) / 2)  # while one group goes another comes
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach, len(numbers))
    low, high = np.where(group < 0, 0, low), np.where(group < 0, len(numbers), high)
    return np.argsort(low + rng.random(len(group)) * (high - low), kind="stable")


def shuffled_pairs(first: np.ndarray, second: np.ndarray, held: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of pairs of rows, each once, that needs few row groups at a time.

    first, second : (n,) the row groups of both rows of each pair; -1: it has none
    held : row groups that fit in memory
    rng : what the order follows from
    returns : (n,) numbers of pairs

    The groups are dealt at random to parts, of which two fit in memory. The pairs between two parts come together, in
    random order; a pass reads each group at most as often as there are parts.
    """
    numbers, which = np.unique(np.concatenate([first, second]), return_inverse=True)
    part = (rng.permutation(len(numbers)) // max(1, (held - 1) // 2))[which]
    parts, others = part[: len(first)], part[len(first) :]
    turned = np.where(parts % 2, -others, others)  # what was read last for one part is read first for the next
    return np.lexsort((rng.random(len(first)), turned, parts))
