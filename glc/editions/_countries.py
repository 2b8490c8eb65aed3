"""Codes of countries against places, tolerant near borders and coasts (Natural Earth, `glc.basemap`).

Maps draw borders as they are held, statistics as they are counted, and publishers as their law has them. Where these
differ, a place agrees with each of their codes.
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from glc import basemap

BORDER_M = 10_000
"""Metres across a border at which a place still agrees: maps are generalised, and places rounded."""
SEA_M = 400_000
"""Metres from the coast at which a place at sea still agrees: an exclusive economic zone has 200 nautical miles."""
_METRES_PER_DEGREE = 111_195.0
_BAND = 5.0  # degrees of latitude for which a country is drawn to one scale
_PARTS = {
    "AU": "CC CX HM NF",
    "CN": "HK MO TW",
    "DK": "FO GL",
    "FI": "AX",
    "FR": "BL GF GP MF MQ NC PF PM RE TF WF YT",
    "GB": "AI BM FK GG GI GS IM IO JE KY MS PN SH TC VG",
    "MA": "EH",
    "NL": "AW BQ CW SX",
    "NO": "BV SJ",
    "NZ": "CK NU TK",
    "US": "AS GU MP PR UM VI",
    "IL": "PS",  # the Palestinian territories, as different publishers count them
    "SD": "SS",  # records of before 2011
    "ID": "TL",  # and of before 2002
    "AR": "FK GS",
    "MU": "IO",
    "ES": "GI",
    "IT": "SM VA",
}
"""Country -> parts, islands and neighbours with codes of their own that go by its code too."""
_CLAIMS = (
    ("RU UA", (32.4, 44.3, 36.8, 46.3)),  # Crimea
    ("RU UA", (34.9, 46.5, 40.3, 50.2)),  # the Donbas and Kharkiv
    ("GE RU", (39.9, 41.8, 44.9, 43.6)),  # Abkhazia, South Ossetia
    ("MD RU UA", (28.9, 46.2, 30.2, 48.3)),  # Transnistria
    ("AM AZ", (45.0, 38.8, 47.5, 40.6)),  # Nagorno-Karabakh and the enclaves
    ("IL SY LB", (35.5, 32.6, 36.0, 33.4)),  # the Golan Heights
    ("CN IN PK", (72.5, 32.0, 80.5, 37.2)),  # Kashmir, Aksai Chin
    ("BT CN IN", (88.6, 26.4, 97.5, 29.6)),  # Arunachal Pradesh, Doklam
    ("JP RU", (145.2, 43.2, 149.0, 45.7)),  # the southern Kurils
    ("EG SD", (30.9, 21.7, 37.1, 23.3)),  # Hala'ib, Bir Tawil
    ("ET KE SS", (33.9, 4.0, 36.1, 5.7)),  # Ilemi
    ("GY VE", (-61.5, 1.0, -57.9, 8.7)),  # Essequibo
    ("GY SR", (-58.2, 1.8, -56.4, 3.6)),  # New River
    ("BZ GT", (-89.3, 15.8, -88.0, 18.6)),
    ("FR KM", (44.9, -13.1, 45.4, -12.6)),  # Mayotte
    ("AQ AR AU CL FR GB NO NZ", (-180.0, -90.0, 180.0, -60.0)),
)
"""Codes that are in use for places within west, south, east, north."""


def names(codes: pd.Series) -> pd.Series:
    """Names of countries for two-letter codes; a code that is none stays as it is."""
    known = {code: _iso(code)[1] or code for code in codes.dropna().unique()}
    return codes.map(known).astype(object).where(codes.notna(), None)


def agree(codes: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Whether places are in or near the country that their code names, (n,) bool.

    codes : (n,) two letters (ISO 3166-1); lon, lat : (n,) degrees
    A country and its parts with codes of their own are one place, and where codes compete each of them is right. True
    where the map does not have the country.
    """
    world = basemap.world()
    at = world.country_at(lon, lat)
    agreeing = np.ones(len(codes), bool)
    disputed = np.array([not number for number in world.id])
    for code in np.unique(codes.astype(str)):
        if not _numbers(code):
            continue
        numbers = _numbers(code, widely=True)
        rows = np.flatnonzero((codes == code) & ~np.isin(at, numbers) & ~_claimed(code, lon, lat))
        rows = rows[(at[rows] < 0) | ~disputed[at[rows]]]
        for metres, mine in ((SEA_M, rows[at[rows] < 0]), (BORDER_M, rows[at[rows] >= 0])):
            agreeing[mine] = np.any([_near(number, lon[mine], lat[mine], metres) for number in numbers], axis=0)
    return agreeing


def _claimed(code: str, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Whether places are in an area where the code is one of those in use."""
    inside = np.zeros(len(lon), bool)
    for codes, (west, south, east, north) in _CLAIMS:
        if code in codes.split():
            inside |= (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    return inside


def _near(number: int, lon: np.ndarray, lat: np.ndarray, metres: float) -> np.ndarray:
    import shapely

    near = np.zeros(len(lon), bool)
    bands = np.floor(lat / _BAND).astype(int)
    for band in np.unique(bands):
        mine = bands == band
        scale, area = _drawn(number, int(band))
        for turn in (-360, 0, 360):  # a country may be on the other side of 180 degrees
            points = shapely.points((lon[mine] + turn) * scale, lat[mine])
            near[mine] |= shapely.dwithin(area, points, metres / _METRES_PER_DEGREE)
    return near


@lru_cache(maxsize=512)
def _drawn(number: int, band: int):
    """Scale of longitudes, and the country with them scaled, so that a degree is as long both ways in the band."""
    import shapely

    scale = float(np.cos(np.radians(min(abs((band + 0.5) * _BAND), 89.0))))
    area = shapely.transform(basemap.world().country[number], lambda points: points * [scale, 1.0])
    shapely.prepare(area)
    return scale, area


@lru_cache(maxsize=1024)
def _numbers(code: str, widely: bool = False) -> tuple[int, ...]:
    """Numbers of the country in the basemap, none if it is not there; `widely`, also of its parts and its wholes."""
    codes = {code}
    if widely:
        codes |= {part for whole, parts in _PARTS.items() if whole == code for part in parts.split()}
        codes |= {whole for whole, parts in _PARTS.items() if code in parts.split()}
    numeric = {_iso(each)[0] for each in codes} - {""}
    return tuple(number for number, own in enumerate(basemap.world().id) if own in numeric)


@lru_cache(maxsize=512)
def _iso(code: str) -> tuple[str, str]:
    """ISO 3166-1 numeric code and common name; empty for an unknown code."""
    import pycountry

    country = pycountry.countries.get(alpha_2=code)
    if country is None:
        return "", ""
    fields = dict(country)
    return country.numeric, fields.get("common_name", country.name)
