import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glc.errors import ConfigError
from glc.nets.inputs.damage import Damaged, chosen
from glc.nets.inputs.features import Features, Layout
from tests.helpers import survey_data


def features(n=40, side=16):
    rng = np.random.default_rng(0)
    layouts = {
        "aerial": Layout("pixels", ("red", "green"), side, side, side),
        "table": Layout("table", ("bio1",), 1, 1),
    }
    values = {name: rng.uniform(1, 2, (n, *one.shape)).astype(np.float32) for name, one in layouts.items()}
    known = {name: np.ones((n, len(one.bands)), bool) for name, one in layouts.items()}
    keys = np.column_stack([np.ones(n, np.int64), np.arange(n)])
    return Features(layouts, values, known, dict.fromkeys(layouts, keys)), keys


def test_only_the_pixels_of_the_chosen_are_cut_off_and_always_at_the_same_row():
    whole, keys = features()
    damaged = Damaged(whole, keys[10:30])
    asked = np.ones(40, int), np.arange(40)
    before, after = whole.of(*asked), damaged.of(*asked)
    assert_array_equal(after["table"], before["table"])
    same = (after["aerial"] == before["aerial"]).flatten(1).all(dim=1).numpy()
    assert_array_equal(np.flatnonzero(~same), np.arange(10, 30))
    lost = (after["aerial"][10:30] == 0).numpy()
    first = lost.argmax(axis=2)[:, 0, 0]
    assert len(set(first)) > 5
    for survey, row in enumerate(first):
        assert lost[survey, :, row:].all()
        assert not lost[survey, :, :row].any()
    again = damaged.of(asked[0][20:22], asked[1][20:22])
    assert_array_equal(again["aerial"], after["aerial"][20:22])


def test_a_share_of_one_country_is_chosen():
    data = survey_data()
    keys = chosen(data, "Andorra", 0.5)
    assert len(keys) == round((data.places["country"] == "Andorra").sum() / 2)
    own = data.places.loc[data.places["country"] == "Andorra", "surveyId"]
    assert set(keys[:, 1]) < set(own)
    assert_array_equal(keys, chosen(data, "Andorra", 0.5))
    with pytest.raises(ConfigError, match="damaged_country: found 'Peru', expected one of: Andorra, France"):
        chosen(data, "Peru", 0.5)
