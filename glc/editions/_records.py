"""Rules about records of Darwin Core: dates, datums, status, basis and identification, on frames of text.

Terms are those of https://dwc.tdwg.org/terms and of GBIF (https://techdocs.gbif.org/en/data-use/download-formats).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from glc.editions import _countries
from glc.editions._base import ABSENT, FAULT

BASES = (
    "HUMAN_OBSERVATION", "OBSERVATION", "MACHINE_OBSERVATION", "OCCURRENCE", "PRESERVED_SPECIMEN", "MATERIAL_SAMPLE",
    "MATERIAL_ENTITY", "MATERIAL_CITATION", "LIVING_SPECIMEN", "FOSSIL_SPECIMEN", "UNKNOWN",
)  # fmt: skip
"""All values of basisOfRecord, as GBIF writes them."""

STATUS = "occurrenceStatus is neither present nor absent"
BASIS = "basisOfRecord is not among surveys.basis_of_record"
NOT_A_SPECIES = "not identified to a species"
NO_DATUM = "unknown geodeticDatum"
FAR = "uncertainty above surveys.max_uncertainty_m"
ZERO = "place is 0, 0"
DATE = "unknown date"
NO_PLACE = "missing coordinate"
COUNTRY = "country code disagrees with the place"

KEYS = ("speciesKey", "speciesID", "taxonKey")
NAMES = ("species", "acceptedScientificName", "scientificName")
READS = (
    "gbifID", "occurrenceID", "id", "decimalLongitude", "decimalLatitude", "geodeticDatum",
    "coordinateUncertaintyInMeters", "eventDate", "year", "month", "day", "occurrenceStatus", "individualCount",
    "basisOfRecord", "countryCode", "stateProvince", "license", "rights", "sampleSizeValue", "sampleSizeUnit",
    *KEYS, *NAMES,
)  # fmt: skip
"""Columns that `apply` reads."""
MADE = (
    "surveyId", "lon", "lat", "year", "date", "speciesId", "speciesName", "speciesKey", "geoUncertaintyInM", "areaInM2",
    "country", "region", "licence", "status",
)  # fmt: skip
"""Our columns that `apply` makes."""

_WGS84 = ("", "wgs84", "epsg4326", "worldgeodeticsystem1984", "wgs1984", "unknown", "notrecorded", "4326")
_DATUMS = {
    "nad27": 4267, "nad83": 4269, "etrs89": 4258, "ed50": 4230, "gda94": 4283, "gda2020": 7844, "agd66": 4202,
    "agd84": 4203, "osgb36": 4277, "ch1903": 4149, "pulkovo1942": 4284, "sad69": 4618, "tokyo": 4301, "rgf93": 4171,
    "nzgd2000": 4167, "nzgd49": 4272, "jgd2000": 4612, "wgs72": 4322, "sirgas2000": 4674,
}  # fmt: skip
"""Names of datums, in letters and digits only -> EPSG code of their degrees."""
_M2 = ("m2", "m^2", "m²", "squaremetre", "squaremetres", "squaremeter", "squaremeters", "sqm")
_DAY = r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ][^/]*)?)?)?"
_RANGE = rf"^{_DAY}(?:/(?:{_DAY}|(\d{{2}})(?:-(\d{{2}}))?))?$"


def apply(
    frame: pd.DataFrame,
    *,
    id_column: str,
    by: Sequence[str],
    defaults: Mapping[str, str],
    bases: Sequence[str],
    max_uncertainty_m: float,
    status: str | None = None,
) -> pd.DataFrame:
    """Our columns of `MADE`, and of `FAULT`, for rows with the columns of `READS`: frames of text or None.

    id_column : what a survey is called by
    by : columns that say which species it is, by falling preference; the first that the archive has
    defaults : values of terms that the archive states once for all its rows
    bases : values of basisOfRecord that are used
    max_uncertainty_m : metres; a place known less well is not used
    status : status of all rows; None: as they say
    """
    text = frame.astype(object).where(frame.notna(), None)
    for term, value in defaults.items():
        text[term] = text[term].fillna(value) if term in text else value
    made = pd.DataFrame(index=frame.index, columns=[*MADE, *FAULT], dtype=object)
    faults = _Faults(made)
    made["surveyId"] = text[id_column]
    made["status"] = _status(text, faults) if status is None else status
    _basis(text, bases, faults)
    for column in by[:1]:
        made["speciesId"] = text[column]
        if status is None and column in KEYS:
            faults.add(column, text[column], text[column].isna(), NOT_A_SPECIES)
        if column in KEYS:
            made["speciesKey"] = text[column]
    names = [text[name] for name in NAMES]
    made["speciesName"] = names[0].combine_first(names[1]).combine_first(names[2])
    _place(text, made, faults)
    uncertainty = pd.to_numeric(text["coordinateUncertaintyInMeters"], errors="coerce")
    made["geoUncertaintyInM"] = text["coordinateUncertaintyInMeters"].where(~(uncertainty <= 0), None)
    faults.add(
        "coordinateUncertaintyInMeters", text["coordinateUncertaintyInMeters"], uncertainty > max_uncertainty_m, FAR
    )
    _date(text, made, faults)
    _country(text, made, faults)
    made["region"] = text["stateProvince"]
    made["licence"] = text["license"].combine_first(text["rights"])
    unit = text["sampleSizeUnit"].str.lower().str.replace(" ", "")
    made["areaInM2"] = text["sampleSizeValue"].where(unit.isin(_M2), None)
    return made


class _Faults:
    """The first reason against each row."""

    def __init__(self, made: pd.DataFrame) -> None:
        self.made = made

    @property
    def free(self) -> pd.Series:
        """Rows without a fault."""
        return self.made["fault_reason"].isna()

    def add(self, column: str, value: pd.Series, bad: pd.Series, reason: str) -> None:
        """Add the fault of rows that are `bad` and have none."""
        rows = bad.fillna(False).astype(bool) & self.free
        self.made.loc[rows, "fault_column"] = column
        self.made.loc[rows, "fault_found"] = value[rows].astype(object)
        self.made.loc[rows, "fault_reason"] = reason


def _status(text: pd.DataFrame, faults: _Faults) -> pd.Series:
    status = text["occurrenceStatus"].str.lower()
    # as GBIF interprets it: none counted is absent where nothing else is said
    none = status.isna() & (pd.to_numeric(text["individualCount"], errors="coerce") == 0)
    faults.add(
        "occurrenceStatus", text["occurrenceStatus"], ~(status.isna() | status.isin(["present", "absent"])), STATUS
    )
    return pd.Series(np.where((status == "absent") | none, ABSENT, None), index=text.index, dtype=object)


def _basis(text: pd.DataFrame, bases: Sequence[str], faults: _Faults) -> None:
    basis = text["basisOfRecord"].str.replace(r"(?<=[a-z])(?=[A-Z])", "_", regex=True).str.upper().str.replace(" ", "_")
    faults.add("basisOfRecord", text["basisOfRecord"], basis.notna() & ~basis.isin(list(bases)), BASIS)


def _place(text: pd.DataFrame, made: pd.DataFrame, faults: _Faults) -> None:
    """lon and lat as text, transformed to WGS 84 where they are of another datum."""
    made["lon"], made["lat"] = text["decimalLongitude"], text["decimalLatitude"]
    lon, lat = (pd.to_numeric(made[axis], errors="coerce") for axis in ("lon", "lat"))
    faults.add("decimalLongitude", made["lon"] + ", " + made["lat"], (lon == 0) & (lat == 0), ZERO)
    given = text["geodeticDatum"].fillna("")
    plain = given.str.lower().str.replace(r"[^a-z0-9]", "", regex=True)
    for datum in plain[~plain.isin(_WGS84)].unique():
        rows = plain == datum
        code = _datum(given[rows].iloc[0], datum)
        if code is None:
            faults.add("geodeticDatum", text["geodeticDatum"], rows, NO_DATUM)
            continue
        known = rows & lon.between(-180, 180) & lat.between(-90, 90)
        if code != 4326 and known.any():
            moved = _transformer(code).transform(lon[known].to_numpy(float), lat[known].to_numpy(float))
            for axis, values in zip(("lon", "lat"), moved, strict=True):
                made.loc[known, axis] = [repr(float(value)) for value in values]


@lru_cache(maxsize=64)
def _datum(written: str, plain: str) -> int | None:
    """EPSG code of the degrees of a datum as it is written; None if nobody knows it."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if plain in _DATUMS:
        return _DATUMS[plain]
    try:
        crs = CRS.from_user_input(written if ":" in written else f"EPSG:{int(written)}")
    except (CRSError, ValueError):
        return None
    return crs.to_epsg() if crs.is_geographic else None


