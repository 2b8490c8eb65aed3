"""Survey CSVs become a table of occurrences, a table of surveys and a quarantine; no row is lost on the way.

Each file is read as text with its physical line numbers, split by an all-string schema, checked, projected and staged
once; the three tables are written from the stage, one sorted parquet file for each dataset, and counted again.
"""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import Window
from pyspark.sql import functions as F

from glc import editions, geo, schema, storage
from glc.editions import Dataset
from glc.errors import DataError
from glc.etl import identifiers, quarantine, rows
from glc.progress import tqdm
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


log = logging.getLogger(__name__)

_PLACE = ("lon", "lat", "year", "date")


def write(
    spark: "SparkSession",
    dataset: Dataset,
    out: StrPath,
    max_quarantine_fraction: float = 0.05,
    incomplete: Literal["frequent", "fail"] = "frequent",
) -> Facts:
    """Write the tables of `dataset` under the folder `out`; return the facts.

    The tables are ``occurrences/``, ``surveys/``, ``species/``, ``quarantine/`` and ``test_ids/``, and of editions that
    have them ``absences/`` and ``survey_names/``, see `glc.schema`.

    dataset : `glc.editions.Dataset`, prepared; its headers and first rows are checked before Spark has work to do
    max_quarantine_fraction : of a file's rows
    incomplete : fail: a test survey none of whose rows can be used is an error
    returns : dict of ``files`` (for each file and dataset: rows, kept, quarantined, reasons, unreadable values, and the
        encoding where it is not UTF-8), ``datasets`` (occurrences, surveys, species), the sums ``rows``, ``kept``,
        ``quarantined``, ``unscored``, the ids of test surveys that cannot be used, as the file writes them, ``species``
        (number, how many are named, kinds of ids that were text), and where the edition knows it ``citation`` (doi,
        title, rights, and ``licences`` with the number of rows); and ``widens``, the edition's
    A DataError is raised for more quarantined rows than allowed, a training or test dataset without a usable row, a
    file that changes while it is read, and any row that is neither written nor quarantined.
    """
    editions.check(dataset)
    stamps = dataset.stamps()
    out = Path(out)
    stage = out / ".stage"
    with tqdm(total=4, desc=f"surveys of {dataset.name}", unit="step") as bar:
        texts = rows.unpacked(dataset, stage / "unpacked")
        encodings = {
            dataset.file_name(table, path): editions.encoding(text)
            for (table, path), text in zip(dataset.files, texts, strict=True)
        }
        frames, physical = [], {}
        for index, ((table, path), text_path) in enumerate(zip(dataset.files, texts, strict=True)):
            frame, physical[dataset.file_name(table, path)] = rows.read(spark, dataset, table, path, text_path)
            frames.append(frame.withColumn("file_index", F.lit(index)))
        staged = frames[0]
        for frame in frames[1:]:
            staged = staged.unionByName(frame)
        tables = [table for table, _ in dataset.files]
        if any(table.rules or table.text_ids or not table.crs for table in tables):
            staged = _staged(spark, staged, stage / "typed")  # rules are slow: they see each row once
            staged = _on_one_map(staged)
        staged, mapped = identifiers.number(staged, {name for table in tables for name in table.text_ids})
        by_place = any(table.by_place_and_date for table in tables)
        staged = _staged(spark, _agreed(staged, by_place), stage / "rows")
        bar.update()

        files = quarantine.count(staged, dataset)
        bad = staged.where("fault is not null").select("dataset", "file", "line", "fault.*")
        _write(bad, out / "quarantine", "quarantine", dataset.datasets, ["file", "line"], stage)
        quarantine.limit(files, bad, max_quarantine_fraction, dataset.edition.tolerated)
        bar.update()

        good = staged.where("fault is null")
        order = ["surveyId", "speciesId", "line", "file_index"]  # of no two rows the same, in any order of partitions
        _write(good.where("status is null"), out / "occurrences", "occurrences", dataset.datasets, order, stage)
        if any("status" in {**table.columns, **table.optional} or "status" in table.made for table in tables):
            _write(good.where("status is not null"), out / "absences", "absences", dataset.datasets, order, stage)
        bar.update()
        _write(_surveys(good), out / "surveys", "surveys", dataset.datasets, ["surveyId"], stage)
        if "surveyId" in mapped:
            names = identifiers.survey_names(good)
            _write(names, out / "survey_names", "survey_names", dataset.datasets, ["surveyId"], stage)
        citation = _citation(good, dataset)
        facts_of_species = identifiers.write_species(good, dataset, out, mapped)
        bar.update()
    shutil.rmtree(stage)
    ids = pd.DataFrame(editions.test_ids(dataset), columns=schema.TABLES["test_ids"].names)
    storage.write_table(ids, "test_ids", out / "test_ids")
    _refuse_changes(dataset, stamps)

    facts = {
        "files": files, "datasets": _datasets(out, dataset), "species": facts_of_species,
        "widens": dataset.edition.widens,
    }  # fmt: skip
    if citation:
        facts["citation"] = citation
    facts |= {name: sum(file[name] for file in files) for name in ("rows", "kept", "quarantined")}
    _account(dataset, facts, physical, out)
    facts["unscored"] = _unscored(dataset, ids, out, incomplete)
    for file in files:
        log.info("%(file)s (%(dataset)s): %(rows)d rows, %(kept)d kept, quarantined: %(reasons)s", file)
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
        files = [dataset.file_name(table, path) for table, path in dataset.files if table.dataset == test]
        own = ids[ids["file"].isin(files)]
        if (out / "survey_names").is_dir():
            names = pq.read_table(out / "survey_names" / f"{test}.parquet", columns=["name"])
            lost.append(own[~own["surveyId"].isin(names["name"].to_pylist())])
        else:
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


