"""The tables' schemas: what `check` casts and refuses, and those whose columns depend on the data."""

import numpy as np
import pyarrow as pa
import pytest

from glc import schema
from glc.errors import DataError


def folds(**changes):
    columns = {"surveyId": [1, 2], "fold": [0, -1], "block": [7, 8]} | changes
    return pa.table({name: values for name, values in columns.items() if values is not None})


def test_check_orders_and_casts_columns_and_drops_others():
    table = schema.check(folds(more=["x", "y"]).select(["more", "fold", "block", "surveyId"]), "folds", "here")
    assert table.schema == schema.TABLES["folds"]
    assert table.to_pydict() == {"surveyId": [1, 2], "fold": [0, -1], "block": [7, 8]}


def test_check_names_the_missing_column():
    with pytest.raises(DataError, match=r"here: column 'fold' is missing from a folds table; found \['surveyId', 'bl"):
        schema.check(folds(fold=None), "folds", "here")


@pytest.mark.parametrize("fold", [["a", "b"], [2**40, 0], [0.5, 1.0]])
def test_check_refuses_values_that_do_not_fit(fold):
    with pytest.raises(DataError, match="here: does not fit the folds schema"):
        schema.check(folds(fold=fold), "folds", "here")


def test_tiles_have_a_list_and_a_share_of_valid_pixels_per_band():
    fields = schema.tiles({"red": np.dtype("uint8"), "cover": np.float32})
    assert fields.names == ["dataset", "surveyId", "flag", "red", "cover", "red_valid", "cover_valid"]
    assert fields.field("red").type == pa.list_(pa.uint8())
    assert fields.field("cover").type == pa.list_(pa.float32())
    assert fields.field("cover_valid").type == pa.float32()


def test_tabular_has_a_float_per_feature():
    fields = schema.tabular(["ph", "slope"])
    assert fields.names == ["dataset", "surveyId", "flag", "ph", "slope"]
    assert fields.field("slope").type == pa.float32()


def test_datasets_keep_their_numbers():
    # nets' tables on disk hold these numbers
    assert list(schema.dataset_numbers(["pa_test", "po", "po_test", "pa_train"])) == [2, 0, 3, 1]
    assert schema.dataset_numbers(["po", "unheard"]).tolist() == [0, -1]
    assert schema.dataset_numbers(["po"]).dtype == np.int8


def test_series_are_cubes_with_coefficients():
    assert schema.TABLES["series"].names == [*schema.TABLES["cubes"].names, "coeffs"]
