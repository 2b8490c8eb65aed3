"""Any box of a grid as floats, and the means and shares of its pixels.

A box may hang over the grid's edge: what is beyond has no value, as nodata has none. Values that cannot be are nodata,
whatever the file declares: infinite ones and those beyond 1e30, those beyond the limits of the covariate, and, where no
nodata is declared, the numbers that usually mean it (`FILLS`). So are pixels of a warped raster that such a value may
be mixed into.
"""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy.ndimage import binary_dilation

from glc.errors import DataError
from glc.rasters import warp
from glc.rasters.files import all_values, alpha, opened
from glc.rasters.grids import Band, Grid, value_type

FILLS = (-9999, -99_999, -999_999, -32_767, -32_768, -2_147_483_647, -2_147_483_648)
"""Numbers that files without a declared nodata have in its place."""
LARGEST = 1e30
"""Of any value: the lowest float32, -3.4e38, is a nodata that headers round."""
_MEAN_PIXELS = 4_000_000
_MIXED = 2  # pixels from its source that a bilinear warp may take part of a value


class Impossible(NamedTuple):
    """Values of a band that cannot be: how many, of how many pixels, and one of them."""

    pixels: int
    of: int
    example: float


class Reader:
    """The files of a grid, open inside a ``with``.

    raw : for whom counts what cannot be (`glc.etl.cleaning`): values beyond the limits of a band are left as they are,
        and those that cannot be of any are infinite; both are valid
    """

    def __init__(self, grid: Grid, *, raw: bool = False) -> None:
        self.grid, self.raw = grid, raw
        self._mixed = False
        self._impossible: dict[int, tuple[int, float]] = {}  # of the bands that were read, since `means` began
        self._stack = contextlib.ExitStack()
        self._sources: dict[str, DatasetReader] = {}
        self.files: dict[str, tuple[list[int], list[Band]]] = {}
        """Path -> numbers of the grid's bands that it has a part of, and its own bands, in the same order."""
        for number, band in enumerate(grid.bands):
            for member in band.months or (band,):
                numbers, members = self.files.setdefault(member.path, ([], []))
                numbers.append(number)
                members.append(member)
        self.impossible: dict[int, Impossible] = {}
        """Number of a band, from 0 -> what `means` found there that cannot be."""
        self._plain = len(self.files) == 1 and not any(band.months for band in grid.bands)  # nothing to put together

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for path, (_, bands) in self.files.items():
                self._sources[path], mixed = _opened(path, self.grid, bands, stack)
                self._mixed |= mixed
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
            (path, (numbers, members)), *_ = self.files.items()
            return self._read(self._sources[path], numbers, members, Window(left, top, width, height))
        values = np.zeros((len(self.grid.bands), height, width), value_type(self.grid.bands))
        valid = np.zeros(values.shape, bool)
        above, before = max(0, -top), max(0, -left)
        high, wide = min(top + height, rows) - top - above, min(left + width, cols) - left - before
        if high > 0 and wide > 0:
            inside = (slice(above, above + high), slice(before, before + wide))
            window = Window(left + before, top + above, wide, high)
            seen = set()
            for path, (numbers, members) in self.files.items():
                read = self._read(self._sources[path], numbers, members, window)
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

    def _read(self, source, numbers, bands, window):
        """Values and which are valid of a window of a file; `numbers` : of its `bands` in the grid."""
        margin = self._margins(window)
        values, valid, strange = self._values(source, bands, _wider(window, margin))
        core = (slice(margin[0], margin[0] + window.height), slice(margin[1], margin[1] + window.width))
        for i, (number, band) in enumerate(zip(numbers, bands, strict=True)):
            count = np.count_nonzero(strange[i][core]) if strange[i] is not None else 0
            if count:
                first = values[i][core][strange[i][core]][0]
                before, example = self._impossible.get(number, (0, float(first)))
                self._impossible[number] = before + count, example
            if strange[i] is None:
                continue
            near = strange[i]
            if self._mixed and not band.classes:
                near = binary_dilation(near, np.ones((2 * _MIXED + 1,) * 2, bool))
            if self.raw:
                values[i][near & ~(strange[i] & (np.abs(values[i]) <= LARGEST))] = np.inf
            else:
                valid[i] &= ~near
        return values[:, *core], valid[:, *core]

    def _margins(self, window):
        """Pixels around a window that have a say in what is valid: above, before it, below, behind it."""
        if not self._mixed:
            return 0, 0, 0, 0
        rows, cols = self.grid.shape
        ends = rows - window.row_off - window.height, cols - window.col_off - window.width
        return tuple(min(_MIXED, room) for room in (window.row_off, window.col_off, *ends))

    def _values(self, source, bands, window):
        """Values, which of them are valid, and of each band which cannot be, or None, of a window of a file."""
        indexes = [band.index for band in bands]
        raw = source.read(indexes, window=window)
        scaled = any((source.scales[index - 1], source.offsets[index - 1]) != (1, 0) for index in indexes)
        values = raw.astype(value_type(self.grid.bands), copy=scaled)
        valid = np.ones(raw.shape, bool)
        mask = alpha(source)
        shown = source.read(mask, window=window) > 0 if mask else True
        strange: list[np.ndarray | None] = []
        for i, band in enumerate(bands):
            nodata = source.nodatavals[band.index - 1]
            nodata = self.grid.nodata if nodata is None else nodata
            if nodata is not None:
                np.not_equal(raw[i], raw.dtype.type(nodata) if raw.dtype.kind == "f" else nodata, out=valid[i])
            elif not mask and source.mask_flag_enums[band.index - 1] != [MaskFlags.all_valid]:
                valid[i] = source.read_masks(band.index, window=window) > 0
            valid[i] &= shown
            scale, offset = source.scales[band.index - 1], source.offsets[band.index - 1]
            if (scale, offset) != (1, 0):
                values[i] = values[i] * scale + offset
            if band.classes:
                valid[i] &= np.isin(raw[i], band.classes)
                strange.append(None)
                continue
            impossible = self._cannot_be(raw[i], values[i], band, nodata)
            impossible = None if impossible is None else impossible & valid[i]
            strange.append(impossible if impossible is not None and impossible.any() else None)
        if raw.dtype.kind == "f" and not _all_finite(values):  # integers are finite
            valid &= ~np.isnan(values)
        return values, valid, strange

    def _cannot_be(self, raw, values, band, nodata):
        """Which values of a band cannot be, or None where none is; in a raw reader those of no band become infinite."""
        strange = None
        if raw.dtype.kind == "f" and not (values.min() >= -LARGEST and values.max() <= LARGEST):
            strange = np.abs(values) > LARGEST
        if nodata is None and raw.dtype.kind != "u" and raw.min(initial=0) <= FILLS[0]:
            fills = np.isin(raw, FILLS)
            strange = fills if strange is None else strange | fills
        if strange is not None and self.raw:
            values[strange] = np.inf
        low, high = band.limits
        if band.beyond is None:
            if np.isfinite(band.limits).any():
                outside = (values < low) | (values > high)
                strange = outside if strange is None else strange | outside
        elif not self.raw:
            below, above = (
                (np.greater_equal(values, -LARGEST) & (values < low)),
                ((values <= LARGEST) & (values > high)),
            )
            values[below], values[above] = band.beyond
        return strange

    def means(self) -> np.ndarray:
        """Mean of each band's valid values, (bands,) float64: over all blocks of a small raster.

        Of a large one over blocks that are evenly spread and make 4 million pixels. For categorical bands there are
        `shares`. A DataError names a band without a valid pixel.
        """
        total, count, pixels = np.zeros(len(self.grid.bands)), np.zeros(len(self.grid.bands)), 0
        self._impossible.clear()
        for values, valid in self._sample():
            pixels += valid[0].size
            total += np.where(valid, values, 0).sum(axis=(1, 2), dtype=float)
            count += valid.sum(axis=(1, 2))
        for band, valid_pixels in zip(self.grid.bands, count, strict=True):
            if not valid_pixels:
                raise DataError(
                    f"{band.path}: band {band.index} has no valid pixel among those tried; are its "
                    "nodata value, its classes and the file as they should be?"
                )
        self.impossible = {
            number: Impossible(strange, pixels, example) for number, (strange, example) in self._impossible.items()
        }
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


def _wider(window, margin):
    above, before, below, behind = margin
    return Window(
        window.col_off - before, window.row_off - above, window.width + before + behind, window.height + above + below
    )


def _opened(path: str, grid: Grid, bands: Sequence[Band], stack: contextlib.ExitStack) -> tuple[DatasetReader, bool]:
    """An open file of a grid, and whether its pixels are mixtures of several of the file's."""
    source = stack.enter_context(opened(path))
    if alpha(source) in {band.index for band in bands}:
        source = stack.enter_context(all_values(source))
    if not grid.warped:
        return source, False
    mixed = warp.mixes(source, grid.crs)
    categorical = any(band.classes for band in bands)
    return stack.enter_context(warp.warped(source, grid.crs, grid.nodata, categorical=categorical)), mixed
