"""What is wrong with places before anything is predicted: per row, and over a whole file.

A row that cannot be used keeps its place in the output, with null predictions and its problem in words. A place at sea
is predicted all the same, because coasts of the basemap are coarse and some species live there, and is reported.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from glc import basemap
from glc.errors import DataError
from glc.fitted.places_file import COORDINATES, PlacesFile, as_text

SEA_TOLERANCE_M = 5_000.0
"""Metres from land from which a place counts as at sea; nearer ones may be on a coast that the basemap simplifies."""
EXAMPLES = 5
"""Rows that are reported of each kind of problem."""
SAMPLED = 64
"""Places of each block that are in the sample."""
UNUSABLE = ("not a number", "outside the world")
"""Kinds of problems that leave no coordinates to predict at."""
_WHOLE = r"[+-]?(0|[1-9]\d{0,17})"
_NUMBER = r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_MEANT = "expected degrees (EPSG:4326)"


@dataclass(frozen=True)
class CheckedPlaces:
    """Rows of a file of places.

    lon, lat : (n,) float64 degrees; NaN where a place cannot be used
    date : (n,) datetime64[ns], NaT where there is none
    survey_id : (n,) pandas Int64, null where there is none
    kind, problem : (n,) object: kind of the problem and its words; None where there is none. An unreadable date or
        surveyId is a problem too, of a place that can be predicted.
    """

    lon: np.ndarray
    lat: np.ndarray
    date: np.ndarray
    survey_id: pd.arrays.IntegerArray
    kind: np.ndarray
    problem: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """(n,) bool: the places to predict at."""
        return np.isfinite(self.lon) & np.isfinite(self.lat)


def check_rows(table: pa.Table) -> CheckedPlaces:
    """Read coordinates, dates and survey ids of rows, and say what is wrong with each.

    table : rows of a `PlacesFile`
    """
    n = table.num_rows
    kind, problem = np.full(n, None, object), np.full(n, None, object)

    def note(rows: np.ndarray, what: str, texts: Iterable[str]) -> None:
        for row, text in zip(np.flatnonzero(rows), texts, strict=True):
            kind[row] = kind[row] or what
            problem[row] = f"{problem[row]}; {text}" if problem[row] else text

    values = {}
    for name in COORDINATES:
        values[name], text = _numbers(table[name])
        bad = ~np.isfinite(values[name])
        words = [f"{name}: found {'nothing' if text[row] is None else repr(text[row])}, expected a number of degrees"
                 for row in np.flatnonzero(bad)]  # fmt: skip
        note(bad, UNUSABLE[0], words)
    lon, lat = values["lon"], values["lat"]
    bad = np.isfinite(lon) & np.isfinite(lat) & ((np.abs(lon) > 180) | (np.abs(lat) > 90))
    note(
        bad, UNUSABLE[1], (f"found lon {x:g} and lat {y:g}, {_MEANT}" for x, y in zip(lon[bad], lat[bad], strict=True))
    )
    unusable = bad | ~np.isfinite(lon) | ~np.isfinite(lat)
    lon, lat = (np.where(unusable, np.nan, axis) for axis in (lon, lat))
    sea = basemap.at_sea(lon, lat, SEA_TOLERANCE_M)
    note(sea, "at sea", ["at sea"] * int(sea.sum()))
    date, bad, text = _dates(table["date"] if "date" in table.column_names else None, n)
    note(bad, "date", (f"date: found {value!r}, expected YYYY-MM-DD or a year" for value in text[bad]))
    survey_id, bad, text = _ids(table["surveyId"] if "surveyId" in table.column_names else None, n)
    note(bad, "surveyId", (f"surveyId: found {value!r}, expected a whole number" for value in text[bad]))
    return CheckedPlaces(lon, lat, date, survey_id, kind, problem)


@dataclass
class Summary:
    """What a whole file holds.

    notes : on how the file is read
    rows, usable : all rows, and those that can be predicted
    counts : rows by kind of problem
    examples : kind -> the first few problems, each with its row (1 is the first after the header)
    types : the type of each column that is text in the file, by what all its values can be read as
    sample : some of the usable places, from all over the file: frame of lon, lat and surveyId
    bounds : west, south, east, north of the usable places
    """

    notes: tuple[str, ...] = ()
    rows: int = 0
    usable: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    types: dict[str, pa.DataType] = field(default_factory=dict)
    sample: pd.DataFrame = field(default_factory=pd.DataFrame)
    bounds: tuple[float, float, float, float] = (np.inf, np.inf, -np.inf, -np.inf)

    def lines(self) -> list[str]:
        """What is to be reported: how the file is read, and a line per kind of problem."""
        lines = [*self.notes]
        for kind in sorted(self.counts):
            fate = "no predictions" if kind in UNUSABLE else "predicted all the same"
            more = ", …" if self.counts[kind] > len(self.examples[kind]) else ""
            rows = f"({'; '.join(self.examples[kind])}{more})"
            lines.append(f"{self.counts[kind]:,} of {self.rows:,} places: {kind}; {fate} {rows}")
        return lines


def summarise(places: PlacesFile, rows: int) -> Summary:
    """Read a whole file once, without predicting.

    rows : of a block
    raises : DataError for a file without a place that can be used, and for one whose lon and lat are swapped
    """
    known, swapped, samples = Summary(places.notes), 0, []
    for table in places.blocks(rows):
        checked = check_rows(table)
        usable = checked.usable
        for row in np.flatnonzero(checked.kind.astype(bool)):
            what = checked.kind[row]
            known.counts[what] += 1
            if known.counts[what] <= EXAMPLES:
                known.examples.setdefault(what, []).append(f"row {known.rows + row + 1:,}: {checked.problem[row]}")
        lon, lat = (_numbers(table[name])[0] for name in COORDINATES)
        with np.errstate(invalid="ignore"):
            swapped += int(((np.abs(lat) > 90) & (np.abs(lat) <= 180) & (np.abs(lon) <= 90)).sum())
        if usable.any():
            lon, lat = checked.lon[usable], checked.lat[usable]
            some = np.linspace(0, len(lon) - 1, min(len(lon), SAMPLED)).astype(int)
            ids = checked.survey_id[usable][some]
            samples.append(pd.DataFrame({"lon": lon[some], "lat": lat[some], "surveyId": ids}))
            west, south, east, north = known.bounds
            known.bounds = (
                min(west, lon.min()), min(south, lat.min()), max(east, lon.max()), max(north, lat.max()),
            )  # fmt: skip
        for name in places.columns:
            known.types[name] = _wider(known.types.get(name), table[name])
        known.rows += table.num_rows
        known.usable += int(usable.sum())
    if samples:
        known.sample = pd.concat(samples, ignore_index=True)
    if not known.rows:
        raise DataError(f"{places.path}: no places; expected a row per place")
    if swapped > known.rows / 2:
        raise DataError(
            f"{places.path}: the lat of {swapped:,} of {known.rows:,} places is beyond 90 degrees and would be a lon; "
            "lon and lat are swapped: exchange the names of the columns"
        )
    if not known.usable:
        kind = max(known.counts, key=lambda kind: known.counts[kind])
        comma = any(re.search(r"found '[+-]?\d+,\d+'", text) for text in known.examples.get(UNUSABLE[0], []))
        remedy = "write decimals with a point: 3.9, not 3,9" if comma else "lon and lat have to be degrees (EPSG:4326)"
        raise DataError(
            f"{places.path}: none of {known.rows:,} places can be used: {known.examples[kind][0]}; {remedy}"
        )
    return known


def check_not_swapped(places: PlacesFile, known: Summary, lon: np.ndarray, lat: np.ndarray) -> None:
    """Refuse places that would be among the training surveys if lon and lat were exchanged, and are not as they are.

    lon, lat : (n,) of the training surveys, degrees
    """
    margin = 5.0  # degrees
    west, south, east, north = known.bounds

    def apart(west: float, south: float, east: float, north: float) -> bool:
        return bool(
            west > lon.max() + margin
            or east < lon.min() - margin
            or south > lat.max() + margin
            or north < lat.min() - margin
        )

    inside = south >= lon.min() and north <= lon.max() and west >= lat.min() and east <= lat.max()
    if apart(west, south, east, north) and inside:
        raise DataError(
            f"{places.path}: places are from {west:g} to {east:g} E and {south:g} to {north:g} N, training surveys "
            f"from {lon.min():g} to {lon.max():g} E and {lat.min():g} to {lat.max():g} N: lon and lat are swapped; "
            "exchange the names of the columns"
        )


def cast(table: pa.Table, types: dict[str, pa.DataType]) -> pa.Table:
    """A block with the types of the whole file; coordinates that are no numbers are null."""
    columns = []
    for name in table.column_names:
        wanted = pa.float64() if name in COORDINATES else types[name]
        if name in COORDINATES:
            column = pa.array(_numbers(table[name])[0], from_pandas=True)
        elif pa.types.is_string(table[name].type) and not pa.types.is_string(wanted):
            column = pc.cast(pa.array(as_text(table[name]), pa.string()), wanted)
        else:
            column = table[name].cast(wanted)
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def _wider(known: pa.DataType | None, column: pa.ChunkedArray) -> pa.DataType:
    """What type text can be read as: whole numbers, numbers or text; other columns keep theirs.

    Numerals with leading zeros are names of something, and stay text.
    """
    if not pa.types.is_string(column.type):
        return column.type
    text = as_text(column).dropna()
    for kind, pattern in ((pa.int64(), _WHOLE), (pa.float64(), _NUMBER)):
        if known in (None, pa.int64(), kind) and text.str.fullmatch(pattern).all():
            return known if kind == pa.int64() and known else kind
    return pa.string()


def _numbers(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """A column as float64 (n,), NaN where it is no number, and as text (n,), None where it is empty."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = column.to_pandas().to_numpy(np.float64, na_value=np.nan)
        text = np.where(np.isnan(values), None, values.astype(object))
    else:
        as_read = as_text(column)
        values, text = pd.to_numeric(as_read, errors="coerce").to_numpy(np.float64), as_read.to_numpy(object)
    return np.where(np.isinf(values), np.nan, values), text


