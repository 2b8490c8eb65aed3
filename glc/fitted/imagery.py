"""Tiles and cubes at any place: tiles cut from rasters, and files of a survey, found by its id."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from glc import config, registry, schema
from glc.config import Input
from glc.errors import DataError, MissingError
from glc.etl import cube_table, cube_values, series
from glc.fitted.lookup import Lookup, pick
from glc.nets.inputs.features import Layout
from glc.nets.inputs.selection import CubeSelection, TileSelection
from glc.rasters import grids
from glc.rasters.cutter import RasterCutter
from glc.rasters.images import ImageCutter, Learned
from glc.types import Facts, StrPath

OwnId = Callable[[pd.DataFrame, str, str], pd.DataFrame]
"""Adds the id that surveys' files are called by: (frame, column of the survey tables, name) -> frame."""
Read = tuple[np.ndarray, np.ndarray]
"""(n, band, row, col), and whether a place has the band, (n, band) bool."""


class RasterTiles:
    """Tiles around places, cut from rasters.

    notes, reason : what a user should know of the files; why there are none, empty where there are
    """

    def __init__(self, entry: Facts, folders: Sequence[StrPath], memory_mb: float) -> None:
        self.layout, self.name = Layout.from_dict(entry["layout"]), entry["name"]
        self.notes: list[str] = []
        self.reason = ""
        self.cutter = self.selection = None
        wanted = config.build(Input, entry["input"], self.name)
        self.covariate = tiles_of(wanted)
        try:
            self.cutter = RasterCutter(self.covariate, folders, wanted.size, wanted.block or "full", memory_mb)
        except MissingError as error:
            self.reason = str(error)
            return
        self.grids = [boxes.grid for boxes in self.cutter.boxes]
        self.selection = _selection(wanted, self.cutter, self.layout)
        self.notes += [
            f"{path}: is in {crs}, warped to {self.covariate.crs or crs} to cut tiles"
            for path, crs in grids.projected(self.grids).items()
        ]

    def read(self, places: pd.DataFrame, lookup: Lookup) -> Read:
        """Tiles of the frame `places` (lon, lat, surveyId); `lookup` is not needed."""
        if self.cutter is None:
            return _nothing(self.layout, len(places))
        if not any((grid.pixels(places["lon"], places["lat"])[0] >= 0).any() for grid in self.grids):
            return _nothing(self.layout, len(places))  # at no cost
        order = self.cutter.order(places)
        tiles, valid, _, _ = self.cutter.cut(places.iloc[order])
        stacked, known = self.selection.stack(tiles, valid, ", ".join(self.cutter.files[:1]))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return stacked[back], known[back]

    def why_missing(self, places: pd.DataFrame) -> str:
        """Why no place has a value, a sentence."""
        try:
            if self.cutter is not None:
                grids.check_cover(self.covariate, self.grids, places["lon"], places["lat"])
        except DataError as error:
            return str(error)
        return self.reason


class ImageTiles:
    """Tiles of the image files that surveys have of their own."""

    def __init__(self, entry: Facts, folders: Sequence[StrPath], own_id: OwnId) -> None:
        self.layout, self.name, self.own_id = Layout.from_dict(entry["layout"]), entry["name"], own_id
        self.notes: list[str] = []
        self.reason = ""
        self.cutter = self.selection = None
        wanted = config.build(Input, entry["input"], self.name)
        learned = Learned(np.array(entry["means"]), entry["all_bytes"])
        sample = pd.DataFrame({"dataset": [], "surveyId": []})
        try:
            self.cutter = ImageCutter(tiles_of(wanted), folders, wanted.size, wanted.block or "full", sample, learned)
        except MissingError as error:
            self.reason = str(error)
            return
        self.selection = _selection(wanted, self.cutter, self.layout)
        templates = {name for layer in self.cutter.layers for name in layer.templates}
        self.datasets = [name for name in schema.DATASETS if name in templates]

    def read(self, places: pd.DataFrame, lookup: Lookup) -> Read:
        """Tiles of the frame `places`, found by `lookup`."""
        values, known = _nothing(self.layout, len(places))
        if self.cutter is None:
            return values, known
        frame, candidates = lookup.candidates(self.datasets)
        if not len(frame):
            return values, known
        frame = self.own_id(frame, "patchID", "image_id")
        if "image_id" in frame:
            frame["image_id"] = frame["image_id"].fillna(-1).astype(np.int64)  # no file is called so
        tiles, valid, _, _ = self.cutter.cut(frame)
        stacked, has = self.selection.stack(tiles, valid, self.cutter.folder)
        return _taken(stacked, has, candidates)

    def why_missing(self, places: pd.DataFrame) -> str:
        """Why no place has a value, a sentence."""
        return self.reason or _not_found(self.cutter.folder, places, "image")


