"""The table of scores block by block: of the scores of all surveys only a few thousand surveys' are in memory at once.

Every row of the table lies best first (`glc.scores.write`), so that a block is a ranking as it is read. Blocks are read
and worked on by threads, and what comes of them is given in the order of the table.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from glc import storage, threads
from glc.prediction.ranking import Ranked, rank

T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """Some rows of a table of scores.

    rows : their place in the table; surveys : (n,) ids; fold : (n,) int32, -1 for test surveys
    ranked : their scores, columns of the vocabulary that `Table.each` was asked for; with labels where it had them
    """

    rows: slice
    surveys: np.ndarray
    fold: np.ndarray
    ranked: Ranked


class Table:
    """A table of scores, or some of its rows, whose scores stay on disk.

    surveys : (n,) ids, and fold : (n,) int32, -1 for test surveys, in the order of the table
    species : (m,) int32, ascending, all that the model may score
    """

    def __init__(self, folder: Path, rows: np.ndarray | None = None) -> None:
        """Read what the table holds apart from scores; a DataError names a folder without a table.

        folder : that `glc.scores.write` wrote
        rows : (n,) ascending, of the table that is written there; None: all
        """
        self.folder, self._rows = Path(folder), rows
        heads = storage.read_table(self.folder, "scores", columns=["surveyId", "fold"])
        surveys, fold = heads["surveyId"].to_numpy(), heads["fold"].to_numpy()
        self.surveys, self.fold = (surveys, fold) if rows is None else (surveys[rows], fold[rows])
        self.species = np.load(self.folder / "species.npy")

    def __len__(self) -> int:
        return len(self.surveys)

    def each(
        self,
        work: Callable[[Block], T],
        *,
        actual: sparse.csr_matrix | None = None,
        species: np.ndarray | None = None,
    ) -> Iterator[T]:
        """What `work` makes of each block, in their order; it is called in threads and must change nothing shared.

        actual : (n, m) boolean CSR, the labels of the surveys
        species : (m,) ascending ids that the columns are of, and those of `actual`; None: the table's own
        """
        column = np.arange(len(self.species)) if species is None else np.searchsorted(species, self.species)
        column_of = np.zeros(self.species.max(initial=0) + 1, np.int32)
        column_of[self.species] = column

        def one(path: Path, group: int, at: slice, chosen: np.ndarray | None) -> T:
            table = pq.ParquetFile(path).read_row_group(group, columns=["species", "score"], use_threads=False)
            ranked = _ranked(table, column_of)
            if chosen is not None:
                ranked = ranked.rows(chosen)
            return work(Block(at, self.surveys[at], self.fold[at], labelled(ranked, actual, at)))

        parts = list(self._parts())
        return threads.in_order(one, parts, min(threads.cores(), max(len(parts), 1)))

    def _parts(self) -> Iterator[tuple[Path, int, slice, np.ndarray | None]]:
        """File, number of the row group, place in this table, and rows of the group (None: all) of each part."""
        start = 0
        for path in sorted(self.folder.glob("*.parquet")):
            facts = pq.read_metadata(path)
            for group in range(facts.num_row_groups):
                stop = start + facts.row_group(group).num_rows
                if self._rows is None:
                    yield path, group, slice(start, stop), None
                else:
                    first, last = np.searchsorted(self._rows, [start, stop])
                    if first < last:
                        yield path, group, slice(int(first), int(last)), self._rows[first:last] - start
                start = stop


class Held:
    """Scores in memory, for what works on a `Table`: one block of all surveys.

    matrix : (n, m) CSR; fold : (n,); of which species its columns are does not matter
    """

    def __init__(self, matrix: sparse.csr_matrix, fold: np.ndarray) -> None:
        self.matrix, self.fold = matrix, np.asarray(fold)
        self.surveys = np.arange(len(self.fold))

    def each(
        self, work: Callable[[Block], T], *, actual: sparse.csr_matrix | None = None, species: np.ndarray | None = None
    ) -> Iterator[T]:
        """As of a `Table`."""
        at = slice(0, len(self.fold))
        yield work(Block(at, self.surveys, self.fold, labelled(rank(self.matrix), actual, at)))


def labelled(ranked: Ranked, actual: sparse.csr_matrix | None, rows: slice) -> Ranked:
    """The same ranking with the labels of its surveys, `rows` of `actual`."""
    if actual is None:
        return ranked
    own = actual[rows]
    dense = own.toarray()
    hits = dense[np.repeat(np.arange(len(dense)), ranked.lengths), ranked.columns]
    return dataclasses.replace(ranked, hits=hits, actual=np.asarray(own.sum(axis=1)).ravel())


def _ranked(table: pa.Table, column_of: np.ndarray) -> Ranked:
    ids, scored = (table[name].combine_chunks() for name in ("species", "score"))
    lengths = ids.value_lengths().to_numpy()
    columns, values = column_of[ids.flatten().to_numpy()], scored.flatten().to_numpy()
    positive = values > 0
    if not positive.all():
        row = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(row[positive], minlength=len(lengths))
        columns, values = columns[positive], values[positive]
    return Ranked(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), columns, values)
