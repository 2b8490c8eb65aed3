"""Land and country borders of the world, for the report, maps and places.

The packaged file holds Natural Earth 4.1.0, 1:10m, admin 0 (public domain, naturalearthdata.com), from the npm package
world-atlas 2.0.2 (ISC licence); `glc.basemap.convert` made it. Coordinates are on a grid of 400 by 190 m or less.

    >>> from glc import basemap
    >>> world = basemap.world()
    >>> [world.name[row] for row in basemap.country_at([2.35, 13.4], [48.86, 52.52])]
    ['France', 'Germany']
    >>> basemap.is_land([2.35, -35.0], [48.86, 45.0])
    array([ True, False])

Another file can be named: a GeoJSON of areas in degrees.
"""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import ArrayLike
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from glc import geo
from glc.basemap.cells import Cells
from glc.errors import DataError
from glc.types import StrPath

_CHUNK = 200_000  # places looked up at once
_MANY = 10_000  # places from which cells are searched first
WORLD = Path(__file__).with_name("world.npz")
"""The packaged file."""
_PIECE = 400  # vertices of a coast that are searched and clipped together
_DETAIL = 1500  # an outline has this many steps along its longer side
_FURTHEST = 85.06  # degrees of latitude that an outline shows on a projection; beyond, many have no bounds
_NAMES = ("name", "NAME", "admin", "ADMIN", "name_en", "NAME_EN")
_IDS = ("id", "iso_n3", "ISO_N3", "ISO_A3", "iso_a3", "ISO3")


