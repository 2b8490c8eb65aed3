"""The tabular modality: environmental values and metadata, cleaned (`glc.etl.cleaning`), one row per survey.

Neither imputed nor scaled: means and deviations are fitted by who reads the table, on its own training fold.
"""

import contextlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import registry, schema, storage
from glc.covariates import Metadata, Raster
from glc.errors import ConfigError, DataError
from glc.etl import cleaning, values
from glc.etl.metadata import MetadataValues, categories
from glc.progress import tqdm
from glc.rasters.values import RasterValues
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


log = logging.getLogger(__name__)

SOURCES = ("auto", "tables", "rasters")
_PLACE = ("dataset", "surveyId", "lon", "lat")
_ROWS = 16_384


def write(
    spark: "SparkSession | None",
    places: pd.DataFrame | pa.Table,
    covariates: Sequence[str | Raster | Metadata],
    folders: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    training: pd.DataFrame | pa.Table | None = None,
    source: str = "auto",
) -> Facts:
    """Write ``out/tabular/part-*.parquet``: dataset, surveyId, flag, then float32 columns ``<covariate>_<name>``.

    spark : a session, or None to work in this process; its workers must see `folders` and `out` under the same paths
    places : pandas frame or pyarrow table with dataset, surveyId, lon, lat (degrees) and the columns of metadata that
        are wanted, one row per survey
    covariates : names of registered rasters or metadata, or `glc.covariates.Raster` or `Metadata`; their order is that
        of the columns
    folders : a dataset's folder, or several, of which the first that has a covariate, as CSV or raster, is read
    training : the surveys over which `cleaning.RULE` is computed, and whose categories there are, as `places`; by
        default all of `places`
    source : ``tables``, the contest's CSVs; ``rasters``, the survey's own pixel; ``auto``, the CSVs where there are any
    returns : facts, a dict of columns, categories {band: its columns}, rows, flags {flag: surveys}, per column nulls,
        infinite, outliers and replaced (counts) and limits [lowest, highest] (null: none), empty (names of which no
        survey has a value), sources {covariate: tables,
        rasters or surveys}, unreadable (surveys on damaged pixels), fitted_on (surveys), rule, files, seconds
    flag : ok, or missing where nothing at all is known of the survey
    A DataError tells of files that are not there or are not what they should be.
    """
    began = time.monotonic()
    if source not in SOURCES:
        raise ConfigError(f"source: found {source!r}, expected one of: {', '.join(SOURCES)}")
    folders = [folders] if isinstance(folders, str | Path) else list(folders)
    out = Path(out) / "tabular"
    out.mkdir(parents=True, exist_ok=True)
    chosen = _chosen(covariates)
    columns = _columns(chosen)
    places = _frame(places, columns)
    training = places if training is None else _frame(training, columns)
    with _scratch(out) as scratch:
        wanted = sorted({*places["dataset"], *training["dataset"]})
        table = cleaning.Table([_part(covariate, folders, scratch, wanted, source, training) for covariate in chosen])
        table.fit(training)
        counts, flags, rows = _run(spark, table, places, out, scratch)
    if rows != len(places):
        raise DataError(f"{out}: {rows:,} surveys written, expected {len(places):,}; run again")
    named = f"values of {', '.join(covariate.name for covariate in chosen)}"
    if counts["unreadable"]:
        log.warning("%s: %d surveys lie on pixels that cannot be read", named, counts["unreadable"])
    by_column = {name: dict(zip(table.columns, counts[name], strict=True)) for name in cleaning.COUNTS}
    _warn_of_impossible(table, by_column, rows)
    empty = _empty(table, by_column["nulls"], rows)
    if empty:
        log.warning("%s: no survey has a value of %s", named, ", ".join(empty))
    if flags["missing"]:
        log.warning("%s: nothing is known of %d of %d surveys, flagged missing", named, flags["missing"], rows)
    return {
        "columns": table.columns,
        "categories": table.categories,
        "rows": rows,
        "flags": flags,
        **by_column,
        "empty": empty,
        "limits": {name: [x if np.isfinite(x) else None for x in pair] for name, pair in table.limits.items()},
        "sources": {part.covariate.name: part.source for part in table.parts},
        "unreadable": counts["unreadable"],
        "fitted_on": table.fitted_on,
        "rule": cleaning.RULE,
        "files": [str(path) for part in table.parts for path in part.values.files],
        "seconds": round(time.monotonic() - began, 1),
    }


