"""Surveys to neighbour tables: exact search, locality-sensitive hashing, and how much of the truth a table holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glc import config, storage
from glc.surveys import SurveyData
from glc.types import Facts, Say

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def write(
    spark: "Callable[[], SparkSession]",
    data: SurveyData,
    out: Path,
    settings: config.Neighbours,
    run: int,
    *,
    cluster: bool = False,
    progress: Say = print,
) -> Facts:
    """Write the neighbour table of the first `run` validation folds and the test, with its recall, into `out`.

    spark : gives the session, where the work is done on Spark: hashing, and exact search on a cluster
    data : `glc.surveys.SurveyData`
    settings : `glc.config.experiment.Neighbours`
    cluster : whether Spark has other machines than this one; exact search by threads here is faster than by its tasks
    returns : facts for the manifest; ``recall.json`` holds the recall against exact search by radius
    """
    from glc.neighbours import cells, exact, lsh, recall

    places = data.places.rename(columns={"fold": "group"})
    columns = ["dataset", "surveyId", "lon", "lat", "easting", "northing", "crs", "group"]
    queries = places.iloc[np.concatenate([*(data.valid(fold) for fold in range(run)), data.test])][columns]
    sources = places.iloc[np.concatenate([data.labelled(name) for name in settings.sources])][columns]
    progress(f"{settings.method} neighbours of {len(queries):,} surveys among {len(sources):,}", 10)
    common = {"k": settings.k, "radius_m": settings.radius_m}
    if settings.method == "exact" and not cluster:
        facts = exact.write(queries, sources, out, **common)
    elif settings.method == "exact":
        facts = cells.write(spark(), queries, sources, out, **common)
    else:
        facts = lsh.write(
            spark(),
            queries,
            sources,
            out,
            **common,
            bucket_length=settings.bucket_length or "auto",
            tables=settings.tables,
            recall=settings.wanted_recall,
            recall_at_m=min(settings.radius_m, 10_000),
        )
    progress("recall against exact search", 90)
    radii = tuple(radius for radius in recall.RADII_M if radius <= settings.radius_m) or (settings.radius_m,)
    rows = recall.against_exact(out, queries, sources, radii, k=settings.k)
    (out / "recall.json").write_text(json.dumps(rows, indent=1) + "\n")
    storage.note(out, queries=len(queries), sources=len(sources), recall=rows)
    return facts
