"""Survey CSVs become a table of occurrences, a table of surveys and a quarantine; no row is lost on the way.

Each file is read as text with its physical line numbers, split by an all-string schema, checked, projected and staged
once; the three tables are written from the stage, one sorted parquet file for each dataset, and counted again.
"""

import logging
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import Window
from pyspark.sql import functions as F

from glc import editions, geo, schema, storage
from glc.editions import MOST_FIELDS, Dataset
from glc.errors import DataError
from glc.etl import quarantine
from glc.progress import tqdm
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


log = logging.getLogger(__name__)

_TYPES = {
    "surveyId": quarantine.integer,
    "lon": quarantine.number,
    "lat": quarantine.number,
    "year": partial(quarantine.integer, kind="int"),
    "date": quarantine.date,
    "geoUncertaintyInM": quarantine.number,
    "areaInM2": quarantine.number,
    "speciesId": partial(quarantine.integer, kind="int"),
}
# Spark takes a path for a glob unless told otherwise; folders may be called a[1] or virtual:tiny
_LITERAL = ("__globPaths__", "false")
_PLACE = ("lon", "lat", "year", "date")


def write(
    spark: "SparkSession",
    dataset: Dataset,
    out: StrPath,
    max_quarantine_fraction: float = 0.05,
    incomplete: Literal["frequent", "fail"] = "frequent",
) -> Facts:
    """Write the tables of `dataset` under the folder `out`; return the facts.

    The tables are ``occurrences/``, ``surveys/``, ``quarantine/`` and ``test_ids/``, see `glc.schema`.

    dataset : `glc.editions.Dataset`; its headers and first rows are checked before Spark has work to do
    max_quarantine_fraction : of a file's rows
    incomplete : fail: a test survey none of whose rows can be used is an error
    returns : dict of ``files`` (for each file and dataset: rows, kept, quarantined, reasons, unreadable values, and the
        encoding where it is not UTF-8), ``datasets`` (occurrences, surveys, species), the sums ``rows``, ``kept``,
        ``quarantined``, and ``unscored``, the ids of test surveys that cannot be used, as the file writes them
    A DataError is raised for more quarantined rows than allowed, a training or test dataset without a usable row, a
    file that changes while it is read, and any row that is neither written nor quarantined.
    """
    editions.check(dataset)
    stamps = dataset.stamps()
    out = Path(out)
    stage = out / ".stage"
    with tqdm(total=4, desc=f"surveys of {dataset.name}", unit="step") as bar:
        frames, physical = [], {}
        for index, (table, path) in enumerate(dataset.files):
            frame, physical[dataset.relative(path)] = _read(spark, dataset, table, path)
            frames.append(frame.withColumn("file_index", F.lit(index)))
        staged = frames[0]
        for frame in frames[1:]:
            staged = staged.unionByName(frame)
        by_place = any(table.by_place_and_date for table, _ in dataset.files)
        _agreed(staged, by_place).write.parquet(str(stage / "rows"))
        staged = spark.read.option(*_LITERAL).parquet(f"file://{stage.resolve()}/rows")
        bar.update()

        files = quarantine.count(staged, dataset)
        bad = staged.where("fault is not null").select("dataset", "file", "line", "fault.*")
        _write(bad, out / "quarantine", "quarantine", dataset.datasets, ["file", "line"], stage)
        quarantine.limit(files, bad, max_quarantine_fraction)
        bar.update()

        good = staged.where("fault is null")
        _write(good, out / "occurrences", "occurrences", dataset.datasets, ["surveyId", "speciesId", "line"], stage)
        bar.update()
        _write(_surveys(good), out / "surveys", "surveys", dataset.datasets, ["surveyId"], stage)
        bar.update()
    shutil.rmtree(stage)
    ids = pd.DataFrame(editions.test_ids(dataset), columns=schema.TABLES["test_ids"].names)
    storage.write_table(ids, "test_ids", out / "test_ids")
    _refuse_changes(dataset, stamps)

    facts = {"files": files, "datasets": _datasets(out, dataset)}
    facts |= {name: sum(file[name] for file in files) for name in ("rows", "kept", "quarantined")}
    _account(dataset, facts, physical, out)
    facts["unscored"] = _unscored(dataset, ids, out, incomplete)
    for file in files:
        log.info("%(file)s (%(dataset)s): %(rows)d rows, %(kept)d kept, quarantined: %(reasons)s", file)
    encodings = {dataset.relative(path): editions.encoding(path) for _, path in dataset.files}
    for name, encoding in encodings.items():
        if not encoding.plain:
            log.warning("%s: read as %s", name, encoding)
            for file in files:
                if file["file"] == name:
                    file["encoding"] = str(encoding)
    return facts


