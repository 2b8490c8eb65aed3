"""The profile ridge: its formula in plain linear algebra, and whose labels its scores never hold."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import config, geo
from glc.classical import profile, run
from glc.classical.profile import Profile
from glc.errors import ConfigError, DataError
from glc.storage import atomic_directory, manifest
from tests.helpers import survey_data

SCALES = {"po_scales_m": (30_000.0, 15_000.0), "pa_scales_m": (40_000.0,)}


def model(**options):
    return Profile(Profile.Options(**({**SCALES, "prior": 5, "components": 6, "alpha": 2.0} | options)))


def scores(data, fold, queries, **options):
    return model(**options).scores(data, fold, queries).toarray()


def changed(data, rows):
    labels = data.label_matrix.toarray()
    labels[rows] = ~labels[rows]
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


def profiles_of(model, data, fold):
    return profile._Profiles(model._reduced(data), model._surveys(data, fold))


def brute_profiles(data, fold, rows, prior):
    """The docstring's formula survey by survey, without pooling into squares or cutting at three scales."""
    place, labels = data.places, data.label_matrix.toarray().astype(float)
    folds, dataset, block = (place[name].to_numpy() for name in ("fold", "dataset", "block"))
    out = []
    for row in rows:
        metres = np.asarray(geo.great_circle_m(place["lon"].iloc[row], place["lat"].iloc[row], place.lon, place.lat))
        seen = (dataset == "pa_train") & (folds != (-9 if fold is None else fold))
        if dataset[row] == "pa_train" and folds[row] != fold:
            seen &= block != block[row]
        records = [
            (np.exp(-0.5 * (metres / scale) ** 2) * mask) @ labels
            for mask, scales in ((dataset == "po", SCALES["po_scales_m"]), (seen, SCALES["pa_scales_m"]))
            for scale in scales
        ]
        out.append(np.concatenate([np.sqrt(one / (one.sum() + prior)) for one in records]))
    return np.array(out)


@pytest.mark.parametrize("fold", [1, None])
def test_scores_are_the_ridge_on_the_principal_components_of_the_shares(fold):
    data = survey_data(n_train=240, n_po=400, n_test=30, seed=1)
    train, queries = data.train(fold), data.test if fold is None else data.valid(fold)
    fitted = model(prior=20)
    got = fitted.scores(data, fold, queries).toarray()

    x, asked = (brute_profiles(data, fold, rows, 20) for rows in (train, queries))
    mean = x.mean(axis=0)
    vectors = np.linalg.svd(x - mean, full_matrices=False)[2][:6]
    z, asked = ((each - mean) @ vectors.T for each in (x, asked))
    scale = np.sqrt(z.var(axis=0, ddof=1).sum())
    z, asked = z / scale, asked / scale
    y = data.label_matrix.toarray()[train].astype(float)
    weights = np.linalg.solve(z.T @ z + 2 * np.eye(6), z.T @ (y - y.mean(axis=0)))
    wanted = np.clip(y.mean(axis=0) + asked @ weights, 0, 1)
    # the squares of a quarter of the scale and the cut at three scales
    assert np.abs(got - wanted).max() < 0.03
    assert np.abs(got - wanted).mean() < 0.1 * np.abs(wanted - y.mean(axis=0)).mean()
    singular = np.linalg.svd(x - mean, compute_uv=False) ** 2
    assert_allclose(fitted.facts["variance_kept"], singular[:6].sum() / singular.sum(), rtol=0.02)


def test_surroundings_speak_for_species_that_were_never_recorded_in_them():
    data = survey_data(n_train=200, n_po=300, n_test=40, n_species=4, seed=2)
    west = (data.places["easting"] < data.places["easting"].median()).to_numpy()
    po = (data.places["dataset"] == "po").to_numpy()
    labels = np.stack([po & west, po & ~west, ~po & west, ~po & ~west], axis=1)
    labels[data.test] = False
    data = dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))
    easting = data.places["easting"].to_numpy()[data.test]
    clear = np.abs(easting - data.places["easting"].median()) > 15_000
    found = scores(data, None, data.test, pa_scales_m=(), components=2, prior=1)[clear]
    assert clear.sum() > 15
    assert_array_equal(found[:, 2] > 0.5, west[data.test][clear])
    assert_array_equal(found[:, 3] > 0.5, ~west[data.test][clear])
    assert_array_equal(found[:, :2], 0)  # no presence-absence survey holds them


@pytest.mark.parametrize("options", [{}, {"po_scales_m": ()}, {"surveys": 30}])
def test_labels_of_the_fold_and_of_the_test_do_not_matter(options):
    data = survey_data()
    before = scores(data, 1, data.valid(1), **options)
    hidden = np.concatenate([data.valid(1), data.test])
    for rows in (hidden, data.valid(1)[:1]):
        assert_array_equal(scores(changed(data, rows), 1, data.valid(1), **options), before)
    assert np.abs(scores(changed(data, data.valid(2)), 1, data.valid(1), **options) - before).max() > 0.01
    after = scores(changed(data, data.presence_only), 1, data.valid(1), **options)
    assert (np.abs(after - before).max() > 0.01) == (options.get("po_scales_m") != ())


