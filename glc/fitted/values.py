"""The input `table` at any place: values of rasters, rows of CSVs, and what the places themselves say.

Read and cleaned by what the task ``Tabular`` uses, with the limits and categories that it found among the training
surveys.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glc import registry
from glc.errors import DataError, MissingError
from glc.etl import cleaning, values
from glc.etl.metadata import MetadataValues
from glc.fitted.lookup import Lookup, pick
from glc.rasters import grids
from glc.rasters.values import RasterValues
from glc.types import Facts, StrPath

log = logging.getLogger(__name__)

_TOLERANCE, _SHARE = 0.05, 0.8


class TableSource:
    """A table of values of one experiment.

    notes : what a user should know of the files, sentences
    """

    def __init__(self, entry: Facts, folders: Sequence[StrPath], scratch: Path) -> None:
        """Find the files.

        entry : of `glc.fitted.describe`
        folders : the first that has a covariate, as it was read at fitting, is read
        scratch : folder for the numbers of CSVs
        """
        self.name, self.columns = entry["name"], entry["columns"]
        self.parts = [_CovariateSource(part, folders, scratch) for part in entry["covariates"]]

    @property
    def notes(self) -> list[str]:
        """What a user should know of the files, sentences."""
        return [note for part in self.parts for note in part.notes]

    @property
    def has_files(self) -> bool:
        """Whether any of the values are read from files."""
        return any(part.source != "surveys" for part in self.parts)

    def why_missing(self, places: pd.DataFrame) -> list[str]:
        """Why no place has a value, sentences."""
        return [reason for part in self.parts if (reason := part.why_missing(places))]

    def read(self, places: pd.DataFrame, lookup: Lookup) -> tuple[pd.DataFrame, np.ndarray]:
        """Values of places.

        places : frame (n) with dataset, surveyId, lon, lat and the columns of metadata that are wanted
        lookup : of these places
        returns : frame (n, columns) float32, NaN where missing; and which places have no value of any file (of a table
            without files: none at all), (n,) bool
        """
        frames, known = [], np.zeros(len(places), bool)
        for part in self.parts:
            frame, part_known = part.read(places, lookup)
            frames.append(frame)
            if part.source != "surveys" or not self.has_files:
                known |= part_known
        return pd.concat(frames, axis=1)[self.columns], ~known


class _CovariateSource:
    """One covariate of a table."""

    def __init__(self, entry, folders, scratch):
        self.entry, self.source, self.scratch = entry, entry["source"], scratch
        self.covariate = registry.covariates.get(entry["name"])
        self.notes, self.reason = [], ""
        self.csvs, self.raster = {}, None
        self._csv_tables = {}
        if self.source == "surveys":
            self.own = self._table(MetadataValues(self.covariate, entry["known"]))
            return
        self.own = self._table(_Nothing(entry))
        if self.source == "tables":
            self.csvs = next((csvs for folder in folders if (csvs := values.tables(self.covariate, folder))), {})
        try:
            self.raster = self._table(RasterValues(self.covariate, folders, raw=True))
        except MissingError as error:
            self.reason = "" if self.csvs else str(error)
        if self.raster is not None:
            self._judge()

    def _table(self, part_values):
        """The cleaning of a covariate's values, by the limits of the training surveys."""
        table = cleaning.Table([cleaning.Part(self.covariate, self.source, part_values)])
        for name in table.limits:
            if name in self.entry["limits"]:
                low, high = self.entry["limits"][name]
                table.limits[name] = (-np.inf if low is None else low, np.inf if high is None else high)
        return table

    def _judge(self):
        """Compare the rasters with what training surveys had, and use none in place of CSVs that says otherwise."""
        path = self.raster.parts[0].values.files[0]
        lost = [column for column in self.entry["columns"] if column not in self.raster.columns]
        share = None if lost else self._agreement()
        if self.source == "tables":
            if lost or share is None or share < _SHARE:
                self.raster = None
                if not self.csvs:
                    what = f"no column {lost[0]}" if lost else "other values at the training surveys"
                    self.reason = f"{path}: has {what}, expected those of the CSVs that the experiment was fitted on"
                return
            self.notes.append(
                f"{self.covariate.name}: fitted on CSVs; places without a row take the pixels of {path}, which has the "
                f"same values at {share:.0%} of the training surveys tried"
            )
        elif lost:
            raise DataError(
                f"{path}: column {lost[0]!r} is missing; found {', '.join(self.raster.columns)}, expected "
                f"{', '.join(self.entry['columns'])}, as the experiment was fitted on; give the folder of the same "
                "product (--imagery-folder)"
            )
        elif share is not None and share < _SHARE:
            self.notes.append(
                f"{path}: has the values that the experiment was fitted on at only {share:.0%} of the training surveys "
                f"tried; is it the same product, in the same units?"
            )
        for path, crs in grids.projected(self.raster.parts[0].values.grids).items():
            self.notes.append(f"{path}: is in {crs}; places are projected to it")

    def _agreement(self):
        """Share of the values stored of training surveys that the rasters have too; None where there are none."""
        probe = self.entry["probe"]
        if not probe["lon"]:
            return None
        places = pd.DataFrame({"dataset": "", "surveyId": range(len(probe["lon"])), "lon": probe["lon"],
                               "lat": probe["lat"]})  # fmt: skip
        made = self._clean(self.raster, places)[0]
        stored = np.array(probe["values"], float)
        both = np.isfinite(stored) & np.isfinite(made)
        if not both.any():
            return None
        with np.errstate(all="ignore"):
            low, high = (np.nanquantile(stored, q, axis=0) for q in (0.05, 0.95))
        near = np.abs(made - stored) <= np.maximum(_TOLERANCE * (high - low), 1e-4 * np.abs(high))
        return float(near[both].mean())

    def _clean(self, table, places):
        """The columns of the experiment, (n, columns) float32, and which places have a value."""
        made, _, known = table.clean(table.read(places)[0])
        order = [table.columns.index(column) for column in self.entry["columns"]]
        return made[:, order], known

    def read(self, places, lookup):
        made, known = self._clean(self.raster or self.own, places)
        if self.csvs:
            frame, candidates = lookup.candidates(list(self.csvs))
            if len(frame):
                rows, row_known, has = self._of_csvs(frame)
                at = pick(candidates, has)
                there = at >= 0
                made[there], known[there] = rows[at[there]], row_known[at[there]]
        return pd.DataFrame(made, columns=self.entry["columns"], index=places.index), known

    def why_missing(self, places):
        if self.raster is None:
            return self.reason
        try:
            grids.check_cover(self.covariate, self.raster.parts[0].values.grids, places["lon"], places["lat"])
        except DataError as error:
            return str(error)
        return ""

    def _of_csvs(self, frame):
        rows = np.full((len(frame), len(self.entry["columns"])), np.nan, np.float32)
        known, has = np.zeros((2, len(frame)), bool)
        for dataset, path in self.csvs.items():
            if dataset not in self._csv_tables:  # a table may have millions of rows; read it only if it is asked for
                part = values.TableValues(self.covariate, {dataset: path}, self.scratch)
                self._csv_tables[dataset] = self._table(part)
            mine = np.flatnonzero(np.ones(len(frame), bool) if dataset is None else frame["dataset"] == dataset)
            if len(mine):
                table, surveys = self._csv_tables[dataset], frame.iloc[mine]
                rows[mine], known[mine] = self._clean(table, surveys)
                has[mine] = table.parts[0].values.has(surveys)
        return rows, known, has


class _Nothing:
    """Columns of a covariate that has no files here: NaN, and of categories the null column."""

    files: Sequence[str] = ()

    def __init__(self, entry: Facts) -> None:
        self.labels = entry["labels"]
        self.columns = entry["names"]
        self.classes = {name: tuple(range(len(labels))) for name, labels in self.labels.items()}

    def read(self, places: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(places), len(self.columns)), np.nan), np.zeros(len(places), bool)
