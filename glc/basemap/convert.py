"""Turn world-atlas (Natural Earth 1:10m as TopoJSON) into the file that `glc.basemap` reads.

``python -m glc.basemap.convert world-atlas-2.0.2.tgz [OUT.npz]`` wrote ``world.npz`` of this folder once. The archive
is the npm package world-atlas 2.0.2, whose ``countries-10m.json`` is Natural Earth 4.1.0, admin 0, 1:10m. Natural Earth
is in the public domain; world-atlas is under the ISC licence.

world-atlas joins what Natural Earth cuts at 180 degrees; here polygons are cut there again, so that every ring lies
within -180 to 180. Coordinates stay on the grid of the TopoJSON (0.0036 by 0.0017 degrees: 400 by 190 m or less) as
integers. The Vatican and a few islets are smaller than that and have no area.
"""

import hashlib
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import shapely
import shapely.affinity

from glc import storage
from glc.basemap import WORLD
from glc.errors import DataError, run_command
from glc.types import JSON, StrPath

SOURCE = "world-atlas-2.0.2.tgz"
SHA256 = "032e7765f2ce00edaeafec23ff22bc3b77e42987c257da944cc585b452c05b97"
"""Of the package as npm distributes it."""
_MEMBER = "package/countries-10m.json"


def convert(source: StrPath, out: StrPath = WORLD) -> None:
    """Write the countries, the land and the borders of world-atlas as one compact file.

    source : the npm package world-atlas 2.0.2, a ``.tgz``; another file is refused
    out : ``.npz`` to write
    """
    data = Path(source).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise DataError(
            f"{source}: another file than {SOURCE} (sha256 {SHA256}); get it by: npm pack world-atlas@2.0.2"
        )
    with tarfile.open(source) as archive:
        topology = json.load(archive.extractfile(_MEMBER))
    with storage.atomic_file(out) as scratch, open(scratch, "wb") as file:
        np.savez_compressed(file, **arrays(topology))


def arrays(topology: JSON) -> dict[str, np.ndarray]:
    """The arrays of the packaged file.

    topology : TopoJSON with quantised arcs and an object `countries`
    returns : name, id : (country,) text; scale, translate : (2,) degrees per grid step, degrees of grid (0, 0); and of
        `country` (a MultiPolygon per row), `land` (one MultiPolygon) and `border` (one MultiLineString) the integer
        steps from each vertex to the next ``<layer>_x``, ``<layer>_y`` and the offsets of shapely's ragged arrays
        ``<layer>_0``, ``<layer>_1``, …
    """
    scale, translate = (np.array(topology["transform"][key], float) for key in ("scale", "translate"))
    turn, pole = round(360 / scale[0]), np.round((np.array([-90, 90]) - translate[1]) / scale[1])
    arcs = [np.cumsum(arc, axis=0) for arc in topology["arcs"]]
    members = topology["objects"]["countries"]["geometries"]
    uses = np.zeros(len(arcs), int)
    countries = []
    for member in members:
        polygons = member["arcs"] if member["type"] == "MultiPolygon" else [member["arcs"]]
        for ring in (ring for polygon in polygons for ring in polygon):
            np.add.at(uses, [index if index >= 0 else ~index for index in ring], 1)
        areas = [[_area(_ring(ring, arcs), turn, pole) for ring in polygon] for polygon in polygons]
        whole = shapely.union_all([outer.difference(shapely.union_all(holes)) for outer, *holes in areas])
        countries.append(_on_grid(whole))
    # what two countries share is a border; what one has alone is a coast
    shared = [arc for arc, count in zip(arcs, uses, strict=True) if count > 1]
    border = shapely.multilinestrings([shapely.linestrings(arc) for arc in shared if np.ptp(arc[:, 0]) < turn / 2])
    land = _on_grid(shapely.union_all(countries))
    result = {
        "name": np.array([member["properties"]["name"] for member in members]),
        "id": np.array([member.get("id", "") for member in members]),
        "scale": scale,
        "translate": translate,
    }
    for layer, shapes in (("country", countries), ("land", [land]), ("border", [border])):
        _, points, offsets = shapely.to_ragged_array([_many(shape) for shape in shapes])
        steps = np.diff(np.round(points).astype(np.int32), axis=0, prepend=np.int32(0))
        result |= {f"{layer}_x": steps[:, 0], f"{layer}_y": steps[:, 1]}
        result |= {f"{layer}_{depth}": values.astype(np.int32) for depth, values in enumerate(offsets)}
    return result


def _ring(indices, arcs):
    """The vertices (n, 2) of a ring of arcs; ~i is arc i backwards, and arcs meet in a shared vertex."""
    parts = [arcs[index] if index >= 0 else arcs[~index][::-1] for index in indices]
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def _area(ring, turn, pole):
    """The area inside a ring that may cross 180 degrees or run round a pole, within 0 to `turn` grid steps."""
    if len(ring) < 4:  # an islet of less than a grid step
        return shapely.Polygon()
    x, y = ring.T.astype(float)
    steps = np.diff(x)
    x = x[0] + np.concatenate([[0], np.cumsum(steps - turn * np.round(steps / turn))])
    if abs(x[-1] - x[0]) > turn / 2:
        end = pole[int(y.mean() > pole.mean())]
        x, y = np.concatenate([x, [x[-1], x[0]]]), np.concatenate([y, [end, end]])
    area = shapely.make_valid(shapely.Polygon(np.column_stack([x, y])))
    parts = []
    for number in range(int(np.floor(x.min() / turn)), int(np.floor(x.max() / turn)) + 1):
        world = shapely.box(number * turn, pole[0], (number + 1) * turn, pole[1])
        parts.append(shapely.affinity.translate(area.intersection(world), -number * turn))
    return shapely.union_all(parts)


def _on_grid(area):
    """A valid area whose vertices are whole grid steps."""
    return shapely.set_precision(shapely.make_valid(area), 1)


def _many(shape):
    """A shape as a MultiPolygon or MultiLineString; lines and points that are left of an area are dropped."""
    if shapely.get_dimensions(shape) != 1:
        parts = shapely.get_parts(shapely.get_parts(shape))  # of a collection, too
        return shapely.multipolygons(parts[(shapely.get_dimensions(parts) == 2) & ~shapely.is_empty(parts)])
    return shape


def main() -> None:
    """The command line: ARCHIVE and, optionally, the file to write."""
    if len(sys.argv) not in (2, 3):
        raise DataError(f"usage: python -m glc.basemap.convert {SOURCE} [OUT.npz]")
    convert(*sys.argv[1:])


if __name__ == "__main__":
    run_command(main)
