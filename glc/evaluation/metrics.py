"""Measures of predicted species sets and scores, one implementation each.

Sets are boolean CSR matrices (survey, species) over one vocabulary, `predicted` and `actual` of equal shape; scores are
CSR float matrices over the same. Everything stays sparse or is worked in blocks, so that 4,716 x 11,255 is no burden.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from glc.scores import top_k

LISTED = 30
"""Species that GeoLifeCLEF 2020 lets a survey have."""


def survey_f1(predicted: sparse.csr_matrix, actual: sparse.csr_matrix) -> np.ndarray:
    """F1 of each survey, (n,) float64: 2 |P and A| / (|P| + |A|), 1 where both are empty."""
    hits = _row_sums(predicted.multiply(actual))
    total = _row_sums(predicted) + _row_sums(actual)
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)


def sample_f1(predicted: sparse.csr_matrix, actual: sparse.csr_matrix) -> float:
    """Sample-averaged F1, the measure of GeoLifeCLEF: the mean of `survey_f1`."""
    return float(survey_f1(predicted, actual).mean())


def micro_f1(predicted: sparse.csr_matrix, actual: sparse.csr_matrix) -> float:
    """F1 of all (survey, species) decisions pooled."""
    hits = predicted.multiply(actual).sum()
    total = predicted.sum() + actual.sum()
    return float(2 * hits / total) if total else 1.0


def macro_f1(predicted: sparse.csr_matrix, actual: sparse.csr_matrix) -> float:
    """Mean over species of F1, over the species that occur in `actual` or `predicted`."""
    hits = _column_sums(predicted.multiply(actual))
    total = _column_sums(predicted) + _column_sums(actual)
    seen = total > 0
    return float((2 * hits[seen] / total[seen]).mean()) if seen.any() else 1.0


def top_k_recall(scores: sparse.csr_matrix, actual: sparse.csr_matrix, k: int) -> float:
    """Mean over surveys (those with species) of the share of a survey's species among its `k` best scores."""
    hits = _row_sums(top_k(scores, k).multiply(actual))
    size = _row_sums(actual)
    return float((hits[size > 0] / size[size > 0]).mean()) if (size > 0).any() else float("nan")


def top_30(scores: sparse.csr_matrix, label: np.ndarray, k: int = LISTED) -> float:
    """Share of surveys whose one species is among their `k` best positive scores, ties broken by column.

    label : (n,) column of each survey's species in `scores`, -1 where it has none (Deneu et al. 2020, section 2.4)
    """
    return float(in_top_30(scores, label, k).mean())


def in_top_30(scores: sparse.csr_matrix, label: np.ndarray, k: int = LISTED) -> np.ndarray:
    """Whether each survey counts for `top_30`, (n,) bool."""
    scores, label = scores.tocsr(), np.asarray(label)
    own, ends = _own_scores(scores, label), scores.indptr
    better = np.zeros(len(label), np.int64)
    for rows in _row_blocks(ends):
        part = slice(ends[rows.start], ends[rows.stop])
        row = np.repeat(np.arange(rows.start, rows.stop), np.diff(ends[rows.start : rows.stop + 1]))
        ahead = scores.data[part] > own[row]
        ahead |= (scores.data[part] == own[row]) & (scores.indices[part] < label[row])
        better[rows] = np.bincount(row[ahead] - rows.start, minlength=rows.stop - rows.start)
    return (own > 0) & (better < k)


def adaptive_top_30(scores: sparse.csr_matrix, label: np.ndarray, k: int = LISTED) -> float:
    """Share of surveys whose one species scores above one threshold for all, by which `k` species a survey pass.

    label : as in `top_30`; the threshold is `adaptive_threshold`, on average over the surveys at most `k` species lie
    above it. GeoLifeCLEF 2020's main measure (Deneu et al. 2020, section 2.4)
    """
    return float(in_adaptive_top_30(scores, label, k).mean())


def in_adaptive_top_30(scores: sparse.csr_matrix, label: np.ndarray, k: int = LISTED) -> np.ndarray:
    """Whether each survey counts for `adaptive_top_30`, (n,) bool."""
    label = np.asarray(label)
    own = _own_scores(scores.tocsr(), label)
    return (own > adaptive_threshold(scores, k)) & (label >= 0)


def adaptive_threshold(scores: sparse.csr_matrix, k: int = LISTED, chunk: int = 4_000_000) -> float:
    """The smallest threshold above which at most `k` scores a survey lie on average, exactly.

    It is the (k n + 1)-th largest of all n x m scores, so that ties with it do not pass; -inf where there are no more
    scores than that. Scores that were not kept count as zero. `chunk` values are looked at a time.
    """
    scores = scores.tocsr()
    parts = (scores.data[start : start + chunk] for start in range(0, scores.nnz, chunk))
    n, m = scores.shape
    return threshold_of(parts, n, m, k)


def threshold_of(parts: Iterable[np.ndarray], n: int, m: int, k: int = LISTED) -> float:
    """`adaptive_threshold` of (n, m) scores, whose stored values come in parts."""
    wanted = k * n + 1
    if n * m < wanted:
        return -np.inf
    best, floor = np.zeros(0, np.float32), 0
    for part in parts:
        best = np.concatenate([best.astype(part.dtype, copy=False), part[part > floor]])
        if len(best) >= wanted:
            best = np.partition(best, len(best) - wanted)[len(best) - wanted :]
            floor = best[0]
    return float(floor) if len(best) >= wanted else 0.0


def macro_auc(scores: sparse.csr_matrix, actual: sparse.csr_matrix, block: int = 256) -> float:
    """Mean over species of `species_auc`, over species both present and absent."""
    areas = species_auc(scores, actual, block)
    areas = areas[np.isfinite(areas)]
    return float(areas.mean()) if len(areas) else float("nan")


def species_auc(scores: sparse.csr_matrix, actual: sparse.csr_matrix, block: int = 256) -> np.ndarray:
    """Area under the ROC curve of each species (ties count half), (m,); NaN of one that is nowhere or everywhere.

    Scores that were not kept count as zero, tied below all others.
    """
    scores, actual = scores.tocsc(), actual.tocsc()
    n = actual.shape[0]
    present = _column_sums(actual)
    columns = np.flatnonzero((present > 0) & (present < n))
    areas = np.full(actual.shape[1], np.nan)
    for start in range(0, len(columns), block):
        chosen = columns[start : start + block]
        ranks = rankdata(scores[:, chosen].toarray(), axis=0)
        positive = actual[:, chosen].toarray().astype(bool)
        count = positive.sum(axis=0)
        areas[chosen] = ((ranks * positive).sum(axis=0) - count * (count + 1) / 2) / (count * (n - count))
    return areas


def _own_scores(scores: sparse.csr_matrix, label: np.ndarray) -> np.ndarray:
    """Score of each row's `label` column, (n,); 0 where that is -1."""
    own = np.asarray(scores[np.arange(len(label)), np.maximum(label, 0)]).ravel()
    return np.where(label >= 0, own, 0)


def _row_blocks(ends: np.ndarray, values: int = 4_000_000) -> list[slice]:
    """Slices of the rows of a CSR matrix with `ends` as its indptr, of about `values` stored values each."""
    starts = np.unique(np.searchsorted(ends, np.arange(0, ends[-1], values), side="right") - 1)
    cuts = [*starts.tolist(), len(ends) - 1]
    return [slice(*pair) for pair in pairwise(cuts)]


def _row_sums(matrix: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=1, dtype=np.int64)).ravel()


def _column_sums(matrix: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0, dtype=np.int64)).ravel()