def _refuse_changes(dataset, stamps):
    """Raise a DataError when a file is not the one that it was at `stamps`, though it may have the same bytes."""
    changed = [name for name, stamp in dataset.stamps().items() if stamp != stamps[name]]
    if changed:
        raise DataError(
            f"{dataset.folder / changed[0]}: the file changed while it was read; run again when it is complete"
        )


def _unscored(dataset, ids, out, incomplete):
    """Ids of the test surveys none of whose rows could be used; a DataError if there must be none."""
    if not len(ids):
        return []
    lost = []
    for test in dataset.tests:
        kept = pq.read_table(out / "surveys" / f"{test}.parquet", columns=["surveyId"])
        known = {str(survey) for survey in kept["surveyId"].to_pylist()}
        if not known:
            raise DataError(
                f"{dataset.folder}: no usable row of {test}; correct its file, or remove it"
                f"{' to hold out training surveys as the test' if len(dataset.tests) == 1 else ''}"
            )
        own = ids[ids["file"].isin([dataset.relative(path) for table, path in dataset.files if table.dataset == test])]
        lost.append(own[[editions.plain_id(text) not in known for text in own["surveyId"]]])
    lost = pd.concat(lost)
    if len(lost) and incomplete == "fail":
        first = lost.iloc[0]
        raise DataError(
            f"{first.file}: {len(lost):,} of {len(ids):,} test surveys cannot be used, {first.surveyId} in line "
            f'{first.line} among them; correct these rows, or set surveys.incomplete = "frequent" to predict the '
            "most frequent species for them"
        )
    if len(lost):
        log.warning(
            "%d test surveys cannot be used (%s); they get the most frequent species of the training data",
            len(lost), ", ".join(lost["surveyId"][:5]),
        )  # fmt: skip
    return lost["surveyId"].tolist()


def _read(spark, dataset, table, path):
    """Rows of one table of one file, typed and with their `fault`; and the rows in the whole file."""
    text, rows = _lines(spark, path)
    names = editions.header(path, table)
    fields = ", ".join(f"c{i} string" for i in range(len(names)))
    options = {"sep": table.separator, "quote": '"', "escape": '"', "columnNameOfCorruptRecord": "corrupt"}
    # Spark's reader breaks off at 20,480 fields: such a line is not shown to it
    long = (F.length("text") > MOST_FIELDS) & (F.size(F.split("text", f"[{table.separator}]")) > MOST_FIELDS)
    text = text.withColumn("csv", F.from_csv(F.when(~long, F.col("text")), f"{fields}, corrupt string", options))

    def value(column):
        trimmed = F.trim(F.col(f"csv.c{names.index(column)}"))
        return F.when(trimmed != "", trimmed)

    columns = table.columns | {ours: theirs for ours, theirs in table.optional.items() if theirs in names}
    raw = {ours: quarantine.numeral(value(columns[ours])) for ours in _TYPES if ours in columns}
    raw |= {ours: value(columns[ours]) for ours in ("country", "region") if ours in columns}
    raw |= {ours: F.lit(constant) for ours, constant in table.constants.items()}
    absent = {ours: F.lit(None).cast("string") for ours in (*_TYPES, "country", "region")}
    corrupt = F.col("csv").isNull() | F.col("csv.corrupt").isNotNull()
    split = F.when(~corrupt, value(table.where[0])) if table.where else F.lit(None)
    # each select is evaluated once a row: the checks below use these columns many times
    frame = text.select(
        "line", "text", corrupt.alias("corrupt"), split.alias("subset"),
        *(column.alias(f"raw_{ours}") for ours, column in (absent | raw).items()),
    )  # fmt: skip
    frame, subset = _claimed(frame, dataset, table, path)
    frame = frame.select("*", *(typed(F.col(f"raw_{ours}")).alias(ours) for ours, typed in _TYPES.items()))
    frame = frame.select(
        F.lit(table.dataset).alias("dataset"),
        F.lit(dataset.relative(path)).alias("file"),
        "line",
        quarantine.fault(columns, table.bounds, subset).alias("fault"),
        *_TYPES,
        *(F.col(f"raw_{name}").alias(name) for name in ("country", "region")),
        F.lit(table.crs).alias("crs"),
        *((F.col(f"raw_{n}").isNotNull() & F.col(n).isNull()).alias(f"unreadable_{n}") for n in quarantine.SPARE),
        F.lit(table.by_place_and_date).alias("by_place"),
    )
    return _projected(frame, table.crs, columns["lon"]), rows


