"""Codes of countries against places, tolerant near borders and coasts (Natural Earth, `glc.basemap`)."""

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


def names(codes: pd.Series) -> pd.Series:
    """Names of countries for two-letter codes; a code that is none stays as it is."""
    known = {code: _iso(code)[1] or code for code in codes.dropna().unique()}
    return codes.map(known).astype(object).where(codes.notna(), None)


def agree(codes: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Whether places are in or near the country that their code names, (n,) bool.

    codes : (n,) two letters (ISO 3166-1); lon, lat : (n,) degrees
    True where the map does not have the country, as for overseas areas with a code of their mother country's.
    """
    world = basemap.world()
    at = world.country_at(lon, lat)
    agreeing = np.ones(len(codes), bool)
    for code in np.unique(codes.astype(str)):
        number = _number(code)
        if number < 0:
            continue
        disputed = np.array([not world.id[row] for row in range(len(world.id))])
        rows = np.flatnonzero((codes == code) & (at != number))
        rows = rows[(at[rows] < 0) | ~disputed[at[rows]]]
        for metres, mine in ((SEA_M, rows[at[rows] < 0]), (BORDER_M, rows[at[rows] >= 0])):
            agreeing[mine] = _near(number, lon[mine], lat[mine], metres)
    return agreeing


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


@lru_cache(maxsize=512)
def _number(code: str) -> int:
    """Number of the country in the basemap, -1 if it is not there."""
    numeric = _iso(code)[0]
    ids = basemap.world().id
    return ids.index(numeric) if numeric and numeric in ids else -1


@lru_cache(maxsize=512)
def _iso(code: str) -> tuple[str, str]:
    """ISO 3166-1 numeric code and common name; empty for an unknown code."""
    import pycountry

    country = pycountry.countries.get(alpha_2=code)
    if country is None:
        return "", ""
    fields = dict(country)
    return country.numeric, fields.get("common_name", country.name)