def _dates(column: pa.ChunkedArray | None, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dates (n,) datetime64[ns], which of them cannot be read, and their text."""
    if column is None:
        return np.full(n, "NaT", "datetime64[ns]"), np.zeros(n, bool), np.full(n, None, object)
    text = as_text(column).str.removesuffix(".0")  # a year that was read as a number
    unique = pd.Series(text.unique(), dtype=object)  # surveys share dates
    dates = pd.to_datetime(unique, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    year = unique.str.fullmatch(r"[12]\d{3}", na=False)
    dates = dates.where(~year, pd.to_datetime(unique.where(year), format="%Y", errors="coerce"))
    values = text.map(dict(zip(unique, dates, strict=True))).astype("datetime64[ns]")
    return values.to_numpy(), (values.isna() & text.notna()).to_numpy(), text.to_numpy(object)


def _ids(column: pa.ChunkedArray | None, n: int) -> tuple[pd.arrays.IntegerArray, np.ndarray, np.ndarray]:
    """Survey ids (n,), which of them cannot be read, and their text."""
    if column is None:
        return pd.array([None] * n, dtype="Int64"), np.zeros(n, bool), np.full(n, None, object)
    text = as_text(column).str.removesuffix(".0")  # a column of whole numbers with an empty field
    whole = text.str.fullmatch(r"[+-]?\d{1,18}", na=False)
    ids = text.where(whole, None).map(int, na_action="ignore").astype("Int64").array
    return ids, (~whole & text.notna()).to_numpy(), text.to_numpy(object)