@dataclass(frozen=True)
class Basemap:
    """Countries, the land that they make up, and the borders between them, in degrees.

    name, id : (country,) their names, and ISO 3166-1 numeric codes such as '250'; '' where there is none
    country : (country,) areas; one that crosses 180 degrees is cut there
    land : the area of all countries
    border : the lines between countries
    """

    name: tuple[str, ...]
    id: tuple[str, ...]
    country: tuple[BaseGeometry, ...]
    land: BaseGeometry
    border: BaseGeometry

    def countries(self) -> list[tuple[str, str, BaseGeometry]]:
        """(name, id, area) of each country."""
        return list(zip(self.name, self.id, self.country, strict=True))

    def country_at(self, lon: ArrayLike, lat: ArrayLike) -> np.ndarray:
        """Number of the country at each place, as in `countries`.

        lon, lat : (n,) degrees; longitudes beyond 180 are taken round the globe
        returns : (n,) int64, -1 in the sea and where a coordinate is missing
        """
        lon, lat = np.broadcast_arrays(np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float)))
        lon = np.where(np.abs(lon) > 180, (lon + 180) % 360 - 180, lon)
        numbers = np.full(len(lon), -1, np.int64)
        # of few places the search of all edges would take longer than it saves; a map asks block by block
        cells = self._cells if len(lon) >= _MANY or "_cells" in vars(self) else None
        for start in range(0, len(lon), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows = start + np.flatnonzero(np.isfinite(lon[part] + lat[part]) & (np.abs(lat[part]) <= 90))
            numbers[rows] = (cells.at if cells else self._country_at)(lon[rows], lat[rows])
        return numbers

    def _country_at(self, lon, lat):
        """As `country_at`, of finite degrees, compared with all countries whose bounds they are in."""
        tree, parts, owner = self._pieces
        numbers = np.full(len(lon), -1, np.int64)
        at, piece = tree.query(shapely.points(lon, lat))
        inside = shapely.intersects_xy(parts[piece], lon[at], lat[at])
        # on a border, the first country; later ones are written first
        order = np.argsort(-owner[piece[inside]], kind="stable")
        numbers[at[inside][order]] = owner[piece[inside]][order]
        return numbers

    def is_land(self, lon: ArrayLike, lat: ArrayLike) -> np.ndarray:
        """Whether each place (lon, lat in degrees) is on land, or in a lake: (n,) bool."""
        return self.country_at(lon, lat) >= 0

    def at_sea(self, lon: ArrayLike, lat: ArrayLike, tolerance_m: float = 5_000.0) -> np.ndarray:
        """Whether each place is at sea, and not just off a coast that the basemap simplifies.

        lon, lat : (n,) degrees
        tolerance_m : a place is on land if a square round it that reaches this far, metres, touches land
        returns : (n,) bool, False where a coordinate is missing
        """
        lon, lat = np.broadcast_arrays(np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float)))
        sea = np.isfinite(lon + lat) & ~self.is_land(lon, lat)
        rows = np.flatnonzero(sea)
        up = np.degrees(tolerance_m / geo.EARTH_RADIUS_M)
        side = up / np.maximum(np.cos(np.radians(lat[rows])), 0.01)
        squares = shapely.box(lon[rows] - side, lat[rows] - up, lon[rows] + side, lat[rows] + up)
        near, _ = self._coasts[0].query(squares, predicate="intersects")
        sea[rows[near]] = False
        return sea

    def outline(
        self, bounds: tuple[float, float, float, float], crs: int = 4326, borders: bool = True
    ) -> dict[str, list[np.ndarray]]:
        """The coasts and borders within `bounds`, simplified to what a figure of that extent can show.

        bounds : degrees (west, south, east, north); east may be beyond 180
        crs : EPSG code in which the lines are returned
        borders : whether those between countries are wanted
        returns : 'coast' and 'border' -> lines, each (vertex, 2) of lon, lat or easting, northing
        """
        west, south, east, north = bounds
        if not (west < east <= west + 360 and south < north):
            raise DataError(f"outline: bounds {bounds}, expected west < east <= west + 360 and south < north, degrees")
        step = max(east - west, north - south) / _DETAIL
        if crs != 4326:
            south, north = max(south, -_FURTHEST), min(north, _FURTHEST)
        lines = {}
        for kind, (tree, pieces) in {"coast": self._coasts, "border": self._borders}.items():
            lines[kind] = []
            for turn in (-360, 0, 360) if borders or kind == "coast" else ():
                near = pieces[tree.query(shapely.box(west - turn, south, east - turn, north))]
                clipped = shapely.clip_by_rect(shapely.simplify(near, step), west - turn, south, east - turn, north)
                for line in shapely.get_parts(clipped):
                    points = shapely.get_coordinates(line) + np.array([turn, 0])
                    if np.ptp(points, axis=0).max(initial=0) >= step:
                        lines[kind].append(points if crs == 4326 else np.column_stack(geo.project(*points.T, crs)))
        return lines

    @cached_property
    def _pieces(self):
        """(tree, prepared polygons, their countries) of all countries."""
        parts, owner = shapely.get_parts(np.array(self.country, object), return_index=True)
        shapely.prepare(parts)
        return shapely.STRtree(parts), parts, owner

    @cached_property
    def _cells(self):
        """What country is where, by cell."""
        points, ring = shapely.get_coordinates(shapely.get_rings(self._pieces[1]), return_index=True)
        along = ring[:-1] == ring[1:]
        return Cells(np.column_stack([points[:-1], points[1:]])[along], self._country_at)

    @cached_property
    def _coasts(self):
        """(tree, lines) of the land's edge, without the cuts at 180 degrees and round the poles."""
        return _cut(shapely.get_parts(shapely.boundary(shapely.get_parts(self.land))))

    @cached_property
    def _borders(self):
        return _cut(shapely.get_parts(self.border))


def _cut(lines):
    """(tree, lines) of short pieces of `lines`, without edges that run along 180 degrees or a pole."""
    pieces = []
    for line in lines:
        points = shapely.get_coordinates(line)
        edge = (np.abs(points) > np.array([180, 90]) - 1e-4).any(axis=1)
        along = np.flatnonzero(edge[:-1] & edge[1:])  # edges left out
        ends = [*along, len(points) - 1]
        for start, end in zip([0, *(along + 1)], ends, strict=True):
            pieces += [points[at : min(at + _PIECE, end) + 1] for at in range(start, end, _PIECE)]
    made = np.array([shapely.linestrings(piece) for piece in pieces], object)
    return shapely.STRtree(made), made


