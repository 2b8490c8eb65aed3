"""Survey CSVs become a table of occurrences, a table of surveys and a quarantine; no row is lost on the way.

Files of plain numbers and words are read in ranges by Arrow (`glc.etl.by_ranges`), any others by Spark's expressions
(`glc.etl.by_expressions`); both write the same tables, one sorted parquet file for each dataset, which are counted.
"""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from glc import editions, schema, storage
from glc.editions import Dataset
from glc.errors import DataError, one_line
from glc.etl import by_expressions, by_ranges, rows
from glc.progress import tqdm
from glc.types import Facts, StrPath

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


log = logging.getLogger(__name__)


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
            dataset.file_name(table, path): editions.encoding(text, original=path)
            for (table, path), text in zip(dataset.files, texts, strict=True)
        }
        chunks = by_ranges.chunks(dataset)
        try:
            if chunks is None:
                made = by_expressions.write(spark, dataset, texts, out, stage, max_quarantine_fraction, bar.update)
            else:
                made = by_ranges.write(spark, dataset, chunks, out, stage, max_quarantine_fraction, bar.update)
        except Exception:
            _refuse_changes(dataset, stamps)  # a line that is no longer where it was fails in many ways
            raise
    shutil.rmtree(stage)
    ids = pd.DataFrame(editions.test_ids(dataset), columns=schema.TABLES["test_ids"].names)
    storage.write_table(ids, "test_ids", out / "test_ids")
    _refuse_changes(dataset, stamps)

    facts = {
        "files": made.files, "datasets": _datasets(out, dataset), "species": made.species,
        "widens": dataset.edition.widens,
    }  # fmt: skip
    if made.citation:
        facts["citation"] = _in_one_line(made.citation)
    facts |= {name: sum(file[name] for file in made.files) for name in ("rows", "kept", "quarantined")}
    _account(dataset, facts, made.lines, out)
    facts["unscored"] = _unscored(dataset, ids, out, incomplete)
    for file in made.files:
        log.info("%(file)s (%(dataset)s): %(rows)d rows, %(kept)d kept, quarantined: %(reasons)s", file)
    for name, encoding in encodings.items():
        if not encoding.plain:
            log.warning("%s: read as %s", name, encoding)
            for file in made.files:
                if file["file"] == name:
                    file["encoding"] = str(encoding)
    return facts


def _in_one_line(citation: Facts) -> Facts:
    """What the data say of themselves, as pages, maps and BibTeX may have it."""
    licences = {one_line(name): count for name, count in (citation.get("licences") or {}).items()}
    words = {key: one_line(value) if isinstance(value, str) else value for key, value in citation.items()}
    return words | ({"licences": licences} if licences else {})


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
