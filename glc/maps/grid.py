"""The cells of a map: a CRS, a transform and a shape, from degrees, another raster, or areas in a GeoJSON."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import pyproj
import rasterio
import shapely
from numpy.typing import ArrayLike
from pyproj.exceptions import CRSError, ProjError
from rasterio.errors import RasterioIOError
from rasterio.transform import array_bounds
from shapely.geometry import shape as geometry_of
from shapely.geometry.base import BaseGeometry

from glc import geo
from glc.errors import ConfigError, DataError
from glc.rasters.files import opened, refuse_unplaced
from glc.types import StrPath

Bounds = tuple[float, float, float, float]
"""West, south, east, north; degrees unless said otherwise, and then east may be beyond 180, for an area across it."""
BLOCK = 128
"""Cells along a side of a block, which is scored at once."""
_MOST = 2**31
"""Cells of a grid; a typing error in the resolution soon asks for more."""
_COARSEST_DEGREES = 10.0
_ON_AN_EDGE = 42
"""Points along an edge of the bounds: projected, an edge is curved."""


@dataclass(frozen=True)
class Block:
    """Some neighbouring cells: the first row and column, and how many of each."""

    row: int
    col: int
    rows: int
    cols: int


@dataclass(frozen=True)
class Grid:
    """Cells of one size, north up.

    crs : as WKT, or an authority's code such as EPSG:3035
    transform : from (col, row) of a corner to the CRS's own coordinates
    shape : (rows, cols)
    """

    crs: str
    transform: rasterio.Affine
    shape: tuple[int, int]

    @property
    def cells(self) -> int:
        """How many there are."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def geographic(self) -> bool:
        """Whether its coordinates are degrees."""
        return parse_crs(self.crs).is_geographic

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a cell, in units of the CRS."""
        return self.transform.a, -self.transform.e

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right, top in the CRS's own coordinates."""
        return array_bounds(*self.shape, self.transform)

    @cached_property
    def degrees(self) -> Bounds:
        """West, south, east, north in degrees; east may be beyond 180, where the grid crosses that meridian."""
        west, south, east, north = _transformer(self.crs, "EPSG:4326").transform_bounds(
            *self.bounds, densify_pts=_ON_AN_EDGE
        )
        return west, south, east + 360 if east < west else east, north

    @cached_property
    def cell_m(self) -> float:
        """Side of a cell in metres, of a square as large as the cell in the middle of the grid."""
        width, height = self.cell_size
        if self.geographic:
            middle = (self.bounds[1] + self.bounds[3]) / 2
            return math.sqrt(width * height * math.cos(math.radians(middle))) * 111_195
        return math.sqrt(width * height)

    def blocks(self) -> Iterator[Block]:
        """Its blocks of at most `BLOCK` by `BLOCK` cells, row by row."""
        rows, cols = self.shape
        for row in range(0, rows, BLOCK):
            for col in range(0, cols, BLOCK):
                yield Block(row, col, min(BLOCK, rows - row), min(BLOCK, cols - col))

    def centres(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Degrees (lon, lat) of a block's centres, (rows * cols,) each, row by row; inf where undefined."""
        col, row = np.meshgrid(
            np.arange(block.col, block.col + block.cols) + 0.5, np.arange(block.row, block.row + block.rows) + 0.5
        )
        return self._degrees(col.ravel(), row.ravel())

    def centre(self, row: ArrayLike, col: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Degrees (lon, lat) of the centres of single cells."""
        return self._degrees(np.asarray(col, float) + 0.5, np.asarray(row, float) + 0.5)

    def project(self, lon: ArrayLike, lat: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Degrees to the CRS's own coordinates; longitudes to the turn that is nearest to the grid."""
        x, y = (np.asarray(axis, float) for axis in _transformer("EPSG:4326", self.crs).transform(lon, lat))
        west, _, east, _ = self.bounds
        if self.geographic and (west < -180 or east > 180):
            x = (x - (west + east) / 2 + 180) % 360 - 180 + (west + east) / 2
        return x, y

    def unproject(self, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The CRS's own coordinates to degrees."""
        lon, lat = _transformer(self.crs, "EPSG:4326").transform(np.asarray(x, float), np.asarray(y, float))
        return np.asarray(lon), np.asarray(lat)

    def _degrees(self, col, row):
        lon, lat = self.unproject(*(self.transform @ (col, row)))
        return np.where(np.abs(lon) > 180, (lon + 180) % 360 - 180, lon), np.asarray(lat)


def of_bounds(bounds: Bounds, crs: str, resolution: float, option: str = "--bounds") -> Grid:
    """The smallest grid that holds an area, its edges at multiples of the resolution.

    bounds : degrees, east beyond 180 for an area across that meridian
    crs : of the grid
    resolution : side of a cell, metres, or degrees where the CRS is geographic
    option : that gave the bounds, for errors
    raises : ConfigError for a resolution of another unit, an area beyond the CRS's, or more cells than can be meant
    """
    system = parse_crs(crs)
    check_resolution(system, resolution)
    _check_area(system, bounds, option)
    try:
        left, bottom, right, top = _projected(crs, bounds)
    except ProjError as error:
        raise ConfigError(f"{option} {_text(bounds)}: not in the area of {crs} ({error}); try another --crs") from None
    # a bound that is a multiple itself, up to rounding, adds no row or column
    left, bottom = (math.floor(edge / resolution + 1e-9) for edge in (left, bottom))
    right, top = (math.ceil(edge / resolution - 1e-9) for edge in (right, top))
    rows, cols = max(top - bottom, 1), max(right - left, 1)
    if bounds[2] > 180 and not system.is_geographic and _torn(crs, bounds, cols * resolution):
        raise ConfigError(
            f"{option} {_text(bounds)}: is across 180 degrees, where {crs} is torn apart; choose a --crs that holds "
            f"both sides, such as EPSG:{geo.suitable_crs(*bounds)}"
        )
    if rows * cols > _MOST:
        raise ConfigError(
            f"--resolution {resolution:g}: {rows:,} x {cols:,} cells of {option} {_text(bounds)}, expected at most "
            f"{_MOST:,} in all; choose a coarser resolution or a smaller area"
        )
    transform = rasterio.Affine(resolution, 0, left * resolution, 0, -resolution, top * resolution)
    return Grid(crs, transform, (rows, cols))


def _projected(crs, bounds):
    """Left, bottom, right, top of degrees in a CRS; east may be beyond 180."""
    west, south, east, north = bounds
    transform = partial(_transformer("EPSG:4326", crs).transform_bounds, densify_pts=_ON_AN_EDGE, errcheck=True)
    if east <= 180:
        return transform(*bounds)
    if not parse_crs(crs).is_geographic:
        return transform(west, south, east - 360, north)
    left, bottom, _, top = transform(west, south, 180, north)
    _, lower, right, upper = transform(-180, south, east - 360, north)
    return left, min(bottom, lower), right + 360, max(top, upper)


def _torn(crs, bounds, width):
    """Whether places next to each other at 180 degrees are further apart in a CRS than half the width of the bounds."""
    south, north = bounds[1], bounds[3]
    x, _ = _transformer("EPSG:4326", crs).transform([180 - 1e-6, -180 + 1e-6], [(south + north) / 2] * 2)
    return abs(x[1] - x[0]) > width / 2


def like(path: StrPath) -> Grid:
    """The grid of a raster; a DataError names one that cannot be read, has no CRS, or is not north up."""
    try:
        with opened(path) as raster:
            refuse_unplaced(path, raster)
            crs, transform, shape = raster.crs, raster.transform, raster.shape
    except RasterioIOError as error:
        raise DataError(f"{path}: cannot be opened as a raster: {error}; expected a GeoTIFF") from None
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise DataError(
            f"{path}: turned or not north up ({tuple(transform)[:6]}); expected an upright raster; try: gdalwarp "
            f"{path} OUT.tif"
        )
    code = crs.to_epsg()
    return Grid(f"EPSG:{code}" if code else crs.to_wkt(), transform, tuple(shape))


def read_areas(path: StrPath) -> BaseGeometry:
    """The union of the areas in a GeoJSON file, degrees.

    path : a FeatureCollection, Feature, Polygon, MultiPolygon or GeometryCollection
    raises : DataError for a file without areas, or whose coordinates are no degrees
    """
    expected = "expected a GeoJSON with polygons in degrees (lon, lat)"
    remedy = f"try: ogr2ogr -t_srs EPSG:4326 -nlt PROMOTE_TO_MULTI OUT.geojson {path}"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        features = content["features"] if content["type"] == "FeatureCollection" else [content]
        geometries = [feature["geometry"] if feature["type"] == "Feature" else feature for feature in features]
        areas = [shapely.make_valid(geometry_of(geometry)) for geometry in geometries if geometry]
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        shapely.errors.ShapelyError,
    ) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}: {error}); {expected}; {remedy}") from None
    code = str(((content.get("crs") or {}).get("properties") or {}).get("name", "CRS84"))  # of GeoJSON before 2016
    if not code.endswith(("CRS84", "4326")):
        raise DataError(f"{path}: its coordinates are in {code}; {expected}; {remedy}")
    area = shapely.union_all([part for whole in areas for part in shapely.get_parts(whole) if part.area > 0])
    if area.is_empty:
        raise DataError(f"{path}: {len(areas)} features without an area; {expected}; lines and points have none")
    west, south, east, north = area.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise DataError(f"{path}: coordinates from {_text(area.bounds)}; {expected}; {remedy}")
    return area


