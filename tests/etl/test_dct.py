import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pyspark.errors import PythonException
from pyspark.sql import functions as F

from glc import dct as numpy_dct
from glc.errors import ConfigError, DataError
from glc.etl import dct


def frame(spark, arrays, kind="float"):
    rows = [(i, None if array is None else [float(x) for x in array.ravel()]) for i, array in enumerate(arrays)]
    return spark.createDataFrame(rows, f"surveyId int, pixels array<{kind}>")


def collected(frame):
    return [row[0] for row in frame.orderBy("surveyId").drop("surveyId").collect()]


def test_columns_of_coefficients_are_those_of_numpy_and_null_stays_null(spark):
    tiles = np.random.default_rng(0).integers(0, 100, (7, 3, 16, 20))
    given = frame(spark, [*tiles[:4], None, *tiles[4:]], "double").repartition(3)
    kinds = ("float", "double", "int", "tinyint")
    columns = [dct.compress(F.col("pixels").cast(f"array<{kind}>"), (3, 16, 20), block=4).alias(kind) for kind in kinds]
    made = given.select("surveyId", *columns)
    rows = made.orderBy("surveyId").collect()
    for kind in kinds:
        assert made.schema[kind].dataType.simpleString() == "array<float>"
        coefficients = [row[kind] for row in rows]
        assert coefficients.pop(4) is None
        assert_allclose(coefficients, numpy_dct.compress(tiles, 4).reshape(7, -1), atol=1e-3)


def test_partition_without_a_tile(spark):
    given = frame(spark, [None, None]).repartition(1)
    assert collected(given.select("surveyId", dct.compress(F.col("pixels"), (16, 16)))) == [None, None]


def test_expansion_series_and_any_axes(spark):
    cubes = np.random.default_rng(1).normal(size=(5, 6, 4, 21))
    made = frame(spark, cubes, "double").select(
        "surveyId",
        dct.compress_nd("pixels", (6, 84), 64, (-1,)).alias("series"),
        dct.compress_nd("pixels", (6, 4, 21), (2, 8), (1, 2)).alias("axes"),
        dct.expand("pixels", (6, 4, 21), (32, 42), from_size=(8, 42)).alias("expanded"),
    )
    made = made.orderBy("surveyId").toPandas()
    wanted = {
        "series": numpy_dct.compress_1d(cubes.reshape(5, 6, 84), 64),
        "axes": numpy_dct.compress_nd(cubes, (2, 8), (2, 3)),
        "expanded": numpy_dct.expand(cubes, (32, 42), (8, 42)),
    }
    for name, coefficients in wanted.items():
        assert_allclose(np.stack(made[name]), coefficients.reshape(5, -1), atol=1e-5)


def test_wrong_options_are_refused_before_spark_works(spark):
    with pytest.raises(ConfigError, match="block=8: larger than axis -1"):
        dct.compress("pixels", (16, 6))
    with pytest.raises(ConfigError, match="shape="):
        dct.compress("pixels", (0, 16, 16))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.ones(200), "1 of 2 arrays do not fit: found 200 values, expected 256"),
        (np.full(256, np.nan), "256 of 512 values not finite"),
    ],
)
def test_arrays_that_cannot_be_used_are_told(spark, array, told):
    given = frame(spark, [np.ones(256), array]).repartition(1)
    with pytest.raises(PythonException, match=told):
        collected(given.select("surveyId", dct.compress("pixels", (16, 16))))


def test_null_inside_an_array_is_not_zero():
    arrays = pd.Series([np.array([1, np.nan, 2, 3])])  # as Arrow hands over a list with a null
    with pytest.raises(DataError, match="1 of 4 values not finite"):
        dct._transformed(arrays, (2, 2), lambda x: numpy_dct.compress(x, 2))
