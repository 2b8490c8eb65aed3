"""Where a fitted experiment may be trusted."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import glc
from glc.applicability import area
from glc.applicability.space import Space
from glc.fitted.inputs import InputsAt
from tests.fitted.test_load import saved

FAR = [40.0], [10.0]


def validation(data, seed=0):
    """The frame of training surveys that `area.fit` reads, with random scores."""
    places = data.places.iloc[data.train()]
    rng = np.random.default_rng(seed)
    columns = {"fold": places["fold"].to_numpy(), "block": places["block"].to_numpy()}
    return pd.DataFrame(columns).assign(
        nearest_train_m=rng.uniform(1e3, 5e5, len(places)), score=rng.uniform(0.1, 0.3, len(places))
    )


@pytest.fixture
def votes(tmp_path):
    """The folder of votes without a file of applicability, and its surveys."""
    return saved(tmp_path)


def test_near_the_training_surveys_is_inside_and_far_away_is_not(votes):
    folder, data = votes
    train = data.places.iloc[data.train()]
    area.fit(Space.of_coordinates(), train[["lon", "lat"]], validation(data))[0].save(folder / area.FILE)
    fitted = glc.load(folder)
    near = fitted.applicability(fitted.places(train["lon"][:3], train["lat"][:3]))
    assert near["inside"].tolist() == [True] * 3
    assert_allclose(near["dissimilarity"], 0, atol=1e-9)
    assert near["expected_f1"].between(0.1, 0.3).all()
    far = fitted.applicability(fitted.places(*FAR))
    assert far["inside"].tolist() == [False]
    assert far["expected_f1"].isna().all()
    table = fitted.predict(*FAR)
    for column in ("dissimilarity", "inside", "distance_to_training_m"):
        assert table[column].tolist() == far[column].tolist()
    assert list(far.columns) == ["dissimilarity", "inside", "distance_to_training_m", "expected_f1"]
    assert fitted.applicability(fitted.places([], [])).shape == (0, 4)


def test_values_of_tables_are_looked_up_by_their_column(votes):
    folder, data = votes
    rng = np.random.default_rng(3)
    values = pd.DataFrame(rng.normal(size=(len(data.train()), 2)).astype(np.float32), columns=["warm", "wet"])
    area.fit(Space.of_table(values), values, validation(data))[0].save(folder / area.FILE)
    fitted = glc.load(folder)
    places = fitted.places([2.5, 2.6, 2.7], [46.5, 46.6, 46.7])
    tables = {"other": pd.DataFrame({"high": [1.0] * 3}), "table": values.iloc[:3].reset_index(drop=True)}
    tables["table"].iloc[1] = 50.0
    tables["table"].iloc[2] = np.nan
    frame = fitted.applicability(places, {"a member": InputsAt(tables, {}, {}, {}, pd.DataFrame(index=range(3)))})
    assert_allclose(frame["dissimilarity"][0], 0, atol=1e-9)
    assert frame["dissimilarity"][1] > 10
    assert frame["dissimilarity"].isna().tolist() == [False, False, True]
    assert frame["inside"].tolist() == [True, False, pd.NA]


def test_without_a_file_nothing_is_known(votes):
    fitted = glc.load(votes[0])
    frame = fitted.applicability(fitted.places(*FAR))
    assert frame[["dissimilarity", "inside", "expected_f1"]].isna().all().all()
    assert frame["distance_to_training_m"].gt(1e6).all()
