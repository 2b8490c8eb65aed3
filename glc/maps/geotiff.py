"""Cloud-Optimised GeoTIFFs that are written tile by tile, band by band in the file, and a VRT over several of them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import DTypeLike
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.windows import Window

from glc.maps.grid import BLOCK, Block, Grid

TILE = 2 * BLOCK
"""Cells along a side of a file's tile."""
LAST = 65_534
"""The highest integer of a probability; the next one is nodata."""
NODATA = 65_535
_CACHE_MB = 128
_KEPT = {"tiled": True, "blockxsize": TILE, "blockysize": TILE, "interleave": "band", "compress": "deflate"}


@dataclass(frozen=True)
class Band:
    """One band of a file.

    description : what it holds
    unit : of its values; empty: none
    tags : more of it
    """

    description: str
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbers:
    """How a file stores numbers.

    dtype : of what is stored
    nodata : stored where there is no value
    scale : a value is what is stored times this
    overviews : how a coarser level is made of a finer one
    """

    dtype: str
    nodata: float
    scale: float = 1.0
    overviews: str = "average"


FLOATS = Numbers("float32", float("nan"))
"""Values as they are."""


def probabilities(highest: float) -> Numbers:
    """Integers of 16 bits for scores from 0 to `highest`, or to 1 if that is more.

    Steps are 1 / 65534: with the 254 of 8 bits, half of the species of a large flora would round to zero everywhere.
    """
    return Numbers("uint16", NODATA, max(1.0, highest) / LAST)


def quantised(values: np.ndarray, scale: float) -> np.ndarray:
    """The nearest uint16 of values from 0 to `LAST` times `scale`."""
    return np.clip(np.rint(values.astype(np.float64) / scale), 0, LAST).astype(np.uint16)


def tiles(grid: Grid) -> Iterator[Block]:
    """The tiles of a file, row by row; each holds whole blocks of the grid."""
    rows, cols = grid.shape
    for row in range(0, rows, TILE):
        for col in range(0, cols, TILE):
            yield Block(row, col, min(TILE, rows - row), min(TILE, cols - col))


def write(
    path: Path,
    grid: Grid,
    bands: Sequence[Band],
    numbers: Numbers,
    tags: Mapping[str, str],
    values: Callable[[Block], np.ndarray],
) -> None:
    """Write a Cloud-Optimised GeoTIFF, the bands one after the other, with overviews.

    path : of the file
    bands, numbers, tags : what its metadata say
    values : (bands, rows, cols) of a tile, as stored

    GDAL's own COG driver writes bands one after the other only from version 3.11 on; copying a GeoTIFF with its
    overviews gives the same layout.
    """
    predictor = 3 if np.dtype(numbers.dtype).kind == "f" else 2
    rough = path.with_name(f".{path.name}")
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB, GDAL_TIFF_OVR_BLOCKSIZE=TILE):
        with rasterio.open(
            rough,
            "w",
            driver="GTiff",
            width=grid.shape[1],
            height=grid.shape[0],
            count=len(bands),
            dtype=numbers.dtype,
            nodata=numbers.nodata,
            crs=CRS.from_user_input(grid.crs),
            transform=grid.transform,
            zlevel=1,
            predictor=predictor,
            BIGTIFF="IF_SAFER",
            **_KEPT,
        ) as raster:
            _describe(raster, bands, numbers, tags)
            for tile in tiles(grid):
                raster.write(values(tile), window=Window(tile.col, tile.row, tile.cols, tile.rows))
        factors = _overviews(grid.shape)
        if factors:
            with rasterio.open(rough, "r+", driver="GTiff") as raster:
                raster.build_overviews(factors, Resampling[numbers.overviews])
        rasterio.shutil.copy(
            rough, path, driver="GTiff", copy_src_overviews=True, predictor=predictor, BIGTIFF="IF_SAFER", **_KEPT
        )
    rough.unlink()
    with contextlib.suppress(FileNotFoundError):  # GDAL keeps there what a GeoTIFF cannot hold
        rough.with_name(f"{rough.name}.aux.xml").unlink()


def _describe(raster, bands, numbers, tags):
    raster.update_tags(**tags)
    raster.descriptions = tuple(band.description for band in bands)
    raster.units = tuple(band.unit for band in bands)
    if numbers.scale != 1:
        raster.scales, raster.offsets = (numbers.scale,) * len(bands), (0.0,) * len(bands)
    for number, band in enumerate(bands, 1):
        if band.tags:
            raster.update_tags(number, **band.tags)


def _overviews(shape):
    """Factors of the coarser levels, until one tile holds the map."""
    factors = []
    while max(shape) > TILE * 2 ** len(factors):
        factors.append(2 ** (len(factors) + 1))
    return factors


def write_vrt(path: Path, grid: Grid, files: Sequence[tuple[str, Sequence[Band]]], numbers: Numbers) -> None:
    """Write a VRT whose bands are those of several GeoTIFFs of one grid, in order.

    path : of the VRT
    files : (name of a file in the same folder, its bands)
    numbers : how all of them store numbers
    """
    rows, cols = grid.shape
    size = {"xOff": "0", "yOff": "0", "xSize": str(cols), "ySize": str(rows)}
    top = ElementTree.Element("VRTDataset", rasterXSize=str(cols), rasterYSize=str(rows))
    _child(top, "SRS", CRS.from_user_input(grid.crs).to_wkt())
    _child(top, "GeoTransform", ", ".join(repr(value) for value in grid.transform.to_gdal()))
    numbers_of_bands = iter(range(1, 1 + sum(len(bands) for _, bands in files)))
    for name, bands in files:
        for at, band in enumerate(bands, 1):
            entry = ElementTree.SubElement(
                top, "VRTRasterBand", dataType=_gdal_type(numbers.dtype), band=str(next(numbers_of_bands))
            )
            _child(entry, "Description", band.description)
            _child(entry, "NoDataValue", f"{numbers.nodata:g}")
            _child(entry, "Offset", "0")
            _child(entry, "Scale", repr(numbers.scale))
            source = ElementTree.SubElement(entry, "SimpleSource")
            _child(source, "SourceFilename", name, relativeToVRT="1")
            _child(source, "SourceBand", str(at))
            ElementTree.SubElement(source, "SrcRect", size)
            ElementTree.SubElement(source, "DstRect", size)
    ElementTree.indent(top)
    path.write_text(ElementTree.tostring(top, encoding="unicode") + "\n", encoding="utf-8")


def _child(parent, name, text, **attributes):
    ElementTree.SubElement(parent, name, attributes).text = text


def _gdal_type(dtype: DTypeLike) -> str:
    return {"uint16": "UInt16", "float32": "Float32"}[str(dtype)]
