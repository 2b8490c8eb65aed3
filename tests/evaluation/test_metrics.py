import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.metrics import f1_score, roc_auc_score

from glc import nets  # noqa: F401 - nets prepare for torchvision, which torchmetrics imports
from glc.evaluation import metrics


@pytest.fixture
def sets():
    rng = np.random.default_rng(3)
    predicted, actual = rng.random((40, 30)) < 0.2, rng.random((40, 30)) < 0.15
    actual[5] = False
    return predicted, actual


def csr(array):
    return sparse.csr_matrix(array)


def test_f1_by_hand():
    predicted = csr(np.array([[1, 1, 0, 0], [0, 0, 0, 1]], bool))
    actual = csr(np.array([[1, 0, 1, 0], [0, 0, 0, 1]], bool))
    assert_allclose(metrics.survey_f1(predicted, actual), [0.5, 1.0])
    assert metrics.micro_f1(predicted, actual) == pytest.approx(2 * 2 / (3 + 3))
    # species 0: 1, species 1: 0, species 2: 0, species 3: 1
    assert metrics.macro_f1(predicted, actual) == pytest.approx(0.5)


def test_f1_agrees_with_scikit_learn_and_torchmetrics(sets):
    from torchmetrics.classification import MultilabelF1Score

    predicted, actual = sets
    wanted = f1_score(actual, predicted, average="samples", zero_division=0)
    assert metrics.sample_f1(csr(predicted), csr(actual)) == pytest.approx(wanted)
    score = MultilabelF1Score(num_labels=30, average="micro")
    wanted = score(torch.tensor(predicted).float(), torch.tensor(actual).int()).item()
    assert metrics.micro_f1(csr(predicted), csr(actual)) == pytest.approx(wanted, abs=1e-6)
    wanted = f1_score(actual, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1(csr(predicted), csr(actual)) == pytest.approx(wanted)


def test_auc_agrees_with_scikit_learn_with_ties_and_zeros(sets):
    _, actual = sets
    rng = np.random.default_rng(4)
    scores = np.round(rng.random(actual.shape) * 4) / 4 * (rng.random(actual.shape) < 0.7)
    both = [c for c in range(30) if 0 < actual[:, c].sum() < 40]
    wanted = np.mean([roc_auc_score(actual[:, c], scores[:, c]) for c in both])
    assert metrics.macro_auc(csr(scores), csr(actual), block=7) == pytest.approx(wanted)


def test_top_k_takes_the_best_and_only_positive_scores():
    scores = csr(np.array([[0.1, 0.5, 0.0, 0.5], [0.0, 0.0, 0.2, 0.0]]))
    assert metrics.top_k(scores, 2).toarray().tolist() == [[False, True, False, True], [False, False, True, False]]


def test_recall_leaves_out_surveys_without_species(sets):
    _, actual = sets
    perfect = csr(actual.astype(float))
    assert metrics.top_k_recall(perfect, csr(actual), 30) == pytest.approx(1.0)
    assert metrics.top_k_recall(perfect, csr(actual), 1) == pytest.approx(
        np.mean([1 / row.sum() for row in actual if row.any()])
    )


def by_the_formula(scores, label, k):
    """The adaptive measure as written, tried with every score as the threshold (and below all of them)."""
    candidates = [-np.inf, *np.unique(scores)]
    least = min(kappa for kappa in candidates if (scores > kappa).sum() <= k * len(scores))
    return least, np.mean([scores[i, own] > least for i, own in enumerate(label)])


def test_adaptive_top_k_by_hand():
    # 2 surveys, 1 species each on average: 2 of 8 scores may pass, so the third best, 0.5, is the threshold
    scores = csr(np.array([[0.9, 0.6, 0.5, 0.0], [0.3, 0.2, 0.1, 0.0]]))
    assert metrics.adaptive_threshold(scores, 1) == 0.5
    assert metrics.adaptive_top_30(scores, [1, 0], k=1) == 0.5
    # top-1 gives each survey one species; the adaptive measure gives both to the surer one
    assert metrics.top_30(scores, [1, 0], k=1) == 0.5
    assert metrics.in_top_30(scores, [1, 0], k=1).tolist() == [False, True]
    assert metrics.in_adaptive_top_30(scores, [1, 0], k=1).tolist() == [True, False]
    assert metrics.top_30(scores, [0, 0], k=1) == 1.0
    assert metrics.adaptive_top_30(scores, [0, 0], k=1) == 0.5


def test_ties_with_the_threshold_do_not_pass():
    scores = csr(np.array([[0.7, 0.4, 0.4], [0.4, 0.1, 0.0]]))
    assert metrics.adaptive_threshold(scores, 1) == pytest.approx(0.4)
    assert metrics.adaptive_top_30(scores, [1, 0], k=1) == 0.0
    assert metrics.top_30(scores, [2, 0], k=2) == 0.5  # of equal scores the first columns count


@pytest.mark.parametrize("k", [1, 3, 8, 30])
@pytest.mark.parametrize("chunk", [5, 64, 10_000])
def test_adaptive_top_k_is_the_formula(k, chunk):
    rng = np.random.default_rng(k)
    scores = np.round(rng.random((37, 40)) ** 3, 2) * (rng.random((37, 40)) < 0.6)
    label = rng.integers(0, 40, 37)
    threshold, wanted = by_the_formula(scores, label, k)
    assert metrics.adaptive_threshold(csr(scores), k, chunk=chunk) == threshold
    assert metrics.adaptive_top_30(csr(scores), label, k) == pytest.approx(wanted)


def test_all_pass_where_there_are_no_more_species_than_wanted():
    scores = csr(np.array([[0.2, 0.0, 0.1]]))
    assert metrics.adaptive_threshold(scores, 3) == -np.inf
    assert metrics.adaptive_top_30(scores, [1], k=3) == 1.0
    assert metrics.adaptive_top_30(scores, [-1], k=3) == 0.0  # a species that no score is of


@pytest.mark.parametrize("values", [3, 50, 4_000_000])
def test_top_k_accuracy_is_that_of_the_ranking(monkeypatch, values):
    blocks = metrics._row_blocks
    monkeypatch.setattr(metrics, "_row_blocks", lambda ends: blocks(ends, values))
    rng = np.random.default_rng(5)
    scores = np.round(rng.random((60, 25)), 1) * (rng.random((60, 25)) < 0.5)
    scores[[0, 20, 59]] = 0
    label = rng.integers(-1, 25, 60)
    chosen = metrics.top_k(csr(scores), 4).toarray()
    wanted = np.mean([own >= 0 and chosen[i, own] for i, own in enumerate(label)])
    assert metrics.top_30(csr(scores), label, k=4) == pytest.approx(wanted)
