import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc import config
from glc.classical import label_space, run
from glc.classical._places import PlaceOptions, place_features
from glc.classical.label_space import LabelSpace
from glc.errors import ConfigError
from glc.storage import atomic_directory, manifest
from tests.helpers import survey_data

rng = np.random.default_rng(5)


def model(**options):
    return LabelSpace(LabelSpace.Options(**options))


def following_place(n_train=300):
    """Surveys where species 0-4 live in the west, 5-9 in the east and 10-19 anywhere at times."""
    data = survey_data(n_train=n_train, n_test=40, n_po=5, seed=3)
    west = (data.places["easting"] < data.places["easting"].median()).to_numpy()
    labels = np.zeros(data.label_matrix.shape, bool)
    labels[:, :5] = west[:, None]
    labels[:, 5:10] = ~west[:, None]
    labels[:, 10:] = rng.random((len(west), 10)) < 0.1
    truth = labels.copy()
    labels[data.test] = False
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels)), truth


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 2},
        {"rank": 4, "regressor": "boosting", "trees": 20},
        {"rank": 2, "decoding": "nearest", "k": 20, "features": "fourier", "wavelengths_km": (100.0, 200.0)},
        {"rank": 20, "transform": "dct"},
    ],
)
def test_species_that_follow_the_place_are_found(options):
    data, truth = following_place()
    scores = model(**options).scores(data, None, data.test).toarray()
    assert scores.shape == truth[data.test].shape
    assert scores.min() >= 0
    assert scores.max() <= 1
    easting = data.places["easting"]
    clear = (np.abs(easting - easting.median()) > 10_000).to_numpy()[data.test]
    assert ((scores > 0.5)[clear, :10] == truth[data.test][clear, :10]).all()
    assert clear.sum() > 20


def test_ridge_is_the_closed_form_of_a_dense_svd():
    data = survey_data(n_train=120, n_species=25, seed=1)
    fold, rank, alpha = 1, 6, 3.0
    fitted = model(rank=rank, alpha=alpha, features="fourier", waves=2)
    got = fitted.scores(data, fold, data.valid(fold)).toarray()

    train = data.train(fold)
    y = data.label_matrix.toarray()[train].astype(float)
    centred = y - y.mean(axis=0)
    v = np.linalg.svd(centred, full_matrices=False)[2][:rank].T
    place = data.places.iloc[train]
    x, asked = (place_features(each, place, fitted.options) for each in (place, data.places.iloc[data.valid(fold)]))
    design = x - x.mean(axis=0)
    weights = np.linalg.solve(design.T @ design + alpha * np.eye(x.shape[1]), design.T @ (centred @ v))
    wanted = np.clip(y.mean(axis=0) + (asked - x.mean(axis=0)) @ weights @ v.T, 0, 1)
    assert_allclose(got, wanted, atol=1e-6)
    singular = np.linalg.svd(centred, compute_uv=False) ** 2
    assert_allclose(fitted.facts["variance_kept"], singular[:rank].sum() / singular.sum(), rtol=1e-9)


