import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc import config, registry, scores, storage
from glc.ensembles import blend
from glc.ensembles.blend import Blend
from glc.ensembles.stack import check_member
from glc.errors import ConfigError
from glc.labels import to_lists
from glc.prediction import sets
from tests.helpers import survey_data

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


def test_one_fold_is_blended_by_halves_and_keeps_its_order(tmp_path):
    folders = [folder(tmp_path, name, seed, folds=(0,)) for seed, name in enumerate(("a", "b", "baseline"))]
    chosen = {0: np.array([True, False]), 1: np.array([False, True]), -1: np.array([True, True])}
    halves = {10: 1, 11: 0, 12: 1, 13: 0}
    out = tmp_path / "out"
    with storage.atomic_directory(out, task="Blend", identity="x", parameters={}) as scratch:
        for split in ("valid", "test"):
            (scratch / split).mkdir()
        blend.write(
            folders, scratch, chosen=chosen, names=["a", "b", "baseline"], average="probabilities", keep=M,
            halves=halves, progress=lambda *_: None,
        )  # fmt: skip
    made = scores.read(out / "valid")
    a, b, _ = (scores.read(one / "valid") for one in folders)
    assert made.surveys.tolist() == [10, 11, 12, 13]
    assert made.fold.tolist() == [0, 0, 0, 0]
    assert_allclose(made.matrix.toarray()[[1, 3]], a.matrix.toarray()[[1, 3]], rtol=1e-6)
    assert_allclose(made.matrix.toarray()[[0, 2]], b.matrix.toarray()[[0, 2]], rtol=1e-6)
    weights = {key: one["members"] for key, one in storage.manifest(out)["model_facts"].items()}
    assert weights == {"half 1": {"a": 1, "b": 0}, "half 2": {"a": 0, "b": 1}, "test": {"a": 0.5, "b": 0.5}}


def test_members_of_one_fold_are_chosen_by_the_other_half_of_its_blocks(tmp_path):
    data = survey_data(n_train=60, folds=2)
    rows = data.valid(0)
    ids, half = data.places["surveyId"].to_numpy()[rows], sets.halves(data.places["block"].to_numpy()[rows])

    def predicted(name, right):
        """Predictions that are the labels where `right`, elsewhere nothing but one species."""
        actual = data.labels_of(rows).toarray()
        one = np.zeros_like(actual)
        one[:, 0] = True
        matrix = sparse.csr_matrix(np.where(right[:, None], actual, one))
        table = pa.table(
            {"surveyId": ids, "fold": np.zeros(len(ids), np.int32), "species": to_lists(matrix, data.species)}
        )
        storage.write_table(table, "predictions", tmp_path / name / "valid")
        return tmp_path / name

    folders = [
        predicted("baseline", np.zeros(len(ids), bool)),
        predicted("first", half == 0),
        predicted("all", half < 2),
    ]
    chosen, halves = blend.choose_by_sets(folders, data, range(1))
    assert halves == dict(zip(ids.tolist(), half.tolist(), strict=True))
    found = {key: value.tolist() for key, value in chosen.items()}
    assert found == {0: [False, True], 1: [True, True], -1: [True, True]}, "no half chooses for itself"


def test_cross_fused_nets_join_a_blend_of_one_fold_alone():
    fused = config.load("tighnari-published")
    one, three = (dataclasses.replace(fused.validation, run=run) for run in (1, 3))
    check_member("fused", fused, config.Surveys(), one, Blend.joins_cross_fused)
    with pytest.raises(
        ConfigError, match=r"honest on the first fold alone.*or run one fold alone: validation\.run = 1"
    ):
        check_member("fused", fused, config.Surveys(), three, Blend.joins_cross_fused)
    with pytest.raises(ConfigError, match=r"write fused\+cross_fusion\.use=false$"):
        check_member("fused", fused, config.Surveys(), one, registry.models.get("stack").joins_cross_fused)
