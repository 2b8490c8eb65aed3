"""The inputs of a fitted model at any place: tables, tiles, cubes and features of coordinates, but no graphs.

Values and tiles of rasters are made by what the tasks ``Tabular`` and ``Tiles`` use. What exists per survey only
(images, series, cubes, rows of CSVs) is looked up by a place's ``surveyId``; a place without it is NaN. Of NaN most
nets make the training mean (`glc.nets.layers.maps`, `geolocation`); `tighnari` leaves out what it does not have, as in
training; `random_forest` takes the training mean of a value, and the frequencies of species where there is none.
"""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rasterio

from glc import editions, schema
from glc.errors import DataError
from glc.etl import series
from glc.fitted.describe import choice_of, describe
from glc.fitted.lookup import Lookup, lookup
from glc.fitted.values import TableSource
from glc.types import Facts, StrPath

if TYPE_CHECKING:  # torch takes seconds to import, which a model without inputs need not wait for
    from glc.nets.inputs.features import Features, Layout

__all__ = ["InputsAt", "Reader", "describe", "read"]

log = logging.getLogger(__name__)

_MEMORY_MB = 256.0
_BLOCK_BYTES = 512 << 20


@dataclass
class InputsAt:
    """The inputs of n places.

    tables : input's name -> frame (n, columns) float32, NaN where missing; their values may be changed
    imagery : input's name -> (n, band, row, col); arbitrary where `known` is false
    known : input's name -> (n, band) bool
    layouts : input's name -> `Layout`, of a net's inputs, tables included; none of a classical model
    missing : frame (n, input's name) bool: the place has no value of that input at all
    notes : what a user should know of the files, sentences
    """

    tables: dict[str, pd.DataFrame]
    imagery: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    layouts: "dict[str, Layout]"
    missing: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    def features(self, places: pd.DataFrame) -> "Features":
        """What a net reads, the tables as they are now.

        places : the frame (n) that was read, with dataset and surveyId, each pair once
        """
        from glc.nets.inputs.features import Features

        keys = np.column_stack([schema.dataset_numbers(places["dataset"]), places["surveyId"]]).astype(np.int64)
        if len(np.unique(keys, axis=0)) < len(keys):
            raise DataError(
                "places: a surveyId is there more than once; expected one per place; give them other numbers"
            )
        values, known = dict(self.imagery), dict(self.known)
        for name, frame in self.tables.items():
            numbers = frame.to_numpy(np.float32)
            values[name], known[name] = numbers[:, :, None, None], np.isfinite(numbers)
        return Features(dict(self.layouts), values, known, dict.fromkeys(self.layouts, keys))

    def table(self) -> np.ndarray | None:
        """What a classical model reads, (n, columns) float32, the table as it is now; None where it has none."""
        return next((frame.to_numpy(np.float32, copy=True) for frame in self.tables.values()), None)


