"""Blocks of the members' score tables, in step: only `ROWS` surveys of each are in memory at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from glc.errors import DataError
from glc.surveys import SurveyData

ROWS = 512
"""Surveys that are worked on at once."""


@dataclass(frozen=True)
class Block:
    """Some rows of the members' tables.

    first : place of the first one in the tables; surveys : (n,) ids; fold : (n,)
    parts : the rows of each member's table
    folders : of these tables
    column_of : column of each species id in the dataset's vocabulary, -1 where it has none; columns : its length
    """

    first: int
    surveys: np.ndarray
    fold: np.ndarray
    parts: Sequence[pa.RecordBatch]
    folders: Sequence[Path]
    column_of: np.ndarray
    columns: int

    def matrices(self, rows: np.ndarray) -> list[sparse.csr_matrix]:
        """The members' scores of some `rows` (k,) of the block: (k, m) CSR, best first in each row.

        They are made here, and not as the tables are read, so that threads can share the work.
        """
        return [self._matrix(part, folder, rows) for part, folder in zip(self.parts, self.folders, strict=True)]

    def _matrix(self, part: pa.RecordBatch, folder: Path, rows: np.ndarray) -> sparse.csr_matrix:
        if len(rows) < len(part):
            part = pa.record_batch([part[name].take(pa.array(rows)) for name in ("species", "score")], _SCORES)
        lists, values = part["species"], part["score"]
        indptr = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())])
        ids = lists.flatten().to_numpy()
        columns = self.column_of[np.minimum(ids, len(self.column_of) - 1)]
        if len(columns) and columns.min() < 0:
            raise DataError(
                f"{folder}: scores of species {ids[columns < 0][0]}, which is in no record of the dataset; expected "
                "the dataset's species; score all members on the same dataset"
            )
        return sparse.csr_matrix((values.flatten().to_numpy(), columns, indptr), (len(rows), self.columns), copy=True)


_SCORES = ["species", "score"]


def read(folders: Sequence[Path], data: SurveyData) -> Iterator[Block]:
    """The blocks of the members' score tables, which must have the same surveys in the same order."""
    column_of = np.full(data.species.max(initial=0) + 2, -1, np.int32)  # the last one is for all ids beyond
    column_of[data.species] = np.arange(len(data.species))
    tables = [pq.ParquetFile(folder / "part-0.parquet").iter_batches(batch_size=ROWS) for folder in folders]
    first = 0
    for parts in zip(*tables, strict=True):
        surveys, fold = (parts[0][name].to_numpy() for name in ("surveyId", "fold"))
        for folder, part in zip(folders, parts, strict=True):
            theirs = part["surveyId"].to_numpy(), part["fold"].to_numpy()
            if not (np.array_equal(surveys, theirs[0]) and np.array_equal(fold, theirs[1])):
                raise DataError(f"{folder}: surveys or folds differ from {folders[0]}; score all members with one data")
        yield Block(first, surveys, fold, parts, folders, column_of, len(data.species))
        first += len(surveys)
