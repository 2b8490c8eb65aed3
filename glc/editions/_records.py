"""Rules about records of Darwin Core: dates, datums, status, basis and identification, on frames of text.

Terms are those of https://dwc.tdwg.org/terms and of GBIF (https://techdocs.gbif.org/en/data-use/download-formats).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from glc.editions import _countries, _dates
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
NO_PLACE = "missing coordinate"
COUNTRY = "country code disagrees with the place"

KEYS = ("speciesKey", "speciesID", "taxonKey")
NAMES = ("species", "acceptedScientificName", "scientificName")
READS = (
    "gbifID", "occurrenceID", "id", "decimalLongitude", "decimalLatitude", "geodeticDatum",
    "coordinateUncertaintyInMeters", "eventDate", "year", "month", "day", "occurrenceStatus", "individualCount",
    "basisOfRecord", "countryCode", "stateProvince", "license", "rights", "sampleSizeValue", "sampleSizeUnit",
    "taxonRank", *KEYS, *NAMES,
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
_ABOVE = re.compile(
    r"(?:super|sub|infra|parv|mega|magn|grand|mir|giga|micro|nano|hypo|epi)?"
    r"(?:domain|realm|kingdom|regnum|phylum|division|divisio|class|classis|cohort|legion|order|ordo|famil(?:y|ia)|trib(?:e|us)|"
    r"genus|sect(?:ion|io)|series)|(?:suprageneric|infrageneric|suprafamilial?)[_ ]?name|"
    r"(?:sub)?(?:gen|fam|ord|sect|trib|ser)\.?",
    re.IGNORECASE,
)
"""Values of taxonRank above species."""
_UNNAMED = re.compile(r"\s(?:spp?|spec|species|indet|gen)\.?\s*$|\bindet(?:\.|erminate|ermined)?\s*$", re.IGNORECASE)
"""The end of a name that names no species, as in Quercus sp.; a number or a letter after it does."""
_WORD = re.compile(r"[A-Z][a-zà-ÿ-]+")
_OF_AUTHORS = re.compile(r"[^a-z×].*|et|ex|al\.|in|de|von|van|fil\.|f\.")
_AUTHOR = re.compile(r"[.&(,]|\d{4}")
_YEAR = re.compile(r"(\d{4})(?:\.0*)?", re.ASCII)
_PART = re.compile(r"(\d{1,2})(?:\.0*)?", re.ASCII)


def apply(
    frame: pd.DataFrame,
    *,
    id_column: str,
    by: Sequence[str],
    bases: Sequence[str],
    max_uncertainty_m: float,
    check_countries: bool = True,
    status: str | None = None,
) -> pd.DataFrame:
    """Our columns of `MADE`, and of `FAULT`, for rows with the columns of `READS`: frames of text or None.

    A column more, ``lost_date``, has what a record says of its date where that is not understood.

    id_column : what a survey is called by
    by : columns that say which species it is, by falling preference; the first that the archive has
    bases : values of basisOfRecord that are used
    max_uncertainty_m : metres; a place known less well is not used
    check_countries : whether a record is refused whose place is in another country than it says
    status : status of all rows; None: as they say
    """
    text = frame.astype(object).where(frame.notna(), None)
    made = pd.DataFrame(index=frame.index, columns=[*MADE, *FAULT], dtype=object)
    faults = _Faults(made)
    made["surveyId"] = text[id_column]
    made["status"] = _status(text, faults) if status is None else status
    _basis(text, bases, faults)
    for column in by[:1]:
        made["speciesId"] = text[column]
        if status is None:
            _species(text, column, faults)
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
    _date(text, made)
    _country(text, made, faults, check_countries)
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


def _date(text: pd.DataFrame, made: pd.DataFrame) -> None:
    """year where a record's dates are within a year of each other, date where they are one day."""
    columns = [text[name].tolist() for name in ("eventDate", "year", "month", "day")]
    when = [_when(*fields) for fields in zip(*columns, strict=True)]
    for name, values in zip(("year", "date", "lost_date"), zip(*when, strict=True) if when else ((),) * 3, strict=True):
        made[name] = pd.Series(values, index=made.index, dtype=object)


@lru_cache(maxsize=1 << 16)
def _when(
    event: str | None, year: str | None, month: str | None, day: str | None
) -> tuple[str | None, str | None, str | None]:
    """(year, ISO date, what is not understood) of a record's date: of eventDate, or else of its parts."""
    days = _within(_dates.days(event)) if event else None
    if days:
        first, last = days
        return (
            f"{first.year:04}" if last.year - first.year <= 1 else None,
            first.isoformat() if first == last else None,
            None,
        )
    whole, parts = _YEAR.fullmatch(year or ""), [_PART.fullmatch(part) for part in (month or "", day or "")]
    if whole is None or not _within(_dates.days(whole[1])):
        return None, None, event or year
    if not all(parts):
        odd = [text for text, match in zip((month, day), parts, strict=True) if text and not match]
        return whole[1], None, odd[0] if odd else None
    text = "-".join([whole[1], *(match[1].zfill(2) for match in parts if match)])
    return (whole[1], text, None) if _dates.days(text) else (whole[1], None, text)


def _within(days: _dates.Days | None) -> _dates.Days | None:
    """The days, if nobody has mistyped their years."""
    low, high = _dates.YEARS
    return days if days and low <= days[0].year and days[1].year <= high else None


def _species(text: pd.DataFrame, column: str, faults: _Faults) -> None:
    """Refuse records that are identified to a genus or a family alone; `column` says which species they are of."""
    if column in KEYS or column == "species":
        faults.add(column, text[column], text[column].isna(), NOT_A_SPECIES)
    accepted = text[["speciesKey", "speciesID", "species"]].notna().any(axis=1)
    above = text["taxonRank"].map(_is_above, na_action="ignore").eq(True)
    faults.add("taxonRank", text["taxonRank"], above & ~accepted, NOT_A_SPECIES)
    if column in NAMES:
        unnamed = text[column].map(lambda name: bool(_UNNAMED.search(name)), na_action="ignore").eq(True)
        alone = text[column].map(_is_uninomial, na_action="ignore").eq(True) & text["taxonRank"].isna()
        faults.add(column, text[column], (unnamed | alone) & ~accepted, NOT_A_SPECIES)


@lru_cache(maxsize=1 << 12)
def _is_above(rank: str) -> bool:
    return bool(_ABOVE.fullmatch(rank.strip()))


@lru_cache(maxsize=1 << 14)
def _is_uninomial(name: str) -> bool:
    """Whether a name is of a genus or a higher taxon: one word, and perhaps its author, who is known by a sign."""
    word, *author = name.split()[:20] or [""]
    signed = not author or bool(_AUTHOR.search(" ".join(author)))
    return bool(_WORD.fullmatch(word)) and signed and all(_OF_AUTHORS.fullmatch(part) for part in author)


def _country(text: pd.DataFrame, made: pd.DataFrame, faults: _Faults, check: bool) -> None:
    code = text["countryCode"].str.strip().str.upper()
    made["country"] = _countries.names(code)
    if not check:
        return
    lon, lat = (pd.to_numeric(made[axis], errors="coerce") for axis in ("lon", "lat"))
    rows = code.notna() & lon.between(-180, 180) & lat.between(-90, 90) & faults.free
    elsewhere = pd.Series(False, index=text.index)
    elsewhere[rows] = ~_countries.agree(code[rows].to_numpy(), lon[rows].to_numpy(float), lat[rows].to_numpy(float))
    faults.add("countryCode", text["countryCode"] + " at " + made["lon"] + ", " + made["lat"], elsewhere, COUNTRY)
