"""The table of cubes: one row per survey, with its flag, its cube and, for series, its low DCT coefficients.

Rows are in order of dataset and surveyId, whatever the order of the input; what is missing or corrupt is NaN, never
zero, and counted. The shape and axes of the cubes are in the parquet file's own metadata and in the facts.
"""

import logging
import math
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from glc import dct, schema, storage
from glc.errors import ConfigError, DataError
from glc.etl import series

log = logging.getLogger(__name__)

ROWS = 4096
"""Rows of a row group: some 15 MB."""
FIRST_YEAR = 2000
"""Of the contest's cube files, which do not tell."""


@dataclass(frozen=True)
class Kind:
    """What a cube is: its axes and shape, the names along its first axis, its table, and its files' names."""

    axes: tuple[str, str, str]
    shape: tuple[int, int, int]
    names: tuple[str, ...]
    table: str
    pattern: str


KINDS = {
    "landsat": Kind(("band", "quarter", "year"), (6, 4, 21), series.BANDS, "series", r"landsat[-_]time[-_]series"),
    # the contest's own names; precipitation in 1/100 mm, temperatures in 1/10 K
    "bioclim": Kind(
        ("variable", "year", "month"),
        (4, 19, 12),
        ("pr", "tas", "tasmax", "tasmin"),
        "cubes",
        r"bioclimatic[-_]monthly",
    ),
}


def sorted_places(places, more=()):
    """The frame of `places` by dataset and surveyId; a DataError names a column that is missing, null or repeated."""
    if isinstance(places, pa.Table):
        places = places.to_pandas()
    for name in ("dataset", "surveyId", *more):
        if name not in places:
            raise DataError(f"places: column {name!r} is missing; found {list(places.columns)}; give the surveys table")
        if places[name].isna().any():
            raise DataError(f"places: column {name!r} has {places[name].isna().sum():,} nulls, expected none")
    twice = places.duplicated(["dataset", "surveyId"])
    if twice.any():
        dataset, survey = places.loc[twice, ["dataset", "surveyId"]].iloc[0]
        raise DataError(f"places: survey {survey} of {dataset} appears twice, expected one row per survey")
    return places.sort_values(["dataset", "surveyId"], ignore_index=True)


def check_terms(terms, length):
    """Raise a ConfigError unless a series of `length` values has that many coefficients."""
    if not 1 <= terms <= length:
        raise ConfigError(f"terms={terms}: expected 1 to {length}, the length of a series")


class Scratch:
    """A float32 array of NaN in a file beside the output, removed at the end."""

    def __init__(self, out, shape):
        self.out, self.shape = Path(out), shape

    def __enter__(self):
        self.out.mkdir(parents=True, exist_ok=True)
        # in the scratch file, and once more in the table
        size = 2 * 4 * math.prod(self.shape)
        storage.check_space(self.out, size, f"cubes of {self.shape[1]:,} surveys", "give ROOT more space")
        self.file = tempfile.NamedTemporaryFile(dir=self.out, prefix=".scratch-")
        if 0 in self.shape:
            return np.empty(self.shape, np.float32)
        values = np.memmap(self.file, np.float32, "w+", shape=self.shape)
        for start in range(0, self.shape[1], ROWS):
            values[:, start : start + ROWS] = np.nan
        return values

    def __exit__(self, *_):
        self.file.close()


