import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal

from glc import storage
from glc.surveys import read_species
from tests.helpers import survey_data


def test_a_model_never_sees_its_fold_nor_the_test():
    for held_out in (False, True):
        data = survey_data(held_out=held_out)
        for fold in range(3):
            train, valid = data.train(fold), data.valid(fold)
            assert not set(train) & set(valid)
            assert not set(train) & set(data.test)
            assert not set(valid) & set(data.test)
            assert_array_equal(np.sort(np.concatenate([train, valid])), data.train())


def test_a_held_out_fold_is_the_test():
    data = survey_data(held_out=True)
    assert (data.places["dataset"].to_numpy()[data.test] == "pa_train").all()
    assert (data.places["fold"].to_numpy()[data.test] == -1).all()
    assert data.label_matrix[data.test].sum() > 0


def test_presence_only_surveys_are_none_where_they_are_what_is_trained_on():
    data = survey_data()
    assert len(data.presence_only) == 40
    data.places.loc[data.places["dataset"] == "pa_train", "dataset"] = "po"
    other = type(data)(data.places, data.species, data.label_matrix, "po", "po_test", False)
    assert len(other.presence_only) == 0


def test_names_and_keys_that_species_lack_are_none(tmp_path):
    frame = pd.DataFrame({"speciesId": [1, 2], "name": ["Bellis perennis", None], "key": [None, "7"]})
    storage.write_table(frame, "species", tmp_path / "species")
    assert read_species(tmp_path).to_dict("list") == {
        "speciesId": [1, 2],
        "name": ["Bellis perennis", None],
        "key": [None, "7"],
    }
