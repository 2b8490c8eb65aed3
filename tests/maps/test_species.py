"""The species of a map."""

import pandas as pd
import pytest

from glc.errors import ConfigError
from glc.maps import species

SPECIES = pd.DataFrame(
    {
        "speciesId": [7, 9, 12, 30],
        "name": ["Quercus ilex L., 1753", None, "Pinus halepensis", "Bellis perennis"],
        "records": [10, 40, 40, 3],
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("all", [0, 1, 2, 3]),
        ("", [1, 2]),  # the most frequent; of equal ones the smaller id first
        ("30,7", [3, 0]),
        ("pinus  HALEPENSIS, 9", [2, 1]),
        ("Quercus ilex L., 1753,Bellis perennis", [0, 3]),
        ("7,7,", [0]),
    ],
)
def test_species_by_id_name_or_frequency(text, rows):
    assert species.choose(SPECIES, text, 2) == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Pinus halepensi", "did you mean 'Pinus halepensis'?"),
        ("31", "found '31'"),
        ("7,bellis perenis", "did you mean 'Bellis perennis'?"),
    ],
)
def test_an_unknown_species_gets_a_hint(text, words):
    with pytest.raises(ConfigError) as error:
        species.choose(SPECIES, text, 2)
    assert words in str(error.value)
    assert "4 species" in str(error.value)


def test_without_names_ids_are_expected():
    with pytest.raises(ConfigError, match="no names"):
        species.choose(SPECIES.assign(name=None), "Bellis perennis", 2)
    with pytest.raises(ConfigError, match="no names"):
        species.choose(SPECIES.assign(name=pd.array([pd.NA] * 4, "string")), "Bellis perennis", 2)
