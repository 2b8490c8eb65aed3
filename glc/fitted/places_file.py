"""A file of places to predict at: CSV, parquet or GeoPackage, read in blocks and checked before anything is computed.

    places = open_places("plots.csv")
    for block in places.blocks(10_000):     # pyarrow tables: lon, lat, then the file's other columns
        ...

A GeoPackage gives its points, of any CRS, as ``lon`` and ``lat``; fields of these names are replaced. GeoPackages
are read through pyogrio, which the wheel of GDAL comes with and which streams Arrow; geopandas would hold the whole
layer in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from glc.editions import encoding
from glc.errors import DataError, did_you_mean
from glc.types import StrPath

COORDINATES = ("lon", "lat")
WRITTEN = (
    "species", "probability", "predicted", "expected_species", "distance_to_training_m", "dissimilarity", "inside",
    "missing", "problem",
)  # fmt: skip
"""Columns that a prediction adds, which a file of places may therefore not have."""
READ_ROWS = 20_000
"""Rows read at once."""
_SQLITE, _APPLICATION = b"SQLite format 3\0", slice(68, 72)
_APPLICATIONS = (b"GPKG", b"GP10", b"GP11")
_SEPARATORS = (",", ";", "\t", "|")
_OTHER_NAMES = {
    "lon": ("longitude", "long", "lng", "x", "decimallongitude"),
    "lat": ("latitude", "y", "decimallatitude"),
    "date": ("eventdate",),
    "surveyId": ("surveyid", "survey_id", "plotid"),
}


@dataclass(frozen=True)
class PlacesFile:
    """A file of places whose columns have been checked.

    path : of the file
    columns : of every block, ``lon`` and ``lat`` first where the file is a GeoPackage, otherwise in the file's order
    notes : what a user should know of how it is read, sentences
    chunks : opens the file, and yields its rows as tables of any size
    """

    path: Path
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    chunks: Callable[[], Iterator[pa.Table]]

    def blocks(self, rows: int) -> Iterator[pa.Table]:
        """Tables of `rows` rows, the last one of what is left; the same ones at every call."""
        waiting: list[pa.Table] = []
        for chunk in self.chunks():
            waiting.append(chunk)
            while sum(table.num_rows for table in waiting) >= rows:
                joined = pa.concat_tables(waiting)
                yield joined.slice(0, rows).combine_chunks()
                waiting = [joined.slice(rows)]
        rest = pa.concat_tables(waiting) if waiting else None
        if rest is not None and rest.num_rows:
            yield rest.combine_chunks()


def open_places(path: StrPath, layer: str = "") -> PlacesFile:
    """Open a file of places, and check its columns.

    path : a CSV (separated by comma, semicolon, tab or bar), parquet or GeoPackage; its ending says which
    layer : of a GeoPackage; may be left out where it has one layer
    raises : DataError for another ending, for columns that are missing, there twice or called as one that a prediction
        adds, for a layer that has no points or no CRS, and for a file that cannot be read
    """
    path = Path(path)
    reader = {".csv": _csv, ".parquet": _parquet, ".gpkg": _geopackage}.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: the ending is {path.suffix or 'missing'!r}, expected .csv, .parquet or .gpkg; try: ogr2ogr "
            f"{path.stem or 'places'}.gpkg '{path.name}'"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a .csv, .parquet or .gpkg with the columns lon and lat")
    if layer and reader is not _geopackage:
        raise DataError(f"{path}: found the layer {layer!r}, but only a .gpkg has layers; leave the layer out")
    return _geopackage(path, layer) if reader is _geopackage else reader(path)


def _check_columns(path: Path, names: list[str], needed: tuple[str, ...] = COORDINATES) -> None:
    """Refuse columns that are there twice, called as those that are added, or missing."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the column {twice[0]!r} is there {names.count(twice[0])} times, expected once; "
                        "rename or remove the others")  # fmt: skip
    added = [name for name in names if name in WRITTEN]
    if added:
        raise DataError(
            f"{path}: the column {added[0]!r} would be replaced by one that a prediction adds "
            f"({', '.join(WRITTEN)}); rename or remove it"
        )
    for name in needed:
        if name not in names:
            raise DataError(
                f"{path}: the column {name!r} is missing; found {', '.join(map(repr, names)) or 'none'}"
                f"{_alike(name, names)}"
            )
    for name in ("date", "surveyId"):  # not needed, but a wrong spelling would be overlooked
        close = [other for other in names if other.lower() == name.lower() and other != name]
        if close and name not in names:
            raise DataError(f"{path}: found the column {close[0]!r}, expected {name!r}; rename it")


def _alike(name: str, names: list[str]) -> str:
    """What to do about a missing column."""
    meant = [other for other in names if other.lower() in (name, *_OTHER_NAMES[name])]
    if meant:
        return f"; did you mean {meant[0]!r}? Rename it to {name}"
    return did_you_mean(name, names) or f"; expected lon and lat in degrees (EPSG:4326): add {name}"


def _csv(path: Path) -> PlacesFile:
    known = encoding(path)
    text = known.name
    notes = () if known.plain else (f"the text is read as {known}",)
    text = "utf-8-sig" if text == "utf-8" else text
    with open(path, encoding=text, errors="replace") as file:
        header = file.readline(1 << 20).rstrip("\r\n")
    if not header.strip():
        raise DataError(f"{path}: the first line is empty, expected the names of the columns, such as: lon,lat,date")
    separator = max(_SEPARATORS, key=header.count)
    names = list(pd.read_csv(path, sep=separator, encoding=text, encoding_errors="replace", nrows=1, header=None,
                             dtype=str, keep_default_na=False).iloc[0].str.strip())  # fmt: skip
    _check_columns(path, names)
    return PlacesFile(path, tuple(names), notes, partial(_csv_chunks, path, text, separator, names))


