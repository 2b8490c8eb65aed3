"""GeoTIFFs made for tests, and what a tile of one must be."""

import numpy as np
import rasterio
from rasterio.transform import from_origin

from glc.covariates import Raster
from glc.rasters import grids


def geotiff(path, bands, *, step=0.01, west=5.0, north=45.0, crs="EPSG:4326", nodata=None, names=(), **layout):
    """Write (bands, rows, cols) as a GeoTIFF with its north-west corner at (west, north); return the path."""
    bands = np.asarray(bands)
    count, height, width = bands.shape
    transform = layout.pop("transform", from_origin(west, north, step, step))
    scales, offsets = layout.pop("scales", None), layout.pop("offsets", None)
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype, "nodata": nodata, "crs": crs}
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **profile, **layout) as file:
        file.write(bands)
        if names:
            file.descriptions = tuple(names)
        if scales:
            file.scales, file.offsets = scales, offsets
    return path


def window(path, band, lon, lat, size, nodata=None):
    """(pixels, valid, flag) of a place as rasterio reads them, one window alone."""
    with rasterio.open(path) as source:
        row, col = source.index(lon, lat)
        if not (0 <= row < source.height and 0 <= col < source.width):
            return np.zeros((size, size)), np.zeros((size, size), bool), "outside"
        half, shape = size // 2, source.shape
        top, left = row - half, col - half
        rows, cols = (max(top, 0), min(top + size, shape[0])), (max(left, 0), min(left + size, shape[1]))
        data = source.read(band, window=(rows, cols))
        nodata = source.nodata if nodata is None else nodata
    known = np.ones(data.shape, bool) if nodata is None else data != nodata
    inside = half <= row <= shape[0] - size + half and half <= col <= shape[1] - size + half
    pad = ((rows[0] - top, top + size - rows[1]), (cols[0] - left, left + size - cols[1]))
    return np.pad(data, pad), np.pad(known, pad), "ok" if inside else "edge"


def find(path, **declared):
    """The grids of a covariate whose file is `path`."""
    return grids.find(Raster("test", patterns=(path.name,), **declared), [path.parent])
