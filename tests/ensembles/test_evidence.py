import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from glc import geo
from glc.ensembles.evidence import Records, Surroundings
from tests.helpers import survey_data

SCALES = (8_000.0, 30_000.0)


def by_hand(data, rows, columns, sources):
    """The sums, one survey and one source at a time."""
    lon, lat = data.places["lon"].to_numpy(), data.places["lat"].to_numpy()
    held = data.label_matrix.toarray()
    known = np.zeros((*columns.shape, len(SCALES), len(sources)))
    total = np.zeros((len(rows), len(SCALES), len(sources)))
    for i, row in enumerate(rows):
        for s, scale in enumerate(SCALES):
            for j, source in enumerate(sources):
                away = geo.great_circle_m(lon[row], lat[row], lon[source], lat[source])
                weight = np.where(away <= 3 * scale, np.exp(-0.5 * (away / scale) ** 2), 0)
                known[i, :, s, j] = (weight @ held[source])[columns[i]]
                total[i, s, j] = (weight @ held[source]).sum()
    return known, total


@pytest.fixture
def data():
    return survey_data(n_train=60, n_po=40, folds=3)


def test_sums_by_fold_are_those_made_by_hand(data):
    rows = np.concatenate([data.valid(1)[:5], data.test[:3]])
    columns = np.random.default_rng(0).integers(20, size=(len(rows), 6))
    found = Surroundings(data, SCALES).around(data.places.iloc[rows], columns)
    sources = [data.valid(0), data.valid(1), data.valid(2), data.presence_only]
    known, total = by_hand(data, rows, columns, sources)
    assert (total > 1).mean() > 0.8
    # records are pooled in squares of a quarter of the scale
    assert_allclose(found.known, known, rtol=0.2, atol=0.25)
    assert_allclose(found.total, total, rtol=0.08, atol=0.8)


def test_records_at_one_place_are_summed_exactly(data):
    data.places[["lon", "lat", "easting", "northing"]] = (
        data.places[["lon", "lat", "easting", "northing"]].iloc[0].to_numpy()
    )
    columns = np.tile(np.arange(20), (2, 1))
    found = Surroundings(data, SCALES).around(data.places.iloc[data.test[:2]], columns)
    for source, rows in enumerate([data.valid(0), data.valid(1), data.valid(2), data.presence_only]):
        counts = np.asarray(data.labels_of(rows).sum(axis=0)).ravel()
        for s in range(len(SCALES)):
            assert_allclose(found.known[:, :, s, source], np.tile(counts, (2, 1)), rtol=1e-5)
            assert_allclose(found.total[:, s, source], counts.sum(), rtol=1e-5)


def test_hidden_folds_are_left_out_and_presence_only_records_stay_apart():
    rng = np.random.default_rng(0)
    records = Records(rng.random((2, 3, 1, 4)).astype(np.float32), rng.random((2, 1, 4)).astype(np.float32))
    known, total = records.pooled(np.array([[True, False, True], [False, True, False]]))
    assert_allclose(known[0, :, 0], records.known[0, :, 0, 0] + records.known[0, :, 0, 2], rtol=1e-6)
    assert_allclose(known[1, :, 0], records.known[1, :, 0, 1], rtol=1e-6)
    assert_allclose(total[:, 0], [records.total[0, 0, [0, 2]].sum(), records.total[1, 0, 1]], rtol=1e-6)
    assert_array_equal(known[:, :, 1], records.known[:, :, 0, 3])
    assert_array_equal(total[:, 1], records.total[:, 0, 3])


def test_labels_of_the_test_are_not_looked_at():
    data = survey_data(n_train=60, folds=3, held_out=True)
    other = data.label_matrix.toarray()
    other[data.test] = ~other[data.test]
    changed = type(data)(data.places, data.species, sparse.csr_matrix(other), "pa_train", "pa_test", True)
    rows, columns = data.test[:4], np.tile(np.arange(20), (4, 1))
    one, two = (Surroundings(each, SCALES).around(each.places.iloc[rows], columns) for each in (data, changed))
    assert_array_equal(one.known, two.known)
    assert_array_equal(one.total, two.total)
