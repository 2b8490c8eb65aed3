"""The STAC item of a map: what its files are, where, of when and from what."""

import datetime
import json
import math
from collections.abc import Sequence
from pathlib import Path

from glc import __version__
from glc.maps.geotiff import Band, Numbers
from glc.maps.grid import Grid, parse_crs
from glc.maps.origin import Origin
from glc.rasters.files import opened
from glc.types import Facts

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_EXTENSIONS = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "sci": "https://stac-extensions.github.io/scientific/v1.0.0/schema.json",
    "processing": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
}
_OTHERS = {
    "probability.vrt": ("application/x-vrt", "all bands of probability-*.tif", ["data"]),
    "preview.png": ("image/png", "preview", ["thumbnail", "overview"]),
}


def write(
    out: Path, grid: Grid, origin: Origin, files: Sequence[tuple[str, Sequence[Band], Numbers]], facts: Facts
) -> None:
    """Write ``item.json``, a STAC 1.1 item with the extensions projection, raster, scientific and processing.

    out : folder of the map's files
    grid : of all of them
    origin : where the map comes from
    files : (name, bands, how numbers are stored) of each GeoTIFF
    facts : more properties, named ``glc:…``
    """
    west, south, east, north = (round(edge, 6) for edge in grid.degrees)
    geometry, bbox = _footprint(west, south, east, north)
    system = parse_crs(grid.crs)
    code = ":".join(system.to_authority() or ()) or None
    properties: Facts = {
        "title": origin.title,
        **_when(origin),
        "gsd": round(grid.cell_m, 3),
        "proj:code": code,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": list(grid.bounds),
        "processing:software": {"glc": __version__},
        "glc:dataset": origin.dataset,
        "glc:experiment": origin.experiment,
        "glc:values": "relative suitability" if facts.get("relative") else "probability",
    }
    if code is None:
        properties["proj:wkt2"] = system.to_wkt()
    if origin.licence:
        properties["license"] = "other" if " " in origin.licence or "/" in origin.licence else origin.licence
        properties["glc:licence"] = origin.licence
    properties |= {"sci:citation": origin.citation} if origin.citation else {}
    properties |= {"sci:doi": origin.doi} if origin.doi else {}
    properties |= {f"glc:{name}": value for name, value in {**origin.provenance, **facts}.items()}
    others = {name: kind for name, kind in _OTHERS.items() if (out / name).is_file()}
    styles = sorted(path.stem for path in out.glob("*.qml"))
    others |= {f"{name}.qml": ("application/xml", f"colours of {name} in QGIS", ["metadata"]) for name in styles}
    links = [{"rel": "cite-as", "href": f"https://doi.org/{origin.doi}"}] if origin.doi else []
    content = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": sorted(_EXTENSIONS.values()),
        "id": f"{origin.dataset}-{origin.experiment}",
        "geometry": geometry,
        "bbox": bbox,
        "properties": properties,
        "links": links,
        "assets": {name: _raster(out / name, bands, numbers) for name, bands, numbers in files}
        | {
            name: {"href": f"./{name}", "type": kind, "title": title, "roles": roles}
            for name, (kind, title, roles) in others.items()
        },
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "item.json").write_text(text + "\n", encoding="utf-8")


def _raster(path, bands, numbers):
    with opened(path) as raster:
        size = raster.block_shapes[0]
    asset = {
        "href": f"./{path.name}",
        "type": COG,
        "roles": ["data"],
        "data_type": numbers.dtype,
        "nodata": "nan" if math.isnan(numbers.nodata) else numbers.nodata,
        "raster:sampling": "area",
        "glc:tile": list(size),
        "file:size": path.stat().st_size,
        "bands": [_band(band) for band in bands],
    }
    if numbers.scale != 1:
        asset |= {"raster:scale": numbers.scale, "raster:offset": 0}
    return asset


def _band(band):
    entry = {"name": band.description}
    entry |= {"description": band.tags["meaning"]} if "meaning" in band.tags else {}
    return entry | ({"unit": band.unit} if band.unit else {})


def _footprint(west, south, east, north):
    """Geometry and bounding box in degrees; cut at 180 degrees where it crosses them."""
    if east <= 180:
        return {"type": "Polygon", "coordinates": [_ring(west, south, east, north)]}, [west, south, east, north]
    east = round(east - 360, 6)
    rings = [[_ring(west, south, 180.0, north)], [_ring(-180.0, south, east, north)]]
    return {"type": "MultiPolygon", "coordinates": rings}, [west, south, east, north]


def _ring(west, south, east, north):
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _when(origin):
    """The years of the training surveys; without them, the day of the map: STAC wants either."""
    if origin.years is None:
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        return {"datetime": now.isoformat().replace("+00:00", "Z")}
    first, last = origin.years
    return {
        "datetime": None,
        "start_datetime": f"{first:04d}-01-01T00:00:00Z",
        "end_datetime": f"{last:04d}-12-31T23:59:59Z",
    }
