"""Rows of a dataset's files as Spark frames: read with their line numbers, split, typed, and with their faults."""

import logging
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pyspark.sql import functions as F

from glc import editions, geo, storage
from glc.editions import MOST_FIELDS, Dataset, Rules, Table
from glc.editions._base import FAULT
from glc.etl import quarantine
from glc.types import StrPath

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

TYPES = {
    "surveyId": quarantine.integer,
    "lon": quarantine.number,
    "lat": quarantine.number,
    "year": partial(quarantine.integer, kind="int"),
    "date": quarantine.date,
    "geoUncertaintyInM": quarantine.number,
    "areaInM2": quarantine.number,
    "speciesId": partial(quarantine.integer, kind="int"),
}
"""Our columns that are no text -> how they are read."""
TEXTS = ("country", "region", "licence", "speciesName", "speciesKey", "status")
"""Our other columns."""
IDS = ("surveyId", "speciesId")
# Spark takes a path for a glob by default; folders may be called a[1] or virtual:tiny
LITERAL = ("__globPaths__", "false")


def unpacked(dataset: Dataset, folder: StrPath) -> list[Path]:
    """The text file of each of ``dataset.files``: the file itself, or what its source unpacks into `folder`.

    A DataError says that the disk has no room for them, or that one cannot be unpacked.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    sources = {(table.source, path): table.source.size(path) for table, path in dataset.files}
    size = sum(sources.values())
    if size:
        # unpacked once and staged about once more
        storage.check_space(folder, 2 * size, "reading the unpacked dataset", "free some, or use another --root")
        log.info("%s: unpacking %.1f GB", dataset.name, size / 2**30)
    texts = {}
    for number, (source, path) in enumerate(sources):
        place = folder / str(number)
        place.mkdir()
        texts[source, path] = source.unpack(path, place)
    return [texts[table.source, path] for table, path in dataset.files]


def read(spark: "SparkSession", dataset: Dataset, table: Table, path: Path, text_path: Path) -> tuple["DataFrame", int]:
    """Rows of one table of one file, typed and with their `fault`; and the number of rows in the whole file.

    text_path : of `unpacked`
    """
    text, n_rows = _lines(spark, text_path, 0 if table.source.numbered else table.header_lines, table.source.numbered)
    return typed(text, dataset, table, path), n_rows


def typed(text: "DataFrame", dataset: Dataset, table: Table, path: Path) -> "DataFrame":
    """Rows of one table of lines of one file, as of `read`.

    text : columns ``line`` (its number) and ``text``
    """
    names = editions.header(path, table)
    fields = ", ".join(f"c{i} string" for i in range(len(names)))
    options = {
        "sep": table.separator, "quote": table.quote, "escape": table.quote, "columnNameOfCorruptRecord": "corrupt"
    }  # fmt: skip
    # Spark's reader breaks off at 20,480 fields: such a line is not shown to it
    long = (F.length("text") > MOST_FIELDS) & (F.size(F.split("text", f"[{table.separator}]")) > MOST_FIELDS)
    text = text.withColumn("csv", F.from_csv(F.when(~long, F.col("text")), f"{fields}, corrupt string", options))

    def value(column):
        trimmed = F.trim(F.col(f"csv.c{names.index(column)}"))
        return F.when(trimmed != "", trimmed)

    columns = table.columns | {ours: theirs for ours, theirs in table.optional.items() if theirs in names}
    within = {ours: theirs for ours, theirs in columns.items() if theirs in names and ours not in table.made}
    raw = {ours: quarantine.numeral(value(within[ours])) for ours in TYPES if ours in within}
    raw |= {ours: value(within[ours]) for ours in TEXTS if ours in within}
    raw |= {ours: F.lit(constant) for ours, constant in table.constants.items()}
    absent = {ours: F.lit(None).cast("string") for ours in (*TYPES, *TEXTS)}
    corrupt = F.col("csv").isNull() | F.col("csv.corrupt").isNotNull()
    split = F.when(~corrupt, value(table.where[0])) if table.where else F.lit(None)
    reads = [(value(name) if name in names else F.lit(None).cast("string")).alias(name) for name in table.reads]
    # each select is evaluated once a row: the checks below use these columns many times
    frame = text.select(
        "line", "text", corrupt.alias("corrupt"), split.alias("subset"),
        *([F.struct(*reads).alias("reads")] if reads else []),
        *(column.alias(f"raw_{ours}") for ours, column in (absent | raw).items()),
    )  # fmt: skip
    frame, subset = _claimed(frame, dataset, table, path)
    if table.rules:
        frame = _ruled(frame, table.rules, table.made)
        columns = {ours: ours for ours in table.made} | columns
    frame = frame.select("*", *(reads(F.col(f"raw_{ours}")).alias(ours) for ours, reads in TYPES.items()))
    fault = quarantine.fault(
        columns, table.bounds, subset, table.columns, table.text_ids, [*FAULT] if table.rules else None
    )
    frame = frame.select(
        F.lit(table.dataset).alias("dataset"),
        F.lit(dataset.file_name(table, path)).alias("file"),
        "line",
        fault.alias("fault"),
        *TYPES,
        *(F.col(f"raw_{name}").alias(name) for name in TEXTS),
        *(F.col(f"raw_{n}").alias(f"text_{n}") if n in table.text_ids else F.lit(None).cast("string").alias(f"text_{n}")
          for n in IDS),
        F.lit(table.crs or None).cast("int").alias("crs"),
        *((F.col(f"raw_{n}").isNotNull() & F.col(n).isNull()).alias(f"unreadable_{n}") for n in quarantine.SPARE),
        (F.to_json(F.struct(*table.same_survey)) if table.same_survey else F.lit("")).alias("visit"),
        F.lit(table.by_place_and_date).alias("by_place"),
    )  # fmt: skip
    if table.crs:
        return projected(frame, table.crs, columns["lon"])
    unknown = F.lit(None).cast("double")
    return frame.withColumn("easting", unknown).withColumn("northing", unknown)


def _ruled(frame: "DataFrame", rules: Rules, made: tuple[str, ...]) -> "DataFrame":
    """The frame with ``raw_<ours>`` of the columns `made` by the rules from its struct ``reads``, and with `FAULT`."""
    columns = [*made, *FAULT]

    @F.pandas_udf(", ".join(f"{name} string" for name in columns))
    def ruled(reads: pd.DataFrame) -> pd.DataFrame:
        text = rules(reads.reset_index(drop=True)).reindex(columns=columns).astype(object)
        return text.where(text.notna(), None)

    frame = frame.withColumn("ruled", ruled("reads"))
    for name in made:
        frame = frame.withColumn(f"raw_{name}", F.col(f"ruled.{name}"))
    return frame.select("*", *(F.col(f"ruled.{name}").alias(name) for name in FAULT)).drop("ruled", "reads")


def _claimed(frame, dataset, table, path):
    """The rows of the file that are this table's, and the (column, known values) of its subset or None."""
    if not table.where:
        return frame, None
    column, wanted = table.where
    tables = [other for other, other_path in dataset.files if (other_path, other.source) == (path, table.source)]
    known = [other.where[1] for other in tables]
    mine = F.col("subset") == wanted
    if table is tables[0]:  # what no table of the file claims has to be accounted for, once
        mine |= F.col("subset").isNull() | ~F.col("subset").isin(*known)
    return frame.where(mine), (column, known)


