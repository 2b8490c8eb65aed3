"""Folds at the distances of the places to predict: known answers, and what the paper asks for."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from glc import geo, storage
from glc.config import Validation
from glc.errors import ConfigError
from glc.etl import folds, knndm
from glc.etl.squares import Cells, Squares
from glc.maps import area

EQUATOR_M = np.pi / 180 * geo.EARTH_RADIUS_M
"""Metres of a degree at the equator."""


def line(count, step_m):
    """Places on the equator, `step_m` apart; easting is the distance on the sphere."""
    easting = np.arange(count) * step_m
    return easting / EQUATOR_M, np.zeros(count), Squares(easting, np.zeros(count), np.full(count, 3035))


def between(lon, lat, fold):
    """Metres to the nearest survey of another fold, by all pairs."""
    distance = geo.great_circle_m(lon[:, None], lat[:, None], lon[None], lat[None])
    distance[fold[:, None] == fold[None]] = np.inf
    return distance.min(axis=1)


@pytest.mark.parametrize("wanted_m", [12_000, 25_000])
def test_folds_are_as_far_from_each_other_as_the_places_are_from_the_surveys(wanted_m):
    rng = np.random.default_rng(5)
    easting, northing = rng.uniform(0, 400_000, (2, 1_500))
    lon, lat = easting / EQUATOR_M, northing / EQUATOR_M
    # north of all surveys at this distance
    places = np.linspace(0, 400_000, 300) / EQUATOR_M, np.full(300, (400_000 + wanted_m) / EQUATOR_M)
    squares = Squares(easting, northing, np.full(1_500, 3035))
    matched = knndm.assign(lon, lat, squares, *places, 5, 0)
    distance = between(lon, lat, matched.fold)
    assert np.median(distance) == pytest.approx(matched.median_m)
    one_by_one = between(lon, lat, squares.deal(0.0, 5, np.random.default_rng(0)))
    wanted = matched.wanted_median_m
    assert abs(np.median(distance) - wanted) < 0.35 * wanted
    assert abs(np.median(one_by_one) - wanted) > 0.35 * wanted
    assert set(matched.fold) == set(range(5))


def test_places_among_the_surveys_get_a_random_split():
    lon, lat, squares = line(400, 1_000)
    matched = knndm.assign(lon, lat, squares, lon, lat, 4, 0)  # at the surveys themselves: nothing is as near
    assert matched.size_m in (0, 250)  # a square of 250 m holds one survey
    assert matched.median_m == pytest.approx(1_000)
    assert matched.wanted_median_m == pytest.approx(0, abs=0.1)


def test_the_chosen_size_has_the_least_wasserstein_distance_of_a_fine_grid():
    rng = np.random.default_rng(1)
    lon, lat, squares = line(600, 1_000)
    places = rng.uniform(0, lon.max(), 200), rng.uniform(0.02, 0.2, 200)
    matched = knndm.assign(lon, lat, squares, *places, 3, 0)
    wanted = geo.great_circle_m(places[0][:, None], places[1][:, None], lon[None], lat[None]).min(axis=1)
    best = min(
        wasserstein_distance(between(lon, lat, squares.deal(size, 3, np.random.default_rng(0))), wanted)
        for size in np.geomspace(250, 150_000, 60)
    )
    assert matched.wasserstein_m <= 1.25 * best  # jagged: with three folds it hangs on where the squares begin
    assert matched.wasserstein_m == pytest.approx(
        wasserstein_distance(between(lon, lat, matched.fold), wanted), rel=1e-6
    )


def test_no_places_or_too_few_surveys_are_refused():
    lon, lat, squares = line(5, 1_000)
    with pytest.raises(ConfigError, match=r"validation\.scheme: knndm .* the dataset has no test surveys"):
        knndm.assign(lon, lat, squares, np.empty(0), np.empty(0), 2, 0)
    with pytest.raises(ConfigError, match="found 10 folds for 5 surveys"):
        knndm.assign(lon, lat, squares, lon, lat, 10, 0)


@pytest.mark.parametrize("has_test", [True, False])
def test_the_task_matches_the_test_or_what_is_held_out(tmp_path, has_test):
    rng = np.random.default_rng(2)
    easting, northing = rng.uniform(0, 500_000, (2, 3_000))
    rows = pd.DataFrame(
        {
            "surveyId": np.arange(3_000), "dataset": np.where(np.arange(3_000) % 5, "pa_train", "pa_test"),
            "easting": easting, "northing": northing, "crs": np.int32(3035), "lon": easting / EQUATOR_M,
            "lat": northing / EQUATOR_M, "year": 2020, "geoUncertaintyInM": 1.0, "country": "", "region": "",
            "areaInM2": 1.0, "species": [[1]] * 3_000,
        }
    )  # fmt: skip
    storage.write_table(rows, "surveys", tmp_path / "surveys")
    tests = ["pa_test"] if has_test else []
    facts = folds.write(
        tmp_path / "surveys", tmp_path / "folds", Validation(scheme="knndm"), hold_out=not has_test, tests=tests
    )
    table = storage.read_table(tmp_path / "folds", "folds").to_pandas()
    assert (table.fold == -1).any() == (not has_test)
    joined = rows.merge(table, on="surveyId")
    train = joined[joined.fold >= 0]
    places = rows[rows.dataset == "pa_test"] if has_test else joined[joined.fold == -1]
    nearest = geo.great_circle_m(
        places.lon.to_numpy()[:, None],
        places.lat.to_numpy()[:, None],
        train.lon.to_numpy()[None],
        train.lat.to_numpy()[None],
    ).min(axis=1)
    assert facts["knndm"]["wanted_median_m"] == round(np.median(nearest))
    assert facts["knndm"]["median_m"] == pytest.approx(np.median(nearest), rel=0.3)


def test_folds_over_the_whole_earth_match_too():
    rng = np.random.default_rng(8)
    lon, lat = rng.uniform(-180, 180, 4_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 4_000)))
    # places in a gap of 20° around the date line
    gap = np.abs(lon) > 170
    matched = knndm.assign(lon[~gap], lat[~gap], Cells(lon[~gap], lat[~gap]), lon[gap], lat[gap], 5, 0)
    distance = between(lon[~gap], lat[~gap], matched.fold)
    assert np.median(distance) == pytest.approx(matched.wanted_median_m, rel=0.2)
    one_by_one = between(lon[~gap], lat[~gap], rng.integers(5, size=(~gap).sum()))
    assert np.median(one_by_one) < 0.5 * matched.wanted_median_m


def test_no_cell_of_the_earth_is_in_two_folds_and_order_does_not_matter():
    rng = np.random.default_rng(9)
    lon, lat = rng.uniform(-180, 180, 2_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 2_000)))
    places = rng.uniform(-180, 180, 300), np.full(300, 89.0)
    lon, lat = lon[lat < 80], lat[lat < 80]  # the pole is at least 9° from all
    matched = knndm.assign(lon, lat, Cells(lon, lat), *places, 4, 3)
    assert matched.size_m > 500_000
    assert (pd.Series(matched.fold).groupby(Cells(lon, lat).ids(matched.size_m)).nunique() == 1).all()
    order = rng.permutation(len(lon))
    again = knndm.assign(lon[order], lat[order], Cells(lon[order], lat[order]), *places, 4, 3)
    np.testing.assert_array_equal(again.fold, matched.fold[order])


def test_a_map_is_farther_away_than_the_test_and_its_folds_are_too(tmp_path):
    """Surveys in few clusters with the test among them, and land all around: central France."""
    rng = np.random.default_rng(6)
    centre = np.column_stack([rng.uniform(1, 5, 8), rng.uniform(45, 48, 8)])
    lon, lat = (centre[rng.integers(8, size=2_500)] + rng.normal(0, 0.06, (2_500, 2))).T
    easting, northing = geo.project(lon, lat)
    rows = pd.DataFrame(
        {
            "surveyId": np.arange(2_500), "dataset": np.where(np.arange(2_500) % 5, "pa_train", "pa_test"),
            "easting": easting, "northing": northing, "crs": np.int32(3035), "lon": lon, "lat": lat, "year": 2020,
            "geoUncertaintyInM": 1.0, "country": "", "region": "", "areaInM2": 1.0, "species": [[1]] * 2_500,
        }
    )  # fmt: skip
    storage.write_table(rows, "surveys", tmp_path / "surveys")
    train = rows[rows.dataset == "pa_train"]
    of_map = area.places(train.lon.to_numpy(), train.lat.to_numpy(), 3035, most=3_000)
    validation = Validation(scheme="knndm", match="area", count=4)
    near = folds.write(tmp_path / "surveys", tmp_path / "near", Validation(scheme="knndm", count=4), tests=["pa_test"])
    far = folds.write(tmp_path / "surveys", tmp_path / "far", validation, tests=["pa_test"], area=of_map)
    # of the test the next survey is some hundred metres away, of a place of the map dozens of kilometres
    assert near["knndm"]["wanted_median_m"] < 1_000
    wanted = geo.great_circle_m(of_map[0][:, None], of_map[1][:, None], lon[None], lat[None])[:, train.index].min(
        axis=1
    )
    assert far["knndm"]["wanted_median_m"] == pytest.approx(np.median(wanted), abs=1)
    assert np.median(wanted) > 20_000
    assert far["knndm"]["median_m"] > 20 * near["knndm"]["median_m"]
    with pytest.raises(ConfigError, match=r"match: found 'area', expected test unless the scheme is knndm"):
        Validation(scheme="block", match="area")
