import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc.classical.frequency import LEVELS, Frequency
from tests.helpers import survey_data


def brute(data, fold, query, level, least, size_m=50_000):
    train = data.train(fold)
    labels = data.label_matrix.toarray()[train]
    places = data.places.iloc[train]
    asked = data.places.iloc[query]
    if level == "global":
        inside = np.ones(len(train), bool)
    elif level == "district":
        inside = (
            (places["easting"] // size_m == asked["easting"] // size_m)
            & (places["northing"] // size_m == asked["northing"] // size_m)
        ).to_numpy()
    else:
        inside = (places[level].fillna("") == (asked[level] if isinstance(asked[level], str) else "")).to_numpy()
    return (labels[inside] if inside.sum() >= least else labels).mean(axis=0)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("fold", [0, None])
def test_scores_are_shares_of_the_surveys_a_model_may_see(level, fold):
    data = survey_data(seed=2)
    queries = data.test if fold is None else data.valid(fold)
    scores = Frequency(Frequency.Options(level=level, least=4)).scores(data, fold, queries).toarray()
    assert_allclose(scores, [brute(data, fold, q, level, 4) for q in queries], atol=1e-6)


def test_labels_of_the_fold_and_the_test_do_not_matter():
    data = survey_data()
    before = Frequency(Frequency.Options()).scores(data, 1, data.valid(1)).toarray()
    other = data.label_matrix.tolil()
    other[data.valid(1)] = 1
    other[data.test] = 1
    changed = type(data)(data.places, data.species, other.tocsr(), "pa_train", "pa_test", False)
    assert_allclose(Frequency(Frequency.Options()).scores(changed, 1, data.valid(1)).toarray(), before)
