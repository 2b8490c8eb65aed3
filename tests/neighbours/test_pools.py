"""Pools and their kernel against sums over single surveys."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import geo
from glc.neighbours import pools
from glc.neighbours.pools import REACH, kernel, pool
from tests.helpers import survey_data

SIZE_M = 15_000.0


@pytest.fixture(scope="module")
def data():
    return survey_data(n_train=80, n_po=60)


def records_of(data):
    return sparse.diags(np.linspace(0.5, 2, len(data.places))).astype(np.float32) @ data.label_matrix.astype(np.float32)


def by_hand(data, keys):
    """Mean place, records and first row of the surveys that agree in all of `keys`, in order of these."""
    rows = {}
    for row, key in enumerate(zip(*keys, strict=True)):
        rows.setdefault(key, []).append(row)
    sphere, records = geo.unit_sphere(data.places["lon"], data.places["lat"]), records_of(data).toarray()
    groups = [rows[key] for key in sorted(rows)]
    centres = np.array([sphere[own].mean(axis=0) for own in groups])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return centres, np.array([records[own].sum(axis=0) for own in groups]), [own[0] for own in groups]


@pytest.mark.parametrize("size_m", [SIZE_M, None])
@pytest.mark.parametrize("columns", [(), ("fold",), ("fold", "block")])
def test_surveys_of_a_square_are_pooled_and_those_to_keep_apart_are_not(data, size_m, columns):
    places = data.places
    apart = [places[name].to_numpy() for name in columns]
    squares = np.zeros(len(places), int)
    if size_m:
        squares = geo.block_ids(places["easting"], places["northing"], size_m)
    found = pool(places, records_of(data), size_m, *apart)
    points, counts, first = by_hand(data, [squares, *apart])
    assert (len(points) == 1) == (not size_m and not columns)
    assert len(points) < len(places)
    assert_allclose(found.points, points, atol=1e-14)
    assert_allclose(found.counts.toarray(), counts, rtol=1e-6)
    assert_array_equal(found.first, first)


def test_squares_of_two_projections_are_never_pooled(data):
    places = data.places.assign(easting=100.0, northing=100.0, crs=np.arange(len(data.places)) % 2 + 3034)
    assert_array_equal(pool(places, records_of(data), SIZE_M).first, [0, 1])


def test_the_kernel_is_the_gaussian_of_great_circle_metres_cut_at_its_reach(data):
    asked, held, scale = data.places.iloc[:40], data.places.iloc[40:], 12_000.0
    points = [geo.unit_sphere(part["lon"], part["lat"]) for part in (asked, held)]
    lon, lat = (asked[name].to_numpy()[:, None] for name in ("lon", "lat"))
    metres = geo.great_circle_m(lon, lat, held["lon"].to_numpy(), held["lat"].to_numpy())
    wanted = np.where(metres <= REACH * scale, np.exp(-0.5 * (metres / scale) ** 2), 0)
    found = kernel(*points, scale)
    assert found.dtype == np.float32
    assert 0 < found.nnz < wanted.size
    assert_allclose(found.toarray(), wanted, rtol=1e-5, atol=1e-7)


def test_pools_of_none_weigh_nothing(data):
    nobody = data.places.iloc[:0]
    for size_m in (SIZE_M, None):
        empty = pool(nobody, records_of(data)[:0], size_m, nobody["fold"].to_numpy())
        assert empty.points.shape == (0, 3)
        assert empty.counts.shape == (0, len(data.species))
        weights = kernel(geo.unit_sphere([2.0, 3.0], [46.0, 46.0]), empty.points, 5_000.0)
        assert weights.shape == (2, 0)
        assert not (weights @ empty.counts).toarray().any()


@pytest.mark.parametrize(("share", "entries"), [(0.001, 10**9), (0.3, 10**9), (0.3, 10)])
def test_sums_are_the_sparse_product_to_the_bit(share, entries, monkeypatch):
    """Few counts, many, and many that may not be held dense."""
    monkeypatch.setattr(pools, "_DENSE_ENTRIES", entries)
    weights = sparse.random(20, 50, 0.2, "csr", np.float32, np.random.default_rng(0))
    counts = sparse.random(50, 400, share, "csr", np.float32, np.random.default_rng(1))
    wanted = (weights @ counts).toarray()
    assert pools.sums(weights, counts).tobytes() == wanted.tobytes()
