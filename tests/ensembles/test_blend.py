import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc import scores, storage
from glc.ensembles import blend

M = 6


def folder(root, name, seed, folds=(0, 1)):
    rng = np.random.default_rng(seed)
    for split, fold in (("valid", np.repeat(folds, 4)), ("test", np.full(3, -1))):
        matrix = sparse.csr_matrix(rng.random((len(fold), M)).astype(np.float32))
        one = scores.Scores(np.arange(len(fold)) + 10, fold.astype(np.int32), np.arange(M, dtype=np.int32), matrix)
        (root / name / split).mkdir(parents=True)
        scores.write(one, root / name / split)
    return root / name


def test_members_are_chosen_by_the_other_folds_alone():
    fold = np.repeat([0, 1], 4)
    baseline = np.full(8, 0.5)
    first = np.where(fold == 0, 0.9, 0.4)  # beats it on fold 0 and on the mean of both
    second = np.full(8, 0.6)
    third = np.full(8, 0.5)  # equals it
    found = blend.choose(np.stack([baseline, first, second, third]), fold, [0, 1])
    assert {key: list(value) for key, value in found.items()} == {
        0: [False, True, False],
        1: [True, True, False],
        -1: [True, True, False],
    }
    changed = np.where(fold == 0, 0.0, first)
    again = blend.choose(np.stack([baseline, changed, second, third]), fold, [0, 1])
    np.testing.assert_array_equal(again[0], found[0])


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_blend_is_the_mean_of_the_chosen_and_the_baseline_where_there_is_none(tmp_path, average):
    folders = [folder(tmp_path, name, seed) for seed, name in enumerate(("a", "b", "baseline"))]
    chosen = {0: np.array([True, True]), 1: np.array([False, False]), -1: np.array([False, True])}
    out = tmp_path / "out"
    with storage.atomic_directory(out, task="Blend", identity="x", parameters={}) as scratch:
        for split in ("valid", "test"):
            (scratch / split).mkdir()
        blend.write(
            folders, scratch, chosen=chosen, names=["a", "b", "baseline"], average=average, keep=M,
            progress=lambda *_: None,
        )  # fmt: skip
    valid, test = (scores.read(out / split) for split in ("valid", "test"))
    a, b, base = ([scores.read(one / split) for split in ("valid", "test")] for one in folders)
    pair = scores.AVERAGES[average]([a[0], b[0]], M).matrix.toarray()
    assert_allclose(valid.matrix.toarray()[:4], pair[:4], rtol=1e-5)
    assert_allclose(valid.matrix.toarray()[4:], base[0].matrix.toarray()[4:], rtol=1e-4)
    assert_allclose(test.matrix.toarray(), b[1].matrix.toarray(), rtol=1e-4)
    told = {fold: one["members"] for fold, one in storage.manifest(out)["model_facts"].items()}
    assert told == {"0": {"a": 0.5, "b": 0.5}, "1": {"a": 0.0, "b": 0.0}, "test": {"a": 0.0, "b": 1.0}}
