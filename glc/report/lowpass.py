"""A raster window and its one- and two-dimensional low-pass: why tiles are compressed by rows and columns.

The paper's Figure 5 on any raster: (a) the pixels, (b) the first coefficients of the DCT of all pixels in one row, (c)
the first block x block coefficients of the two-dimensional DCT (Miyaguchi et al. 2024, section 4.2).

python -m glc.report.lowpass RASTER OUT.png [--band B --at LON,LAT --size N --block K --terms T]
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows
from scipy import fft

from glc import dct
from glc.errors import ConfigError, DataError, run_command
from glc.rasters import pixels
from glc.rasters.files import opened
from glc.report.figures import picture
from glc.report.place import parse_place


@dataclass(frozen=True)
class Window:
    """Pixels of one band: (size, size) float64, north-up as the file is; `valid` tells them from filled nodata."""

    pixels: np.ndarray
    valid: np.ndarray
    row: int
    col: int


def read(raster, band=1, at=None, size=128):
    """Cut a window of `size` x `size` pixels out of one band; scale and offset are applied, nodata becomes the mean.

    at : (lon, lat) of the middle pixel, the raster's own middle when None; near an edge the window is moved inside
    """
    if not Path(raster).is_file():
        raise DataError(f"{raster}: no such file; expected a GeoTIFF")
    try:
        file = opened(raster)
    except rasterio.RasterioIOError as error:
        raise DataError(f"{raster}: not a GeoTIFF that can be read: {error}") from error
    with file:
        if not 1 <= band <= file.count:
            raise ConfigError(f"{raster}: no band {band}; expected 1 to {file.count}")
        if not 1 <= size <= min(file.shape):
            raise ConfigError(f"{raster}: size={size}, expected 1 to {min(file.shape)}, the raster's shorter side")
        middle = (file.height // 2, file.width // 2) if at is None else _pixel(file, raster, *at)
        row, col = (
            min(max(m - size // 2, 0), side - size) for m, side in zip(middle, (file.height, file.width), strict=True)
        )
        window = rasterio.windows.Window(col, row, size, size)
        pixels = file.read(band, window=window, masked=True).astype(float)
        pixels = np.ma.masked_invalid(pixels) * file.scales[band - 1] + file.offsets[band - 1]
    valid = ~np.ma.getmaskarray(pixels)
    if not valid.any() or np.ptp(pixels.compressed()) == 0:
        fault = "all pixels equal" if valid.any() else "nodata only"
        raise DataError(
            f"{raster}: rows {row} to {row + size - 1}, columns {col} to {col + size - 1} of band {band}: "
            f"found {fault}, expected a picture; choose another place (--at) or a larger size (--size)"
        )
    return Window(pixels.filled(pixels.mean()), valid, row, col)


def _pixel(file, raster, lon, lat):
    if file.crs is None:
        raise DataError(
            f"{raster}: has no CRS, so no place can be found on it; try: gdal_edit.py -a_srs EPSG:4326 FILE"
        )
    row, col = (int(index[0]) for index in pixels.of_places(file.crs, file.transform, file.shape, [lon], [lat]))
    if row < 0:
        west, south, east, north = pixels.degrees_of(file.crs, file.transform, file.shape)
        raise DataError(
            f"{raster}: lon {lon:g}, lat {lat:g} is not on it; expected lon {west:.4g} to {east:.4g}, "
            f"lat {south:.4g} to {north:.4g}"
        )
    return row, col


def low_pass_1d(tiles, terms=50):
    """Tiles (..., row, col) read row by row as one series each, of which the first `terms` of the DCT-II are kept."""
    pixels = tiles.shape[-2] * tiles.shape[-1]
    if not 1 <= terms <= pixels:
        raise ConfigError(f"terms={terms}: expected 1 to {pixels:,}, the pixels of a tile")
    # not `dct.compress_1d`: the basis of so long a series takes `terms` times the memory of the tile
    coeffs = fft.dct(tiles.reshape(*tiles.shape[:-2], pixels), norm="ortho")
    coeffs[..., terms:] = 0
    return fft.idct(coeffs, norm="ortho").reshape(tiles.shape)


def psnr(tiles, approximations, peak):
    """Peak signal-to-noise ratio in dB of each tile, (..., row, col) twice to (...); inf where the two are equal.

    peak : the range of the pixels, such as 255 for bytes
    """
    error = np.square(np.asarray(tiles, float) - np.asarray(approximations, float)).mean(axis=(-2, -1))
    with np.errstate(divide="ignore"):
        return 20 * np.log10(peak) - 10 * np.log10(error)


def draw(window, out, block=8, terms=50, title=""):
    """Write the three pictures to `out` (.png, .svg, .pdf); return the PSNR in dB of the 1-D and 2-D low-pass.

    The peak is the range of the window's pixels; nodata is left out of the PSNR and blank in all three.
    """
    out = Path(out)
    flat, square = low_pass_1d(window.pixels, terms), dct.low_pass(window.pixels, block)
    known = window.pixels[window.valid]
    kept = [float(psnr(known[None], shown[window.valid][None], np.ptp(known))) for shown in (flat, square)]
    panels = {
        f"(a) {title}" if title else "(a) pixels": window.pixels,
        f"(b) 1-D DCT, {terms} coefficients, {kept[0]:.1f} dB": flat,
        f"(c) 2-D DCT, {block} × {block} coefficients, {kept[1]:.1f} dB": square,
    }
    with picture(out, (10.5, 3.6)) as figure:
        axes = figure.subplots(1, 3)
        for ax, (name, shown) in zip(axes, panels.items(), strict=True):
            drawn = ax.imshow(
                np.ma.array(shown, mask=~window.valid), vmin=known.min(), vmax=known.max(), interpolation="nearest"
            )
            ax.set_title(name)
            ax.set_xticks([])
            ax.set_yticks([])
        figure.colorbar(drawn, ax=axes, shrink=0.85)
    return kept


def main(arguments=None):
    """Draw the comparison and print what the two keep."""
    parser = argparse.ArgumentParser(prog="python -m glc.report.lowpass", description=__doc__.splitlines()[0])
    parser.add_argument("raster", help="a GeoTIFF")
    parser.add_argument("out", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--band", type=int, default=1, help="counted from 1 (default: %(default)s)")
    parser.add_argument(
        "--at", type=parse_place, metavar="LON,LAT", help="the middle, degrees; in the west: --at=-3.7,40.4"
    )
    parser.add_argument("--size", type=int, default=128, help="side in pixels (default: %(default)s)")
    parser.add_argument("--block", type=int, default=8, help="2-D coefficients per axis (default: %(default)s)")
    parser.add_argument(
        "--terms", type=int, default=50, help="1-D coefficients; block² is the same budget (default: the paper's 50)"
    )
    chosen = parser.parse_args(arguments)
    if not chosen.raster:
        raise ConfigError("RASTER: found nothing, expected a GeoTIFF; try: make low-pass RASTER=FILE.tif")
    window = read(chosen.raster, chosen.band, chosen.at, chosen.size)
    title = f"{Path(chosen.raster).name}, band {chosen.band}"
    flat, square = draw(window, chosen.out, chosen.block, chosen.terms, title)
    last = chosen.size - 1
    print(f"rows {window.row} to {window.row + last}, columns {window.col} to {window.col + last}; ", end="")
    print(f"{window.valid.mean():.0%} of the pixels are valid")
    print(
        f"PSNR: 1-D, {chosen.terms} coefficients: {flat:.2f} dB; 2-D, {chosen.block**2} coefficients: {square:.2f} dB"
    )
    print(chosen.out)


if __name__ == "__main__":
    run_command(main)
