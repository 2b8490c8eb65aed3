"""The grid of an atlas is found from its records, and places become the middles of its squares."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from glc import atlas, geo

UTM, SIDE, WEST, SOUTH = 32631, 5_000.0, 1_234.0, 3_210.0
SPECIES = 60


def records(n=12_000, squares=12, seed=0):
    """Records of squares with compositions of their own: places, and one species each."""
    rng = np.random.default_rng(seed)
    composition = rng.dirichlet(np.full(SPECIES, 0.2), squares * squares)
    column, row = rng.integers(0, squares, (2, n))
    east = 500_000 + WEST + (column + rng.random(n)) * SIDE
    north = 4_800_000 + SOUTH + (row + rng.random(n)) * SIDE
    lon, lat = geo.degrees(east, north, UTM)
    cumulated = composition.cumsum(axis=1)[column * squares + row]
    species = (rng.random((n, 1)) < cumulated).argmax(axis=1)
    matrix = sparse.csr_matrix((np.ones(n, bool), (np.arange(n), species)), shape=(n, SPECIES))
    return pd.DataFrame({"lon": lon, "lat": lat}), matrix


def away(place, wanted):
    """Metres between two places where squares begin."""
    return abs((place - wanted + SIDE / 2) % SIDE - SIDE / 2)


def test_squares_are_found_where_they_begin():
    grid = atlas.find(*records(), SIDE)
    assert grid.crs == UTM
    assert away(grid.west, WEST % SIDE) < 0.02 * SIDE
    assert away(grid.south, SOUTH % SIDE) < 0.02 * SIDE
    assert grid.gain > 1.3


def test_without_squares_no_grid_is_much_better_than_others():
    places, matrix = records()
    rng = np.random.default_rng(1)
    scattered = places.assign(lon=rng.permutation(places["lon"]), lat=rng.permutation(places["lat"]))
    assert atlas.find(scattered, matrix, SIDE).gain < 1.02
    assert atlas.find(places, matrix, 0.7 * SIDE).gain < 1.1


def test_of_many_records_some_are_drawn(monkeypatch):
    places, matrix = records()
    monkeypatch.setattr(atlas, "MOST", 6_000)
    grid = atlas.find(places, matrix, SIDE, UTM)
    assert away(grid.west, WEST % SIDE) < 0.03 * SIDE
    assert grid == atlas.find(places, matrix, SIDE, UTM)


def test_the_likelihood_is_that_of_each_record_given_the_others_of_its_square():
    x, y = np.array([1.0, 2.0, 3.0, 12.0]), np.full(4, 5.0)
    species = [0, 0, 1, 1]
    matrix = sparse.coo_matrix((np.ones(4), (range(4), species)), shape=(4, 2))
    # the square from 0 has two records of species 0 and one of species 1; overall each is a half
    smoothed, half = atlas.SMOOTHED, atlas.SMOOTHED / 2
    terms = [
        np.log((1 + half) / (2 + smoothed)),
        np.log((1 + half) / (2 + smoothed)),
        np.log(half / (2 + smoothed)),
        np.log(half / smoothed),
    ]
    assert_allclose(atlas._Likelihood(x, y, matrix, 10.0).at(0.0, 0.0), np.mean(terms))


def test_places_become_the_middles_of_their_squares():
    grid = atlas.Grid(UTM, SIDE, WEST, SOUTH)
    east = np.array([500_000.0, 503_000.0, 506_234.0, 406_233.0])
    north = np.full(4, 4_803_300.0)
    lon, lat = geo.degrees(east, north, UTM)
    places = pd.DataFrame({"lon": lon, "lat": lat, "easting": east, "northing": north}).assign(crs=np.int32(UTM))
    places["easting"] = places["easting"].astype(np.float32)
    places.loc[3, "crs"] = 3035
    moved = grid.moved(places)
    # squares from 496,234, 501,234, 506,234 and 401,234 east, and from 4,803,210 north
    assert_allclose(moved["easting"][:3], [498_734, 503_734, 508_734], atol=1)
    assert_allclose(moved["northing"][:3], 4_805_710, atol=1)
    assert_allclose(np.array(geo.project(moved["lon"], moved["lat"], UTM))[:, 3], [403_734, 4_805_710], atol=1)
    assert_allclose(moved["easting"][3], geo.project(moved["lon"][3], moved["lat"][3], 3035)[0], atol=1)
    assert (moved.dtypes == places.dtypes).all()
    assert_allclose(grid.moved(moved)[["lon", "lat"]], moved[["lon", "lat"]], atol=1e-9)


def test_a_grid_is_read_as_it_was_written(tmp_path):
    grid = atlas.Grid(UTM, SIDE, WEST, SOUTH, 1.13)
    atlas.write(grid, tmp_path)
    assert atlas.read(tmp_path) == grid


@pytest.mark.parametrize(("lon", "lat", "zone"), [(3.5, 43.5, 32631), (6.1, 43.5, 32632), (-71, -33, 32719)])
def test_zones(lon, lat, zone):
    assert geo.utm_zone(lon, lat) == zone