def bounds_of(area: BaseGeometry) -> Bounds:
    """West, south, east, north of an area in degrees; across 180 degrees where it is cut there."""
    west, south, east, north = shapely.bounds(shapely.get_parts(area)).T
    turn = np.where(east <= 0, 360, 0)
    over = (west < 0) & (east > 0)  # parts across Greenwich
    range_, turned = (west.min(), east.max()), ((west + turn).min(), (east + turn).max())
    left, right = range_ if over.any() else geo.across_180(range_, turned)
    return float(left), float(south.min()), float(right), float(north.max())


def parse_bounds(text: str) -> Bounds:
    """West, south, east, north of ``W,S,E,N`` in degrees; a ConfigError says what is wrong with others.

    An area across 180 degrees has its west above its east (177,-20,-178,-12), or an east beyond 180, as is returned.
    """
    example = "expected W,S,E,N in degrees, such as --bounds=-5,42,8,51"
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--bounds: found {text!r}, {example}") from None
    if not all(map(math.isfinite, (west, south, east, north))):
        raise ConfigError(f"--bounds: found {text!r}, {example}")
    turned = east + 360 if east < west else east
    across = west <= 180 < turned <= west + 180
    east = turned if across else east
    if max(abs(west), 0 if across else abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        raise ConfigError(
            f"--bounds={text}: found coordinates beyond ±180 and ±90, {example}; --crs is of the map alone"
        )
    if south >= north:
        raise ConfigError(f"--bounds={text}: south {south:g} is not below north {north:g}; {example}")
    if west >= east:
        raise ConfigError(
            f"--bounds={text}: west {west:g} is not below east {east:g}; {example}; an area across 180 degrees is at "
            f"most half round; this is two maps: --bounds={west:g},{south:g},180,{north:g} and "
            f"--bounds=-180,{south:g},{east:g},{north:g}"
        )
    return west, south, east, north


@lru_cache(maxsize=16)
def parse_crs(text: str) -> pyproj.CRS:
    """A CRS; a ConfigError tells of text that names none, or one without metres or degrees."""
    try:
        system = pyproj.CRS.from_user_input(text)
    except CRSError:
        raise ConfigError(f"--crs {text}: no such CRS; expected an authority's code such as EPSG:3035") from None
    units = {axis.unit_name for axis in system.axis_info[:2]}
    if not units <= {"metre", "degree"}:
        raise ConfigError(f"--crs {text}: its units are {', '.join(sorted(units))}, expected metres or degrees")
    return system


def check_resolution(system: pyproj.CRS, resolution: float) -> None:
    """Raise a ConfigError for a resolution that is not above zero, or in metres where degrees are meant.

    system : of the grid
    resolution : side of a cell in its units
    """
    unit = "degrees" if system.is_geographic else "metres"
    if not (math.isfinite(resolution) and resolution > 0):
        raise ConfigError(f"--resolution: found {resolution:g}, expected the side of a cell in {unit}, above 0")
    if system.is_geographic and resolution > _COARSEST_DEGREES:
        raise ConfigError(
            f"--resolution: found {resolution:g}, expected degrees, at most {_COARSEST_DEGREES:g}, as {system.name} is "
            f"geographic; try: --resolution {resolution / 111_195:.2g}, or metres with a projected --crs"
        )


def _check_area(system, bounds, option):
    """Raise a ConfigError when no part of the bounds is in the area that a CRS is made for."""
    use = system.area_of_use
    if use is None or use.west > use.east:
        return
    west, south, east, north = bounds
    turns = [shapely.box(west - turn, south, east - turn, north) for turn in (0, 360)]
    if not shapely.intersects(turns, shapely.box(*use.bounds)).any():
        name = system.to_string() if system.to_authority() else system.name
        raise ConfigError(
            f"{option} {_text(bounds)}: outside of the area of {name} ({use.name}: {_text(use.bounds)}); choose a "
            "--crs of that area, or EPSG:4326 with a --resolution in degrees"
        )


@lru_cache(maxsize=16)
def _transformer(source, target):
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def _text(bounds):
    return ",".join(f"{edge:.6g}" for edge in bounds)
