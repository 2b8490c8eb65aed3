"""Blocks of the members' score tables, in step: only `ROWS` surveys of each are in memory at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse

from glc import labels
from glc.errors import DataError
from glc.surveys import SurveyData

ROWS = 512
"""Surveys that are worked on at once."""


def read(folders: Sequence[Path], data: SurveyData) -> Iterator[tuple[np.ndarray, np.ndarray, list[sparse.csr_matrix]]]:
    """Blocks of the members' score tables, in step: (survey ids, folds, [CSR over the dataset's species])."""
    tables = [_read_blocks(folder, data.species) for folder in folders]
    for parts in zip(*tables, strict=True):
        surveys, fold, _ = parts[0]
        for folder, (other, other_fold, _) in zip(folders, parts, strict=True):
            if not (np.array_equal(surveys, other) and np.array_equal(fold, other_fold)):
                raise DataError(f"{folder}: surveys or folds differ from {folders[0]}; score all members with one data")
        yield surveys, fold, [matrix for _, _, matrix in parts]


def _read_blocks(folder, species):
    own = np.load(folder / "species.npy")
    for batch in pq.ParquetFile(folder / "part-0.parquet").iter_batches(batch_size=ROWS):
        lists, values = batch["species"], batch["score"]
        indptr = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())])
        columns = np.searchsorted(own, lists.flatten().to_numpy())
        matrix = sparse.csr_matrix(
            (values.flatten().to_numpy(), columns, indptr), (batch.num_rows, len(own)), copy=True
        )
        matrix.sort_indices()
        yield batch["surveyId"].to_numpy(), batch["fold"].to_numpy(), labels.widen(matrix, own, species)