def write(places, chunk, corrupt, faults, out, kind, shape, terms, max_corrupt_fraction):
    """Write both tables and return the facts; `chunk(rows)` -> (k, *shape) may add to `corrupt` and `faults`."""
    kind = KINDS[kind]
    facts = {"table": kind.table, "shape": shape, "axes": kind.axes, "names": kind.names, "rows": len(places)}
    wanted = schema.TABLES[kind.table]
    metadata = {"table": kind.table, "shape": ",".join(map(str, shape)), "axes": ",".join(kind.axes)}
    facts["years"] = (FIRST_YEAR, FIRST_YEAR + shape[kind.axes.index("year")] - 1)
    if kind.table == "series":
        facts["terms"] = terms
        metadata["coeffs"] = f"{shape[0]},{terms}"
    flags = np.empty(len(places), object)
    folder = Path(out) / "cubes"
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / "part-0.parquet", wanted.with_metadata(metadata), compression="zstd") as writer:
        for start in range(0, len(places), ROWS):
            rows = slice(start, min(start + ROWS, len(places)))
            cubes = np.ascontiguousarray(chunk(rows), np.float32)
            cubes[corrupt[rows]] = np.nan
            valid = np.isfinite(cubes).mean(axis=(1, 2, 3))
            flags[rows] = np.where(corrupt[rows], "corrupt", np.where(valid == 0, "missing", "ok"))
            columns = places.iloc[rows][["dataset", "surveyId"]].assign(flag=flags[rows], valid=valid)
            table = pa.Table.from_pandas(columns, preserve_index=False).append_column("cube", _lists(cubes))
            if kind.table == "series":
                table = table.append_column("coeffs", _lists(coefficients(cubes, terms)))
            writer.write_table(schema.check(table, kind.table, folder).replace_schema_metadata(metadata))
    records = pd.DataFrame(faults, columns=schema.TABLES["quarantine"].names)
    storage.write_table(records, "quarantine", Path(out) / "quarantine")
    counts = pd.crosstab(places["dataset"], flags)
    counts = counts.reindex(columns=["ok", "missing", "corrupt"], fill_value=0)
    facts |= {"datasets": counts.to_dict("index"), "quarantined": len(faults)}
    for dataset, row in facts["datasets"].items():
        log.info("%s: cubes ok %d, missing %d, corrupt %d", dataset, row["ok"], row["missing"], row["corrupt"])
    _limit(facts, faults, max_corrupt_fraction)
    return facts


def read(folder):
    """Read a table of cubes: (frame of dataset, surveyId, flag, valid; cubes (n, *shape); coeffs (n, bands, terms)).

    Cubes are float32, NaN where missing; coeffs are None where the table has none.
    """
    files = sorted(Path(folder).glob("*.parquet"))
    facts = (pq.read_schema(files[0]).metadata or {}) if files else {}
    name = facts.get(b"table", b"cubes").decode()
    table = storage.read_table(folder, name)

    def unfold(column, key):
        shape = [int(n) for n in facts[key].split(b",")]
        return table[column].combine_chunks().flatten().to_numpy().reshape(-1, *shape)

    keys = table.select(["dataset", "surveyId", "flag", "valid"]).to_pandas()
    return keys, unfold("cube", b"shape"), unfold("coeffs", b"coeffs") if name == "series" else None


def coefficients(cubes: np.ndarray, terms: int = 64) -> np.ndarray:
    """The first `terms` 1-D DCT-II coefficients of quarterly series; missing values count as zero, as published.

    cubes : (n, bands, quarters, years); returns (n, bands, terms) float32, orthonormal; NaN where a cube has no value
    """
    flat = np.ascontiguousarray(np.swapaxes(cubes, 2, 3)).reshape(*cubes.shape[:2], -1)
    coeffs = dct.compress_1d(np.nan_to_num(flat, nan=0.0).astype(np.float32, copy=False), terms)
    coeffs[np.isnan(flat).all(axis=(1, 2))] = np.nan
    return coeffs


def _lists(block):
    flat = pa.array(block.reshape(-1))
    step = int(np.prod(block.shape[1:]))
    return pa.ListArray.from_arrays(pa.array(np.arange(len(block) + 1, dtype=np.int32) * step), flat)


def _limit(facts, faults, max_corrupt_fraction):
    corrupt = sum(row["corrupt"] for row in facts["datasets"].values())
    there = corrupt + sum(row["ok"] for row in facts["datasets"].values())
    if corrupt > max_corrupt_fraction * there:
        (reason, count), *_ = Counter(fault["reason"] for fault in faults).most_common(1)
        example = next(fault for fault in faults if fault["reason"] == reason)
        detail = f", found {example['found']!r}" if example["found"] else ""
        raise DataError(
            f"{example['file']}: {corrupt:,} of {there:,} surveys have corrupt cubes, expected at most "
            f"{max_corrupt_fraction:.0%}; {count:,} times: {reason}{detail}; fix the files, or "
            "allow a larger max_corrupt_fraction"
        )
