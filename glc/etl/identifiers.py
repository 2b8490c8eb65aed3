"""Ids and names of species and surveys: text becomes numbers, and the tables that keep the text."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyspark.sql import Window
from pyspark.sql import functions as F

from glc import editions, schema, storage
from glc.editions import Dataset
from glc.errors import one_line
from glc.types import Facts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)

_FEW = 0.5  # of the species, without a name in the file of names
_KINDS = {"surveyId": "bigint", "speciesId": "int"}


def number(rows: "DataFrame", may_be_text: Collection[str]) -> tuple["DataFrame", list[str]]:
    """Rows with numbers for ids that are text, and the kinds of ids (surveyId, speciesId) that were.

    may_be_text : kinds of ids that the edition allows to be text
    If any usable row has an id that is no integer, all of that kind are numbered from 1 in the order of their text: the
    same data give the same numbers, in any order and files of the rows.
    """
    mapped = []
    for name in sorted(may_be_text):
        text = f"text_{name}"
        good = rows.where(f"fault is null and {text} is not null")
        if not good.where(f"{name} is null or {name} < 0").limit(1).count():
            continue
        numbers = good.select(F.col(text).alias("written")).distinct()
        numbers = numbers.withColumn("number", F.row_number().over(Window.orderBy("written")).cast(_KINDS[name]))
        rows = rows.drop(name).join(numbers, F.col(text) == F.col("written"), "left")
        rows = rows.withColumnRenamed("number", name).drop("written")
        mapped.append(name)
    return rows, mapped


def survey_names(good: "DataFrame") -> "DataFrame":
    """Frame of the schema ``survey_names`` of usable rows whose surveys were called by text."""
    # a survey of several occurrences has the smallest of their numbers, which is that of the smallest text
    return good.groupBy("dataset", "surveyId").agg(F.min("text_surveyId").alias("name"))


def write_species(good: "DataFrame", dataset: Dataset, out: Path, mapped: Collection[str]) -> Facts:
    """Write ``species/`` below `out`; returns the number of species, of those with a name, and the ids that were text.

    good : usable rows
    mapped : of `number`
    """
    columns = {ours for table, _ in dataset.files for ours in (*table.columns, *table.optional, *table.made)}
    labelled = good.where("speciesId is not null")
    species = labelled.select("speciesId").distinct().toPandas()["speciesId"].to_numpy(np.int64)
    table = _unnamed(species)
    written = None
    if "speciesId" in mapped:
        written = _commonest(labelled, "text_speciesId").reindex(table.index)
    for ours, column in (("speciesName", "name"), ("speciesKey", "key")):
        if ours in columns:
            table[column] = _commonest(labelled, ours).reindex(table.index)
    return _write(table, written, dataset, out, mapped)


def write_unnamed(species: np.ndarray, dataset: Dataset, out: Path) -> Facts:
    """As `write_species`, of ids that are numbers and whose names the rows do not give.

    species : (n,) int, in any order, each once
    """
    return _write(_unnamed(species), None, dataset, out, ())


def _unnamed(species):
    return pd.DataFrame({"name": None, "key": None}, index=pd.Index(np.sort(species), name="speciesId"), dtype=object)


def _write(table, written, dataset, out, mapped):
    """Write the frame of names, to which those that the edition lists are added; `written`: ids that were text."""
    listed = dataset.edition.species(dataset)
    if listed is not None:
        if written is None:  # numbers, which the file may write as 14.0
            listed = listed.assign(speciesId=listed["speciesId"].map(editions.plain_id, na_action="ignore"))
        listed = listed.drop_duplicates("speciesId").set_index("speciesId")
        text = written if written is not None else table.index.to_series().astype(str)
        unlisted = text[~text.isin(listed.index)]
        if len(unlisted) > _FEW * len(text):
            log.warning(
                "%s: the file of names has %d of %d species, and not %s; does it have the ids of the surveys' species?",
                dataset.name, len(text) - len(unlisted), len(text), ", ".join(unlisted[:3]),
            )  # fmt: skip
        for column in ("name", "key"):
            better = text.map(listed[column])
            table[column] = better.where(better.notna(), table[column])
    if written is not None:
        table["key"] = table["key"].where(table["key"].notna() | table["name"].isna(), written)
        table["name"] = table["name"].where(table["name"].notna(), written)
    table["name"] = table["name"].map(one_line, na_action="ignore")
    table = table.astype(object).where(table.notna(), None).reset_index()
    storage.write_table(table[schema.TABLES["species"].names], "species", out / "species")
    return {"number": len(table), "named": int(table["name"].notna().sum()), "text_ids": list(mapped)}


def _commonest(labelled: "DataFrame", column: str) -> pd.Series:
    """The value of `column` that most rows of a species have, the first in the alphabet of several, by speciesId."""
    counts = labelled.where(F.col(column).isNotNull()).groupBy("speciesId", column).count().toPandas()
    counts = counts.sort_values(["speciesId", "count", column], ascending=[True, False, True])
    return counts.drop_duplicates("speciesId").set_index("speciesId")[column]
