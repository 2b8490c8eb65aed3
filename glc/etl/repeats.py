"""Records that repeat a survey: they would show a model the labels that it is evaluated on.

Plots are published at GBIF too, so that presence-only records may be the surveys themselves; and a test may have been
drawn from a file of training surveys that still holds it. Two visits are the same if they have the same place, as
exactly as the coarser of their coordinates says it, and the same year, for the tables know no day. A year that is not
known does not tell two visits apart. A survey of the same plot in another year is another survey.

What repeats is left out of all folds, not only of the fold that holds the survey. In the others the survey itself
shows its labels, and a model that learns from surveys which presence-only records repeat would trust such records at
places where none do.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from scipy.spatial import cKDTree

from glc import geo, labels, schema, storage, threads
from glc.errors import DataError
from glc.types import Facts

_DECIMALS = 5
"""Of a degree, about a metre: more decimals tell no places apart."""
_LEAST, _LEAST_OF_ONE_ID = 4, 2
"""Decimals to which a place may have been rounded or cut. With fewer it is equal or another one, for any number of
plots may have the middle of a square as their place; surveys of one id may be blurred by more."""
_CUT_M = 1.6
"""Metres by which cutting to `_DECIMALS` decimals moves a place at most; rounding moves it half as far."""


def write(surveys: Path, out: Path, train: str, tests: Sequence[str]) -> tuple[np.ndarray, Facts]:
    """Write which labels of the survey tables repeat a survey, if any do.

    surveys : folder of the table of surveys
    out : folder for a table of schema ``repeats``; not made where nothing is repeated
    train : the dataset that is trained on
    tests : datasets of the surveys to predict
    returns : (n,) ids of the training surveys that are left out; and facts, none where nothing is repeated: training
        surveys that are test surveys (``training`` of ``trained``), presence-only records, a species at a survey each,
        that repeat a label of a training survey (``records``) or have the place and year of a test survey
        (``at_tests``), of ``presence_only``; and where and when the first of each is (``training_example``, ...)
    raises : DataError where every training survey is a test survey
    """
    trained = _read(surveys, train)
    # occurrences that are tested on share places and years with those of other people
    tested = pa.concat_tables([_read(surveys, name) for name in tests if name != "po_test"] or [trained[:0]])
    parts, facts = [], {}
    answers = (_shared(trained, tested)[0].getnnz(axis=1) > 0) | _of_one_id(trained, tested)
    if answers.any():
        if answers.all():
            raise DataError(
                f"all {len(answers):,} training surveys are test surveys (same place and year), which leaves none to "
                "learn from; remove those of the test from the training file, or give no test: then some training "
                "surveys are held out in its place"
            )
        parts.append(trained.filter(pa.array(answers)))
        facts |= {"training": len(parts[0]), "trained": len(trained), "training_example": _first(parts[0])}
    if train != "po":
        records = _read(surveys, "po")
        at_tests = _shared(records, tested)[0].getnnz(axis=1) > 0
        repeated = [records.filter(pa.array(at_tests)), _of_surveys(records.filter(pa.array(~at_tests)), trained)]
        counts = [pc.sum(pc.list_value_length(part["species"])).as_py() or 0 for part in (*repeated, records)]
        for name, part, count in zip(("at_tests", "records"), repeated, counts[:2], strict=True):
            if len(part):
                facts |= {name: count, "presence_only": counts[2], f"{name}_example": _first(part)}
        parts += repeated
    if facts:
        left_out = pa.concat_tables(part.select(schema.TABLES["repeats"].names) for part in parts)
        storage.write_table(left_out.sort_by([("dataset", "ascending"), ("surveyId", "ascending")]), "repeats", out)
    return trained["surveyId"].to_numpy()[answers], facts


def sentences(facts: Facts) -> list[str]:
    """The facts of `write` in words, for the screen and the report."""
    what = {
        "training": "training surveys are test surveys (same place and year) and are left out, for their labels are "
        "the test's",
        "records": "presence-only records repeat training surveys (same place, year and species) and are left out",
        "at_tests": "presence-only records have the place and year of a test survey and are left out, for they may "
        "hold its labels",
    }
    of = {"training": "trained", "records": "presence_only", "at_tests": "presence_only"}
    return [
        f"{facts[name]:,} of {facts[of[name]]:,} {words}; the first is at {facts[f'{name}_example']}"
        for name, words in what.items()
        if name in facts
    ]


def _read(surveys: Path, dataset: str) -> pa.Table:
    columns = ["dataset", "surveyId", "lon", "lat", "year", "species"]
    return storage.read_table(surveys, "surveys", columns=columns, filters=[("dataset", "=", dataset)])


def _places(table: pa.Table) -> pd.DataFrame:
    return table.select(["surveyId", "lon", "lat", "year"]).to_pandas()


def _first(table: pa.Table) -> str:
    lon, lat, year = (table[name][0].as_py() for name in ("lon", "lat", "year"))
    return f"{lon:.5f}, {lat:.5f}" + ("" if year is None else f" in {year}")


def _same_place(first: pd.DataFrame, second: pd.DataFrame, least: int) -> np.ndarray:
    """Whether n pairs of places are one, (n,) bool, if they were rounded or cut to their decimals, at least `least`."""
    reach = np.full(len(first), _CUT_M)
    for decimals in range(_DECIMALS - 1, least - 1, -1):
        coarse = [
            np.isclose(places, places.round(decimals), rtol=0, atol=1e-9).all(axis=1)
            for places in (first[["lon", "lat"]], second[["lon", "lat"]])
        ]
        reach[coarse[0] | coarse[1]] = _CUT_M * 10.0 ** (_DECIMALS - decimals)
    return geo.great_circle_m(first["lon"], first["lat"], second["lon"], second["lat"]) <= reach


def _shared(records: pa.Table, surveys: pa.Table) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Whether n records are of the place and year of each of v visits, boolean CSR (n, v); the visit of each survey."""
    first, second = _places(records), _places(surveys)
    of_survey = second.groupby(["lon", "lat", "year"], dropna=False, sort=False).ngroup().to_numpy()
    second = second[~second.duplicated(["lon", "lat", "year"])]
    known, dated = first["year"].notna().to_numpy(), second["year"].notna().to_numpy()
    reach = float(geo.chord(_CUT_M * 10.0 ** (_DECIMALS - _LEAST)))
    row, visit = [], []
    for some, others, by_year in (
        (known, dated, True),
        (known, ~dated, False),
        (~known, np.ones(len(second), bool), False),
    ):
        i, j = np.flatnonzero(some), np.flatnonzero(others)
        if len(i) and len(j):
            points, tree = _points(first.iloc[i], by_year), cKDTree(_points(second.iloc[j], by_year))
            near = np.isfinite(tree.query(points, distance_upper_bound=reach, workers=threads.cores())[0])
            i = i[near]  # a tree of millions of records takes longer than to ask for each
            pairs = cKDTree(points[near]).sparse_distance_matrix(tree, reach, output_type="ndarray")
            row.append(i[pairs["i"]])
            visit.append(j[pairs["j"]])
    none = np.empty(0, np.int64)
    row, visit = np.concatenate([none, *row]), np.concatenate([none, *visit])
    same = _same_place(first.iloc[row], second.iloc[visit], _LEAST)
    row, visit = row[same], visit[same]
    shape = (len(first), len(second))
    return sparse.csr_matrix((np.ones(len(row), bool), (row, visit)), shape=shape), of_survey


