"""A raster's pixels in another CRS, or north up where the file is turned."""

import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from glc.rasters import pixels
from glc.rasters.files import alpha


def in_one_piece(source: DatasetReader, crs: str) -> bool:
    """Whether an open raster can be warped to `crs` without being torn at 180°, or stretched near a pole."""
    wanted = CRS.from_user_input(crs)
    if wanted == source.crs or not wanted.is_geographic:
        return True
    with WarpedVRT(source, crs=crs) as vrt:
        return pixels.fits_degrees(source, -vrt.transform.e)


def warped(source: DatasetReader, crs: str, nodata: float | None, *, categorical: bool) -> WarpedVRT:
    """A view of an open raster in `crs`, north up.

    nodata : of files that declare none; None: there is none
    categorical : whether its bands are codes, of which the nearest is taken; others are interpolated
    """
    nodata = source.nodata if source.nodata is not None else nodata
    # without nodata, what the warp does not reach would read as zero: an alpha band tells it apart
    gaps = {"add_alpha": not alpha(source)} if nodata is None else {"src_nodata": nodata, "nodata": nodata}
    resampling = Resampling.nearest if categorical else Resampling.bilinear
    return WarpedVRT(source, crs=crs, resampling=resampling, **gaps, **_upright(source, crs))


def mixes(source: DatasetReader, crs: str) -> bool:
    """Whether a pixel of `warped` is a mixture of several of its source."""
    return bool(CRS.from_user_input(crs) != source.crs or source.transform.b or source.transform.d)


def _upright(source, crs):
    """Options of a `WarpedVRT` to `crs` that only flips or turns its source; none where pixels must be resampled."""
    if CRS.from_user_input(crs) != source.crs:
        return {}
    own = source.transform
    if own.b or own.d:
        # GDAL would take a turned raster of 40 x 50 for one of another resolution, and blur it
        return {"XSCALE": 1, "YSCALE": 1}
    # GDAL itself leaves east in the west; the pixels are the same ones, in another order
    west, north = min(own.c, own.c + own.a * source.width), max(own.f, own.f + own.e * source.height)
    transform = rasterio.Affine(abs(own.a), 0, west, 0, -abs(own.e), north)
    return {"transform": transform, "width": source.width, "height": source.height}
