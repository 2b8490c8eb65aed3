"""Neighbours by locality-sensitive hashing, as published, on the edition's own projection.

Spark's ``BucketedRandomProjectionLSH`` cuts the plane into parallel strips of one bucket length, once a table, each
time in a random direction; two places are compared when they share a strip in any table (Miyaguchi et al. 2024,
section 4.5: bucket length 20, 5 tables, 50 km). Twenty-metre strips hardly ever hold two neighbours:
`bucket_length_for` says which length does.
"""

import contextlib
import time
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import brentq

from glc import geo
from glc.errors import ConfigError
from glc.neighbours.places import SPARK_SCHEMA, PlaceTable, collect, spark_places
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def collision_probability(distance_m, bucket_length, tables=5):
    """Probability that two places `distance_m` apart share a strip in at least one of the tables, elementwise.

    A random direction at the angle t to the line between them sees the places d |cos t| apart, and an interval of that
    length lies within one strip of length w with probability max(0, 1 - d |cos t| / w). The mean over a uniform t is,
    with a = d / w: 1 - 2 a / pi for a <= 1, and 1 - (2 / pi) (arccos(1 / a) + a - sqrt(a² - 1)) above.
    """
    a = np.asarray(distance_m, float) / bucket_length
    far = np.maximum(a, 1)
    # a - sqrt(a² - 1) is written as its stable equal 1 / (a + sqrt(a² - 1))
    beyond = 1 - 2 / np.pi * (np.arccos(1 / far) + 1 / (far + np.sqrt(far**2 - 1)))
    return 1 - (1 - np.where(a <= 1, 1 - 2 * a / np.pi, beyond)) ** tables


def bucket_length_for(recall, radius_m, tables=5):
    """Bucket length (m) with which pairs exactly `radius_m` apart are found with probability `recall`, 0 < recall < 1.

    Nearer pairs are found more often, so that the recall of all pairs within `radius_m` is above `recall`. It is the
    mean over random directions: one draw of a few tables lies a few per cent off.
    """
    if not 0 < recall < 1 or not radius_m > 0 or tables < 1:
        raise ConfigError(
            f"lsh: found recall={recall}, radius_m={radius_m}, tables={tables}; "
            "expected 0 < recall < 1, radius_m > 0, tables >= 1"
        )
    return radius_m / brentq(lambda a: float(collision_probability(a, 1.0, tables)) - recall, 1e-12, 1e12, rtol=1e-12)


def write(
    spark: "SparkSession",
    queries: PlaceTable,
    sources: PlaceTable,
    folder: StrPath,
    *,
    radius_m: float = 50_000,
    bucket_length: float | Literal["auto"] = 20.0,
    tables: int = 5,
    k: int = 0,
    seed: int = 0,
    exclude_group: bool = True,
    recall: float = 0.9,
    recall_at_m: float | None = None,
) -> Facts:
    """Write the `neighbours` table of `queries` that LSH finds into `folder` (parquet files).

    queries, sources : places with the columns dataset, surveyId, lon, lat, easting, northing, crs and group; only
    places of one `crs` are compared. radius_m : the cut-off, of the distance on the projection and of the great-circle
    distance that the table holds (whole millimetres). bucket_length : metres, or "auto": `bucket_length_for` the wanted
    `recall` at `recall_at_m` (default: `radius_m`). k : nearest kept for each query, 0 for all.
    returns : dict with rows, queries, without_neighbours, bucket_length, tables, crs (those compared) and seconds
    """
    from pyspark.ml.feature import BucketedRandomProjectionLSH, VectorAssembler
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    began = time.monotonic()
    if bucket_length == "auto":
        bucket_length = bucket_length_for(recall, recall_at_m or radius_m, tables)
    if isinstance(bucket_length, str) or not (bucket_length > 0 and radius_m > 0 and k >= 0 and tables >= 1):
        raise ConfigError(
            f"lsh: found bucket_length={bucket_length!r}, radius_m={radius_m}, k={k}, tables={tables}; "
            "expected metres above 0 (or 'auto'), metres above 0, k >= 0, tables >= 1"
        )
    columns = ["dataset", "surveyId", "lon", "lat", "easting", "northing", "crs"] + (["group"] if exclude_group else [])
    assembler = VectorAssembler(inputCols=["easting", "northing"], outputCol="place")
    with contextlib.ExitStack() as stack:
        frames = [stack.enter_context(spark_places(spark, places, columns, folder)) for places in (queries, sources)]
        codes = [{row[0] for row in frame.select("crs").distinct().collect()} for frame, _ in frames]
        shared = sorted(codes[0] & codes[1])
        candidates = None
        for crs in shared:
            query, source = (
                assembler.transform(frame.filter(sql.col("crs") == crs)).drop("easting", "northing", "crs")
                for frame, _ in frames
            )
            model = BucketedRandomProjectionLSH(
                inputCol="place", outputCol="hashes", bucketLength=bucket_length, numHashTables=tables, seed=seed
            ).fit(source)
            pairs = model.approxSimilarityJoin(
                model.transform(query), model.transform(source), float(radius_m), "projected_m"
            )
            candidates = pairs if candidates is None else candidates.unionAll(pairs)
        total = frames[0][1]["rows"]
        if candidates is None:  # no query lies in the CRS of a source
            table = spark.createDataFrame([], SPARK_SCHEMA)
        else:
            left, right = "datasetA", "datasetB"
            apart = (sql.col(f"{left}.dataset") != sql.col(f"{right}.dataset")) | (
                sql.col(f"{left}.surveyId") != sql.col(f"{right}.surveyId")
            )
            if exclude_group:
                apart &= (sql.col(f"{left}.group") < 0) | (sql.col(f"{left}.group") != sql.col(f"{right}.group"))
            order = Window.partitionBy("survey_dataset", "survey_id").orderBy("distance_m", "dataset", "neighbour_id")
            table = (
                candidates.filter(apart)
                .select(
                    sql.col(f"{left}.dataset").alias("survey_dataset"),
                    sql.col(f"{left}.surveyId").alias("survey_id"),
                    sql.col(f"{right}.dataset").alias("dataset"),
                    sql.col(f"{right}.surveyId").alias("neighbour_id"),
                    sql.round(_great_circle_m(left, right), 3).alias("distance_m"),
                )
                .filter(sql.col("distance_m") <= float(radius_m))
                .withColumn("rank", sql.row_number().over(order))
                .select("survey_dataset", "survey_id", "dataset", "neighbour_id", "rank", "distance_m")
            )
            if k:
                table = table.filter(sql.col("rank") <= k)
        facts = collect(table, folder, total)
    return facts | {
        "bucket_length": float(bucket_length),
        "tables": tables,
        "crs": shared,
        "seconds": round(time.monotonic() - began, 2),
    }


def _great_circle_m(left, right):
    """`geo.great_circle_m` as a Spark column: the haversine of two struct columns with lon and lat in degrees."""
    from pyspark.sql import functions as sql

    lon1, lat1, lon2, lat2 = (sql.radians(f"{side}.{axis}") for side in (left, right) for axis in ("lon", "lat"))
    h = sql.pow(sql.sin((lat2 - lat1) / 2), 2) + sql.cos(lat1) * sql.cos(lat2) * sql.pow(sql.sin((lon2 - lon1) / 2), 2)
    return 2 * geo.EARTH_RADIUS_M * sql.asin(sql.sqrt(sql.least(h, sql.lit(1.0))))