@pytest.mark.parametrize("fold", [1, None])
def test_the_profile_of_a_training_survey_holds_no_label_of_its_block(fold):
    data = survey_data()
    train = data.train(fold)

    def features(data):
        return profiles_of(model(), data, fold).at(train)

    before = features(data)
    for block in data.places["block"].iloc[train].unique()[:3]:
        own = data.places["block"].to_numpy()[train] == block
        after = features(changed(data, train[own]))
        assert_array_equal(after[own], before[own])
        assert (after[~own] != before[~own]).any()


@pytest.mark.parametrize("surveys", [40, 10_000])
def test_training_surveys_have_the_features_that_their_places_are_asked_with(surveys):
    data = survey_data(n_train=700, n_po=300)
    train, fitted = data.train(0), model(surveys=surveys)
    profiles = profiles_of(fitted, data, 0)
    components, features = fitted._components(profiles, train)
    assert_allclose(features, components.of(profiles.at(train)), atol=1e-5)
    assert features.std(axis=0)[0] > 0.1
    if surveys > len(train):
        assert_allclose(features.var(axis=0, ddof=1).sum(), 1, rtol=1e-4)


@pytest.mark.parametrize("surveys", [40, 10_000])
def test_the_presence_only_part_is_made_once_and_the_same_in_surveys_and_places(surveys, monkeypatch):
    data = survey_data(n_train=700, n_po=300)
    fitted, made, real = model(surveys=surveys), [], Profile._reduced
    monkeypatch.setattr(Profile, "_reduced", lambda self, data: made.append(real(self, data)) or made[-1])
    for fold in (0, 1, None):  # one after the other, as a run does
        rows = data.test if fold is None else data.valid(fold)
        once = fitted.scores(data, fold, rows).toarray()
        assert_array_equal(once, model(surveys=surveys).scores(data, fold, rows).toarray())
    assert len(made) == 4
    rows = data.train()[::-3]
    assert_allclose(made[0].at(rows), made[0].around(data.places.iloc[rows]), atol=1e-5)
    assert made[0].at(rows).std(axis=0)[0] > 0.05


def test_a_reduced_presence_only_part_loses_little(monkeypatch):
    data = survey_data(n_train=700, n_po=300)
    whole = model()
    expected = whole.scores(data, 0, data.valid(0)).toarray()
    monkeypatch.setattr(profile, "_REDUCED", 12)
    fitted = model()
    assert np.abs(fitted.scores(data, 0, data.valid(0)).toarray() - expected).mean() < 0.02 * expected.std()
    assert_allclose(fitted.facts["variance_kept"], whole.facts["variance_kept"], rtol=0.02)


def test_species_and_surveys_in_groups_are_the_same(monkeypatch):
    data = survey_data()
    whole = scores(data, 0, data.valid(0))
    monkeypatch.setattr(profile, "_SPECIES", 1)
    monkeypatch.setattr(profile, "_ROWS", 7)
    assert_allclose(scores(data, 0, data.valid(0)), whole, atol=1e-6)


def test_a_survey_without_a_score_takes_the_mean(monkeypatch):
    data = survey_data()
    real = Profile._ridge

    def low(self, features, labels):
        coefficients, intercept = real(self, features, labels)
        return coefficients * 0, intercept * 0 - 1

    monkeypatch.setattr(Profile, "_ridge", low)
    mean = np.asarray(data.labels_of(data.train(0)).mean(axis=0)).ravel()
    assert_allclose(scores(data, 0, data.valid(0)), np.tile(mean, (len(data.valid(0)), 1)), rtol=1e-6)


def test_scores_are_shares_and_the_run_notes_facts_of_each_fold(tmp_path):
    data = survey_data(held_out=True)
    with atomic_directory(tmp_path / "scores") as out:
        run.write(model(surveys=25), data, out, folds=[0, 1], keep=25, progress=lambda *_: None)
    noted = manifest(tmp_path / "scores")
    assert set(noted["model_facts"]) == {"0", "1", "test"}
    assert {(told["components"], told["surveys"]) for told in noted["model_facts"].values()} == {(6, 25)}
    assert noted["test_rows"] == len(data.test)
    found = scores(data, None, data.test)
    assert 0 <= found.min() < found.max() <= 1
    assert (found.max(axis=1) > 0).all()


def test_without_records_around_or_presence_only_surveys():
    data = survey_data(n_po=0)
    assert scores(data, 0, data.valid(0)).max() > 0
    with pytest.raises(DataError, match="no presence-only surveys"):
        scores(data, 0, data.valid(0), pa_scales_m=())
    with pytest.raises(DataError, match="all the same"):
        scores(data, 0, data.valid(0), pa_scales_m=(1.0,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"po_scales_m": [0]},
        {"pa_scales_m": [5_000, 5_000]},
        {"pa_scales_m": [], "po_scales_m": []},
        {"prior": 0},
        {"components": 0},
        {"alpha": 0},
        {"surveys": 1},
    ],
)
def test_wrong_options_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        config.options(Profile, config.Choice("profile", wrong), "model")