def _empty(table, nulls, rows):
    """Names of which no survey has a value; a DataError where a covariate's files give none at all."""
    empty = []
    for part in table.parts:
        lacks = [name for name in part.names if nulls[table.categories.get(name, [name])[0]] == rows]
        if part.covariate.kind == "rasters" and len(lacks) == len(part.names):
            raise DataError(
                f"{part.values.files[0]}: covariate {part.covariate.name!r} has no value at any of {rows:,} surveys "
                f"({', '.join(lacks[:5])}); is it of another area or other surveys, and its nodata as it should be?"
            )
        empty += lacks
    return empty


def _warn_of_impossible(table, counts, rows):
    """Warn of values that cannot be: infinite, or beyond what a covariate declares."""
    for part in table.parts:
        for name in part.names:
            column = table.categories.get(name, [name])[0]
            strange = counts["infinite"][column]
            lowest, highest = part.declared(name)
            if np.isfinite([lowest, highest]).any():
                strange += counts["outliers"][column]
            if strange:
                log.warning(
                    "%s: %d of %d values of surveys cannot be (expected %g to %g) and count as missing",
                    name, strange, rows, lowest, highest,
                )  # fmt: skip


def numbers(places: pd.DataFrame, covariate: Raster, folders: Sequence[StrPath], source: str = "auto") -> pd.DataFrame:
    """The cleaned values of one covariate at a few surveys, in memory: its columns that are no categories.

    places, folders, source : as of `write`; the rule for outliers is computed over `places`
    returns : frame (survey, column) in the order of `places`, NaN where nothing is known
    """
    places = places.reset_index(drop=True)
    with tempfile.TemporaryDirectory() as scratch:
        wanted = sorted(set(places["dataset"]))
        table = cleaning.Table([_part(covariate, list(folders), Path(scratch), wanted, source, places)])
        table.fit(places)
        made, _, _ = table.clean(table.read(places)[0])
    frame = pd.DataFrame(made, columns=table.columns)
    return frame.drop(columns=[column for columns in table.categories.values() for column in columns])


def columns(names: Sequence[str | Raster | Metadata]) -> tuple[str, ...]:
    """The columns of the ``surveys`` table that `places` must have for these covariates."""
    return _columns(_chosen(names))


def _columns(covariates):
    own = [name for covariate in covariates if covariate.kind == "metadata" for name in covariate.columns]
    return tuple(dict.fromkeys([*_PLACE, *own]))


def _chosen(names):
    chosen = [registry.covariates.get(name) if isinstance(name, str) else name for name in names]
    if not chosen:
        raise ConfigError("covariates: found none, expected names of one or more rasters, such as bioclim, elevation")
    for covariate in chosen:
        if covariate.kind not in ("rasters", "metadata"):
            raise ConfigError(
                f"covariates: {covariate.name!r} has one image per survey, expected rasters, such as bioclim, or "
                "metadata"
            )
    return chosen


def _part(covariate, folders, scratch, wanted, source, training):
    if covariate.kind == "metadata":
        return cleaning.Part(covariate, "surveys", MetadataValues(covariate, categories(covariate, training)))
    tables, folder = values.find(covariate, folders, source)
    if not tables:
        return cleaning.Part(covariate, "rasters", RasterValues(covariate, [folder], raw=True))
    if None in tables:
        return cleaning.Part(covariate, "tables", values.TableValues(covariate, tables, scratch))
    missing = [dataset for dataset in wanted if dataset not in tables]
    if missing:  # pixels in their place might be in other units
        raise DataError(
            f"{next(iter(tables.values()))}: there is no such CSV of {missing[0]}, expected one per covariate: "
            f"{', '.join(wanted)}; add it, leave out {missing[0]}, or take the rasters for all: source=rasters"
        )
    return cleaning.Part(
        covariate, "tables", values.TableValues(covariate, {name: tables[name] for name in wanted}, scratch)
    )


