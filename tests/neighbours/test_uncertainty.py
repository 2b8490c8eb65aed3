"""Records of uncertain place count as many records drawn around them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from glc import geo
from glc.classical.votes import Votes
from glc.neighbours.kernels import Kernels, Options
from glc.neighbours.pools import kernel, pool
from glc.neighbours.uncertainty import spread
from glc.surveys import SurveyData

DRAWS = 40_000


def frame(lon, lat, uncertainty, crs=3035):
    easting, northing = geo.project(lon, lat, crs)
    return pd.DataFrame(
        {"lon": lon, "lat": lat, "easting": easting, "northing": northing, "crs": crs, "geoUncertaintyInM": uncertainty}
    )


def drawn(rng, lon, lat, radius, count=DRAWS):
    """Places drawn evenly from a circle, independently of how `spread` makes its points."""
    away, angle = np.sqrt(rng.random(count)) * radius, rng.uniform(0, 2 * np.pi, count)
    north = np.degrees(away * np.sin(angle) / geo.EARTH_RADIUS_M)
    east = np.degrees(away * np.cos(angle) / geo.EARTH_RADIUS_M) / np.cos(np.radians(lat))
    return lon + east, lat + north


def sums(places, records, scale, asked, spread_m=None):
    made = pool(places, records, scale / 4, spread_m=spread_m)
    return (kernel(asked, made.points, scale) @ made.counts).toarray().ravel()


@pytest.mark.parametrize("radius", [300.0, 1_000.0, 5_000.0, 10_000.0])
@pytest.mark.parametrize("scale", [3_000.0, 5_000.0, 40_000.0])
def test_a_record_adds_as_much_as_many_drawn_around_it_within_5_percent(radius, scale):
    rng = np.random.default_rng(7)
    lon, lat = np.array([10.3]), np.array([50.2])
    asked = geo.unit_sphere(*drawn(rng, lon[0], lat[0], radius + 3 * scale, 500))
    one = sums(frame(lon, lat, [radius]), sparse.csr_matrix([[1.0]], dtype=np.float32), scale, asked, scale)
    many = frame(*drawn(rng, lon[0], lat[0], radius), 0.0)
    records = sparse.csr_matrix(np.full((DRAWS, 1), 1 / DRAWS, np.float32))
    all_of_them = sums(many, records, scale, asked)
    counting = all_of_them > 0.05  # beyond, single squares enter and leave the reach of three scales
    assert counting.mean() > 0.3
    np.testing.assert_allclose(one[counting], all_of_them[counting], rtol=0.05)
    np.testing.assert_allclose(one, all_of_them, atol=0.01)


def test_points_of_a_record_are_within_its_uncertainty_and_share_it():
    places = frame(np.array([10.0, 179.999, -3.0]), np.array([50.0, -17.0, 60.0]), [5_000.0, 5_000.0, np.nan], 6933)
    owner, points, weight = spread(places, 3_000)
    assert points["lon"].between(-180, 180).all()
    np.testing.assert_allclose(np.bincount(owner, weight), 1, rtol=1e-5)
    away = geo.great_circle_m(
        points["lon"], points["lat"], places["lon"].to_numpy()[owner], places["lat"].to_numpy()[owner]
    )
    assert away.max() <= 5_000
    assert away[owner == 2].tolist() == [0]
    # the mean squared distance of an even circle is half of its radius squared
    np.testing.assert_allclose((weight * away**2)[owner == 0].sum(), 5_000**2 / 2, rtol=1e-4)


def data(uncertainty, widens):
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(8, 9, 60), rng.uniform(49, 50, 60)
    places = frame(lon, lat, uncertainty).assign(
        dataset=np.where(np.arange(60) < 30, "pa_train", "po"),
        fold=np.where(np.arange(60) < 30, np.arange(60) % 3, -1),
        block=np.arange(60), surveyId=np.arange(60),
    )  # fmt: skip
    labels = sparse.csr_matrix(rng.random((60, 5)) < 0.4)
    return SurveyData(places, np.arange(5, dtype=np.int32), labels, "pa_train", "pa_test", False, widens=widens)


@pytest.mark.parametrize("model", ["votes", "kernels"])
def test_only_editions_and_experiments_that_ask_for_it_spread_records(model):
    def values(surveys, option):
        if model == "votes":
            return Votes(Votes.Options(uncertainty=option)).scores(surveys, 0, surveys.valid(0)).toarray()
        return Kernels(surveys, 0, options=Options(uncertainty=option))[surveys.valid(0)]

    uncertain, exact = data(8_000.0, True), data(0.0, True)
    contest = dataclasses.replace(uncertain, widens=False)
    np.testing.assert_array_equal(values(contest, "edition"), values(exact, "ignore"))
    np.testing.assert_array_equal(values(uncertain, "ignore"), values(exact, "ignore"))
    np.testing.assert_array_equal(values(uncertain, "edition"), values(contest, "widen"))
    assert np.abs(values(uncertain, "edition") - values(exact, "ignore")).max() > 1e-4
    np.testing.assert_allclose(values(exact, "widen"), values(exact, "ignore"), rtol=1e-4, atol=1e-6)