@lru_cache(maxsize=2)
def world(path: StrPath = "") -> Basemap:
    """The packaged basemap, or that of a file.

    path : GeoJSON, a FeatureCollection of areas in degrees; their names and ids are the first of the usual properties
        that they have
    returns : a Basemap; a file is read once
    raises : DataError for a file that holds no such areas
    """
    if not path:
        return _packaged()
    try:
        return _geojson(Path(path))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        shapely.errors.ShapelyError,
    ) as error:
        raise DataError(
            f"{path}: cannot be read as a basemap ({error}); expected a GeoJSON FeatureCollection of areas in degrees; "
            f"try: ogr2ogr -t_srs EPSG:4326 OUT.geojson {path}"
        ) from None


def _packaged():
    with np.load(WORLD) as file:
        data = dict(file)
    layers = {}
    for layer in ("country", "land", "border"):
        steps = np.column_stack([data[f"{layer}_x"], data[f"{layer}_y"]])
        points = np.cumsum(steps, axis=0, dtype=np.int64) * data["scale"] + data["translate"]
        offsets = tuple(data[f"{layer}_{depth}"] for depth in range(2 if layer == "border" else 3))
        kind = shapely.GeometryType.MULTILINESTRING if layer == "border" else shapely.GeometryType.MULTIPOLYGON
        layers[layer] = shapely.from_ragged_array(kind, points, offsets)
    names, ids = (tuple(map(str, data[key])) for key in ("name", "id"))
    return Basemap(names, ids, tuple(layers["country"]), layers["land"][0], layers["border"][0])


def _geojson(path):
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    areas = tuple(shapely.make_valid(shape(feature["geometry"])) for feature in features)
    if not areas or any(shapely.get_dimensions(area) != 2 for area in areas):
        raise ValueError("no areas" if not areas else "a feature that is no area")
    west, south, east, north = shapely.total_bounds(np.array(areas, object))
    if west < -180.001 or east > 180.001 or south < -90.001 or north > 90.001:
        raise ValueError(f"coordinates from {west:g} {south:g} to {east:g} {north:g}, no degrees")
    properties = [{"id": feature.get("id")} | (feature.get("properties") or {}) for feature in features]
    names, ids = (
        tuple(str(next((row[key] for key in keys if row.get(key) is not None), "")) for row in properties)
        for keys in (_NAMES, _IDS)
    )
    land = shapely.union_all(areas)
    border = shapely.union_all([shapely.boundary(area) for area in areas]).difference(shapely.boundary(land))
    return Basemap(names, ids, areas, land, border)


def land() -> BaseGeometry:
    """The area of all land of the packaged basemap, degrees."""
    return world().land


def countries() -> list[tuple[str, str, BaseGeometry]]:
    """(name, ISO 3166-1 numeric code or '', area in degrees) of each country of the packaged basemap."""
    return world().countries()


def country_at(lon: ArrayLike, lat: ArrayLike) -> np.ndarray:
    """Number, as in `countries`, of the packaged basemap's country at each place; see `Basemap.country_at`."""
    return world().country_at(lon, lat)


def at_sea(lon: ArrayLike, lat: ArrayLike, tolerance_m: float = 5_000.0) -> np.ndarray:
    """Whether places are at sea on the packaged basemap; see `Basemap.at_sea`."""
    return world().at_sea(lon, lat, tolerance_m)


def is_land(lon: ArrayLike, lat: ArrayLike) -> np.ndarray:
    """Whether places are on the packaged basemap's land; see `Basemap.is_land`."""
    return world().is_land(lon, lat)