def test_nearest_is_the_mean_label_of_the_nearest_projections():
    data = survey_data(n_train=90, seed=4)
    fitted = model(rank=5, decoding="nearest", k=7)
    got = fitted.scores(data, 0, data.valid(0)).toarray()
    train = data.train(0)
    y = data.labels_of(train).astype(float)
    projected = label_space.project(y, label_space.principal_components(y, 5))
    place = data.places.iloc[train]
    x, asked = (place_features(each, place, fitted.options) for each in (place, data.places.iloc[data.valid(0)]))
    predicted = fitted._regress(x, projected)(asked)
    distance = np.linalg.norm(predicted[:, None] - projected, axis=2)
    nearest = np.argsort(distance, axis=1)[:, :7]
    assert_allclose(got, y.toarray()[nearest].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("shape", [(200, 30), (30, 200)])
def test_labels_of_rank_r_come_back_from_r_components(shape):
    patterns = rng.random((3, shape[1])) < 0.4  # centred, the mixtures of four kinds of survey have rank three
    patterns = np.vstack([patterns, np.ones(shape[1], bool)])
    y = sparse.csr_matrix(patterns[np.arange(shape[0]) % 4].astype(float))
    v = label_space.principal_components(y, 3)
    assert_allclose(v.T @ v, np.eye(3), atol=1e-10)
    mean = np.asarray(y.mean(axis=0))
    assert_allclose(mean + label_space.project(y, v) @ v.T, y.toarray(), atol=1e-9)
    assert_allclose(label_space.variance_kept(y, v), 1)
    assert label_space.variance_kept(y, label_space.principal_components(y, 2)) < 0.99


@pytest.mark.parametrize("components", [label_space.principal_components, label_space.cosine_components])
@pytest.mark.parametrize("rank", [20, 1_000])
def test_full_rank_reconstructs(components, rank):
    y = sparse.csr_matrix((rng.random((50, 20)) < 0.3).astype(float))
    v = components(y, rank)
    assert v.shape == (20, 20)
    assert_allclose(np.asarray(y.mean(axis=0)) + label_space.project(y, v) @ v.T, y.toarray(), atol=1e-9)


def test_the_dct_runs_along_the_species_from_the_most_frequent_and_keeps_less():
    frequent = np.array([0.1, 0.9, 0.5, 0.7, 0.02, 0.3])
    y = sparse.csr_matrix((rng.random((4_000, 6)) < frequent).astype(float))
    v = label_space.cosine_components(y, 2)
    assert_allclose(v[:, 0], 1 / np.sqrt(6))
    assert (np.diff(v[[1, 3, 2, 5, 0, 4], 1]) < 0).all()  # half a cosine, falling
    dense = y.toarray() - y.toarray().mean(axis=0)
    kept = np.square(dense @ v).sum() / np.square(dense).sum()
    assert_allclose(label_space.variance_kept(y, v), kept, rtol=1e-9)
    assert kept < label_space.variance_kept(y, label_space.principal_components(y, 2))


def test_records_of_one_species_do_not_vote_where_there_are_surveys():
    data, _ = following_place(n_train=60)
    many = survey_data(n_train=60, n_test=40, n_po=900, seed=3)
    labels = sparse.lil_matrix(many.label_matrix.shape, dtype=bool)
    labels[many.presence_only, rng.integers(0, 20, len(many.presence_only))] = True
    labels[many.train()] = data.label_matrix[data.train()]
    many = dataclasses.replace(many, label_matrix=labels.tocsr())
    least = many.labels_of(many.train()).sum(axis=1).min()
    assert least >= 5
    scores = model(rank=4, decoding="nearest", k=9, sources=("train", "po")).scores(many, 0, many.valid(0))
    assert scores.sum(axis=1).min() >= least - 1e-4


@pytest.mark.parametrize("options", [{}, {"decoding": "nearest"}, {"transform": "dct", "features": "fourier"}])
def test_labels_of_the_fold_the_test_and_presence_only_do_not_matter(options):
    data = survey_data()
    before = model(rank=8, **options).scores(data, 1, data.valid(1)).toarray()
    other = data.label_matrix.tolil()
    for rows in (data.valid(1), data.test, data.presence_only):
        other[rows] = 1
    changed = dataclasses.replace(data, label_matrix=other.tocsr())
    assert_allclose(model(rank=8, **options).scores(changed, 1, data.valid(1)).toarray(), before)
    assert abs(model(rank=8, **options).scores(changed, 0, data.valid(1)).toarray() - before).max() > 0.01


def test_a_survey_without_a_score_takes_the_mean():
    scores = sparse.csr_matrix(np.array([[0, 0.5, 0], [0, 0, 0], [0.2, 0, 0]]))
    got = label_space._or_mean(scores, np.array([0.1, 0.0, 0.3])).toarray()
    assert_allclose(got, [[0, 0.5, 0], [0.1, 0, 0.3], [0.2, 0, 0]])


def test_features_are_standardised_by_the_training_surveys_and_carry_waves_and_crs():
    places = survey_data().places
    train, asked = places.iloc[:50], places.iloc[50:]
    x = place_features(train, train, PlaceOptions())
    assert_allclose(x.mean(axis=0), 0, atol=1e-9)
    assert_allclose(x.std(axis=0), 1)
    options = PlaceOptions(features="fourier", wavelengths_km=(30.0,), waves=3)
    waves = place_features(asked, train, options)[:, 2:]
    assert_allclose(np.square(waves[:, :3]) + np.square(waves[:, 3:]), 1)
    moved = asked.assign(easting=asked["easting"] + 300_000)
    assert not np.allclose(place_features(moved, train, options)[:, 2:], waves)
    other = places.assign(crs=np.where(places["lon"] > 3, 5070, 3035))
    assert_allclose(place_features(other, other, PlaceOptions())[:, 2], places["lon"] > 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"transform": "pca"},
        {"rank": 0},
        {"regressor": "lasso"},
        {"alpha": -1},
        {"trees": 0},
        {"decoding": "round"},
        {"k": 0},
        {"features": "waves"},
        {"wavelengths_km": []},
        {"waves": 0},
    ],
)
def test_wrong_options_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        config.options(LabelSpace, config.Choice("label_space", wrong), "model")


def test_the_run_notes_facts_of_each_fold(tmp_path):
    data = survey_data()
    with atomic_directory(tmp_path / "scores") as out:
        run.write(model(rank=4), data, out, folds=[0, 1], keep=25, progress=lambda *_: None)
    noted = manifest(tmp_path / "scores")
    assert set(noted["model_facts"]) == {"0", "1", "test"}
    assert {told["components"] for told in noted["model_facts"].values()} == {4}
    assert len({told["variance_kept"] for told in noted["model_facts"].values()}) == 3
    assert noted["valid_rows"] == len(data.valid(0)) + len(data.valid(1))