def _claimed(frame, dataset, table, path):
    """The rows of the file that are this table's, and the (column, known values) of its subset or None."""
    if not table.where:
        return frame, None
    column, wanted = table.where
    tables = [other for other, other_path in dataset.files if other_path == path]
    known = [other.where[1] for other in tables]
    mine = F.col("subset") == wanted
    if table is tables[0]:  # what no table of the file claims has to be accounted for, once
        mine |= F.col("subset").isNull() | ~F.col("subset").isin(*known)
    return frame.where(mine), (column, known)


def _lines(spark, path):
    """Data lines of a text file with physical line numbers (1 is the header), without blanks; and how many they are.

    Spark numbers rows within a split of the file only; one pass over the splits gives each its first line.
    """
    encoding = editions.encoding(path)
    value = F.col("value")
    if not encoding.plain:  # Spark keeps bytes that are not UTF-8 as they are, and then nothing can read its tables
        value = F.decode(value.cast("binary"), encoding.java)
    text = (
        spark.read.option(*_LITERAL)
        .text(f"file://{path}")
        .select(
            value.alias("text"),
            F.col("_metadata.file_block_start").alias("block"),
            F.monotonically_increasing_id().alias("id"),
        )
    )
    filled = F.trim("text") != ""
    blocks = text.groupBy("block").agg(F.count("*"), F.min("id"), F.count_if(filled)).orderBy("block").collect()
    shifts, before, rows = [], 0, -1
    for block, count, first, count_filled in blocks:
        shifts += [F.lit(block), F.lit(before + 1 - first)]
        before += count
        rows += count_filled
    line = F.col("id") + F.element_at(F.create_map(*shifts), F.col("block"))
    return text.select(line.alias("line"), "text").where(filled & (F.col("line") > 1)), rows


def _projected(frame, crs, lon_column):
    @F.pandas_udf("easting double, northing double")
    def project(lon: pd.Series, lat: pd.Series) -> pd.DataFrame:
        easting, northing = geo.project(lon, lat, crs)
        return pd.DataFrame({"easting": easting, "northing": northing})

    on_map = F.coalesce(F.abs("place.easting") + F.abs("place.northing") < float("inf"), F.lit(False))
    position = F.concat_ws(", ", "lon", "lat")
    off_map = quarantine.because(lon_column, position, f"{quarantine.OFF_MAP} EPSG:{crs}")
    return (
        frame.withColumn("place", project("lon", "lat"))
        .withColumn("fault", F.coalesce("fault", F.when(~on_map, off_map)))
        .select("*", "place.*")
        .drop("place")
    )


