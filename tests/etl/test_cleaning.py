"""Rules of cleaning environmental values, on values given by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glc.covariates import Raster
from glc.errors import ConfigError
from glc.etl import cleaning

NAN, INF = np.nan, np.inf


class Values:
    """Values of surveys as a table or raster gives them: column -> list, in the order of the ids."""

    def __init__(self, classes=None, unreadable=(), **columns):
        self.columns, self.classes, self._unreadable = list(columns), classes or {}, list(unreadable)
        self.labels = {}
        self._values = np.column_stack([np.asarray(values, float) for values in columns.values()])

    def read(self, places):
        at = places["surveyId"].to_numpy()
        return self._values[at], np.isin(at, self._unreadable)


def raster(name, **declared):
    return Raster(name, patterns=("*",), name=name, **declared)


def table(*parts):
    return cleaning.Table([cleaning.Part(covariate, "by hand", values) for covariate, values in parts])


def surveys(n):
    return pd.DataFrame({"dataset": "pa_train", "surveyId": np.arange(n)})


def cleaned(made, n):
    return made.clean(made.read(surveys(n))[0])


def test_columns_are_called_by_their_covariate():
    soil = raster("soil")
    assert table((soil, Values(ph=[1], clay=[2]))).columns == ["soil_ph", "soil_clay"]


def test_columns_that_share_a_name_are_refused():
    soil = raster("soil")
    with pytest.raises(ConfigError, match=r"would share a name: \['soil_ph', 'soil_ph'\]"):
        table((soil, Values(ph=[1])), (soil, Values(ph=[2])))


def test_infinite_values_and_those_beyond_the_limits_are_null():
    soil = raster("soil", limits={"p*": (0, 14)})
    made, counts, known = cleaned(table((soil, Values(ph=[0, 14, -0.1, 14.1, INF, NAN]))), 6)
    assert_array_equal(made[:, 0], np.array([0, 14, NAN, NAN, NAN, NAN], np.float32))
    assert {name: int(count[0]) for name, count in counts.items()} == {
        "nulls": 4,
        "infinite": 1,
        "outliers": 2,
        "replaced": 0,
    }
    assert_array_equal(known, [True, True, False, False, False, False])


def test_what_lies_beyond_is_replaced_where_the_covariate_says_so():
    footprint = raster("human", limits={"*": (0, 255)}, beyond=(1, 255))
    made, counts, _ = cleaned(table((footprint, Values(built=[-3, 0, 255, 256]))), 4)
    assert_array_equal(made[:, 0], [1, 0, 255, 255])
    assert (counts["replaced"][0], counts["outliers"][0], counts["nulls"][0]) == (2, 0, 0)


def test_a_class_is_a_column_per_code_and_one_for_null():
    cover = raster("cover")
    values = Values({"kind": (3, 7)}, kind=[3, 7, 7, 5, NAN, INF], height=[1, 2, 3, 4, 5, NAN])
    made_of = table((cover, values))
    assert made_of.columns == ["cover_kind_3", "cover_kind_7", "cover_kind_null", "cover_height"]
    made, counts, known = cleaned(made_of, 6)
    assert_array_equal(made[:, :3], [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    assert_array_equal(made[:, 3], np.array([1, 2, 3, 4, 5, NAN], np.float32))
    assert list(counts["nulls"]) == [3, 3, 3, 1]
    assert list(counts["infinite"]) == [1, 1, 1, 0]
    assert list(known) == [True, True, True, True, True, False]


def test_what_cannot_be_read_is_counted_by_survey():
    soil, land = raster("soil"), raster("land")
    made_of = table((soil, Values(ph=range(5), unreadable=(1, 2))), (land, Values(height=range(5), unreadable=(2, 4))))
    raw, unreadable = made_of.read(surveys(5))
    assert unreadable == 3
    assert raw.dtype == np.float32
    assert_array_equal(raw, np.column_stack([range(5), range(5)]))


def test_limits_that_nobody_declared_are_fitted_and_others_stay():
    rng = np.random.default_rng(0)
    skewed = np.exp(rng.normal(size=1_000))
    soil = raster("soil", limits={"ph": (0, 14), "depth": (0, INF)})
    made_of = table((soil, Values(ph=np.full(1_000, 7.0), depth=skewed, clay=np.r_[skewed[:-2], INF, NAN])))
    made_of.fit(surveys(1_000))
    assert made_of.fitted_on == 1_000
    assert made_of.limits["soil_ph"] == (0, 14)
    middle = np.median(skewed)
    above = middle + 20 * 1.4826 * np.median(skewed[skewed >= middle] - middle)
    assert made_of.limits["soil_depth"] == pytest.approx((0, above), rel=1e-6)
    known = skewed[:-2]
    middle = np.median(known)
    sides = [np.median(middle - known[known <= middle]), np.median(known[known >= middle] - middle)]
    expected = middle - 20 * 1.4826 * sides[0], middle + 20 * 1.4826 * sides[1]
    assert made_of.limits["soil_clay"] == pytest.approx(expected, rel=1e-6)


def test_nothing_is_read_to_fit_where_all_limits_are_declared():
    soil = raster("soil", limits={"*": (0, 14)})
    made_of = table((soil, Values(ph=np.zeros(10))))
    made_of.fit(surveys(10))
    assert made_of.fitted_on == 0


def test_limits_are_fitted_on_evenly_spaced_surveys_in_the_order_of_their_ids(monkeypatch):
    monkeypatch.setattr(cleaning, "_FIT_ROWS", 300)
    values = np.where(np.arange(1_000) % 4 == 0, np.arange(1_000), 1e9)  # every fourth is read
    made_of = table((raster("soil"), Values(ph=values)))
    made_of.fit(surveys(1_000).sample(frac=1, random_state=0))
    assert made_of.fitted_on == 250
    assert made_of.limits["soil_ph"][1] < 1e5


def test_outlier_limits_need_a_hundred_values_and_a_spread():
    assert cleaning.outlier_limits(np.arange(99.0)) == (-INF, INF)
    low, high = cleaning.outlier_limits(np.arange(100.0))
    assert_allclose([low, high], [49.5 - 20 * 1.4826 * 25, 49.5 + 20 * 1.4826 * 25])
    # no spread on the lower side: most values equal the median
    low, high = cleaning.outlier_limits(np.r_[np.zeros(60), np.ones(100), np.arange(2.0, 242)])
    assert np.isfinite([low, high]).all()
    low, high = cleaning.outlier_limits(np.r_[np.zeros(900), np.arange(100)])
    assert (low, high) == (-INF, INF)


def test_the_rule_that_reports_print_has_the_constants_of_the_code():
    assert f"{cleaning._SIGMAS} standard deviations" in cleaning.RULE
    assert f"{cleaning._MAD} times the median" in cleaning.RULE
    assert f"at most {cleaning._FIT_ROWS:,} of them" in cleaning.RULE
    assert f"fewer than {cleaning._FIT_LEAST} values" in cleaning.RULE
