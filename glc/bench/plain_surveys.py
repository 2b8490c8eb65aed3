"""Survey tables as one would write them with pyarrow.csv, pyproj and pandas: all rows in memory, the same checks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv
from pyproj import Transformer

from glc import schema
from glc.editions._base import EUROPE
from glc.world import metadata

FILES = {"pa_train": metadata.TRAIN, "pa_test": metadata.TEST, "po": metadata.PO}
"""Dataset -> its file."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d{1,18}(\.0*)?$"
_MISSING = pa.array(["", "na", "nan", "null", "none", "n/a"])
_YEARS = (1600, 2100)
_NUMBERS = ("surveyId", "lon", "lat", "year", "speciesId", "geoUncertaintyInM", "areaInM2")


def write(folder: Path, out: Path) -> int:
    """Write ``occurrences``, ``surveys`` and ``quarantine`` of each of `FILES` under `out`; returns the rows read."""
    count = 0
    for name in ("occurrences", "surveys", "quarantine"):
        (out / name).mkdir(parents=True)
    for dataset, file in FILES.items():
        frame, bad = _read(folder / file)
        count += len(frame) + len(bad)
        frame, more = _checked(frame)
        frame, disagreeing = _agreed(frame)
        bad = pd.concat([bad, more, disagreeing]).assign(dataset=dataset, file=file).sort_values("line")
        _write(bad, "quarantine", dataset, out)
        frame = frame.assign(dataset=dataset).sort_values(["surveyId", "speciesId", "line"], na_position="first")
        _write(frame, "occurrences", dataset, out)
        _write(_surveys(frame), "surveys", dataset, out)
    return count


def _write(frame: pd.DataFrame, name: str, dataset: str, out: Path) -> None:
    wanted = schema.TABLES[name]
    table = pa.Table.from_pandas(frame[wanted.names], schema=wanted, preserve_index=False)
    pq.write_table(table, out / name / f"{dataset}.parquet", compression="zstd")


def _read(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with their numbers, and what could not be read; and the rows of a wrong number of fields."""
    wrong = []

    def other(row: csv.InvalidRow) -> str:
        wrong.append((row.number, row.text))
        return "skip"

    names = path.open().readline().strip().split(",")
    used = [name for name in names if name in (*_NUMBERS, "country", "region")]
    table = csv.read_csv(
        path,
        csv.ReadOptions(use_threads=False),  # otherwise the numbers of bad rows are unknown
        csv.ParseOptions(invalid_row_handler=other),
        csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=used),
    )
    bad = pd.DataFrame(wrong, columns=["line", "found"]).astype({"line": "int64"})
    lines = np.delete(np.arange(2, table.num_rows + len(bad) + 2), bad["line"] - 2)
    frame = pd.DataFrame({"line": lines})
    for name in used:
        text = pc.utf8_trim(table[name], " ")
        missing = pc.equal(text, "")
        if name not in _NUMBERS:
            frame[name] = pc.if_else(missing, None, text).combine_chunks().dictionary_encode().to_pandas()
            continue
        missing = pc.is_in(pc.utf8_lower(text), _MISSING)
        whole = name in ("surveyId", "year", "speciesId")
        read = pc.match_substring_regex(text, _INTEGER if whole else _NUMBER)
        numeral = pc.if_else(read, text, None)
        if whole:
            numeral = pc.cast(pc.replace_substring_regex(numeral, r"\.0*$", ""), pa.int64())
            frame[name] = pc.fill_null(numeral, np.iinfo(np.int64).min).to_numpy()
        else:
            frame[name] = pc.cast(numeral, pa.float64()).to_numpy()
        frame[f"missing_{name}"] = missing.to_numpy()
        frame[f"unread_{name}"] = pc.and_not(pc.invert(read), missing).to_numpy()
        if name in ("lon", "lat"):
            frame[f"comma_{name}"] = pc.match_substring_regex(text, r"^[+-]?\d+,\d+$").to_numpy()
    bad = bad.assign(reason="wrong number of fields", column=None)
    return frame, bad.assign(found=bad["found"].str.slice(0, 200))


def _checked(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows without a fault, with their place in EPSG:3035, and the others with the first fault of each."""
    west, south, east, north = EUROPE
    reason, column = np.full(len(frame), None, object), np.full(len(frame), None, object)
    good = np.ones(len(frame), bool)

    def refuse(where: np.ndarray, name: str, why: str) -> None:
        new = where & good
        reason[new], column[new] = why, name
        good[new] = False

    refuse(frame["missing_surveyId"].to_numpy(), "surveyId", "missing surveyId")
    refuse(frame["unread_surveyId"].to_numpy(), "surveyId", "surveyId is not an integer")
    for axis, limit in (("lon", 180), ("lat", 90)):
        refuse(frame[f"missing_{axis}"].to_numpy(), axis, "missing coordinate")
        refuse(frame[f"comma_{axis}"].to_numpy(), axis, "coordinate has a decimal comma")
        refuse(frame[f"unread_{axis}"].to_numpy(), axis, "coordinate is not a number")
        refuse(~frame[axis].between(-limit, limit).to_numpy(), axis, "coordinate out of range")
    for axis, low, high in (("lon", west, east), ("lat", south, north)):
        refuse(~frame[axis].between(low, high).to_numpy(), axis, "place outside the edition's area")
    refuse(~frame["year"].between(*_YEARS).to_numpy(), "year", "unknown date")
    if "speciesId" in frame:
        refuse(frame["missing_speciesId"].to_numpy(), "speciesId", "missing species")
        refuse(frame["unread_speciesId"].to_numpy(), "speciesId", "species is not an integer")
        refuse(~frame["speciesId"].between(0, 2**31 - 1).to_numpy(), "speciesId", "species is out of range")
    bad = pd.DataFrame({"line": frame["line"], "column": column, "reason": reason, "found": None})[~good]
    frame = frame[good].reset_index(drop=True)
    project = Transformer.from_crs(4326, 3035, always_xy=True)
    frame["easting"], frame["northing"] = project.transform(frame["lon"].to_numpy(), frame["lat"].to_numpy())
    frame["crs"] = np.int32(3035)
    for name in ("country", "region", "areaInM2", "geoUncertaintyInM", "speciesId"):
        if name not in frame:
            frame[name] = None
    return frame[[name for name in frame if not name.startswith(("missing_", "unread_", "comma_"))]], bad


def _agreed(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that agree with their survey's first line in place and year, and the others."""
    first = frame.drop_duplicates("surveyId")
    lead = pd.Index(first["surveyId"]).get_indexer(frame["surveyId"])
    same = np.ones(len(frame), bool)
    for name in ("lon", "lat", "year"):
        same &= frame[name].to_numpy() == first[name].to_numpy()[lead]
    bad = frame[~same][["line"]].assign(
        column="surveyId", found=None, reason="place or date disagrees with the survey's first line"
    )
    return frame[same], bad


def _surveys(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per survey of occurrences sorted by it: the attributes of its first line, and its species."""
    rows = frame.sort_values(["surveyId", "line"]).drop_duplicates("surveyId")
    labelled = frame[frame["speciesId"].notna()].drop_duplicates(["surveyId", "speciesId"])
    ends = np.searchsorted(labelled["surveyId"], rows["surveyId"], side="right")
    lists = np.split(labelled["speciesId"].to_numpy(np.int32, na_value=0), ends[:-1])
    return rows.assign(species=lists)