def _points(places: pd.DataFrame, by_year: bool) -> np.ndarray:
    """Points (n, 3) on the unit sphere, or (n, 4) with the year, by which different years are far apart."""
    points = geo.unit_sphere(places["lon"], places["lat"])
    return np.column_stack([points, places["year"]]) if by_year else points


def _of_one_id(trained: pa.Table, tested: pa.Table) -> np.ndarray:
    """Whether training surveys (n,) have the id of a test survey and, as far as blurred coordinates say, its visit.

    The id alone tells nothing: each file may number its surveys from 1.
    """
    both = _places(trained).reset_index().merge(_places(tested), on="surveyId", suffixes=("", "_test"))
    other = both[["lon_test", "lat_test"]].set_axis(["lon", "lat"], axis=1)
    dated = (both["year"] == both["year_test"]) | both["year"].isna() | both["year_test"].isna()
    same = np.zeros(len(trained), bool)
    same[both["index"][_same_place(both, other, _LEAST_OF_ONE_ID) & dated]] = True
    return same


def _of_surveys(records: pa.Table, surveys: pa.Table) -> pa.Table:
    """The records with a species of a survey of their place and year, with these species alone."""
    shared, visit = _shared(records, surveys)
    near = np.flatnonzero(shared.getnnz(axis=1))
    records, shared = records.take(pa.array(near)), shared[near]
    species = labels.vocabulary(records["species"], surveys["species"])
    shape = (shared.shape[1], len(visit))
    member = sparse.csr_matrix((np.ones(len(visit), bool), (visit, np.arange(len(visit)))), shape=shape)
    listed = shared @ (member @ labels.to_matrix(surveys["species"], species))
    own = labels.to_matrix(records["species"], species).multiply(listed).tocsr().astype(bool)
    own.eliminate_zeros()
    lists = labels.to_lists(own.sorted_indices(), species)
    at = records.schema.get_field_index("species")
    return records.set_column(at, "species", lists).filter(pa.array(np.diff(own.indptr) > 0))