def _agreed(rows, by_place):
    """Rows with the faults of those that disagree with their survey's first line, and with their final surveyId."""
    good = F.col("fault").isNull()
    # faulty rows are spread by line: as one group they would be one task's work
    apart = [good, F.when(~good, F.col("line"))]
    survey = Window.partitionBy("dataset", *apart, "surveyId").orderBy("file_index", "line")
    rows = rows.withColumn("first", F.first(F.struct("line", *_PLACE)).over(survey))
    same = F.lit(True)
    for name in _PLACE:
        same &= F.col(name).eqNullSafe(F.col(f"first.{name}"))
    difference = F.concat(
        F.concat_ws(", ", "lon", "lat", "year", "date"),
        F.lit(" where line "),
        "first.line",
        F.lit(" has "),
        F.concat_ws(", ", *(f"first.{name}" for name in _PLACE)),
    )
    disagrees = F.when(good & ~same, quarantine.because("surveyId", difference, quarantine.DISAGREES))
    rows = rows.withColumn("fault", F.coalesce("fault", disagrees)).drop("first")
    if by_place:
        visit = Window.partitionBy("dataset", *apart, "lon", "lat", "date")
        rows = rows.withColumn(
            "surveyId", F.when(F.col("by_place"), F.min("surveyId").over(visit)).otherwise(F.col("surveyId"))
        )
    return rows


def _surveys(good):
    """One row per survey: the attributes of its first line, and its species sorted and distinct."""
    attributes = [name for name in schema.TABLES["surveys"].names if name not in ("dataset", "surveyId", "species")]
    return (
        good.groupBy("dataset", "surveyId")
        .agg(
            F.min(F.struct("file_index", "line", *attributes)).alias("first"),
            F.array_sort(F.collect_set("speciesId")).alias("species"),
        )
        .select("dataset", "surveyId", *(f"first.{name}" for name in attributes), "species")
    )


def _write(frame, folder, name, datasets, order, stage):
    """One parquet file for each dataset, sorted by `order`, with the columns of schema `name` and no others."""
    folder.mkdir(parents=True)
    wanted = schema.TABLES[name]
    for dataset in datasets:
        part = frame.where(F.col("dataset") == dataset).repartition(1).sortWithinPartitions(*order)
        scratch = stage / f"{name}-{dataset}"
        part.select(*wanted.names).write.option("compression", "zstd").parquet(str(scratch))
        (made,) = scratch.glob("*.parquet")
        made.rename(folder / f"{dataset}.parquet")


def _datasets(out, dataset):
    facts = {}
    for name in dataset.datasets:
        surveys = pq.ParquetFile(out / "surveys" / f"{name}.parquet")
        species = set()
        for batch in surveys.iter_batches(columns=["species"]):
            species.update(pc.unique(batch.column(0).flatten()).to_pylist())
        facts[name] = {
            "occurrences": pq.read_metadata(out / "occurrences" / f"{name}.parquet").num_rows,
            "surveys": surveys.metadata.num_rows,
            "species": len(species),
        }
    return facts


def _account(dataset, facts, physical, out):
    """Compare the lines of each file with the rows in the tables; raise a DataError when a row is missing."""
    for name, lines in physical.items():
        rows = sum(file["rows"] for file in facts["files"] if file["file"] == name)
        if rows != lines:
            raise DataError(f"{name}: {lines:,} rows in, but {rows:,} rows out and quarantined; was it being written?")
    kept, refused = facts["kept"], facts["quarantined"]
    written = sum(counts["occurrences"] for counts in facts["datasets"].values())
    written_refused = sum(pq.read_metadata(path).num_rows for path in (out / "quarantine").glob("*.parquet"))
    if (written, written_refused) != (kept, refused):
        raise DataError(
            f"{dataset.folder}: {facts['rows']:,} rows in, expected {kept:,} kept and {refused:,} quarantined, found "
            f"{written:,} and {written_refused:,} written; check the disk and run again"
        )
    train = dataset.edition.train
    if not facts["datasets"][train]["surveys"]:
        raise DataError(f"{dataset.folder}: no usable row of {train}; see the files and their subset column")
