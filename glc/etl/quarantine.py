"""Which rows cannot be used, and why: the checks as Spark expressions, one reason per row, and the limit on them.

A row goes to the quarantine with the first reason that holds, so that rows in = rows out + quarantined. Values of
columns that a survey can do without (geoUncertaintyInM, areaInM2) never cost the row: what is not a number becomes
null and is counted as unreadable.
"""

from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from glc.editions import EMPTY
from glc.editions._dates import YEARS
from glc.errors import DataError

FIELDS = "wrong number of fields"
SUBSET = "unknown subset"
NO_SURVEY = "missing surveyId"
BAD_SURVEY = "surveyId is not an integer"
FAR_SURVEY = "surveyId is out of range (64 bits)"
NO_PLACE = "missing coordinate"
BAD_PLACE = "coordinate is not a number"
COMMA_PLACE = "coordinate has a decimal comma"
FAR_PLACE = "coordinate out of range"
OUTSIDE = "place outside the edition's area"
BAD_DATE = "unknown date"
NO_SPECIES = "missing species"
BAD_SPECIES = "species is not an integer"
FAR_SPECIES = "species is out of range (0 to 2,147,483,647)"
OFF_MAP = "place outside the projection"
DISAGREES = "place or date disagrees with the survey's first line"

SPARE = ("geoUncertaintyInM", "areaInM2")
"""Columns whose unreadable values cost no row."""

_MISSING = ("na", "nan", "null", "none", "n/a")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d+(\.0*)?$"
_COMMA = r"^[+-]?\d+,\d+$"
_NULL = "cast(null as string)"

Bounds = tuple[float, float, float, float]


def numeral(text):
    """The text of a numeric column, null if it marks a missing value (empty, NA, nan, ...)."""
    return F.when(~F.lower(text).isin(*_MISSING), text)


def number(text):
    """float64 of a decimal numeral, else null; Spark's own cast would take NaN, Infinity and '1d' for numbers."""
    return F.when(text.rlike(_NUMBER), text.cast("double"))


def integer(text, kind="bigint"):
    """The integer that a numeral such as 763 or 763.0 writes, else null; null too where `kind` cannot hold it."""
    return F.when(text.rlike(_INTEGER), F.regexp_extract(text, r"^([+-]?\d+)", 1).cast(kind))


def date(text):
    """The day of an ISO date, or of unix seconds; null when it is neither.

    Seconds are rounded to the nearest UTC midnight: GeoLifeCLEF 2023 writes local midnights (22:00 or 23:00 UTC).
    """
    day = (F.regexp_extract(text, r"^(\d+)", 1).cast("bigint") + 43_200) / 86_400
    return F.when(text.rlike(r"^\d{9,10}(\.0*)?$"), F.expr("date'1970-01-01'") + F.floor(day).cast("int")).when(
        text.rlike(r"^\d{4}-\d{2}-\d{2}([T ].*)?$"), F.substring(text, 1, 10).cast("date")
    )


def fault(
    names: Mapping[str, str],
    bounds: Bounds,
    subset: tuple[str, Sequence[str]] | None = None,
    required: Iterable[str] | None = None,
    text_ids: Sequence[str] = (),
    ruled: tuple[str, str, str] | list[str] | None = None,
) -> Column:
    """First reason against a row: a struct of the file's column, the value found and the reason; null for a good row.

    names : our column -> the file's column, for those that the file has. The frame has each as read in ``raw_<ours>``
        (null where missing) and typed in ``<ours>`` (null where unreadable), and its line in ``text``, with ``corrupt``
        true where the fields could not be told apart
    bounds : west, south, east, north of the edition's area, degrees
    subset : (the file's column, known values) of the frame's ``subset``, where a file has one
    required : our columns that may not be missing; None: all of `names`
    text_ids : surveyId, speciesId where these may be text
    ruled : columns of the frame with the file's column, the value and the reason by which rules of the edition refuse a
        row, null where they do not

    It is one text of SQL: as expressions of Python it took 500 calls of Java, a second a file.
    """
    ways = [("corrupt", None, "substring(text, 1, 200)", FIELDS)]
    if subset:
        column, known = subset
        ways.append((f"subset is null or subset not in ({', '.join(map(_quoted, known))})", column, "subset", SUBSET))

    def against(ours: str, reason: str, condition: str) -> None:
        if ours == "speciesId" and "status" in names:
            condition = f"({condition}) and not (raw_status <=> {_quoted(EMPTY)})"
        ways.append((condition, names[ours], f"raw_{ours}", reason))

    west, south, east, north = bounds
    checks = [
        ("surveyId", NO_SURVEY, (FAR_SURVEY, _INTEGER), BAD_SURVEY, None),
        ("lon", NO_PLACE, (COMMA_PLACE, _COMMA), BAD_PLACE, (-180, 180, FAR_PLACE)),
        ("lat", NO_PLACE, (COMMA_PLACE, _COMMA), BAD_PLACE, (-90, 90, FAR_PLACE)),
        ("lon", None, None, None, (west, east, OUTSIDE)),
        ("lat", None, None, None, (south, north, OUTSIDE)),
        ("year", BAD_DATE, None, BAD_DATE, (*YEARS, BAD_DATE)),
        ("date", BAD_DATE, None, BAD_DATE, None),
        ("speciesId", NO_SPECIES, (FAR_SPECIES, _INTEGER), BAD_SPECIES, (0, 2**31 - 1, FAR_SPECIES)),
    ]
    for ours, missing, recognised, unreadable, limits in checks:
        if ours not in names:
            continue
        if missing and (required is None or ours in required):
            against(ours, missing, f"raw_{ours} is null")
        if ours in text_ids:
            continue
        if recognised:
            reason, pattern = recognised
            against(ours, reason, f"{ours} is null and raw_{ours} rlike {_quoted(pattern)}")
        if unreadable:
            against(ours, unreadable, f"{ours} is null and raw_{ours} is not null")
        if limits:
            low, high, reason = limits
            against(ours, reason, f"{ours} not between {low!r}D and {high!r}D")
    cases = [
        f"when {condition} then named_struct('column', {f'cast({_quoted(column)} as string)' if column else _NULL}, "
        f"'found', cast({value} as string), 'reason', {_quoted(reason)})"
        for condition, column, value, reason in ways
    ]
    if ruled:
        column, value, reason = ruled
        case = f"when {reason} is not null then named_struct('column', {column}, 'found', {value}, 'reason', {reason})"
        cases.insert(2 if subset else 1, case)
    return F.expr(f"case {' '.join(cases)} end")


