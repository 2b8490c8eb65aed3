"""Values of a covariate at the surveys: the pixels of its rasters that they lie in, or the contest's own tables.

Both give the same: a float array (survey, column), NaN where nothing is known, a categorical column as class codes.
"""

import csv
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import schema
from glc.covariates import Raster
from glc.covariates._base import column_name, natural
from glc.editions._base import SEPARATORS
from glc.errors import DataError, MissingError, did_you_mean
from glc.etl.series import dataset_of
from glc.rasters.values import check_codes
from glc.types import StrPath

log = logging.getLogger(__name__)

_FOLDERS = ("*", "EnvironmentalRasters/**/*", "EnvironmentalValues/**/*", "SatelliteData/AlphaEarth/*")
_TESTS = "|".join(schema.TESTS)
_TABLE = re.compile(
    rf"(?i)(?:^|[-_])P[AO0][-_](?:train|test(?:[-_](?:{_TESTS}))?)[-_](?P<kind>\w[\w-]*)\.(?:csv|parquet)$"
)
_KEY = "surveyId"
_VECTORS = ("pre-extracted/environmental_vectors.csv", "environmental_vectors.csv")
_VECTOR_KEY = "observation_id"


class TableValues:
    """The contest's CSVs or parquet files `tables` of a `glc.covariates.Raster`, whose numbers are kept in `scratch`.

    tables : {dataset: path}, or {None: path} where one CSV serves all
    Rows are joined by their survey's id, in whatever order they are. A column ``<name>-3`` of a categorical raster is
    its band 3, and a column alone its band 1.
    """

    def __init__(self, covariate: Raster, tables: Mapping[str | None, Path], scratch: StrPath) -> None:
        self.scratch, self.files = Path(scratch), [str(path) for path in tables.values()]
        self.columns, self.classes, self.labels = None, {}, {}
        self.name = covariate.name
        self.datasets = set(tables)
        for dataset, path in tables.items():
            log.info("reading %s", path)
            if path.suffix == ".parquet":
                names, ids, values = _read_parquet(path)
            else:
                names, ids, values = _read(path) if dataset else _read(path, _VECTOR_KEY, covariate.vector)
            bands = {name: _band(name, len(names)) if covariate.classes else 0 for name in names}
            if max(bands.values()) > len(covariate.bands) or (covariate.classes and not all(bands.values())):
                raise DataError(
                    f"{path}: found columns {names}, expected {len(covariate.bands)} numbered columns, one per layer "
                    f"of {covariate.title}, or its first alone; try the rasters"
                )
            columns = [covariate.bands[band - 1] if band else column_name(name) for name, band in bands.items()]
            if self.columns not in (None, columns):
                raise DataError(f"{path}: found columns {columns}, expected {self.columns}, as in {self.files[0]}")
            self.columns = columns
            self.classes = {
                column: covariate.classes[band]
                for column, band in zip(columns, bands.values(), strict=True)
                if band in covariate.classes
            }
            for column, codes in self.classes.items():
                check_codes(path, column, values[:, columns.index(column)], codes)
            np.save(self._path(dataset, "ids"), ids)
            np.save(self._path(dataset, "values"), values)

    def has(self, places: pd.DataFrame) -> np.ndarray:
        """Whether surveys have a row, also an empty one: (n,) bool; places : as of `read`."""
        there, wanted = np.zeros(len(places), bool), places["surveyId"].to_numpy()
        for dataset, mine in self._by_dataset(places):
            there[mine] = self._rows(dataset, wanted[mine])[1]
        return there

    def _by_dataset(self, places):
        """Yield (key of its CSV, row numbers) of each dataset of the frame `places`."""
        datasets = places["dataset"].to_numpy()
        for dataset in pd.unique(datasets):
            yield dataset if dataset in self.datasets else None, np.flatnonzero(datasets == dataset)

    def _rows(self, dataset, wanted):
        """Rows of the ids `wanted` in the numbers of a CSV, and which of them are there."""
        ids = np.load(self._path(dataset, "ids"))
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        return at, ids[at] == wanted

    def _path(self, dataset, kind):
        return self.scratch / f"{self.name}-{dataset}-{kind}.npy"

    def read(self, places: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """As of `RasterValues`, of the frame `places` (dataset, surveyId); nothing is unreadable."""
        table = np.full((len(places), len(self.columns)), np.nan)
        wanted = places["surveyId"].to_numpy()
        for dataset, mine in self._by_dataset(places):
            at, there = self._rows(dataset, wanted[mine])
            table[mine[there]] = np.load(self._path(dataset, "values"), mmap_mode="r")[at[there]]
        for column, codes in self.classes.items():
            values = table[:, self.columns.index(column)]
            values[~np.isin(values, codes)] = np.nan
        return table, np.zeros(len(places), bool)


def find(covariate: Raster, folders: Iterable[StrPath], source: str = "auto") -> tuple[dict[str | None, Path], StrPath]:
    """Where the values of a covariate are: (its CSVs, as of `tables`, or {} for its rasters; their folder).

    The first of `folders` that has any, and there the CSVs rather than the rasters.
    source : as of `glc.etl.tabular.write`; a covariate that no contest has as CSV is read from rasters by any
    A DataError tells that there is nothing.
    """
    alone = source == "tables" and (covariate.tables or covariate.vector)
    for folder in folders:
        table_paths = {} if source == "rasters" else tables(covariate, folder)
        if table_paths or (not alone and covariate.there(folder)):
            return table_paths, folder
    csvs = [covariate.table_name.format(kind=kind) for kind in covariate.tables[:1]]
    csvs = " or ".join([*csvs, *(_VECTORS[:1] if covariate.vector else ())])
    if alone:
        raise DataError(
            f"{', '.join(map(str, folders))}: no CSV of covariate {covariate.name!r}; expected such as {csvs}; put it "
            "there, or try source=auto"
        )
    try:
        covariate.find(folders)
    except MissingError as error:
        hint = f"; its values at the surveys may also be a CSV, such as {csvs}" if csvs and source == "auto" else ""
        raise MissingError(f"{error}{hint}") from None


def tables(covariate: Raster, folder: StrPath) -> dict[str | None, Path]:
    """The contest's CSVs of a covariate in a folder: {dataset: path}, maybe empty; {None: path} where one serves all.

    Names as in ``GLC24-PA-train-human_footprint.csv``, with or without the year, hyphens for underscores, flat or
    anywhere below ``EnvironmentalRasters`` (2024), ``EnvironmentalValues`` (2025) or ``SatelliteData`` (GeoPlant, where
    ``v2`` comes before ``v1`` and ``legacy``); or the environmental vectors of all occurrences, training and test, of
    2020 to 2022.
    """
    paths: dict[str | None, Path] = {}
    for path in sorted({path for pattern in _FOLDERS for path in Path(folder).glob(pattern)}, key=natural):
        match = _TABLE.search(path.name)
        if match and match["kind"].lower().replace("-", "_") in covariate.tables:
            first = paths.setdefault(dataset_of(path.name), path)
            older, newer = (_version(file.relative_to(folder)) for file in (first, path))
            if first != path and older == newer:
                raise DataError(f"{folder}: found {first} and {path}, expected one of them; remove the other")
            if newer > older:
                paths[dataset_of(path.name)] = path
    if "pa_test" in paths and "pa_test_iid" not in paths and any("_test_" in str(name) for name in paths):
        paths["pa_test_iid"] = paths.pop("pa_test")  # GeoPlant's PA-test-human_footprint.csv is that of iid
    if not paths and covariate.vector:
        vectors = [path for name in _VECTORS if (path := Path(folder) / name).is_file()]
        paths = {None: vectors[0]} if vectors else {}
    return paths


def _version(path):
    """How new a table's folder says it is: legacy, none, v1, v2 and so on."""
    folders = [part.lower() for part in path.parts[:-1]]
    numbers = [int(match[1]) for part in folders if (match := re.fullmatch(r"v(\d+)", part))]
    return -1 if "legacy" in folders else max(numbers, default=0)


def _read_parquet(path):
    """As `_read`, of a parquet file with a column surveyId and numeric ones."""
    try:
        types = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read as parquet: {error}; fetch it again") from error
    names = [
        name for name in types.names if name != _KEY and not re.fullmatch(r"__index_level_\d+__|Unnamed: ?\d+", name)
    ]
    if _KEY not in types.names or not names:
        missing = "a value" if _KEY in types.names else repr(_KEY)
        raise DataError(
            f"{path}: column {missing} is missing; found {types.names}; expected {_KEY} and one column per value"
        )
    for name in (_KEY, *names):
        kind = types.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise DataError(f"{path}: column {name!r}: found values of type {kind}, expected numbers")
    table = pq.read_table(path, columns=[_KEY, *names])
    if table[_KEY].null_count or not table.num_rows:
        finding = "rows without it" if table.num_rows else "no row"
        raise DataError(f"{path}: column {_KEY!r}: found {finding}, expected one row per survey; fetch the file again")
    ids = table[_KEY].to_numpy().astype(np.int64)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    values = np.empty((len(ids), len(names)), np.float32)
    for number, name in enumerate(names):  # one column at a time: a table has some gigabytes
        values[:, number] = table[name].to_numpy()[order]
    first = np.append(True, ids[1:] != ids[:-1])
    differs = ~first[1:] & ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))).all(axis=1)
    if differs.any():
        raise DataError(
            f"{path}: survey {ids[1:][differs][0]} has rows that differ; expected one row per survey; remove the wrong "
            "ones"
        )
    return names, ids[first], values[first]