class Reader:
    """Reads the inputs of one fitted model, block of places by block, from files that are opened and judged once.

    notes : what a user should know of the files, sentences
    """

    def __init__(
        self,
        facts: Facts,
        imagery_folders: Sequence[StrPath] = (),
        *,
        surveys: pd.DataFrame | None = None,
        model_folder: StrPath | None = None,
        memory_mb: float = _MEMORY_MB,
    ) -> None:
        """Find the files.

        facts : of `describe`
        imagery_folders : looked at before those that the model was fitted from
        surveys : frame of the experiment's surveys (dataset, surveyId, lon, lat): a place with the id of one of them is
            looked up only where it is near it (`glc.fitted.lookup`); None takes ids as they are
        model_folder : where a location encoder's file is
        memory_mb : of pixels that are held at once
        A DataError tells of rasters without the columns or bands of the experiment; of files that are not there, places
        are missing.
        """
        recorded = [Path(folder) for folder in facts["folders"]]
        folders = [Path(folder) for folder in imagery_folders]
        for folder in folders:
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder; expected one with the imagery (--imagery-folder)")
        self.folders = list(dict.fromkeys([*folders, *(folder for folder in recorded if folder.is_dir())]))
        self.surveys, self._facts, self._memory_mb = surveys, facts, memory_mb
        self._scratch = tempfile.TemporaryDirectory(prefix="glc-inputs-")
        self._ids: dict[tuple[Path, str], pd.DataFrame | None] = {}
        self._tables: dict[str, TableSource] = {}
        self._places: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {}
        self._imagery = {}
        for entry in facts["inputs"]:
            name, kind = entry["name"], entry["kind"]
            if kind == "table":
                self._tables[name] = TableSource(entry, self.folders, Path(self._scratch.name))
                continue
            if kind == "location":
                from glc.nets.inputs.selection import PlaceFeatures

                self._places[name] = PlaceFeatures(choice_of(entry, model_folder)).of
                continue
            from glc.fitted import imagery

            if kind == "rasters":
                self._imagery[name] = imagery.RasterTiles(entry, self.folders, memory_mb)
            elif kind == "images":
                self._imagery[name] = imagery.ImageTiles(entry, self.folders, self._with_own_id)
            else:
                self._imagery[name] = imagery.Cubes(entry, self.folders, self._with_own_id)
        self.notes = [note for source in (*self._tables.values(), *self._imagery.values()) for note in source.notes]
        for note in self.notes:
            log.info(note)

    @property
    def at_once(self) -> int:
        """Places whose inputs take some 512 MB: a good size of a block."""
        size = sum(4 * int(np.prod(layout.shape)) for layout in self._layouts().values())
        return int(np.clip(_BLOCK_BYTES // max(size, 1), 64, 10_000))

    def read(self, places: pd.DataFrame, allow_missing: bool = False) -> InputsAt:
        """The inputs of places.

        places : frame (n) of dataset, surveyId (below 0: no survey), lon, lat (degrees) and, for metadata, the columns
            of the surveys that are wanted
        allow_missing : go on where no place has any input that is read from files; otherwise a DataError says which
            these are
        """
        missing_columns = [name for name in ("dataset", "surveyId", "lon", "lat") if name not in places]
        if missing_columns:
            raise DataError(f"places: column {missing_columns[0]!r} is missing; found {', '.join(places.columns)}")
        with rasterio.Env(GDAL_CACHEMAX=int(self._memory_mb / 2 * 2**20)):  # it would take a share of the whole memory
            return self._read(places, allow_missing)

    def _read(self, places: pd.DataFrame, allow_missing: bool) -> InputsAt:
        ids = lookup(places, self.surveys)
        tables, images, known, missing = {}, {}, {}, {}
        for entry in self._facts["inputs"]:
            name = entry["name"]
            if name in self._tables:
                tables[name], missing[name] = self._tables[name].read(places, ids)
            elif name in self._places:
                lon, lat = (places[column].to_numpy(float) for column in ("lon", "lat"))
                columns = entry["layout"]["bands"]
                tables[name] = pd.DataFrame(self._places[name](lon, lat), columns=columns, index=places.index)
                missing[name] = np.zeros(len(places), bool)
            else:
                images[name], known[name] = self._imagery[name].read(places, ids)
                missing[name] = ~known[name].any(axis=1)
        frame = pd.DataFrame(missing, index=places.index, columns=[entry["name"] for entry in self._facts["inputs"]])
        if not allow_missing:
            self._check(places, frame)
        return InputsAt(tables, images, known, self._layouts(), frame.astype(bool), self._notes(ids))

    def _notes(self, ids: Lookup) -> list[str]:
        if not ids.refused:
            return list(self.notes)
        return [
            *self.notes,
            f"{ids.refused:,} places have the surveyId of a survey that lies elsewhere; no image, series or row is "
            "looked up for them; give them other ids if they have such files",
        ]

    def _check(self, places: pd.DataFrame, missing: pd.DataFrame) -> None:
        """Refuse places that lack all inputs that are read from files."""
        names = [*self._imagery, *(name for name, source in self._tables.items() if source.has_files)]
        if not names or not len(places) or not missing[names].to_numpy().all():
            return
        reasons = [reason for name in names for reason in self._reasons(name, places)]
        raise DataError(
            f"none of the {len(places):,} places has a value of {', '.join(sorted(names))}, all that this experiment "
            f"reads from files: {'; '.join(dict.fromkeys(filter(None, reasons))) or 'no data there'}; give the folder "
            "of these files by --imagery-folder, or predict from the training means: --allow-missing"
        )

    def _reasons(self, name: str, places: pd.DataFrame) -> list[str]:
        if name in self._tables:
            return self._tables[name].why_missing(places)
        return [self._imagery[name].why_missing(places)]

    def _layouts(self) -> "dict[str, Layout]":
        if self._facts["model"] != "net" or not self._facts["inputs"]:
            return {}
        from glc.nets.inputs.features import Layout

        return {entry["name"]: Layout.from_dict(entry["layout"]) for entry in self._facts["inputs"]}

    def _with_own_id(self, frame: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
        """Surveys with the id that their files are called by, from the first folder whose survey tables have one."""
        for folder in self.folders:
            if (folder, column) not in self._ids:
                self._ids[folder, column] = _own_ids(folder, column)
            own = self._ids[folder, column]
            if own is not None:
                return frame.merge(own.rename(columns={"series_id": name}), on=["dataset", "surveyId"], how="left")
        return frame


def read(
    facts: Facts,
    places: pd.DataFrame,
    imagery_folders: Sequence[StrPath] = (),
    allow_missing: bool = False,
    *,
    surveys: pd.DataFrame | None = None,
    model_folder: StrPath | None = None,
) -> InputsAt:
    """The inputs of places, read once; for many blocks of places make one `Reader`.

    facts : of `describe`; places, allow_missing : as of `Reader.read`; the others as of `Reader`
    """
    return Reader(facts, imagery_folders, surveys=surveys, model_folder=model_folder).read(places, allow_missing)


def _own_ids(folder, column):
    try:
        dataset = editions.recognise(folder)
    except DataError:  # imagery alone
        return None
    return series.own_ids(dataset, column)