def _quoted(text: str) -> str:
    """`text` as a string of Spark SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def because(column, value, reason):
    """The struct of a fault: the file's column (null when no single one is to blame), the value and the reason."""
    return F.struct(
        F.lit(column).cast("string").alias("column"), value.cast("string").alias("found"), F.lit(reason).alias("reason")
    )


def count(rows, dataset):
    """Counts of each file and dataset: rows, kept, quarantined, reasons, and unreadable values of kept rows.

    rows : frame with ``fault``, ``file_index`` (the place in ``dataset.files``) and ``unreadable_<column>``
    """
    unreadable = [F.sum(F.col(f"unreadable_{name}").cast("int")).alias(name) for name in SPARE]
    groups = rows.groupBy("file_index", "fault.reason").agg(F.count("*").alias("n"), *unreadable).collect()
    files = []
    for index, (table, path) in enumerate(dataset.files):
        mine = [group for group in groups if group["file_index"] == index]
        kept = [group for group in mine if group["reason"] is None]
        reasons = {group["reason"]: group["n"] for group in mine if group["reason"] is not None}
        lost = {name: sum(group[name] for group in kept) for name in SPARE}
        files.append(
            {
                "file": dataset.file_name(table, path),
                "dataset": table.dataset,
                "rows": sum(group["n"] for group in mine),
                "kept": sum(group["n"] for group in kept),
                "quarantined": sum(reasons.values()),
                "reasons": dict(sorted(reasons.items())),
                "unreadable": {name: values for name, values in lost.items() if values},
            }
        )
    return files


def limit(files, bad, max_fraction, tolerated=()):
    """Raise a DataError about the first file with more than `max_fraction` of its rows quarantined.

    files : counts of `count`; bad : Spark frame of schema ``quarantine``, the source of an example for each top reason
    tolerated : reasons that do not count, because the edition leaves such rows out by choice
    """
    for facts in files:
        counted = {reason: number_of for reason, number_of in facts["reasons"].items() if reason not in tolerated}
        if sum(counted.values()) > max_fraction * facts["rows"]:
            top = sorted(counted.items(), key=lambda item: -item[1])[:3]
            mine = bad.where((F.col("file") == facts["file"]) & (F.col("dataset") == facts["dataset"]))
            first = mine.groupBy("reason").agg(F.min(F.struct("line", "column", "found")).alias("row")).collect()
            examples = {row["reason"]: row["row"] for row in first}
            shown = "".join(_shown(number_of, reason, examples[reason]) for reason, number_of in top)
            raise DataError(
                f"{facts['file']}: {sum(counted.values()):,} of {facts['rows']:,} rows cannot be used, expected at "
                f"most {max_fraction:.1%}:{shown}\nfix the file, or raise surveys.max_quarantine_fraction in the "
                "experiment's TOML"
            )


def _shown(rows, reason, row):
    column = f", column {row['column']!r}" if row["column"] else ""
    return f"\n  {rows:,} {reason}, as in line {row['line']}{column}: found {row['found']!r}"
