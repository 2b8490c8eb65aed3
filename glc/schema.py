"""Columns and dtypes of every table on disk, once.

Distances are metres, places are degrees (EPSG:4326) and metres of the survey's own projected CRS (`crs`, an EPSG
code: 3035 in Europe, 5070 in the contiguous USA). A survey is known by (`dataset`, `surveyId`): the id alone may
occur in both the presence-only and the presence-absence part.
"""

import pyarrow as pa

from glc.errors import DataError

_SURVEY = [
    ("dataset", pa.string()),  # po, pa_train, pa_test; po_test where a contest tests on occurrences
    ("surveyId", pa.int64()),
    ("lon", pa.float64()),
    ("lat", pa.float64()),
    ("easting", pa.float64()),
    ("northing", pa.float64()),
    ("crs", pa.int32()),
    ("year", pa.int32()),  # null where the edition has no dates
    ("geoUncertaintyInM", pa.float64()),
    ("country", pa.string()),
    ("region", pa.string()),
    ("areaInM2", pa.float64()),
]
_SPECIES_LIST = pa.list_(pa.int32())

TABLES = {
    # one row per (survey, species) as read; test surveys have a null speciesId
    "occurrences": pa.schema([*_SURVEY, ("speciesId", pa.int32())]),
    # one row per survey; `species` is sorted, distinct and empty (never null) for test surveys
    "surveys": pa.schema([*_SURVEY, ("species", _SPECIES_LIST)]),
    # rows that could not be used; line 1 is the header
    "quarantine": pa.schema(
        [
            ("dataset", pa.string()),
            ("file", pa.string()),
            ("line", pa.int64()),
            ("column", pa.string()),
            ("found", pa.string()),
            ("reason", pa.string()),
        ]
    ),
    # fold of every survey of the training dataset; fold -1 stands in for the test set where the dataset has none
    "folds": pa.schema([("surveyId", pa.int64()), ("fold", pa.int32()), ("block", pa.int64())]),
    # rank 1 is nearest; `survey_dataset` is the dataset of survey_id, `dataset` that of neighbour_id
    "neighbours": pa.schema(
        [
            ("survey_dataset", pa.string()),
            ("survey_id", pa.int64()),
            ("dataset", pa.string()),
            ("neighbour_id", pa.int64()),
            ("rank", pa.int32()),
            ("distance_m", pa.float64()),
        ]
    ),
    # what a net reads: one row per training example; weight 1 except for presence-only examples
    "examples": pa.schema(
        [
            ("surveyId", pa.int64()),
            ("easting", pa.float32()),
            ("northing", pa.float32()),
            ("weight", pa.float32()),
            ("species", _SPECIES_LIST),
        ]
    ),
    # which occurrence gave which label of a pseudo-survey
    "provenance": pa.schema(
        [
            ("pseudo_id", pa.int64()),
            ("speciesId", pa.int32()),
            ("surveyId", pa.int64()),
            ("distance_m", pa.float64()),
        ]
    ),
    # scores of one survey, best first; what was not kept is zero. fold -1: test
    "scores": pa.schema(
        [
            ("surveyId", pa.int64()),
            ("fold", pa.int32()),
            ("species", _SPECIES_LIST),
            ("score", pa.list_(pa.float32())),
        ]
    ),
    # a species set, most probable first
    "predictions": pa.schema([("surveyId", pa.int64()), ("fold", pa.int32()), ("species", _SPECIES_LIST)]),
}


def check(table, name, where):
    """Return the pyarrow `table` with exactly the columns of the schema `name`, or raise naming the column."""
    wanted = TABLES[name]
    missing = [column for column in wanted.names if column not in table.column_names]
    if missing:
        raise DataError(f"{where}: column {missing[0]!r} is missing from a {name} table; found {table.column_names}")
    try:
        return table.select(wanted.names).cast(wanted)
    except Exception as error:
        raise DataError(f"{where}: does not fit the {name} schema: {error}") from error
