"""Which cells of a map are predicted: land, an area that was asked for, or what a raster says."""

import glob
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from glc import basemap
from glc.covariates import Raster
from glc.errors import DataError
from glc.maps.grid import Block, Grid, read_areas
from glc.rasters import grids
from glc.rasters.values import at_pixels
from glc.types import StrPath

NO_MASK = "none"
"""The mask's name where the sea is predicted as well."""


@dataclass(frozen=True)
class CoverOptions:
    """What is predicted of a grid.

    aoi : GeoJSON of the areas that are mapped; empty: all of the grid
    mask : raster, not zero where cells are predicted; empty: land of `glc.basemap`; "none": everything
    """

    aoi: StrPath = ""
    mask: StrPath = ""


class Cover:
    """The cells of a grid that are predicted.

    grid : of the map
    options : what is asked for
    messages : lines for the user, such as that a mask is in another CRS
    """

    def __init__(self, grid: Grid, options: CoverOptions) -> None:
        self.grid, self.options = grid, options
        self.messages: list[str] = []
        self._area: BaseGeometry | None = read_areas(options.aoi) if options.aoi else None
        self._mask = self._found(options.mask) if options.mask not in ("", NO_MASK) else None
        if self._area is not None:
            shapely.prepare(self._area)

    def _found(self, path):
        try:
            (mask,) = grids.find(Raster("mask", (glob.escape(Path(path).name),), crs=None), [Path(path).parent])
        except DataError as error:
            raise DataError(f"--mask {error}") from error
        crs = CRS.from_user_input(self.grid.crs)
        if CRS.from_user_input(mask.crs) != crs:
            self.messages.append(f"mask {path} is in {mask.crs[:60]}; it is reprojected to {_name(crs)}")
        return replace(mask, bands=mask.bands[:1])

    def of(self, block: Block) -> np.ndarray:
        """Which cells of a block are predicted, (rows * cols,) bool, row by row: by their centres."""
        lon, lat = self.grid.centres(block)
        inside = np.isfinite(lon) & np.isfinite(lat)
        if self._area is not None:
            inside[inside] = shapely.intersects_xy(self._area, lon[inside], lat[inside])
        if self._mask is not None and inside.any():
            row, col = self._mask.pixels(lon[inside], lat[inside])
            values, unreadable = at_pixels(self._mask, row, col)
            if unreadable.any():
                where = f"row {row[unreadable][0]}, column {col[unreadable][0]}"
                raise DataError(f"--mask {self.options.mask}: pixels cannot be read ({where}); copy it again")
            inside[inside] = np.isfinite(values[:, 0]) & (values[:, 0] != 0)
        elif self.options.mask != NO_MASK and inside.any():
            inside[inside] = basemap.is_land(lon[inside], lat[inside])
        return inside

    def all(self) -> np.ndarray:
        """Which cells of the grid are predicted, (rows, cols) bool; a DataError if none is."""
        chosen = np.zeros(self.grid.shape, bool)
        for block in self.grid.blocks():
            part = chosen[block.row : block.row + block.rows, block.col : block.col + block.cols]
            part[:] = self.of(block).reshape(part.shape)
        if not chosen.any():
            raise DataError(self._nothing())
        return chosen

    def _nothing(self):
        west, south, east, north = self.grid.degrees
        what = {"": "on land", NO_MASK: "in the area of the CRS"}.get(str(self.options.mask), "in the mask")
        area = f" and in {self.options.aoi}" if self.options.aoi else ""
        remedy = {"": "check the order W,S,E,N, or predict the sea too with --mask none"}.get(
            str(self.options.mask), "choose another area or another --mask"
        )
        return (
            f"map of lon {west:.4g} to {east:.4g}, lat {south:.4g} to {north:.4g}: none of {self.grid.cells:,} cells "
            f"has its centre {what}{area}; {remedy}"
        )


def check_land(grid: Grid, options: CoverOptions) -> None:
    """Raise a DataError when land alone is predicted and the area has none; a quick look without cells.

    grid, options : of the map
    """
    if options.mask:
        return
    west, south, east, north = grid.degrees
    areas = [read_areas(options.aoi)] if options.aoi else [shapely.box(west, south, min(east, 180), north)]
    if not options.aoi and east > 180:
        areas.append(shapely.box(-180, south, east - 360, north))
    if not shapely.intersects(areas, basemap.land()).any():
        raise DataError(
            f"map of lon {west:.4g} to {east:.4g}, lat {south:.4g} to {north:.4g}: no land there; check the order "
            "W,S,E,N, or predict the sea too with --mask none"
        )


def sample(chosen: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of at most `most` of the chosen cells, evenly spread; `chosen` : (rows, cols) bool."""
    flat = np.flatnonzero(chosen)
    step = max(1, math.ceil(len(flat) / most))
    return np.unravel_index(flat[::step], chosen.shape)


def _name(crs):
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else "the map's CRS"
