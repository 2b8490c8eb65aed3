"""Scores of species at surveys: a sparse matrix with its row and column names, and its table on disk."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse
from scipy.special import expit, logit

from glc import schema, storage, threads
from glc.best_first import best_first
from glc.errors import DataError
from glc.surveys import SurveyData

_FULL = 0.5
"""Share of entries from which the sum of sparse matrices takes longer than that of dense ones."""
_DENSE_ENTRIES = 1_000_000
"""Entries that are dense at once."""
_SORTED_ENTRIES = 200_000
"""Entries that are sorted at once: they stay in the processor's cache."""
_SPREAD = 0.05
"""Share of entries from which the best of a row are found faster among all columns than by sorting its entries."""
_GROUP_ROWS = 2_048
"""Rows of a row group of the table, which are in memory at once."""
_ENCODING = {
    "compression": "zstd",
    "use_dictionary": ["species.list.element"],
    # scores of a row fall slowly: their first bytes, put together, are nearly equal
    "use_byte_stream_split": ["score.list.element"],
}


@dataclass(frozen=True)
class Scores:
    """Scores of `species` (m,) at `surveys` (n,): `matrix` (n, m) CSR float32, higher is likelier, absent is zero.

    fold : (n,) int32, the validation fold whose model (fitted without it) gave the row, -1 for test surveys
    """

    surveys: np.ndarray
    fold: np.ndarray
    species: np.ndarray
    matrix: sparse.csr_matrix

    def rows(self, chosen: np.ndarray) -> "Scores":
        """The same scores for `chosen` rows (indices or a mask)."""
        return Scores(self.surveys[chosen], self.fold[chosen], self.species, self.matrix[chosen])

    def of_fold(self, fold: int) -> "Scores":
        """The rows of one fold."""
        return self.rows(np.flatnonzero(self.fold == fold))


