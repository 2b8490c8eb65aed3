"""Measures of predicted species sets and scores, one implementation each.

Sets are boolean CSR matrices (survey, species) over one vocabulary, `predicted` and `actual` of equal shape; scores are
CSR float matrices over the same. Everything stays sparse or is worked in blocks, so that 4,716 x 11,255 is no burden.
"""

import numpy as np
from scipy import sparse
from scipy.stats import rankdata


def survey_f1(predicted, actual):
    """F1 of each survey, (n,) float64: 2 |P and A| / (|P| + |A|), 1 where both are empty."""
    hits = _row_sums(predicted.multiply(actual))
    total = _row_sums(predicted) + _row_sums(actual)
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)


def sample_f1(predicted, actual):
    """Sample-averaged F1, the measure of GeoLifeCLEF: the mean of `survey_f1`."""
    return float(survey_f1(predicted, actual).mean())


def micro_f1(predicted, actual):
    """F1 of all (survey, species) decisions pooled."""
    hits = predicted.multiply(actual).sum()
    total = predicted.sum() + actual.sum()
    return float(2 * hits / total) if total else 1.0


def macro_f1(predicted, actual):
    """Mean over species of F1, over the species that occur in `actual` or `predicted`."""
    hits = _column_sums(predicted.multiply(actual))
    total = _column_sums(predicted) + _column_sums(actual)
    seen = total > 0
    return float((2 * hits[seen] / total[seen]).mean()) if seen.any() else 1.0


def top_k_recall(scores, actual, k):
    """Mean over surveys (those with species) of the share of a survey's species among its `k` best scores."""
    hits = _row_sums(top_k(scores, k).multiply(actual))
    size = _row_sums(actual)
    return float((hits[size > 0] / size[size > 0]).mean()) if (size > 0).any() else float("nan")


def macro_auc(scores, actual, block=256):
    """Mean over species of the area under the ROC curve (ties count half), over species both present and absent.

    Scores that were not kept count as zero, tied below all others.
    """
    scores, actual = scores.tocsc(), actual.tocsc()
    n = actual.shape[0]
    present = _column_sums(actual)
    columns = np.flatnonzero((present > 0) & (present < n))
    areas = []
    for start in range(0, len(columns), block):
        chosen = columns[start : start + block]
        ranks = rankdata(scores[:, chosen].toarray(), axis=0)
        positive = actual[:, chosen].toarray().astype(bool)
        count = positive.sum(axis=0)
        areas.append(((ranks * positive).sum(axis=0) - count * (count + 1) / 2) / (count * (n - count)))
    return float(np.concatenate(areas).mean()) if areas else float("nan")


def top_k(scores, k):
    """Boolean CSR of the `k` best positive scores of each row, ties broken by column."""
    scores = scores.tocsr()
    ends = scores.indptr
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(ends))
    order = np.lexsort((scores.indices, -scores.data, rows))
    place = np.arange(len(order)) - ends[rows[order]]
    keep = order[(place < k) & (scores.data[order] > 0)]
    return sparse.csr_matrix(
        (np.ones(len(keep), bool), (rows[keep], scores.indices[keep])), shape=scores.shape, dtype=bool
    )


def _row_sums(matrix):
    return np.asarray(matrix.sum(axis=1, dtype=np.int64)).ravel()


def _column_sums(matrix):
    return np.asarray(matrix.sum(axis=0, dtype=np.int64)).ravel()
