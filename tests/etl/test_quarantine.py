"""The checks on single values, through Spark, and the limit on quarantined rows."""

import datetime

import pytest
from pyspark.sql import functions as F

from glc.errors import DataError
from glc.etl import quarantine


def evaluate(spark, expression, values):
    frame = spark.createDataFrame([(i, value) for i, value in enumerate(values)], "i int, text string")
    return [row[0] for row in frame.orderBy("i").select(expression(F.col("text"))).collect()]


def test_numbers_are_decimal_numerals_only(spark):
    good = {"1": 1, "-1.5": -1.5, "+.5": 0.5, "3.": 3, "1e2": 100, "2.5E-1": 0.25}
    bad = ["inf", "-Infinity", "NaN", "1d", "1f", "0x1", "1,5", "1 2", "", "--1", "."]
    assert evaluate(spark, quarantine.number, [*good, *bad]) == [*good.values(), *[None] * len(bad)]


def test_integers_may_be_written_as_floats_but_not_be_fractions(spark):
    good = {"763": 763, "763.0": 763, "763.": 763, "-3": -3, "9007199254740993": 9007199254740993}
    bad = ["763.5", "1e3", "inf", "abc", "99999999999999999999"]
    assert evaluate(spark, quarantine.integer, [*good, *bad]) == [*good.values(), *[None] * len(bad)]
    assert evaluate(spark, lambda text: quarantine.integer(text, "int"), ["2147483647", "2147483648"]) == [
        2147483647,
        None,
    ]


def test_dates_are_iso_days_or_unix_seconds_of_a_local_midnight(spark):
    values = {
        "2017-06-13": (2017, 6, 13),
        "2017-06-13T10:00:00": (2017, 6, 13),
        "1587938400": (2020, 4, 27),  # 2020-04-26 22:00 UTC: a midnight of French summer
        "1546383600.0": (2019, 1, 2),  # 23:00 UTC: of French winter
        "1577836800": (2020, 1, 1),
    }
    bad = ["2017-02-30", "13/06/2017", "2017", "eos", "-1", "2017-06-13x"]
    wanted = [datetime.date(*day) for day in values.values()] + [None] * len(bad)
    assert evaluate(spark, quarantine.date, [*values, *bad]) == wanted


def test_missing_markers_are_missing_in_numeric_columns(spark):
    values = ["NA", "nan", "NULL", "None", "N/A", None, "0", "inf"]
    assert evaluate(spark, quarantine.numeral, values) == [None] * 6 + ["0", "inf"]


def test_the_limit_names_file_reasons_lines_and_remedy(spark):
    rows = [("pa_train", "a.csv", 9, None, "?", "y"), ("pa_train", "a.csv", 7, "lon", "?", "x"),
            ("pa_train", "a.csv", 11, "lat", "!", "x"), ("po", "a.csv", 2, "lat", "!", "y")]  # fmt: skip
    bad = spark.createDataFrame(
        rows, "dataset string, file string, line long, column string, found string, reason string"
    )
    files = [{"file": "a.csv", "dataset": "pa_train", "rows": 100, "quarantined": 3, "reasons": {"y": 1, "x": 2}}]
    quarantine.limit(files, bad, 0.03)
    with pytest.raises(DataError) as error:
        quarantine.limit(files, bad, 0.02)
    assert str(error.value) == (
        "a.csv: 3 of 100 rows cannot be used, expected at most 2.0%:\n  2 x, as in line 7, column 'lon': found '?'\n"
        "  1 y, as in line 9: found '?'\nfix the file, or raise surveys.max_quarantine_fraction in the "
        "experiment's TOML"
    )