class Cubes:
    """Cubes of the files, or rows of the series, that surveys have of their own."""

    def __init__(self, entry: Facts, folders: Sequence[StrPath], own_id: OwnId) -> None:
        self.layout, self.name, self.own_id = Layout.from_dict(entry["layout"]), entry["name"], own_id
        self.notes: list[str] = []
        self.facts = entry["cube"]
        wanted = config.build(Input, entry["input"], self.name)
        self.kind = wanted.cube
        self.selection = CubeSelection(wanted, self.facts, self.name)
        self.folder, self.reason, missing = None, "", []
        for folder in folders:
            try:
                self.datasets = self._datasets(folder)
                self.folder = Path(folder)
                break
            except MissingError as error:
                missing.append(str(error))
        if self.folder is None:
            self.reason = "; and ".join(missing) or "no folder of imagery"

    def _datasets(self, folder):
        if self.kind == "series":
            return list(series.find(folder))
        cube_values.folders(folder, self.kind)
        return list(schema.DATASETS)

    def read(self, places: pd.DataFrame, lookup: Lookup) -> Read:
        """Cubes, or their coefficients, of the frame `places`, found by `lookup`."""
        if self.folder is None:
            return _nothing(self.layout, len(places))
        frame, candidates = lookup.candidates(self.datasets)
        if not len(frame):
            return _nothing(self.layout, len(places))
        cubes = self._read(frame)
        if list(cubes.shape[1:]) != list(self.facts["shape"]):
            raise DataError(
                f"{self.folder}: found {self.kind} cubes of {cubes.shape[1:]}, expected {tuple(self.facts['shape'])}, "
                "as the experiment was fitted on; give the folder of the same release (--imagery-folder)"
            )
        has_cube = np.isfinite(cubes).any(axis=(1, 2, 3))
        values = cube_table.coefficients(cubes, self.facts["terms"]) if self.selection.column == "coeffs" else cubes
        taken, known = self.selection.take_from(values)
        return _taken(taken, known, candidates, has_cube)

    def _read(self, frame):
        if self.kind != "series":
            with cube_values.of_files(frame, self.folder, self.kind) as source:
                return source.read(len(frame))
        frame = self.own_id(frame, "timeSerieID", "series_id")
        if "series_id" not in frame:  # series of other ids than surveys' are then nobody's
            frame["series_id"] = np.nan
        with (
            tempfile.TemporaryDirectory() as scratch,
            cube_values.of_series(frame, self.folder, scratch, self.facts["terms"]) as source,
        ):
            return source.read(len(frame))

    def why_missing(self, places: pd.DataFrame) -> str:
        """Why no place has a value, a sentence."""
        return self.reason or _not_found(self.folder, places, f"{self.kind} cube")


def tiles_of(wanted: Input):
    """The covariate of an input of tiles, as its tiles are cut."""
    covariate = registry.covariates.get(wanted.tiles)
    return replace(covariate, classes={}) if wanted.classes_as == "codes" else covariate


def _selection(wanted, cutter, layout):
    """The `TileSelection` of what a cutter makes; a DataError names a band of `layout` that it does not make."""
    types = {name: dtype for name, (_, dtype) in cutter.columns.items()}
    lost = [name for name in layout.bands if name not in types]
    if lost:
        raise DataError(
            f"{cutter.files[0]}: band {lost[0]!r} of {wanted.name!r} is missing; found {', '.join(types)}, expected "
            f"{', '.join(layout.bands)}, as the experiment was fitted on; give the folder of the same product "
            "(--imagery-folder)"
        )
    return TileSelection(replace(wanted, bands=()), layout.bands, layout.size, types)


def _nothing(layout, count):
    """What n places have of an input without files."""
    return np.full((count, *layout.shape), np.nan, np.float32), np.zeros((count, len(layout.bands)), bool)


def _taken(values, known, candidates, has=None):
    """Rows of surveys' values as rows of places, of which each takes its first candidate that has any."""
    at = pick(candidates, known.any(axis=1) if has is None else has)
    there = at >= 0
    dtype = values.dtype if there.all() else np.result_type(values.dtype, np.float32)
    made = np.full((len(at), *values.shape[1:]), np.nan if dtype.kind == "f" else 0, dtype)
    made[there] = values[at[there]]
    return made, (known[np.maximum(at, 0)] if len(known) else np.zeros((len(at), known.shape[1]), bool)) & there[
        :, None
    ]


def _not_found(folder, places, what):
    asked = int((places["surveyId"] >= 0).sum())
    return f"{folder}: no {what} of the places, of which {asked:,} of {len(places):,} have a surveyId"
