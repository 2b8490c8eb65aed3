"""Labels of a test in files of one's own get the numbers that ids have in the store."""

import pandas as pd
import pytest

from glc.errors import DataError
from glc.evaluation import own_truth

LABELS = pd.DataFrame(
    {"surveyId": ["P2", "P1", "P2", "P2", "P9"], "speciesId": ["QI", "AA", "new", "QI", "AA"]}, dtype=object
)
SPECIES = pd.DataFrame(
    {"speciesId": [1, 2, 3], "name": ["Abies alba", "Quercus ilex", "BP"], "key": ["AA", "77", None]}
)
LISTED = pd.DataFrame(
    {"speciesId": ["AA", "QI", "ZZ"], "name": ["Abies alba", "Quercus ilex", "Zea"], "key": [None, "77", None]}
)
SURVEYS = pd.DataFrame({"dataset": "pa_test", "surveyId": [10, 20], "name": ["P1", "P2"]})


def numbered(labels=LABELS, species=SPECIES, listed=LISTED, surveys=SURVEYS, text_species=True):
    frame = own_truth.numbered(labels, species, listed, surveys, text_species, "dataset.toml")
    return sorted(map(tuple, frame[["surveyId", "speciesId"]].to_numpy().tolist()))


def test_text_becomes_the_numbers_of_the_store_and_what_no_record_has_one_beyond():
    # P9 could not be used; "new" is a species of the test alone
    assert numbered() == [(10, 1), (20, 2), (20, 4)]


def test_a_species_that_no_file_names_is_called_by_its_text():
    labels = pd.DataFrame({"surveyId": ["P1"], "speciesId": ["BP"]}, dtype=object)
    assert numbered(labels) == [(10, 3)]
    assert numbered(labels, listed=None) == [(10, 3)]


def test_numbers_stay_numbers():
    labels = pd.DataFrame({"surveyId": ["7"], "speciesId": ["1234"]}, dtype=object)
    assert numbered(labels, surveys=None, text_species=False) == [(7, 1234)]
    with pytest.raises(DataError, match=r"dataset\.toml: species: found 'QI', expected integers"):
        numbered(surveys=SURVEYS, text_species=False)
    with pytest.raises(DataError, match=r"dataset\.toml: surveys: found 'P2', expected integers"):
        numbered(surveys=None)


def test_names_that_two_species_share_are_refused():
    species = pd.DataFrame({"speciesId": [1, 2], "name": "Abies alba", "key": "77"})
    listed = pd.DataFrame({"speciesId": ["AA", "AB"], "name": "Abies alba", "key": "77"})
    with pytest.raises(DataError, match="has the name 'Abies alba', which 2 species have"):
        numbered(species=species, listed=listed)