def keep_best(matrix: np.ndarray | sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """CSR of the `keep` highest positive scores of each row of `matrix` (dense block or CSR), ties broken by column.

    Where scores are left out, those of each row come best first.
    """
    if isinstance(matrix, np.ndarray):
        matrix = from_dense(np.maximum(np.asarray(matrix, np.float32), 0))
    matrix = matrix.tocsr().astype(np.float32, copy=False)
    lengths = np.diff(matrix.indptr)
    if lengths.max(initial=0) <= keep:
        return matrix
    step = max(1, _SORTED_ENTRIES // matrix.shape[1])

    def best(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = slice(*matrix.indptr[[start, min(start + step, matrix.shape[0])]])
        order, data = best_first(matrix.indices[part], matrix.data[part], lengths[start : start + step])
        order, data = order[:, :keep], data[:, :keep]
        positive = data > 0
        return positive.sum(axis=1), order[positive], data[positive]

    calls = [(start,) for start in range(0, matrix.shape[0], step)]
    parts = list(threads.in_order(best, calls, min(threads.cores(), len(calls))))
    kept, columns, data = (np.concatenate(each) for each in zip(*parts, strict=True))
    return sparse.csr_matrix((data, columns, np.concatenate([[0], np.cumsum(kept)])), shape=matrix.shape)


def _step(columns: int) -> int:
    """Rows of a block that is made dense, or sorted, at once."""
    return max(1, _DENSE_ENTRIES // max(columns, 1))


def from_dense(block: np.ndarray) -> sparse.csr_matrix:
    """CSR of a dense (n, m) `block`, most of which is not zero: as ``csr_matrix(block)``, which takes longer."""
    known = block != 0
    counts = known.sum(axis=1)
    every = counts.sum() == block.size
    columns = np.broadcast_to(np.arange(block.shape[1], dtype=np.int32), block.shape)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    data, indices = (block.ravel(), columns.ravel()) if every else (block[known], columns[known])
    return sparse.csr_matrix((data, indices, indptr), shape=block.shape)


def of_rows(data: SurveyData, rows: np.ndarray, fold: int, matrix: sparse.csr_matrix) -> Scores:
    """Scores of the survey `rows` of a `glc.surveys.SurveyData`, all of one fold."""
    return Scores(
        data.places["surveyId"].to_numpy()[rows], np.full(len(rows), fold, np.int32), data.species, matrix.tocsr()
    )


def mean(parts: Iterable[Scores], keep: int) -> Scores:
    """The mean of several models' scores of the same surveys."""
    parts = list(parts)
    for part in parts[1:]:
        if not np.array_equal(part.surveys, parts[0].surveys) or not np.array_equal(part.species, parts[0].species):
            raise DataError("scores of different surveys or species cannot be averaged; score them with one dataset")
    total = _sum([part.matrix.tocsr() for part in parts]) / np.float32(len(parts))
    return Scores(parts[0].surveys, parts[0].fold, parts[0].species, keep_best(total.tocsr(), keep))


def _sum(matrices: list[sparse.csr_matrix]) -> sparse.csr_matrix:
    """The sum of CSR matrices, to the bit as ``+`` gives it; of full ones by way of dense rows, which is faster."""
    rows, columns = matrices[0].shape
    if len(matrices) == 1 or min(matrix.nnz for matrix in matrices) < _FULL * rows * columns:
        return sum(matrices[1:], matrices[0])
    blocks, step = [], _step(columns)
    for start in range(0, rows, step):
        total = matrices[0][start : start + step].toarray()
        for matrix in matrices[1:]:
            total += matrix[start : start + step].toarray()
        blocks.append(from_dense(total))
    return sparse.vstack(blocks, format="csr")


FLOOR = 1e-6
"""Probability of what has no score, where logits are averaged: a species that a fold's training never saw, say."""


def mean_logits(parts: Iterable[Scores], keep: int) -> Scores:
    """Several models' scores of the same surveys as one: the probability of their mean logit (Tighnari 2024, eq. 10).

    What no model names has no score; what some do not name has the logit of `FLOOR` there.
    """

    def above_floor(part: Scores) -> Scores:
        matrix = part.matrix.astype(np.float64)
        matrix.data = logit(np.clip(matrix.data, FLOOR, 1 - FLOOR)) - logit(FLOOR)
        return Scores(part.surveys, part.fold, part.species, matrix)

    combined = mean([above_floor(part) for part in parts], keep)
    combined.matrix.data = expit(combined.matrix.data + np.float32(logit(FLOOR)))
    return combined


AVERAGES = {"probabilities": mean, "logits": mean_logits}


def combine(
    folders: Sequence[Path], out: Path, keep: int, average: str = "probabilities", cloned: bool = False
) -> None:
    """Join the ``valid`` scores and average the ``test`` scores of several folds' `folders` under `out`.

    average : of `AVERAGES`
    cloned : the nets of the later folds come from the first one's, which learnt their validation labels: ``valid`` is
        that of the first alone, and ``optimistic`` the average of all for the same surveys (their ``first``)
    """
    mean_of = AVERAGES[average]
    honest = folders[:1] if cloned else folders
    rows = {
        "valid_rows": write_parts((read(folder / "valid") for folder in honest), out / "valid"),
        "test_rows": write(mean_of((read(folder / "test") for folder in folders), keep), out / "test"),
    }
    if cloned:
        of_first = [read(folders[0] / "valid"), *(read(folder / "first") for folder in folders[1:])]
        rows["optimistic_rows"] = write(mean_of(of_first, keep), out / "optimistic")
    storage.note(out, **rows)


def stack(parts: Iterable[Scores]) -> Scores:
    """One Scores of several with the same species."""
    parts = list(parts)
    for part in parts[1:]:
        _refuse_others(part.species, parts[0].species)
    return Scores(
        np.concatenate([part.surveys for part in parts]),
        np.concatenate([part.fold for part in parts]),
        parts[0].species,
        sparse.vstack([part.matrix for part in parts], format="csr", dtype=np.float32),
    )


def write(scores: Scores, folder: Path) -> int:
    """Write `scores` as a table of schema ``scores``, each row best first; return the row count."""
    return write_parts([scores], folder)


def write_parts(parts: Iterable[Scores], folder: Path) -> int:
    """Write scores of the same species as one table, as `write` their `stack`; each part is asked for when its turn
    comes and need not stay in memory. At least one is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = schema.TABLES["scores"]
    species, count, waiting = None, 0, [wanted.empty_table()]
    with pq.ParquetWriter(folder / "part-0.parquet", wanted, **_ENCODING) as writer, ThreadPoolExecutor(1) as pool:

        def add(part: Scores) -> None:
            for start in range(0, len(part.surveys), _GROUP_ROWS):
                waiting.append(_best_first(part, slice(start, start + _GROUP_ROWS)))
                flush(_GROUP_ROWS)

        def flush(least: int) -> None:
            rows = pa.concat_tables(waiting).combine_chunks()
            while rows.num_rows >= least and rows.num_rows:
                writer.write_table(rows.slice(0, _GROUP_ROWS), row_group_size=_GROUP_ROWS)
                rows = rows.slice(_GROUP_ROWS)
            waiting[:] = [rows]

        adding = pool.submit(lambda: None)
        for part in parts:  # a part is written while the next is made
            if species is not None:
                _refuse_others(part.species, species)
            species, count = part.species, count + len(part.surveys)
            adding.result()
            adding = pool.submit(add, part)
        adding.result()
        flush(0)
    np.save(folder / "species.npy", np.asarray(species, np.int32))
    return count


def _refuse_others(species: np.ndarray, first: np.ndarray) -> None:
    if not np.array_equal(species, first):
        raise DataError("scores of different species lists cannot be stacked; score all folds with one dataset")


def _best_first(scores: Scores, rows: slice) -> pa.Table:
    """Some rows of `scores` as a table of schema ``scores``."""
    matrix = scores.matrix[rows].tocsr()
    columns, data = matrix.indices, matrix.data
    if not _is_best_first(matrix):
        lengths = np.diff(matrix.indptr)
        if (data > 0).all():
            columns, data = best_first(columns, data.astype(np.float32, copy=False), lengths)
            known = np.arange(columns.shape[1]) < lengths[:, None]
            columns, data = columns[known], data[known]
        else:
            order = np.lexsort((columns, -data, np.repeat(np.arange(matrix.shape[0]), lengths)))
            columns, data = columns[order], data[order]
    offsets = pa.array(matrix.indptr.astype(np.int32))
    table = pa.table(
        {
            "surveyId": scores.surveys[rows].astype(np.int64),
            "fold": scores.fold[rows].astype(np.int32),
            "species": pa.ListArray.from_arrays(offsets, pa.array(scores.species[columns].astype(np.int32))),
            "score": pa.ListArray.from_arrays(offsets, pa.array(data.astype(np.float32, copy=False))),
        }
    )
    return schema.check(table, "scores", "scores")


def _is_best_first(matrix: sparse.csr_matrix) -> bool:
    """Whether each row of a CSR matrix falls, the lower column first among equals."""
    data, columns = matrix.data, matrix.indices
    fine = (data[1:] < data[:-1]) | ((data[1:] == data[:-1]) & (columns[1:] > columns[:-1]))
    first = matrix.indptr[1:-1]  # of each row but the first one; what is before it does not matter
    fine[first[(first > 0) & (first < len(data))] - 1] = True
    return bool(fine.all())


def read(folder: Path) -> Scores:
    """Read the Scores that `write` wrote."""
    table = storage.read_table(folder, "scores")
    species = np.load(folder / "species.npy")
    lists, values = table["species"], table["score"]
    lengths = np.concatenate([np.zeros(0, np.int64), *(chunk.value_lengths().to_numpy() for chunk in lists.chunks)])
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    column_of = np.zeros(species.max(initial=0) + 1, np.int32)
    column_of[species] = np.arange(len(species))
    columns, data = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    at = 0
    for ids, scored in zip(lists.chunks, values.chunks, strict=True):
        flat = ids.flatten().to_numpy()
        columns[at : at + len(flat)], data[at : at + len(flat)] = column_of[flat], scored.flatten().to_numpy()
        at += len(flat)
    matrix = sparse.csr_matrix((data, columns, indptr), (table.num_rows, len(species)))
    matrix.sort_indices()
    return Scores(table["surveyId"].to_numpy(), table["fold"].to_numpy(), species, matrix)


def top_k(scores: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """Boolean CSR of the `k` best positive scores of each row, ties broken by column."""
    blocks = [_top_k(block, k) for block in _blocks(scores.tocsr())]
    return sparse.vstack(blocks, format="csr", dtype=bool) if blocks else sparse.csr_matrix(scores.shape, dtype=bool)


def _blocks(matrix: sparse.csr_matrix) -> Iterator[sparse.csr_matrix]:
    """The rows of a CSR matrix, as many at a time as may be dense."""
    step = _step(matrix.shape[1])
    return (matrix[start : start + step] for start in range(0, matrix.shape[0], step))


def _top_k(block: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    rows, columns = block.shape
    if not 0 < k < columns or block.nnz < _SPREAD * rows * columns:
        return _sorted_top_k(block, k)
    dense = block.toarray()
    dense[~(dense > 0)] = 0
    floor = np.partition(dense, -k, axis=1)[:, -k, None]
    chosen = dense > floor
    ties = (dense == floor) & (floor > 0)
    chosen |= ties & (np.cumsum(ties, axis=1, dtype=np.int32) <= k - chosen.sum(axis=1, keepdims=True))
    return sparse.csr_matrix(chosen)


def _sorted_top_k(scores: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    ends = scores.indptr
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(ends))
    order = np.lexsort((scores.indices, -scores.data, rows))
    place = np.arange(len(order)) - ends[rows[order]]
    keep = order[(place < k) & (scores.data[order] > 0)]
    return sparse.csr_matrix(
        (np.ones(len(keep), bool), (rows[keep], scores.indices[keep])), shape=scores.shape, dtype=bool
    )
