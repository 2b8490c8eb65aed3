"""Kriging against the plain equations of the species themselves, and whose labels its scores never hold."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import geo
from glc.classical import kriging
from glc.classical.kriging import Kriging
from glc.classical.votes import Votes
from glc.neighbours import fields
from glc.neighbours.fields import Covariances, Observations, Values, estimate
from tests.helpers import records_alone, survey_data
from tests.neighbours.test_fields import plain


def model(**options):
    return Kriging(Kriging.Options(**({"square_m": 15_000.0, "components": 12} | options)))


def clustered(**numbers):
    """`survey_data` whose species each grow around a centre."""
    data = survey_data(**numbers)
    rng = np.random.default_rng(0)
    place, species = data.places, len(data.species)
    east = (place["lon"].to_numpy()[:, None] - rng.uniform(2, 3.5, species)) / 0.4
    north = (place["lat"].to_numpy()[:, None] - rng.uniform(46, 47, species)) / 0.3
    labels = rng.random((len(place), species)) < 0.8 * np.exp(-(east**2) - north**2) + 0.02
    labels[np.arange(len(place)), rng.integers(0, species, len(place))] = True
    labels[place["dataset"] == "pa_test"] = False
    return dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))


def brute_scores(data, fold, queries, square_m, weights=1.0, known=estimate):
    """Kriging of the species themselves, which share one covariance: squares by loops, equations by a solver."""
    labels = data.label_matrix.toarray().astype(float)
    train, po = data.train(fold), data.presence_only
    mean = labels[train].mean(axis=0)
    points, shares, number, kind = [], [], [], []
    for source, rows in enumerate((train, po)):
        place = data.places.iloc[rows]
        squares = geo.block_ids(place["easting"], place["northing"], square_m, place["crs"])
        first = len(points)
        for square in np.unique(squares):
            own = rows[squares == square]
            middle = geo.unit_sphere(data.places["lon"].iloc[own], data.places["lat"].iloc[own]).mean(axis=0)
            counts = labels[own].sum(axis=0) * (weights if source else 1)
            points.append(middle / np.linalg.norm(middle))
            number.append(counts.sum() if source else len(own))
            shares.append(counts / number[-1] * (mean.sum() if source else 1))
            kind.append(source)
        many = np.array(number[first:])[:, None]
        own_mean = (np.array(shares[first:]) * many).sum(axis=0) / many.sum()
        shares[first:] = list(np.array(shares[first:]) - own_mean)
    scale = (mean * (1 - mean) + 0.5 / len(train)) ** -0.25
    number, kind = np.array(number, float), np.array(kind)
    weight = number / (number + np.where(kind, 100, 3))
    values = Values.of(np.array(shares) * scale)
    seen = Observations(np.array(points), values, np.zeros(len(scale), int), number, kind, weight)
    # all axes are one group: what they share is the mean over orthonormal axes, whichever these are
    ranges = np.sort(Kriging.Options().ranges_m).astype(float)
    covariances = known(seen, ranges, square_m)
    asked = geo.unit_sphere(data.places["lon"].iloc[queries], data.places["lat"].iloc[queries])
    return np.clip(mean + plain(seen, covariances, asked, np.arange(len(number))) / scale, 0, 1)


@pytest.mark.parametrize("fold", [1, None])
def test_scores_are_those_of_kriging_the_species_themselves_where_all_axes_share_a_covariance(fold, monkeypatch):
    monkeypatch.setattr(fields, "_GROUPS", 1)
    data = clustered(n_train=240, n_po=300, n_test=30, seed=1)
    queries = data.test if fold is None else data.valid(fold)
    got = model(components=20, po_bias="ignored").scores(data, fold, queries).toarray()
    wanted = brute_scores(data, fold, queries, 15_000)
    assert np.ptp(wanted, axis=0).max() > 0.01
    assert_allclose(got, wanted, atol=2e-4)


def known(seen, ranges_m, nearest_m, seed=0):
    """One covariance for all fields."""
    count = seen.groups.max() + 1
    sills, noise = np.tile([0.1, 0.2, 0.3], (count, 1)), np.tile([1.0, 40.0], (count, 1))
    return Covariances(seen.groups, ranges_m, sills, noise)


@pytest.mark.parametrize("components", [1, 6, 20])
def test_what_the_axes_leave_of_each_species_is_kriged_too(components, monkeypatch):
    """With one covariance for all, scores are those of the species themselves, however few axes there are."""
    monkeypatch.setattr(kriging, "estimate", known)
    data = clustered(n_train=240, n_po=300, n_test=30, seed=1)
    fitted = model(components=components)
    monkeypatch.setattr(Votes, "record_weights", lambda self, data, fold: WEIGHTS if fold == 1 else 1 / 0)
    got = fitted.scores(data, 1, data.valid(1)).toarray()
    wanted = brute_scores(data, 1, data.valid(1), 15_000, weights=WEIGHTS, known=known)
    assert np.ptp(wanted, axis=0).max() > 0.01
    assert_allclose(got, wanted, atol=2e-4)
    assert fitted.facts.get("species_used") == (20 if components < 20 else None)


WEIGHTS = np.linspace(0.2, 3, 20)
"""Of a record of each species."""


def test_each_survey_has_its_own_scores_of_many_regions():
    data = clustered(n_train=240, n_po=300, n_test=30, seed=1)
    score = model(neighbours=20).fit(data, None)
    places = data.places.iloc[data.test]
    together = score(places, None).toarray()
    apart = [score(places.iloc[[row]], None).toarray()[0] for row in range(len(places))]
    assert len(np.unique(together, axis=0)) > 20
    assert_allclose(together, apart, atol=1e-6)


def test_scores_of_a_fold_do_not_depend_on_its_labels():
    data = survey_data(n_train=200, n_po=100, n_test=20, seed=2)
    labels = data.label_matrix.toarray()
    labels[data.valid(1)] = ~labels[data.valid(1)]
    other = dataclasses.replace(data, label_matrix=sparse.csr_matrix(labels))
    before, after = (model().scores(each, 1, data.valid(1)).toarray() for each in (data, other))
    assert_array_equal(after, before)


def test_a_species_recorded_alike_everywhere_says_nothing_by_its_records():
    """Records of the last species are three times as many everywhere: its mean is its own, and its scores stay."""
    data = survey_data(n_train=120, n_po=0, n_test=20, seed=3)
    rng = np.random.default_rng(0)
    squares = data.places.iloc[data.train()].drop_duplicates("block")
    again = squares.loc[squares.index.repeat(40)].assign(dataset="po", fold=-1)
    labels = sparse.lil_matrix((len(again), 20), dtype=bool)
    for row in range(len(again)):
        labels[row, 19 if row % 2 else rng.integers(19)] = True
    wider = dataclasses.replace(
        data,
        places=pd.concat([data.places, again], ignore_index=True),
        label_matrix=sparse.vstack([data.label_matrix, labels], format="csr"),
    )
    options = {"components": 20, "square_m": 20_000.0}
    without = model(**options).scores(data, 0, data.valid(0)).toarray()
    with_records = model(**options).scores(wider, 0, data.valid(0)).toarray()
    own = np.abs(with_records - without)[:, 19].mean()
    assert own < 0.05
    assert with_records[:, 19].mean() == pytest.approx(without[:, 19].mean(), abs=0.03)


def test_presence_only_records_alone_are_kriged_too():
    data = records_alone()
    queries = data.valid(0)
    fitted = model()
    scores = fitted.scores(data, 0, queries).toarray()
    truth = data.label_matrix[queries].toarray()
    assert scores[truth].mean() > 2 * scores[~truth].mean()
    assert fitted.facts["components"] == 8
    assert 0 < fitted.facts["components_used"] <= 8
    assert fitted.facts["squares"] > 10


def test_facts_and_limits_follow_the_options():
    data = survey_data(n_train=200, n_po=100, seed=4)
    fitted = model(components=5)
    assert (fitted.scores(data, 0, data.valid(0)).toarray().max(axis=1) > 0).all()
    assert fitted.facts["components"] == 5
