import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.metrics import f1_score, roc_auc_score
from torchmetrics.classification import MultilabelF1Score

from glc import metrics


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
