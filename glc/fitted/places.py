"""Places to predict at, with what is known of the surveys around them."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from glc import geo
from glc.errors import DataError
from glc.surveys import TEST, SurveyData

_SAME_M = 1.0
"""A place that has the id of a survey and lies as near to it is that survey's."""
_ATTRIBUTES = {"year", "country", "region", "crs", "easting", "northing", "areaInM2", "geoUncertaintyInM"}


class Surroundings:
    """The training surveys around any place.

    data : the surveys of a fitted experiment
    """

    def __init__(self, data: SurveyData) -> None:
        self.data = data
        rows = data.train()
        self.known = data.places.iloc[rows].reset_index(drop=True)
        self.tree = cKDTree(geo.unit_sphere(self.known["lon"], self.known["lat"]))
        self.year = self.known["year"].max() if "year" in self.known else np.nan

    def nearest(self, lon: ArrayLike, lat: ArrayLike, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest training surveys of places: great-circle metres and rows of `known`, both (n, k)."""
        chord, row = self.tree.query(geo.unit_sphere(lon, lat), k=np.arange(1, min(k, len(self.known)) + 1))
        return geo.arc(chord), row

    def places(
        self, lon: ArrayLike, lat: ArrayLike, date: ArrayLike | None = None, survey_ids: ArrayLike | None = None
    ) -> pd.DataFrame:
        """Places as a frame (n) with the columns of `SurveyData.places`.

        lon, lat : (n,) degrees, EPSG:4326; one place may be given as two numbers
        date : (n,) or one: years, ISO dates or timestamps; None or missing: the latest year of the training surveys
        survey_ids : (n,) whole numbers, by which imagery is looked up; None: negative numbers that no survey has
        Country, region and projection are those of the nearest training survey. The other attributes of a place with
        the id and the coordinates of one of the dataset's surveys are that survey's.
        """
        lon, lat = np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float))
        if lon.shape != lat.shape or lon.ndim != 1:
            raise DataError(f"found {lon.shape} longitudes and {lat.shape} latitudes, expected one of each per place")
        for name, values, most in (("lon", lon, 180), ("lat", lat, 90)):
            bad = np.flatnonzero(~(np.abs(values) <= most))
            if len(bad):
                raise DataError(
                    f"{name}: found {values[bad[0]]} (place {bad[0] + 1}), expected degrees from -{most} to {most}"
                )
        count = len(lon)
        ids = -1 - np.arange(count) if survey_ids is None else np.atleast_1d(np.asarray(survey_ids)).astype(np.int64)
        if len(ids) != count:
            raise DataError(f"survey_ids: found {len(ids)}, expected one per place: {count}")
        near = self.known.iloc[self.nearest(lon, lat)[1][:, 0]].reset_index(drop=True) if count else self.known.iloc[:0]
        easting, northing = np.full(count, np.nan), np.full(count, np.nan)
        for crs in near["crs"].unique():
            at = (near["crs"] == crs).to_numpy()
            easting[at], northing[at] = geo.project(lon[at], lat[at], int(crs))
        values = {
            "dataset": self.data.train_name if self.data.held_out else self.data.test_name,
            "surveyId": ids,
            "lon": lon,
            "lat": lat,
            "easting": easting,
            "northing": northing,
            "year": self._years(date, count),
            "fold": np.full(count, TEST, np.int32),
            "block": np.zeros(count, np.int64),
        }
        values |= {name: near[name].to_numpy() for name in ("crs", "country", "region")}
        columns = {name: values.get(name, np.nan) for name in self.data.places.columns}
        places = pd.DataFrame(columns, index=range(count))
        if self.data.grid is not None:  # as its models have learned it
            places = self.data.grid.moved(places)
        return self._as_surveys(places) if survey_ids is not None else places

    def _years(self, date, count):
        years = np.full(count, self.year, float)
        if date is None:
            return years
        given = pd.Series(date if np.ndim(date) else [date] * count).astype("string").str.strip()
        if len(given) != count:
            raise DataError(f"date: found {len(given)}, expected one per place: {count}")
        years_given = pd.to_numeric(given.str.extract(r"^(\d{4})(?:\D|$)")[0])
        unread = given.notna() & (given != "") & years_given.isna()
        if unread.any():
            raise DataError(
                f"date: found {given[unread].tolist()[0]!r}, expected a year or an ISO date such as 2021-06-30"
            )
        return np.where(years_given.notna(), years_given.to_numpy(float, na_value=np.nan), years)

    def _as_surveys(self, places):
        """`places` with the attributes of the dataset's surveys that they are."""
        own = self.data.places
        inside = own["dataset"].isin([self.data.train_name, *self.data.test_names]).to_numpy()
        surveys = own[inside].drop_duplicates("surveyId", keep="last").set_index("surveyId")
        at = surveys.index.get_indexer(places["surveyId"])
        rows = np.flatnonzero(at >= 0)
        same = surveys.iloc[at[rows]]
        metres = geo.great_circle_m(places["lon"].iloc[rows], places["lat"].iloc[rows], same["lon"], same["lat"])
        rows, same = rows[np.asarray(metres) <= _SAME_M], same[np.asarray(metres) <= _SAME_M]
        for name in _ATTRIBUTES.intersection(places.columns):
            values = places[name].to_numpy(dtype=object if places[name].dtype == object else None, copy=True)
            values[rows] = same[name].to_numpy()
            places[name] = values
        return places
