"""Which survey's own files and rows a place may take: images, series, cubes and CSV rows are found by a survey's id."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from glc import geo

NEAR_M = 1_000.0
"""A place farther from the survey of its id is another place: numbering starts at 1 in many files."""
NO_SURVEY = -1
"""Ids below 0 are of no survey."""


@dataclass(frozen=True)
class Lookup:
    """The ids that n places are looked up by.

    dataset : (n,) object, the dataset whose files are looked at first
    survey : (n,) int64, `NO_SURVEY` where nothing is looked up
    certain : (n,) bool, whether the place is known to be that dataset's survey: no other dataset is tried
    refused : places whose id is that of a survey elsewhere
    """

    dataset: np.ndarray
    survey: np.ndarray
    certain: np.ndarray
    refused: int

    def candidates(self, datasets: Sequence[str | None]) -> tuple[pd.DataFrame, np.ndarray]:
        """The surveys whose files may be those of the places.

        datasets : that have files; None among them: files that serve all
        returns : frame (dataset, surveyId) in this order, each pair once; and per place the rows of its candidates, the
            best first, (n, m) int64, -1 where there is none
        """
        asked = self.survey >= 0
        own = asked & (np.isin(self.dataset, [name for name in datasets if name]) | (None in datasets))
        columns = [np.where(own, self.dataset, None)]
        for name in datasets:
            other = asked & ~self.certain & (self.dataset != name) & (name is not None)
            columns.append(np.where(other, name, None))
        pairs = pd.concat(
            [pd.DataFrame({"dataset": column, "surveyId": self.survey}) for column in columns], ignore_index=True
        )
        frame = pairs.dropna().drop_duplicates().sort_values(["dataset", "surveyId"], ignore_index=True)
        rows = pd.MultiIndex.from_frame(frame).get_indexer(pd.MultiIndex.from_frame(pairs))
        return frame, rows.reshape(len(columns), -1).T


def lookup(places: pd.DataFrame, surveys: pd.DataFrame | None = None) -> Lookup:
    """The `Lookup` of places.

    places : frame (n) of dataset, surveyId (below 0: no survey), lon and lat (degrees)
    surveys : frame of the experiment's own surveys, the same columns; a place with the id of one of them is looked up
        only within `NEAR_M` of it, and then in that survey's dataset. None: ids are taken as they are
    """
    dataset, survey = places["dataset"].to_numpy(object, copy=True), places["surveyId"].to_numpy(np.int64, copy=True)
    survey[survey < 0] = NO_SURVEY
    certain = np.zeros(len(places), bool)
    if surveys is None or not (survey >= 0).any():
        return Lookup(dataset, survey, certain, 0)
    known = surveys.loc[surveys["surveyId"].isin(survey[survey >= 0]), ["dataset", "surveyId", "lon", "lat"]]
    pairs = pd.DataFrame({"surveyId": survey, "row": np.arange(len(survey))}).merge(known, on="surveyId")
    lon, lat = (places[name].to_numpy()[pairs["row"]] for name in ("lon", "lat"))
    pairs["distance_m"] = geo.great_circle_m(lon, lat, pairs["lon"], pairs["lat"])
    nearest = pairs.sort_values(["row", "distance_m"]).drop_duplicates("row")
    same = nearest["distance_m"].to_numpy() <= NEAR_M
    rows = nearest["row"].to_numpy()
    dataset[rows[same]], certain[rows[same]] = nearest["dataset"].to_numpy()[same], True
    survey[rows[~same]] = NO_SURVEY
    return Lookup(dataset, survey, certain, int((~same).sum()))


def pick(candidates: np.ndarray, has: np.ndarray) -> np.ndarray:
    """The first candidate of each place that has a value.

    candidates : (n, m) rows, -1 for none, of `Lookup.candidates`; has : (rows,) bool
    returns : (n,) int64 rows, -1 where none has
    """
    usable = (candidates >= 0) & np.append(has, False)[candidates]
    first = usable.argmax(axis=1)
    at = np.arange(len(candidates))
    return np.where(usable[at, first], candidates[at, first], -1)
