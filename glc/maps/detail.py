"""How fine the data of a fitted experiment are, to warn of a map that only seems finer."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from glc import config, registry
from glc.errors import DataError
from glc.maps.grid import Grid as MapGrid
from glc.rasters import grids
from glc.surveys import SurveyData
from glc.types import StrPath


class Fitted(Protocol):
    """What is asked of a fitted experiment: its surveys and its settings, or those of its members."""

    @property
    def data(self) -> SurveyData: ...

    @property
    def settings(self) -> config.Experiment: ...


def data_resolution_m(fitted: Fitted, folders: Sequence[StrPath]) -> Mapping[str, float]:
    """Metres that the data can tell apart, by what limits it.

    fitted : a fitted experiment
    folders : in which its rasters are looked for
    returns : the median uncertainty of the training surveys' coordinates, and the pixels of each raster that the
        experiment's tables and tiles read; what is not known or not found is left out
    """
    places = fitted.data.places.iloc[fitted.data.train()]
    fine: dict[str, float] = {}
    if "geoUncertaintyInM" in places:
        uncertainty = places["geoUncertaintyInM"].to_numpy(float)
        if np.isfinite(uncertainty).any():
            fine["coordinates of the surveys"] = float(np.nanmedian(uncertainty))
    names = [name for wanted in fitted.settings.inputs for name in (*wanted.table, wanted.tiles) if name]
    for name in dict.fromkeys(names):
        covariate = registry.covariates.get(name)
        if covariate.kind == "rasters":
            try:
                fine |= {name: min(_pixel_m(grid) for grid in grids.find(covariate, folders))}
            except (DataError, ValueError):  # scoring says what is wrong with a raster
                continue
    return fine


def _pixel_m(grid: grids.Grid) -> float:
    return MapGrid(grid.crs, grid.transform, grid.shape).cell_m
