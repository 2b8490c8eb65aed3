import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit

from glc import config, scores, storage
from glc.ensembles import blocks, stack
from glc.ensembles.fit_options import FitOptions
from glc.ensembles.pairs import Pairs, sample
from glc.ensembles.weights import Counts, apply, fit_weights
from glc.errors import ConfigError, DataError
from tests.helpers import survey_data

M = 40


def world(n=1_500, seed=0, strengths=(0.8, 0.4)):
    """Two informative members and a useless one: scores (K, n, m), the true chances and what was drawn from them."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-1.5, 1.2, (len(strengths) + 1, n, M))
    chance = expit(np.tensordot(strengths, z[:-1], 1) - 0.5)
    return expit(z).astype(np.float32), chance, rng.random((n, M)) < chance


def counts_of(held, fold):
    parts = [held[fold == f] for f in np.unique(fold)]
    return Counts(np.array([len(p) for p in parts]), np.stack([p.sum(axis=0) for p in parts]))


def fitted(members, held, fold, options, without=()):
    parts = [
        sample(
            [sparse.csr_matrix(one[fold == f]) for one in members],
            sparse.csr_matrix(held[fold == f]),
            f,
            options,
            np.random.default_rng(f),
        )
        for f in np.unique(fold)
    ]
    return fit_weights(Pairs.join(parts), counts_of(held, fold), options, without)


def test_a_known_mixture_is_found_and_a_useless_member_left_out():
    members, chance, held = world()
    fold = np.arange(len(held)) % 3
    weights = fitted(members, held, fold, FitOptions(best=M, penalty=0.0, frequency=False))
    found = apply(weights, [sparse.csr_matrix(one) for one in members], np.zeros(M))
    alone = fitted(members[:1], held, fold, FitOptions(best=M, penalty=0.0, frequency=False))
    without = apply(alone, [sparse.csr_matrix(members[0])], np.zeros(M))
    assert np.abs(found - chance).mean() < 0.015 < 0.4 * np.abs(without - chance).mean()
    # calibrated logits of independent evidence add up
    assert_allclose(weights.members[:2], 1, atol=0.15)
    spread = np.std(weights.curves[2](members[2])) * weights.members[2]
    assert spread < 0.02


def test_few_weighted_pairs_give_what_all_pairs_give():
    members, _, held = world(n=4_000)
    fold = np.arange(len(held)) % 3
    every = [sparse.csr_matrix(one) for one in members]
    whole = fitted(members, held, fold, FitOptions(best=M, frequency=False))
    some = fitted(members, held, fold, FitOptions(best=4, sampled=4, frequency=False))
    assert_allclose(some.members, whole.members, atol=0.06)
    assert_allclose(apply(some, every, np.zeros(M)).mean(), held.mean(), rtol=0.04)  # still calibrated


def test_the_frequency_speaks_where_the_members_do_not():
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.02, 0.5, M)
    held = rng.random((2_000, M)) < rate
    member = rng.random((1, 2_000, M)).astype(np.float32)
    fold = np.arange(len(held)) % 4
    weights = fitted(member, held, fold, FitOptions(best=M, penalty=0.0))
    found = apply(weights, [sparse.csr_matrix(member[0, :5])], counts_of(held, fold).terms())
    assert weights.frequency == pytest.approx(1, abs=0.1)
    assert_allclose(found, np.tile(rate, (5, 1)), atol=0.06)


def test_a_missing_score_has_the_rate_of_the_missing():
    members, _, held = world(n=3_000)
    members = np.where(members > np.quantile(members, 0.7), members, 0)[:1]
    fold = np.arange(len(held)) % 3
    weights = fitted(members, held, fold, FitOptions(best=M, penalty=0.0, frequency=False))
    assert expit(weights.curves[0].missing) == pytest.approx(held[members[0] == 0].mean(), rel=1e-3)
    found = apply(weights, [sparse.csr_matrix(members[0])], np.zeros(M))
    assert len(np.unique(found[members[0] == 0])) == 1
    assert found[members[0] == 0][0] == pytest.approx(held[members[0] == 0].mean(), abs=0.01)
    assert found[members[0] > 0].mean() == pytest.approx(held[members[0] > 0].mean(), abs=0.01)


def test_a_curve_rises_and_keeps_the_order_of_scores():
    members, _, held = world(n=500)
    curve = fitted(members, held, np.zeros(len(held), int), FitOptions(best=M, frequency=False)).curves[0]
    asked = np.exp(np.linspace(curve.x[0], curve.x[-1], 500))
    assert (np.diff(curve(asked)) > 0).all()


def members_on_disk(folder, data, seed=0, keep=12):
    """Score tables of two members: one that knows something of the labels (test included), one of noise."""
    rng = np.random.default_rng(seed)
    for name, strength in (("good", 0.6), ("noise", 0.0)):
        parts = {}
        for fold in (0, 1, 2, -1):
            rows = data.test if fold < 0 else data.valid(fold)
            known = data.labels_of(rows).toarray()
            matrix = scores.keep_best(strength * known + rng.uniform(0.01, 0.9, known.shape), keep)
            parts[fold] = scores.of_rows(data, rows, fold, matrix)
        for split in ("valid", "test"):
            (folder / name / split).mkdir(parents=True)
        scores.write(scores.stack(parts[fold] for fold in (0, 1, 2)), folder / name / "valid")
        scores.write(parts[-1], folder / name / "test")
    return [folder / "good", folder / "noise"]


def stacked(folders, data, out, **options):
    with storage.atomic_directory(out) as scratch:
        stack.write(
            folders,
            data,
            scratch,
            options=FitOptions(**({"best": 8, "sampled": 4} | options)),
            names=["good", "noise"],
            folds=range(3),
            keep=20,
            progress=lambda *told: None,
        )
    return scores.read(out / "valid"), scores.read(out / "test"), storage.manifest(out)


def relabelled(data, rows):
    """The same surveys with other labels at `rows`."""
    held = data.label_matrix.toarray()
    held[rows] = ~held[rows]
    return type(data)(data.places, data.species, sparse.csr_matrix(held), "pa_train", "pa_test", data.held_out)


BOOSTED = {"fit": "boosted", "candidates": 10, "trees": 8, "least": 1.0}


@pytest.mark.parametrize("options", [{}, {"surveys": 40}, BOOSTED, BOOSTED | {"surveys": 40}])
def test_labels_of_a_fold_change_nothing_of_its_stacked_scores(tmp_path, options):
    data = survey_data(n_train=90, folds=3)
    folders = members_on_disk(tmp_path, data)
    first = stacked(folders, data, tmp_path / "a", **options)
    second = stacked(folders, relabelled(data, data.valid(1)), tmp_path / "b", **options)
    for fold in (0, 1, 2):
        same = (first[0].of_fold(fold).matrix != second[0].of_fold(fold).matrix).nnz == 0
        assert same == (fold == 1)
    assert (first[1].matrix != second[1].matrix).nnz > 0


@pytest.mark.parametrize("options", [{}, BOOSTED])
def test_labels_of_the_test_are_not_looked_at(tmp_path, options):
    data = survey_data(n_train=90, folds=3, held_out=True)
    folders = members_on_disk(tmp_path, data)
    first = stacked(folders, data, tmp_path / "a", **options)
    second = stacked(folders, relabelled(data, data.test), tmp_path / "b", **options)
    for one, other in zip(first[:2], second[:2], strict=True):
        assert (one.matrix != other.matrix).nnz == 0


def test_the_tables_on_disk_are_those_of_the_members_and_the_weights_are_told(tmp_path):
    data = survey_data(n_train=90, folds=3)
    folders = members_on_disk(tmp_path, data)
    valid, test, facts = stacked(folders, data, tmp_path / "a")
    given = scores.read(folders[0] / "valid")
    assert_array_equal(valid.surveys, given.surveys)
    assert_array_equal(valid.fold, given.fold)
    assert_array_equal(test.surveys, data.places["surveyId"].to_numpy()[data.test])
    assert set(facts["model_facts"]) == {"0", "1", "2", "test"}
    told = facts["model_facts"]["test"]["members"]
    assert told["good"] > 2 * told["noise"]


def test_blocks_of_any_size_give_the_same(tmp_path, monkeypatch):
    data = survey_data(n_train=90, folds=3)
    folders = members_on_disk(tmp_path, data)
    whole = stacked(folders, data, tmp_path / "a", best=20)  # all pairs: nothing is left to chance
    monkeypatch.setattr(blocks, "ROWS", 7)
    small = stacked(folders, data, tmp_path / "b", best=20)
    for one, other in zip(whole[:2], small[:2], strict=True):
        assert_array_equal(one.surveys, other.surveys)
        assert_allclose(one.matrix.toarray(), other.matrix.toarray(), rtol=1e-3)


def test_members_of_other_surveys_are_refused(tmp_path):
    data = survey_data(n_train=90, folds=3)
    folders = members_on_disk(tmp_path, data)
    table = scores.read(folders[1] / "valid")
    scores.write(table.rows(np.arange(89)[::-1]), folders[1] / "valid")
    with pytest.raises(DataError, match=r"noise/valid: surveys or folds differ from .*good/valid"):
        stacked(folders, data, tmp_path / "a")


@pytest.mark.parametrize("stranger", [0, 10_000_000])
def test_scores_of_species_that_the_dataset_lacks_are_refused(tmp_path, stranger):
    data = survey_data(n_train=90, folds=3)
    assert stranger not in data.species
    folders = members_on_disk(tmp_path, data)
    table = scores.read(folders[1] / "test")
    species = table.species.copy()
    species[-1 if stranger else 0] = stranger
    scores.write(dataclasses.replace(table, species=species), folders[1] / "test")
    with pytest.raises(DataError, match=f"noise/test: scores of species {stranger}, which is in no record"):
        stacked(folders, data, tmp_path / "a")


def test_nothing_to_learn_from_is_said():
    members, _, held = world(n=20)
    with pytest.raises(DataError, match="no occurrence in the 0 validation pairs"):
        fitted(members, held, np.zeros(20, int), FitOptions(), without=(0,))


def test_trees_change_the_candidates_alone(tmp_path):
    data = survey_data(n_train=90, folds=3)
    folders = members_on_disk(tmp_path, data)
    weights = stacked(folders, data, tmp_path / "a")
    trees = stacked(folders, data, tmp_path / "b", **BOOSTED)
    for one, other in zip(weights[:2], trees[:2], strict=True):
        changed = one.matrix.toarray() != other.matrix.toarray()
        assert (changed.sum(axis=1) <= 10).all()
        assert changed.sum(axis=1).mean() > 8


def test_blocks_of_any_size_give_the_same_trees(tmp_path, monkeypatch):
    data = survey_data(n_train=90, folds=3)
    folders = members_on_disk(tmp_path, data)
    whole = stacked(folders, data, tmp_path / "a", **BOOSTED | {"best": 20})
    monkeypatch.setattr(blocks, "ROWS", 7)
    small = stacked(folders, data, tmp_path / "b", **BOOSTED | {"best": 20})
    for one, other in zip(whole[:2], small[:2], strict=True):
        assert_array_equal(one.surveys, other.surveys)
        assert_allclose(one.matrix.toarray(), other.matrix.toarray(), atol=0.02)


@pytest.mark.parametrize("options", [{"surveys": 40}, BOOSTED | {"surveys": 40}])
def test_any_number_of_threads_gives_the_same(tmp_path, monkeypatch, options):
    data = survey_data(n_train=90, folds=3)
    folders = members_on_disk(tmp_path, data)
    monkeypatch.setattr(blocks, "ROWS", 7)
    made = []
    for number in (1, 5):
        monkeypatch.setattr(stack.threads, "cores", lambda number=number: number)
        made.append(stacked(folders, data, tmp_path / str(number), **options))
    for one, other in zip(made[0][:2], made[1][:2], strict=True):
        assert_array_equal(one.surveys, other.surveys)
        assert_array_equal(one.fold, other.fold)
        assert (one.matrix != other.matrix).nnz == 0
    assert made[0][2]["model_facts"] == made[1][2]["model_facts"]


@pytest.mark.parametrize(
    "bad",
    [
        {"surveys": 0},
        {"sampled": 0},
        {"bins": 2},
        {"penalty": -1.0},
        {"fit": "trees"},
        {"candidates": 0},
        {"trees": 0},
        {"depth": 0},
        {"scales_m": ()},
        {"learning_rate": 0.0},
        {"least": -1.0},
    ],
)
def test_bad_options_are_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        FitOptions(**bad)


def test_a_net_stopped_by_its_own_fold_is_no_member_of_a_stack_that_does_not_say_so():
    honest, own = config.Validation(), config.Validation(stop="own")
    net, votes = (config.load(f"{name}+validation.stop=own") for name in ("geolocation", "votes"))
    with pytest.raises(ConfigError, match=r"'net' has validation\.stop = 'own', expected this experiment's own 'next'"):
        stack.check_member("net", net, config.Surveys(), honest)
    stack.check_member("net", net, config.Surveys(), own)
    stack.check_member("votes", votes, config.Surveys(), honest)  # which no fold stops


@pytest.mark.parametrize("options", [{}, {"fit": "boosted", "trees": 5, "least": 0.0}])
def test_a_restored_stack_joins_as_before_for_the_test_and_for_each_fold(tmp_path, options):
    data = survey_data(n_train=120, n_test=15, folds=3)
    folders = members_on_disk(tmp_path, data)
    stacked(folders, data, tmp_path / "stack", **options)
    for split, fold in (("test", -1), ("valid", 0), ("valid", 2)):
        wanted = scores.read(tmp_path / "stack" / split).of_fold(fold)
        members = [scores.read(folder / split).of_fold(fold).matrix for folder in folders]
        places = data.places.iloc[data.rows_of(wanted.surveys, "pa_test" if fold < 0 else "pa_train")]
        join = stack.restore(tmp_path / "stack" / "model", data, FitOptions(**options), 4096, fold)
        assert_allclose(join(members, places).toarray(), wanted.matrix.toarray(), rtol=1e-6)
