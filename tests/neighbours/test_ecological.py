import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc import geo
from glc.errors import ConfigError, DataError
from glc.neighbours import ecological
from glc.neighbours.ecological import Edges, edges, regions_from_nearest
from tests.helpers import survey_data


def world(seed=0, n_train=90, n_po=60, n_test=25, **others):
    """Surveys of two years and two regions within some 40 km; presence-only ones without a region."""
    data = survey_data(n_train=n_train, n_po=n_po, n_test=n_test, seed=seed, **others)
    rng = np.random.default_rng(seed + 1)
    places = data.places
    n = len(places)
    lon, lat = rng.uniform(2, 2.5, n), rng.uniform(46, 46.3, n)
    twin = rng.integers(0, n, n // 10)
    lon[: n // 10], lat[: n // 10] = lon[twin], lat[twin]
    easting, northing = geo.project(lon, lat)
    region = np.where(rng.random(n) < 0.9, "ALPINE", "CONTINENTAL").astype(object)
    region[(places["dataset"] == "po").to_numpy()] = None
    places = places.assign(
        lon=lon,
        lat=lat,
        easting=easting,
        northing=northing,
        region=region,
        year=rng.integers(2018, 2020, n),
        block=np.where(places["fold"] >= 0, geo.block_ids(easting, northing, 8_000), 0),
    )
    return dataclasses.replace(data, places=places)


def brute_force(queries, sources, radius_m=10_000, same=("year", "region")):
    """Edges by the haversine of all pairs: dense weights float64, NaN where there is none."""
    weight = np.full((len(queries), len(sources)), np.nan)
    for i, a in enumerate(queries.itertuples()):
        for j, b in enumerate(sources.itertuples()):
            if (a.dataset, a.surveyId) == (b.dataset, b.surveyId):
                continue
            if any(pd.isna(getattr(a, c)) or getattr(a, c) != getattr(b, c) for c in same):
                continue
            distance = round(float(geo.great_circle_m(a.lon, a.lat, b.lon, b.lat)), 3)
            if distance <= radius_m:
                weight[i, j] = (radius_m - distance) / 1_000
    return weight


def assert_edges(found, expected):
    stored = np.zeros(found.shape, bool)
    stored[found.nonzero()] = True
    assert_array_equal(stored, np.nan_to_num(expected) > 0)
    assert_allclose(found.toarray(), np.nan_to_num(expected), atol=2e-6)


@pytest.mark.parametrize("radius_m", [3_000, 10_000])
@pytest.mark.parametrize("same", [("year", "region"), ("year",), ()])
def test_edges_are_those_of_the_haversine_of_all_pairs(radius_m, same):
    places = world().places
    pa = places[places["dataset"] != "po"]
    found = edges(pa, pa, Edges(radius_m, same))
    expected = brute_force(pa, pa, radius_m, same)
    assert found.dtype == np.float32
    assert found.nnz > 50
    assert_edges(found, expected)
    assert_allclose((found - found.T).data, 0, atol=0)
    assert not found.diagonal().any()


def test_few_pairs_at_a_time_give_the_same_edges(monkeypatch):
    places = world().places
    whole = edges(places, places, Edges(same=("year",)), k=4)
    monkeypatch.setattr(ecological, "_MAX_PAIRS", 7)
    parts = edges(places, places, Edges(same=("year",)), k=4)
    assert_array_equal(whole.toarray(), parts.toarray())


def test_the_k_heaviest_edges_with_ties_by_dataset_and_id():
    places = world().places.sample(frac=1, random_state=3)
    found = edges(places, places, Edges(same=()), k=3)
    expected = brute_force(places, places, same=())
    tie = np.empty(len(places))
    tie[np.lexsort((places["surveyId"], places["dataset"]))] = np.arange(len(places))
    for i, weight in enumerate(expected):
        near = np.flatnonzero(~np.isnan(weight))
        near = near[np.lexsort((tie[near], -weight[near]))][:3]
        assert_array_equal(np.sort(near), found[i].indices)


def test_two_places_at_a_known_distance():
    one = pd.DataFrame({"dataset": "pa_train", "surveyId": [1], "lon": [5.0], "lat": [45.0], "year": 2020})
    north = one.assign(surveyId=2, lat=45.0 + np.degrees(4_000 / 6_371_000))
    assert_allclose(edges(one, north, Edges(same=("year",))).toarray(), [[6.0]], atol=1e-6)
    at_radius = edges(one, north, Edges(4_000, same=("year",)))
    assert at_radius.data.tolist() == [0]
    assert edges(one, north, Edges(3_999, same=("year",))).nnz == 0
    assert edges(one, north.assign(year=2021), Edges(same=("year",))).nnz == 0
    assert edges(one, one, Edges(same=("year",))).nnz == 0
    assert edges(one, one.assign(dataset="po"), Edges(same=("year",))).nnz == 1


def test_null_agrees_with_nothing_but_a_column_of_nulls_asks_for_nothing():
    pa = world().places.query("dataset != 'po'")
    some = pa.assign(region=pa["region"].where(np.arange(len(pa)) % 3 > 0, None))
    found = edges(some, some)
    assert_edges(found, brute_force(some, some))
    assert not found[some["region"].isna().to_numpy()].nnz
    null = pa.assign(region=None)
    assert_array_equal(edges(null, null).toarray(), edges(pa, pa, Edges(same=("year",))).toarray())
    assert edges(null, pa).nnz == 0
    kept, facts = ecological.conditions(null, null, ("year", "region"))
    assert kept == ("year",)
    assert facts["dropped"] == ["region"]
    facts = ecological.conditions(null, some, ("region",))[1]
    assert facts == {"dropped": [], "null": {"region": {"queries": len(pa), "sources": -(-len(pa) // 3)}}}


def test_integer_years_agree_with_years_that_nulls_made_floats():
    pa = world().places.query("dataset != 'po'")
    floats = pa.assign(year=pa["year"].astype(float).where(np.arange(len(pa)) != 0))
    found = edges(pa, floats)
    assert_array_equal(found[:, 1:].toarray(), edges(pa, pa)[:, 1:].toarray())
    assert not found[:, 0].nnz


def test_no_surveys_give_no_edges():
    pa = world().places.query("dataset != 'po'")
    assert edges(pa.iloc[:0], pa).shape == (0, len(pa))
    assert edges(pa, pa.iloc[:0]).shape == (len(pa), 0)


def test_errors_name_the_column():
    pa = world().places
    with pytest.raises(DataError, match="'year' is missing"):
        edges(pa.drop(columns="year"), pa)
    with pytest.raises(DataError, match="lat"):
        edges(pa.assign(lat=np.nan), pa)
    with pytest.raises(ConfigError, match="radius_m"):
        Edges(0)
    with pytest.raises(ConfigError, match="same"):
        Edges(same=("month",))


def test_regions_come_from_the_nearest_survey_that_has_one():
    places = world().places
    pa, po = places[places["dataset"] != "po"], places[places["dataset"] == "po"]
    pa = pa.assign(region=pa["region"].where(np.arange(len(pa)) % 4 > 0, None))
    known = pa[pa["region"].notna()]
    distance = geo.great_circle_m(
        *(po[c].to_numpy()[:, None] for c in ("lon", "lat")), *(known[c].to_numpy() for c in ("lon", "lat"))
    )
    expected = known["region"].to_numpy()[distance.argmin(axis=1)]
    assert_array_equal(regions_from_nearest(po, pa, 100_000), expected)
    reach = float(np.median(distance.min(axis=1)))
    near = regions_from_nearest(po.drop(columns="region"), pa, reach)
    assert_array_equal(near, np.where(distance.min(axis=1) <= reach, expected, None))
    assert_array_equal(regions_from_nearest(known, pa.assign(region="X")), known["region"])
    assert pd.isna(regions_from_nearest(po, pa.assign(region=None))).all()
