import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import geo
from glc.classical.votes import Votes
from tests.helpers import survey_data


def brute(data, fold, queries, scales, prior, po_weight):
    """The formula of the docstring survey by survey, without pooling into squares or cutting at three scales."""
    pool = np.concatenate([data.train(fold), data.presence_only])
    weight = np.where(data.places["dataset"].to_numpy()[pool] == "po", po_weight, 1.0)
    records = weight[:, None] * data.label_matrix.toarray()[pool]
    place = data.places
    richness = data.label_matrix[data.train(fold)].sum() / len(data.train(fold))
    out = []
    for q in queries:
        metres = geo.great_circle_m(
            place["lon"].iloc[q], place["lat"].iloc[q], place["lon"].to_numpy()[pool], place["lat"].to_numpy()[pool]
        )
        share = records.sum(axis=0) / records.sum()
        for scale in sorted(scales, reverse=True):
            votes = np.exp(-0.5 * (metres / scale) ** 2) @ records
            share = (votes + prior * share) / (votes.sum() + prior)
        out.append(np.minimum(share * richness, 1))
    return np.array(out)


def test_scores_are_the_smoothed_shares(monkeypatch):
    monkeypatch.setattr("glc.classical.votes._ROWS", 7)
    data = survey_data(n_train=300, n_po=300, seed=1)
    for fold, queries in ((0, data.valid(0)), (None, data.test)):
        options = Votes.Options(scales_m=(20_000.0, 60_000.0), prior=15.0, po_weight=0.5)
        got = Votes(options).scores(data, fold, queries).toarray()
        wanted = brute(data, fold, queries, (20_000, 60_000), 15.0, 0.5)
        # squares of a quarter of the scale and the cut at three scales cost a percent
        assert_allclose(got, wanted, rtol=0.05, atol=2e-3)


@pytest.mark.parametrize("po_weight", [1.0, 0.3])
def test_scores_are_exact_where_surveys_share_a_place(po_weight):
    """Four places far from each other: neither the squares nor the cut at three scales takes anything away."""
    data = survey_data(n_train=200, n_po=200, seed=2)
    spot = np.random.default_rng(0).integers(0, 4, len(data.places))
    lon, lat = np.array([2.0, 4.0, 8.0, 11.0])[spot], np.array([43.0, 46.0, 44.0, 48.0])[spot]
    easting, northing = geo.project(lon, lat, 3035)
    places = data.places.assign(lon=lon, lat=lat, easting=easting, northing=northing, crs=3035)
    data = dataclasses.replace(data, places=places)
    options = Votes.Options(scales_m=(40_000.0, 10_000.0, 5_000.0), prior=15.0, po_weight=po_weight)
    got = Votes(options).scores(data, 0, data.valid(0)).toarray()
    wanted = brute(data, 0, data.valid(0), options.scales_m, 15.0, po_weight)
    assert_allclose(got, wanted, rtol=1e-5)


def test_labels_of_the_fold_do_not_matter_and_presence_only_can_be_left_out():
    data = survey_data()
    other = data.label_matrix.tolil()
    other[data.valid(1)] = 1
    other[data.presence_only] = 1
    changed = type(data)(data.places, data.species, other.tocsr(), "pa_train", "pa_test", False)
    without = Votes(Votes.Options(po_weight=0.0))
    assert_allclose(
        without.scores(changed, 1, data.valid(1)).toarray(), without.scores(data, 1, data.valid(1)).toarray()
    )
    with_po = Votes(Votes.Options())
    assert abs(with_po.scores(changed, 1, data.valid(1)) - with_po.scores(data, 1, data.valid(1))).sum() > 0