def _read(path, key=_KEY, wanted=()):
    """(names, ids, values) of a CSV: distinct ids in order; values (n, names) float32, infinite ones as they are.

    wanted : names of the columns that are read; none: all but the `key`
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        line = file.readline().strip()
    separator = max(SEPARATORS, key=line.count)
    header = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    names = [name for name in header if name != key and not re.fullmatch(r"(Unnamed: ?\d+)?", name)]
    if key not in header or not names:
        missing_column = "a value" if key in header else repr(key)
        raise DataError(
            f"{path}: column {missing_column} is missing; found {header}; expected {key} and one column per value"
        )
    missing = [name for name in wanted if name not in names]
    if missing:
        others = [name for name in names if name not in wanted]
        raise DataError(
            f"{path}: column {missing[0]!r} is missing; found {header}; expected {key} and {', '.join(wanted)}"
            f"{did_you_mean(missing[0], others)}; rename or add the column, fetch the file again, or try the rasters"
        )
    names = list(wanted) or names
    used = [number for number, name in enumerate(header) if name in {key, *names}] if wanted else None
    frame = pd.read_csv(path, sep=separator, skipinitialspace=True, encoding="utf-8-sig", usecols=used)
    frame.columns = [header[number] for number in used] if wanted else header
    for name in [key, *names]:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        bad = frame.index[numbers.isna() & (frame[name].notna() | (name == key))]
        if len(bad):
            raise DataError(
                f"{path}, line {bad[0] + 2}: column {name!r}: found {frame.loc[bad[0], name]!r}, expected a number"
            )
        frame[name] = numbers
    frame = frame[[key, *names]].drop_duplicates().astype({key: np.int64}).sort_values(key)
    twice = frame[key].duplicated()
    if twice.any():
        raise DataError(
            f"{path}: survey {frame.loc[twice.idxmax(), key]} has rows that differ; expected one row per survey; "
            "remove the wrong ones"
        )
    if frame.empty:
        raise DataError(f"{path}: found a header and no rows, expected one row per survey; fetch the file again")
    with np.errstate(over="ignore"):
        return names, frame[key].to_numpy(), frame[names].to_numpy().astype(np.float32)


def _band(name, count):
    number = re.search(r"\d+$", name)
    return int(number[0]) if number else 1 if count == 1 else 0
