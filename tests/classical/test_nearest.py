import numpy as np
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


def test_the_table_it_asks_for_has_its_options():
    wanted = Nearest(Nearest.Options(k=0, radius_m=5_000.0, method="lsh", sources=("train",))).neighbours()
    assert (wanted.k, wanted.radius_m, wanted.method, wanted.sources) == (0, 5_000, "lsh", ("train",))