def _csv_chunks(path: Path, text: str, separator: str, names: list[str]) -> Iterator[pa.Table]:
    """All columns as text; `glc.fitted.place_checks` says what they hold."""
    schema = pa.schema([(name, pa.string()) for name in names])
    options = {"sep": separator, "encoding": text, "encoding_errors": "replace", "dtype": str, "index_col": False}
    try:
        # "NA" is Namibia, and a place called "null" may exist
        for frame in pd.read_csv(path, names=names, header=0, keep_default_na=False, chunksize=READ_ROWS, **options):
            yield pa.Table.from_pandas(frame.astype(object).where(frame.notna(), None), schema, preserve_index=False)
    except pd.errors.EmptyDataError:
        return
    except pd.errors.ParserError as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"{path}: {reason} ({len(names)} columns: {', '.join(names)}); put text that holds a {separator!r} in "
            "double quotes"
        ) from None


def _parquet(path: Path) -> PlacesFile:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read as parquet ({error}); write it again, or give a CSV") from None
    names = [name for name in schema.names if not name.startswith("__index_level_")]
    _check_columns(path, names)
    return PlacesFile(path, tuple(names), (), partial(_parquet_chunks, path, names))


def _parquet_chunks(path: Path, names: list[str]) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=READ_ROWS, columns=names):
            table = pa.Table.from_batches([batch]).select(names).replace_schema_metadata(None)
            yield pa.table(
                [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
                 for column in map(_joined, table.columns)],
                names=names,
            )  # fmt: skip


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _refuse_other_formats(path: Path) -> None:
    """Raise a DataError where the first bytes are not a GeoPackage's: GDAL reads by them, whatever the ending says.

    Other formats, such as a VRT or WFS in XML, name other files and servers.
    """
    with open(path, "rb") as file:
        head = file.read(_APPLICATION.stop)
    if not head.startswith(_SQLITE) or head[_APPLICATION] not in _APPLICATIONS:
        raise DataError(
            f"{path}: cannot be read as a GeoPackage: it starts with {head[:16]!r}; export it as one, such as in QGIS: "
            "Export, Save Features As, GeoPackage"
        )


def _geopackage(path: Path, layer: str) -> PlacesFile:
    import pyogrio  # GDAL takes a second to load

    _refuse_other_formats(path)
    try:
        kinds = dict(pyogrio.list_layers(path))
        if layer and layer not in kinds:
            raise DataError(f"{path}: no layer {layer!r}; expected one of: {', '.join(kinds)}"
                            f"{did_you_mean(layer, kinds)}")  # fmt: skip
        located = [name for name, kind in kinds.items() if kind is not None]
        if not layer and len(located) != 1:
            raise DataError(
                f"{path}: found {len(located)} layers with places ({', '.join(located) or 'none'}), expected one; "
                "name it with --layer"
            )
        layer = layer or located[0]
        info = pyogrio.read_info(path, layer=layer)
    except pyogrio.errors.DataSourceError as error:
        raise DataError(f"{path}: cannot be read as a GeoPackage ({error}); export it again") from None
    kind = str(info["geometry_type"])
    if kind.removesuffix(" Z").removesuffix(" M").removesuffix(" ZM") not in ("Point", "2.5D Point", "Unknown"):
        raise DataError(
            f"{path}: layer {layer!r} holds {kind} geometries, expected Point; take points in QGIS: Vector, Geometry "
            "Tools, Centroids"
        )
    if info["crs"] is None:
        raise DataError(f"{path}: layer {layer!r} has no CRS; try: ogr2ogr -a_srs EPSG:4326 OUT.gpkg '{path.name}'")
    fields = [str(name) for name in info["fields"]]
    _check_columns(path, fields, needed=())
    names = [*COORDINATES, *(name for name in fields if name not in COORDINATES)]
    notes = [] if info["crs"] == "EPSG:4326" else [f"points are projected from {_short(info['crs'])} to degrees"]
    if replaced := [name for name in fields if name in COORDINATES]:
        notes.append(f"the points give lon and lat; the field {replaced[0]} is not used")
    return PlacesFile(path, tuple(names), tuple(notes), partial(_geopackage_chunks, path, layer, names))


def _short(crs: str) -> str:
    """A CRS in a few characters: its code, or the name in its WKT."""
    return crs if len(crs) < 40 else crs.split('"')[1]


def _geopackage_chunks(path: Path, layer: str, names: list[str]) -> Iterator[pa.Table]:
    import numpy as np
    import pyogrio
    import shapely
    from pyproj import Transformer

    _refuse_other_formats(path)  # it is opened again, for each time that it is read
    with pyogrio.raw.open_arrow(path, layer=layer, batch_size=READ_ROWS, use_pyarrow=True) as (facts, reader):
        to_degrees = Transformer.from_crs(facts["crs"], 4326, always_xy=True)
        for batch in reader:
            table = pa.Table.from_batches([batch])
            points = shapely.from_wkb(np.array(table[facts["geometry_name"] or "wkb_geometry"].to_pylist(), object))
            points = np.where(shapely.get_type_id(points) == 0, points, None)  # a layer of any geometries
            lon, lat = to_degrees.transform(shapely.get_x(points), shapely.get_y(points))
            for name, values in zip(COORDINATES, (lon, lat), strict=True):
                values = pa.array(np.where(np.isfinite(values), values, np.nan), from_pandas=True)
                table = table.drop_columns([name]) if name in table.column_names else table
                table = table.append_column(name, values)
            yield table.select(names).replace_schema_metadata(None)


def as_text(column: pa.ChunkedArray) -> pd.Series:
    """A column as text without spaces around it, None where it holds nothing."""
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    return pd.Series(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text).to_numpy(), dtype=object)
