"""Columns and dtypes of every table on disk, once.

Distances are metres, places are degrees (EPSG:4326) and metres of the survey's own projected CRS (`crs`, an EPSG
code: 3035 in Europe, 5070 in the contiguous USA). A survey is known by (`dataset`, `surveyId`): the id alone may
occur in both the presence-only and the presence-absence part.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import DTypeLike

from glc.errors import DataError
from glc.types import StrPath

TESTS = ("iid", "ood", "glc25")
"""The tests of an edition that has several; their surveys are the datasets pa_test_iid and so on."""

DATASETS = ("po", "pa_train", "pa_test", "po_test", *(f"pa_test_{name}" for name in TESTS))
"""Parts of a contest; po_test where it tests on occurrences. Nets' tables hold the number: Petastorm reads no text."""

_SURVEY = [
    ("dataset", pa.string()),  # of DATASETS
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
_CUBE = [
    ("dataset", pa.string()),
    ("surveyId", pa.int64()),
    ("flag", pa.string()),  # ok; missing: no value is there; corrupt: something was there and cannot be used
    ("valid", pa.float32()),  # fraction of values that are not missing
    ("cube", pa.list_(pa.float32())),
]

TABLES = {
    # one row per (survey, species) as read; test surveys have a null speciesId
    "occurrences": pa.schema([*_SURVEY, ("speciesId", pa.int32())]),
    # one row per survey; `species` is sorted, distinct and empty (never null) for test surveys
    "surveys": pa.schema([*_SURVEY, ("species", _SPECIES_LIST)]),
    # what was looked for and not found; a null speciesId: the survey has no species. Only where the edition says so
    "absences": pa.schema([*_SURVEY, ("speciesId", pa.int32())]),
    # every species of the labels and absences, ascending; null where the edition does not say. key: GBIF's, or the text
    # that is the id in the edition's files
    "species": pa.schema([("speciesId", pa.int32()), ("name", pa.string()), ("key", pa.string())]),
    # ids of surveys as the edition's files write them; only where these are text
    "survey_names": pa.schema([("dataset", pa.string()), ("surveyId", pa.int64()), ("name", pa.string())]),
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
    # every survey of the test as its file names it: what a submission has to hold; empty where there is no test
    "test_ids": pa.schema([("file", pa.string()), ("line", pa.int64()), ("surveyId", pa.string())]),
    # fold of every survey of the training dataset; fold -1 stands in for the test set where the dataset has none
    "folds": pa.schema([("surveyId", pa.int64()), ("fold", pa.int32()), ("block", pa.int64())]),
    # labels that no model sees because they repeat a survey that it may be evaluated on; only where there are any
    "repeats": pa.schema([("dataset", pa.string()), ("surveyId", pa.int64()), ("species", _SPECIES_LIST)]),
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
            ("dataset", pa.int8()),  # number of DATASETS
            ("surveyId", pa.int64()),
            ("easting", pa.float32()),
            ("northing", pa.float32()),
            ("weight", pa.float32()),
            ("species", _SPECIES_LIST),
        ]
    ),
    # pairs of surveys near each other; the place and `species` (class indices, empty unless wanted) are the anchor's
    "pairs": pa.schema(
        [
            ("dataset", pa.int8()),  # number of DATASETS
            ("surveyId", pa.int64()),
            ("lon", pa.float64()),
            ("lat", pa.float64()),
            ("easting", pa.float32()),
            ("northing", pa.float32()),
            ("neighbour_dataset", pa.int8()),
            ("neighbour_id", pa.int64()),
            ("distance_m", pa.float64()),
            ("species", _SPECIES_LIST),
        ]
    ),
    # class indices of the neighbours of `pairs`, row by row
    "neighbour_species": pa.schema([("species", _SPECIES_LIST)]),
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
    # one row per survey; `cube` is row-major of the manifest's shape, NaN where missing, all NaN unless flag is ok. Of
    # constant length, but not of Arrow's fixed-size type: Petastorm leaves columns of that type out
    "cubes": pa.schema(_CUBE),
    # cubes (band, quarter, year) and `coeffs` (band, term), the low 1-D DCT terms of each band's zero-padded series
    "series": pa.schema([*_CUBE, ("coeffs", pa.list_(pa.float32()))]),
    # imagery around a survey. flag: ok, edge (the tile hangs over the raster's edge), outside, missing, corrupt;
    # `tiles` adds the columns of the bands
    "tiles": pa.schema([("dataset", pa.string()), ("surveyId", pa.int64()), ("flag", pa.string())]),
    # environmental values at the survey. flag: ok, or missing where nothing is known; `tabular` adds the features
    "tabular": pa.schema([("dataset", pa.string()), ("surveyId", pa.int64()), ("flag", pa.string())]),
    # files that could not be read, and the survey that is worse off for it
    "tiles_quarantine": pa.schema(
        [("dataset", pa.string()), ("surveyId", pa.int64()), ("file", pa.string()), ("cause", pa.string())]
    ),
    # node2vec vectors, zeros for a species without any edge
    "species_vectors": pa.schema([("speciesId", pa.int32()), ("vector", pa.list_(pa.float32()))]),
    # a species set, most probable first
    "predictions": pa.schema([("surveyId", pa.int64()), ("fold", pa.int32()), ("species", _SPECIES_LIST)]),
}


def tiles(bands: Mapping[str, DTypeLike]) -> pa.Schema:
    """Schema of tiles with `bands`, name -> NumPy type of its values: ``<band>`` and ``<band>_valid`` for each.

    ``<band>`` is a list, in all rows as long: block x block coefficients or size x size pixels, row by row, north-up
    (one share a class, or one class, where the covariate says so); ``<band>_valid`` is the share of valid pixels.
    """
    # a plain list: Petastorm cannot read the fixed-size type
    fields = [pa.field(name, pa.list_(pa.from_numpy_dtype(dtype))) for name, dtype in bands.items()]
    return pa.schema([*TABLES["tiles"], *fields, *(pa.field(f"{name}_valid", pa.float32()) for name in bands)])


def tabular(columns: Iterable[str]) -> pa.Schema:
    """Schema of environmental values: a float32 column for each of the features `columns`, NaN where null."""
    return pa.schema([*TABLES["tabular"], *(pa.field(name, pa.float32()) for name in columns)])


def is_test(dataset: str, test: str) -> bool:
    """Whether `dataset` is the edition's `test`, or one of several in its place, as pa_test_ood is of pa_test."""
    return dataset == test or dataset.startswith(f"{test}_")


def dataset_numbers(names: Sequence[str] | np.ndarray | pd.Series) -> np.ndarray:
    """Numbers (n,) int8 of `DATASETS` for a column of their names."""
    return pd.Index(DATASETS).get_indexer(names).astype(np.int8)


def check(table: pa.Table, name: str, where: StrPath) -> pa.Table:
    """Return the pyarrow `table` with exactly the columns of the schema `name`, or raise naming the column."""
    wanted = TABLES[name]
    missing = [column for column in wanted.names if column not in table.column_names]
    if missing:
        raise DataError(f"{where}: column {missing[0]!r} is missing from a {name} table; found {table.column_names}")
    try:
        return table.select(wanted.names).cast(wanted)
    except Exception as error:
        raise DataError(f"{where}: does not fit the {name} schema: {error}") from error
