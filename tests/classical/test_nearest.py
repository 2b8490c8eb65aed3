import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import geo
from glc.classical.nearest import Nearest
from tests.helpers import neighbour_table, survey_data


def test_scores_are_shares_of_the_neighbours_and_the_nearest_survey_is_the_fallback():
    data = survey_data()
    radius = 9_000
    queries = data.valid(0)
    model = Nearest(Nearest.Options(k=5, radius_m=float(radius)))
    got = model.scores(data, 0, queries, neighbour_table(data, 0, queries, 5, radius)).toarray()
    pool = np.concatenate([data.train(0), data.presence_only])
    lon, lat = data.places["lon"].to_numpy(), data.places["lat"].to_numpy()
    lonely = 0
    for row, q in zip(got, queries, strict=True):
        metres = geo.great_circle_m(lon[q], lat[q], lon[pool], lat[pool])
        near = pool[np.argsort(metres)[:5]][np.sort(metres)[:5] <= radius]
        if not len(near):
            lonely += 1
            near = pool[[metres.argmin()]]
        assert_allclose(row, data.label_matrix.toarray()[near].mean(axis=0), atol=1e-6)
    assert 0 < lonely < len(queries)


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_weights_fall_with_the_power_of_one_and_the_kilometres(power):
    data, radius = survey_data(), 20_000
    queries = data.valid(0)
    model = Nearest(Nearest.Options(k=7, radius_m=float(radius), power=power, sources=("train",)))
    table = neighbour_table(data, 0, queries, 7, radius, ("train",))
    got = model.scores(data, 0, queries, table).toarray()
    fitted = model.fit(data, 0)(data.places.iloc[queries], None).toarray()
    pool, labels = data.train(0), data.label_matrix.toarray()
    lon, lat = data.places["lon"].to_numpy(), data.places["lat"].to_numpy()
    differ = 0
    for row, again, q in zip(got, fitted, queries, strict=True):
        metres = geo.great_circle_m(lon[q], lat[q], lon[pool], lat[pool])
        order = np.argsort(metres)[:7]
        near = order[metres[order] <= radius]
        near = near if len(near) else order[:1]
        weights = (1 + metres[near] / 1000) ** -power
        expected = weights @ labels[pool[near]] / weights.sum()
        assert_allclose(row, expected, atol=1e-5)
        assert_allclose(again, expected, atol=1e-5)
        differ += not np.allclose(expected, labels[pool[near]].mean(axis=0), atol=1e-3)
    assert (differ > 0) == (power > 0)


def test_power_0_is_the_share_of_neighbours_to_the_last_bit():
    data = survey_data()
    queries = data.valid(0)
    table = neighbour_table(data, 0, queries, 5, 30_000).drop(columns="distance_m")  # not read
    scores = Nearest(Nearest.Options(k=5, radius_m=30_000.0)).scores(data, 0, queries, table)
    for row, q in enumerate(queries):
        own = table[
            (table.survey_id == data.places["surveyId"][q]) & (table.survey_dataset == data.places["dataset"][q])
        ]
        if len(own):
            rows = [
                data.places.index[(data.places.surveyId == i) & (data.places.dataset == d)][0]
                for d, i in zip(own.dataset, own.neighbour_id, strict=True)
            ]
            shares = np.float32(1 / len(rows)) * data.label_matrix[rows].toarray().astype(np.float32).sum(axis=0)
            np.testing.assert_array_equal(scores[row].toarray()[0], shares)


def test_the_table_it_asks_for_has_its_options():
    wanted = Nearest(Nearest.Options(k=0, radius_m=5_000.0, method="lsh", sources=("train",))).neighbours()
    assert (wanted.k, wanted.radius_m, wanted.method, wanted.sources) == (0, 5_000, "lsh", ("train",))
