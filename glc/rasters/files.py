"""GeoTIFFs, and no other file, opened for reading: all that is read of a raster is in the one file that is named.

GDAL would read a VRT, or a request to a server, that is called ``x.tif``, and take georeferencing, nodata, scale, masks
and overviews from files next to a raster. Both would let a dataset reach other files and machines, and neither is part
of what identifies a raster. ``tests/rasters/test_files.py`` checks that the package reads rasters in no other way.
"""

import re
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from glc.errors import DataError
from glc.types import StrPath

_OTHERS = {
    b"<": "XML, such as a VRT, which names other files or a server",
    b"\x89HDF": "HDF5 or netCDF",
    b"CDF": "netCDF",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\xd8": "a JPEG",
    b"\x89PNG": "a PNG",
    b"SQLite format 3\0": "an SQLite database, such as a GeoPackage",
    b"PK\3\4": "a zip file",
    b"\x1f\x8b": "a gzip file",
}
_SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
# metadata of a TIFF by which GDAL would open another file
_REFERRING = {"overviews", "geolocation", "proxyoverviewrequest"}
_BESIDE = re.compile(r"<(NoDataValue|Scale|Offset)\b[^>]*>([^<]*)<", re.IGNORECASE)
_OPAQUE_SHARE = 0.95
_SAMPLE_PIXELS = 1_000_000
_SIDE_CHARACTERS = 16 << 20


def opened(path: StrPath) -> DatasetReader:
    """An open GeoTIFF, to be used in a ``with``; neither another format nor a side file is read.

    path : of a file of this machine
    raises : DataError for another format, for metadata that names other files, and for nodata, scale, offset or a mask
        that a side file alone has; RasterioIOError for a file that is not there or not whole
    """
    if not Path(path).is_file():
        raise RasterioIOError(f"{path}: no such file")
    with open(path, "rb") as file:
        head = file.read(64)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    kind = next((kind for magic, kind in _OTHERS.items() if start.startswith(magic) or head.startswith(magic)), None)
    if kind is not None:
        raise DataError(f"{path}: found {kind}, expected a GeoTIFF; if you know what it reads: gdal_translate -of "
                        f"GTiff {path} OUT.tif")  # fmt: skip
    with rasterio.Env(**_SETTINGS):
        raster = rasterio.open(path, driver="GTiff", GEOREF_SOURCES="INTERNAL")
        try:
            _refuse_references(path, raster)
            _refuse_side_files(path, raster)
        except BaseException:
            raster.close()
            raise
    return raster


def refuse_unplaced(path: StrPath, raster: DatasetReader, option: str = "") -> None:
    """Raise a DataError where an open raster does not say where its pixels are.

    option : of the command line that named the file, for the error
    """
    where = f"{option} {path}".lstrip()
    beside = "; .aux.xml, .tfw and .prj files next to it are not read"
    if raster.crs is None:
        raise DataError(f"{where}: no CRS in the file; expected one{beside}; try: gdal_edit.py -a_srs EPSG:4326 {path}")
    if raster.transform.is_identity:
        raise DataError(
            f"{where}: the file does not say where its pixels are{beside}; try: gdal_translate -a_ullr WEST NORTH EAST "
            f"SOUTH {path} OUT.tif"
        )


def alpha(raster: DatasetReader) -> int | None:
    """Number of the band that an open raster calls alpha, or None."""
    return next((i for i, what in enumerate(raster.colorinterp, 1) if what == ColorInterp.alpha), None)


def is_mask(raster: DatasetReader, band: int) -> bool:
    """Whether the band that a raster calls alpha is one, and no band of values.

    GDAL calls the last of four bands of bytes alpha unless the writer says otherwise. An alpha is opaque, the highest
    value of its type, nearly wherever it is not zero; a million pixels are looked at, evenly spread.
    """
    dtype = np.dtype(raster.dtypes[band - 1])
    opaque = np.iinfo(dtype).max if dtype.kind in "iu" else 1
    high, wide = raster.block_shapes[band - 1]
    high = min(high, max(1, _SAMPLE_PIXELS // wide))
    down, across = -(-raster.height // high), -(-raster.width // wide)
    count = max(1, min(down * across, _SAMPLE_PIXELS // (high * wide)))
    shown = full = 0
    for i in np.unique(np.linspace(0, down * across - 1, count).round().astype(int)):
        top, left = int(i // across * high), int(i % across * wide)
        window = Window(left, top, min(wide, raster.width - left), min(high, raster.height - top))
        values = raster.read(band, window=window)
        shown += int(np.count_nonzero(values))
        full += int(np.count_nonzero(values == opaque))
    return full > 0 and full >= _OPAQUE_SHARE * shown


def all_values(raster: DatasetReader) -> DatasetReader:
    """A view of an open raster whose alpha band is a band of values like the others, and hides none of them."""
    with MemoryFile(ext=".vrt") as file:
        rasterio.shutil.copy(raster, file.name, driver="VRT")
        text = file.read().decode()
    text = text.replace("<ColorInterp>Alpha</ColorInterp>", "<ColorInterp>Undefined</ColorInterp>")
    with rasterio.Env(**_SETTINGS):
        return rasterio.open(text, driver="VRT")


def _refuse_references(path, raster):
    names = [name for name in raster.tag_namespaces() if name.lower() in _REFERRING]
    if names:
        raise DataError(
            f"{path}: metadata {names[0]!r} of the file names other files, expected all of the raster in one; try: "
            f"gdal_translate -of GTiff -co PROFILE=GeoTIFF {path} OUT.tif"
        )


def _refuse_side_files(path, raster):
    """Refuse what only a side file says of the values; statistics and overviews there change none."""
    if Path(f"{path}.msk").is_file():
        raise DataError(
            f"{path}.msk: a mask in a file next to the raster is not read; expected it in the raster; try: "
            f"gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES {path} OUT.tif"
        )
    beside = Path(f"{path}.aux.xml")
    if not beside.is_file():
        return
    own = {
        "nodatavalue": raster.nodata is not None,
        "scale": any(scale != 1 for scale in raster.scales),
        "offset": any(offset != 0 for offset in raster.offsets),
    }
    plain = {"scale": 1.0, "offset": 0.0}
    for name, text in _BESIDE.findall(_text(beside)):
        if not own[name.lower()] and _number(text) != plain.get(name.lower(), np.inf):
            raise DataError(
                f"{beside}: {name} {text.strip()} is said there alone, and side files are not read; expected it in "
                f"the raster; try: gdal_translate {path} OUT.tif"
            )


def _text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_SIDE_CHARACTERS)


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None