def _lines(spark, path, header_lines=1, numbered=False):
    """Data lines of a text file with physical line numbers (the first is 1), without blanks; and how many they are.

    numbered : lines begin with their number and a tab

    Spark numbers rows within a split of the file only; one pass over the splits gives each its first line.
    """
    encoding = editions.encoding(path)
    value = F.col("value")
    if not encoding.plain:  # Spark keeps bytes that are not UTF-8 as they are, and then nothing can read its tables
        value = F.decode(value.cast("binary"), encoding.java)
    text = (
        spark.read.option(*LITERAL)
        .text(f"file://{path}")
        .select(
            value.alias("text"),
            F.col("_metadata.file_block_start").alias("block"),
            F.monotonically_increasing_id().alias("id"),
        )
    )
    if numbered:
        line, rest = (
            F.substring_index("text", "\t", 1).cast("bigint"),
            F.expr("substring(text, locate('\t', text) + 1)"),
        )
        return text.select(line.alias("line"), rest.alias("text")), text.count()
    filled = F.trim("text") != ""
    blocks = text.groupBy("block").agg(F.count("*"), F.min("id"), F.count_if(filled)).orderBy("block").collect()
    with open(path, "rb") as file:
        header = sum(bool(line.strip()) for line in islice(file, header_lines))
    shifts, before, rows = [], 0, -header
    for block, count, first, count_filled in blocks:
        shifts += [F.lit(block), F.lit(before + 1 - first)]
        before += count
        rows += count_filled
    line = F.col("id") + F.element_at(F.create_map(*shifts), F.col("block"))
    return text.select(line.alias("line"), "text").where(filled & (F.col("line") > header_lines)), rows


def projected(frame: "DataFrame", crs: int, lon_column: str) -> "DataFrame":
    """The rows with easting and northing in EPSG:`crs`, and the fault of those that have none.

    lon_column : the file's, as the quarantine names it
    """

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
