import numpy as np
import pytest
from numpy.testing import assert_allclose

from glc import basemap
from glc.errors import ConfigError
from glc.explain.species_map import species_map


def test_a_cell_has_the_score_of_its_centre_and_the_sea_has_none(fitted):
    drawn = species_map(fitted, 10, fold=1, cells=500)
    rows, columns = drawn.scores.shape
    assert 250 < rows * columns <= 500
    lon = drawn.west + (np.arange(columns) + 0.5) * (drawn.east - drawn.west) / columns
    lat = drawn.north - (np.arange(rows) + 0.5) * (drawn.north - drawn.south) / rows
    lon, lat = np.meshgrid(lon, lat)
    land = basemap.is_land(lon.ravel(), lat.ravel()).reshape(lon.shape)
    assert 0 < (~land).sum() < land.sum()
    assert (np.isfinite(drawn.scores) == land).all()
    inside = land & (lon > 1) & (lon < 9)
    assert_allclose(drawn.scores[inside], ((lon - 1) / 8)[inside], atol=1e-6)
    assert {fold for _, fold in fitted.asked} == {1}


def test_records_are_split_by_what_the_model_of_the_fold_has_seen(fitted):
    drawn = species_map(fitted, 12, fold=1, cells=50)
    places = fitted.data.places
    present = fitted.data.label_matrix[:, 2].toarray().ravel().astype(bool)
    own = places[present & (places["fold"] == 1)]
    assert_allclose(drawn.held_out, own[["lon", "lat"]])
    assert len(drawn.training) == present.sum() - len(own)
    assert drawn.name == "Abies alba"
    assert species_map(fitted, 11, cells=50).name == ""


def test_unknown_species_and_folds_are_refused(fitted):
    with pytest.raises(ConfigError, match="species 99: not one of the 3 species"):
        species_map(fitted, 99)
    with pytest.raises(ConfigError, match="--fold 2: expected 0 to 1"):
        species_map(fitted, 10, fold=2)