@lru_cache(maxsize=16)
def _transformer(code: int):
    from pyproj import Transformer

    return Transformer.from_crs(code, 4326, always_xy=True)


def _date(text: pd.DataFrame, made: pd.DataFrame, faults: _Faults) -> None:
    """year where a record's dates are within a year of each other, date where they are one day."""
    parts = text["eventDate"].astype("string").str.strip().str.extract(_RANGE)
    (y1, m1, d1, y2, m2, d2, short1, short2) = (parts[column] for column in range(8))
    # 2019-05-03/07 and 2019-05-03/06-07 repeat nothing of what is the same
    day2 = d2.combine_first(short2).combine_first(short1.where(short2.isna() & d1.notna()))
    month2 = m2.combine_first(short1.where(short2.notna() | d1.isna())).combine_first(m1.where(y2.isna()))
    ranged = y2.notna() | short1.notna()
    year2 = y2.combine_first(y1)
    wide = ranged & (pd.to_numeric(year2) - pd.to_numeric(y1) > 1).fillna(False)
    one_day = y1.notna() & d1.notna() & (~ranged | ((year2 == y1) & (month2 == m1) & (day2 == d1))).fillna(False)
    day = y1 + "-" + m1 + "-" + d1
    in_parts = text["year"].notna() & text["month"].notna() & text["day"].notna() & y1.isna()
    columns = [text[name].astype("string").str.replace(r"\.0*$", "", regex=True) for name in ("year", "month", "day")]
    built = columns[0] + "-" + columns[1].str.zfill(2) + "-" + columns[2].str.zfill(2)
    year = y1.where(~wide).combine_first(columns[0].where(y1.isna()))
    date = day.where(one_day).combine_first(built.where(in_parts))
    real = pd.to_datetime(date, format="%Y-%m-%d", errors="coerce").notna()
    faults.add("eventDate", text["eventDate"].fillna(built), date.notna() & ~real, DATE)
    faults.add("eventDate", text["eventDate"], text["eventDate"].notna() & y1.isna() & columns[0].isna(), DATE)
    made["year"], made["date"] = (column.astype(object).where(column.notna(), None) for column in (year, date))


def _country(text: pd.DataFrame, made: pd.DataFrame, faults: _Faults) -> None:
    code = text["countryCode"].str.upper()
    made["country"] = _countries.names(code)
    lon, lat = (pd.to_numeric(made[axis], errors="coerce") for axis in ("lon", "lat"))
    check = code.notna() & lon.between(-180, 180) & lat.between(-90, 90) & faults.free
    elsewhere = pd.Series(False, index=text.index)
    elsewhere[check] = ~_countries.agree(code[check].to_numpy(), lon[check].to_numpy(float), lat[check].to_numpy(float))
    faults.add("countryCode", text["countryCode"] + " at " + made["lon"] + ", " + made["lat"], elsewhere, COUNTRY)