def _staged(spark, frame, folder):
    """The frame as it is read back from parquet."""
    place = f"file://{folder.resolve()}"  # a cluster may take a path without a scheme for one in its own file system
    frame.write.parquet(place)
    return spark.read.option(*rows.LITERAL).parquet(place)


def _on_one_map(staged):
    """Rows without a CRS projected to the one that suits most of them."""
    free = staged.where("crs is null and fault is null and lon is not null and lat is not null")
    shares = "array(0.01D, 0.99D)"
    (range_,) = free.selectExpr(f"percentile(lon, {shares}) as lon", f"percentile(lat, {shares}) as lat").collect()
    if range_["lon"] is None:
        return staged
    crs = geo.suitable_crs(range_["lon"][0], range_["lat"][0], range_["lon"][1], range_["lat"][1])
    log.info("projected to EPSG:%d, which suits the records", crs)
    loose = staged.where("crs is null").drop("easting", "northing").withColumn("crs", F.lit(crs))
    return staged.where("crs is not null").unionByName(rows.projected(loose, crs, "lon"))


def _citation(good, dataset):
    """Facts of the edition's citation with the number of rows of each licence; None where there is neither."""
    counts = {row["licence"]: row["count"] for row in good.groupBy("licence").count().collect() if row["licence"]}
    facts = dataset.edition.citation(dataset)
    if facts is None and not counts:
        return None
    facts = {"doi": None, "title": None, "rights": None} | (facts or {})
    return facts | {"licences": dict(sorted(counts.items()))}


def _agreed(staged, by_place):
    """Rows with the faults of those that disagree with their survey's first line, and with their final surveyId."""
    good = F.col("fault").isNull()
    # faulty rows are spread by line: as one group they would be one task's work
    apart = [good, F.when(~good, F.col("line"))]
    survey = Window.partitionBy("dataset", *apart, "surveyId").orderBy("file_index", "line")
    staged = staged.withColumn("first", F.first(F.struct("line", *_PLACE)).over(survey))
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
    staged = staged.withColumn("fault", F.coalesce("fault", disagrees)).drop("first")
    if by_place:
        visit = Window.partitionBy("dataset", *apart, "lon", "lat", "date", "visit")
        staged = staged.withColumn(
            "surveyId", F.when(F.col("by_place"), F.min("surveyId").over(visit)).otherwise(F.col("surveyId"))
        )
    return staged


def _surveys(good):
    """One row per survey: the attributes of its first line, and its species sorted and distinct.

    Where presences alone are recorded, a place where a species was not found is no survey.
    """
    attributes = [name for name in schema.TABLES["surveys"].names if name not in ("dataset", "surveyId", "species")]
    return (
        good.where("status is null or dataset != 'po'")
        .groupBy("dataset", "surveyId")
        .agg(
            F.min(F.struct("file_index", "line", *attributes)).alias("first"),
            F.array_sort(F.collect_set(F.when(F.col("status").isNull(), F.col("speciesId")))).alias("species"),
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
        part.select(*wanted.names).write.option("compression", "zstd").parquet(f"file://{scratch.resolve()}")
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
        if (out / "absences").is_dir():
            facts[name]["absences"] = pq.read_metadata(out / "absences" / f"{name}.parquet").num_rows
    return facts


def _account(dataset, facts, physical, out):
    """Compare the lines of each file with the rows in the tables; raise a DataError when a row is missing."""
    for name, lines in physical.items():
        read = sum(file["rows"] for file in facts["files"] if file["file"] == name)
        if read != lines:
            raise DataError(f"{name}: {lines:,} rows in, but {read:,} rows out and quarantined; was it being written?")
    kept, refused = facts["kept"], facts["quarantined"]
    written = sum(counts["occurrences"] + counts.get("absences", 0) for counts in facts["datasets"].values())
    written_refused = sum(pq.read_metadata(path).num_rows for path in (out / "quarantine").glob("*.parquet"))
    if (written, written_refused) != (kept, refused):
        raise DataError(
            f"{dataset.folder}: {facts['rows']:,} rows in, expected {kept:,} kept and {refused:,} quarantined, found "
            f"{written:,} and {written_refused:,} written; check the disk and run again"
        )
    train = dataset.train
    if not facts["datasets"][train]["surveys"]:
        raise DataError(f"{dataset.folder}: no usable row of {train}; see the files and their subset column")
