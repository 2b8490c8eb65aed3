"""Any box of a grid as floats, and the means and shares of its pixels.

A box may hang over the grid's edge: what is beyond has no value, as nodata has none.
"""

import contextlib
from collections.abc import Sequence
from typing import Self

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from glc.errors import DataError
from glc.rasters import warp
from glc.rasters.grids import Band, Grid, value_type

_MEAN_PIXELS = 4_000_000


class Reader:
    """The files of a grid, open inside a ``with``."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._stack = contextlib.ExitStack()
        self._sources: dict[str, DatasetReader] = {}
        self.files: dict[str, tuple[list[int], list[Band]]] = {}
        """Path -> numbers of the grid's bands that it has a part of, and its own bands, in the same order."""
        for number, band in enumerate(grid.bands):
            for member in band.months or (band,):
                numbers, members = self.files.setdefault(member.path, ([], []))
                numbers.append(number)
                members.append(member)
        self._plain = len(self.files) == 1 and not any(band.months for band in grid.bands)  # nothing to put together

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for path, (_, bands) in self.files.items():
                self._sources[path] = _opened(path, self.grid, bands, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def box(self, top: int, left: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Values and which of them are valid: two arrays (bands, height, width); invalid values are arbitrary.

        The type is float32, or float64 where a band's numbers need it; scale and offset are applied.
        """
        rows, cols = self.grid.shape
        inside = top >= 0 and left >= 0 and top + height <= rows and left + width <= cols
        if inside and self._plain:
            (path, (_, members)), *_ = self.files.items()
            return self._read(self._sources[path], members, Window(left, top, width, height))
        values = np.zeros((len(self.grid.bands), height, width), value_type(self.grid.bands))
        valid = np.zeros(values.shape, bool)
        above, before = max(0, -top), max(0, -left)
        high, wide = min(top + height, rows) - top - above, min(left + width, cols) - left - before
        if high > 0 and wide > 0:
            inside = (slice(above, above + high), slice(before, before + wide))
            window = Window(left + before, top + above, wide, high)
            seen = set()
            for path, (numbers, members) in self.files.items():
                read = self._read(self._sources[path], members, window)
                for number, band_values, band_valid in zip(numbers, *read, strict=True):
                    at = (number, *inside)
                    if number not in seen:
                        values[at], valid[at] = band_values, band_valid
                    else:  # another month of the year
                        values[at] += band_values
                        valid[at] &= band_valid
                    seen.add(number)
            for number, band in enumerate(self.grid.bands):
                if band.months:
                    values[(number, *inside)] /= len(band.months)
        return values, valid

    def _read(self, source, bands, window):
        indexes = [band.index for band in bands]
        raw = source.read(indexes, window=window)
        scaled = any((source.scales[index - 1], source.offsets[index - 1]) != (1, 0) for index in indexes)
        values = raw.astype(value_type(self.grid.bands), copy=scaled)
        valid = np.ones(raw.shape, bool)
        for i, band in enumerate(bands):
            nodata = source.nodatavals[band.index - 1]
            nodata = self.grid.nodata if nodata is None else nodata
            if nodata is not None:
                np.not_equal(raw[i], raw.dtype.type(nodata) if raw.dtype.kind == "f" else nodata, out=valid[i])
            elif self.grid.warped:  # the alpha band; GDAL does not report it as a mask
                valid[i] = source.read(source.count, window=window) > 0
            elif source.mask_flag_enums[band.index - 1] != [MaskFlags.all_valid]:
                valid[i] = source.read_masks(band.index, window=window) > 0
            scale, offset = source.scales[band.index - 1], source.offsets[band.index - 1]
            if (scale, offset) != (1, 0):
                values[i] = values[i] * scale + offset
            if band.classes:
                valid[i] &= np.isin(raw[i], band.classes)
        if raw.dtype.kind == "f" and not _all_finite(values):  # integers are finite
            valid &= np.isfinite(values)
        return values, valid

    def means(self) -> np.ndarray:
        """Mean of each band's valid values, (bands,) float64: over all blocks of a small raster.

        Of a large one over blocks that are evenly spread and make 4 million pixels. For categorical bands there are
        `shares`. A DataError names a band without a valid pixel.
        """
        total, count = np.zeros(len(self.grid.bands)), np.zeros(len(self.grid.bands))
        for values, valid in self._sample():
            total += np.where(valid, values, 0).sum(axis=(1, 2), dtype=float)
            count += valid.sum(axis=(1, 2))
        for band, valid_pixels in zip(self.grid.bands, count, strict=True):
            if not valid_pixels:
                raise DataError(
                    f"{band.path}: band {band.index} has no valid pixel among those tried; are its "
                    "nodata value, its classes and the file as they should be?"
                )
        return total / count

    def shares(self, number: int) -> np.ndarray:
        """Share of each class among the valid pixels of the band of that `number` (from 0): (classes,) float64."""
        classes = self.grid.bands[number].classes
        count = np.zeros(len(classes))
        for values, valid in self._sample():
            pixels = values[number][valid[number]]
            count += [(pixels == code).sum() for code in classes]
        return count / count.sum()

    def _sample(self):
        wide = self.grid.block[1]
        high = min(self.grid.block[0], max(1, _MEAN_PIXELS // wide))  # a file may be one single block
        down, across = -(-self.grid.shape[0] // high), -(-self.grid.shape[1] // wide)
        wanted = max(1, min(down * across, _MEAN_PIXELS // (high * wide)))
        for i in np.unique(np.linspace(0, down * across - 1, wanted).round().astype(int)):
            top, left = i // across * high, i % across * wide
            rows, cols = min(high, self.grid.shape[0] - top), min(wide, self.grid.shape[1] - left)
            with contextlib.suppress(RasterioIOError):  # a damaged block is reported when a survey needs it
                yield self.box(int(top), int(left), int(rows), int(cols))


def _all_finite(values):
    """Whether one pass finds all of `values` finite; if they are but their sum overflows, it does not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def _opened(path: str, grid: Grid, bands: Sequence[Band], stack: contextlib.ExitStack) -> DatasetReader:
    source = stack.enter_context(rasterio.open(path))
    if grid.warped:
        categorical = any(band.classes for band in bands)
        source = stack.enter_context(warp.warped(source, grid.crs, grid.nodata, categorical=categorical))
    return source