def _run(spark, table, places, out, scratch):
    """Make all parts, on Spark or here, with a bar of surveys; returns summed counts, flags and rows."""
    # near surveys in one part, so that workers stay near each other on the rasters
    band, zone = np.floor(-places["lat"]), np.floor(places["lon"])
    places = places.iloc[np.lexsort((places["surveyId"], places["dataset"], zone, band))]
    starts = range(0, len(places), _ROWS)
    paths = [out / f"part-{number:05d}.parquet" for number in range(len(starts))]
    with tqdm(total=len(places), desc="tabular values", unit="survey") as bar:
        if spark is None:
            reports = []
            for path, start in zip(paths, starts, strict=True):
                reports.append(_make(table, places.iloc[start : start + _ROWS], path, scratch))
                bar.update(reports[-1]["rows"])
        else:
            file = scratch / "places.parquet"
            pq.write_table(pa.Table.from_pandas(places, preserve_index=False), file, row_group_size=_ROWS)

            def make(frames):
                for number in (number for frame in frames for number in frame["id"]):
                    part = pq.ParquetFile(file).read_row_group(number).to_pandas()
                    yield pd.DataFrame({"told": [json.dumps(_make(table, part, paths[number], scratch))]})

            parts = spark.range(0, len(paths), 1, len(paths)).mapInPandas(make, "told string")
            with ThreadPoolExecutor(1) as pool:
                made = pool.submit(parts.collect)
                while not wait([made], timeout=0.5).done:
                    bar.update(min(_ROWS * sum(path.is_file() for path in paths), len(places)) - bar.n)
                reports = [json.loads(row["told"]) for row in made.result()]
            bar.update(len(places) - bar.n)
    counts = {
        name: np.sum([report[name] for report in reports], axis=0).tolist() for name in (*cleaning.COUNTS, "unreadable")
    }
    rows, ok = (sum(report[name] for report in reports) for name in ("rows", "ok"))
    return counts, {"ok": ok, "missing": rows - ok}, rows


def _make(table, places, path, scratch):
    """Read, clean and write the surveys of the frame `places`; returns counts, plain values.

    scratch : folder of the unfinished file, which a worker of Spark that is killed leaves there
    """
    raw, unreadable = table.read(places)
    made, counts, known = table.clean(raw)
    columns = [places["dataset"], places["surveyId"], np.where(known, "ok", "missing"), *made.T]
    with storage.atomic_file(path, scratch) as partial:
        part = pa.table([pa.array(column) for column in columns], schema=schema.tabular(table.columns))
        pq.write_table(part, partial, compression="zstd")
    counts = {name: count.tolist() for name, count in counts.items()}
    return counts | {"unreadable": unreadable, "ok": int(known.sum()), "rows": len(places)}


@contextlib.contextmanager
def _scratch(out):
    folder = Path(tempfile.mkdtemp(prefix=".values-", dir=out))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _frame(places, columns):
    frame = places.to_pandas() if isinstance(places, pa.Table) else places
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(f"places: column {missing[0]!r} is missing; found {list(frame.columns)}, expected {columns}")
    frame = frame[[*columns]].reset_index(drop=True)
    if frame.empty or frame["surveyId"].isna().any():
        raise DataError(f"places: found {len(frame)} surveys, some without id, expected one or more, each with its id")
    frame = frame.astype({"dataset": object, "surveyId": np.int64, "lon": float, "lat": float})
    twice = frame.duplicated(["dataset", "surveyId"])
    if twice.any():
        first = frame.loc[twice.idxmax()]
        raise DataError(
            f"places: survey {first['surveyId']} of dataset {first['dataset']!r} is there more than once; "
            "expected one row per survey; try: drop_duplicates(['dataset', 'surveyId'])"
        )
    return frame
