import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from glc.errors import DataError
from glc.sdm.sites import Encoder, Examples, presence_only


def examples():
    records = pd.DataFrame(
        {"spid": ["a", "b", "a", "a"], "x": [1, 1, 2, 1], "y": [5, 5, 5, 5], "wet": [0.5, 0.5, 0.1, 0.5]}
    )
    background = pd.DataFrame({"x": [1, 3], "y": [5, 5], "wet": [0.5, 0.9]})
    return presence_only(records, background, ["a", "b"], ["wet"])


def test_records_at_one_place_become_one_row():
    found = examples()
    assert found.table["x"].tolist() == [1, 2, 1, 3]
    assert_array_equal(found.present, [[True, True], [True, False], [False, False], [False, False]])
    assert_array_equal(found.background, [False, False, True, True])
    presences, absences = found.rows(1)
    assert presences.tolist() == [0]
    assert absences.tolist() == [2, 3]


def test_a_subset_keeps_the_species_that_can_still_be_learnt():
    part, able = examples().subset(np.array([False, True, True, True]))
    assert part.species == ("a",)
    assert able.tolist() == [0]


def test_species_without_presence_and_shapes_that_do_not_fit_are_refused():
    table = pd.DataFrame({"x": [0, 1], "y": [0, 1], "wet": [0, 1]})
    with pytest.raises(DataError, match="species 'b' has no presence or no background"):
        Examples(table, ("a", "b"), np.array([[1, 0], [0, 0]], bool), np.ones(2, bool))
    with pytest.raises(DataError, match=r"expected \(2, 1\) and \(2,\)"):
        Examples(table, ("a",), np.ones((3, 1), bool), np.ones(2, bool))


def test_classes_are_one_hot_and_an_unknown_class_is_none_of_them():
    table = pd.DataFrame({"x": [1, 2], "y": [3, 4], "wet": [0.5, 0.25], "soil": [7, 2]})
    encoder = Encoder(table, ("soil",), place=False)
    assert_array_equal(encoder(table), [[0.5, 0, 1], [0.25, 1, 0]])
    assert_array_equal(encoder(table.assign(soil=9))[:, 1:], 0)
    assert_array_equal(Encoder(table, ("soil",), place=True)(table)[0], [1, 3, 0.5, 0, 1])
