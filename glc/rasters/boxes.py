"""What becomes of a box of pixels of one grid: the columns of its bands, for all windows in it at once.

Rules: pixels beyond the raster's edge count as nodata, but that a raster in degrees that spans the whole globe goes on
across its western and eastern edges; nodata takes the value of the nearest valid pixel within half a tile, else the
band's mean (of a categorical band: the shares of its classes, or its commonest class).
"""

import contextlib
from dataclasses import dataclass

import numpy as np
from rasterio.errors import RasterioIOError

from glc.errors import ConfigError
from glc.rasters import grids, windows
from glc.rasters.reader import Impossible, Reader


@dataclass(frozen=True)
class Column:
    """A column of the tiles: its name, the number of its band, and `codes` where it tells of single classes.

    kind : map (coefficients or pixels of one plane), fractions (the share of each code), centre (the survey's pixel)
    length, dtype : of its lists
    """

    name: str
    band: int
    kind: str
    codes: tuple[int | None, ...]
    length: int
    dtype: type


class Boxes:
    """Reads boxes of a `grids.Grid` and makes tiles of `size` pixels: `block` coefficients per axis, or ``full``."""

    def __init__(self, grid, classes_as, size, block):
        self.grid, self.size, self.reach = grid, size, size // 2
        self.full, self.block = block == "full", block
        self.around = grid.columns_around
        self.columns = [column for i in range(len(grid.bands)) for column in self._columns(i, classes_as)]
        # (band, code) of each plane that a box is spread to; a code's plane is zeros and ones
        self.planes = [(column.band, code) for column in self.columns for code in column.codes]
        self.spread = any(code is not None for _, code in self.planes)
        self.impossible: dict[str, Impossible] = {}
        """Name of a band -> its values that cannot be, among the pixels that its mean is of."""
        self.means = self._means()
        self.gaps = False  # in the box that was read last

    def tiles(self, reader, top, left):
        """Tiles of windows, (n,) top left pixels of the grid: {name: (n, length)}, {name: (n,) share of valid pixels}.

        All of them are read as one box, with what lies around it where something has to be filled.
        """
        first, last = np.array([top.min(), left.min()]), np.array([top.max(), left.max()]) + self.size
        start, stop = self._surroundings(first, last)
        core = tuple(slice(*map(int, ends)) for ends in zip(first - start, last - start, strict=True))
        around = None
        if self.gaps:  # where one box has gaps, the next has too: both are read at once
            with contextlib.suppress(RasterioIOError):  # damage around windows that are whole does not matter
                around = self._box(reader, *map(int, start), *map(int, stop - start))
        if around is None:
            values, valid = self._box(reader, *map(int, first), *map(int, last - first))
        else:
            values, valid = (array[:, *core] for array in around)
        self.gaps = not valid.all()
        masks = windows.distinct(valid)
        shares = {i: windows.fractions(valid[i], top - first[0], left - first[1], self.size) for i in set(masks)}
        shares = {column.name: shares[masks[column.band]] for column in self.columns}
        if not self.gaps:
            start, core = first, (slice(None), slice(None))
        else:
            values, valid = around or self._box(reader, *map(int, start), *map(int, stop - start))
            if not valid.any():  # most of a sea, at no cost
                return {name: np.repeat(tile, len(top), axis=0) for name, tile in self.flat().items()}, shares
            masks = windows.distinct(valid)
        top, left = top - start[0], left - start[1]
        if self.spread:
            made = np.empty((len(self.planes), *values.shape[1:]), values.dtype)
            for plane, (band, code) in zip(made, self.planes, strict=True):
                plane[:] = values[band] if code is None else values[band] == code
            values, masks = made, [masks[band] for band, _ in self.planes]
        windows.fill(values, valid, masks, self.means, self.reach, core)
        return self._made(values, top, left), shares

    def _surroundings(self, first, last):
        """Corners of the box from `first` to `last` with what lies around it, from where gaps are filled."""
        start, stop = first - self.reach, last + self.reach
        ends = slice(1 if self.around else 2)  # beyond an edge that does not go on there is nothing to look for
        start[ends] = np.minimum(first, np.maximum(start, 0))[ends]
        stop[ends] = np.maximum(last, np.minimum(stop, self.grid.shape))[ends]
        return start, stop

    def _box(self, reader, top, left, height, width):
        """`Reader.box`; where the raster spans the globe, columns beyond its edge are those of the other side."""
        if not self.around:
            return reader.box(top, left, height, width)
        cols, parts, col = self.around, [], left
        while col < left + width:
            wide = min(left + width - col, cols - col % cols)
            parts.append(reader.box(top, col % cols, height, wide))
            col += wide
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(arrays, axis=2) for arrays in zip(*parts, strict=True))

    def flat(self):
        """Tiles without a valid pixel: {name: (1, length)} of the band's mean (or commonest class)."""
        mosaic = np.tile(self.means[:, None, None], (1, self.size, self.size))
        corner = np.zeros(1, int)
        return self._made(mosaic.astype(grids.value_type(self.grid.bands)), corner, corner)

    def _made(self, mosaic, top, left):
        tiles, first = {}, 0
        maps = [i for i, column in enumerate(self._by_plane()) if column.kind == "map"]
        if maps:
            part = mosaic if len(maps) == len(mosaic) else mosaic[maps]
            if self.full:
                cut = windows.cut(part, top, left, self.size)
            else:
                cut = windows.compress(part, top, left, self.size, self.block)
        for column in self.columns:
            planes = slice(first, first + len(column.codes))
            if column.kind == "map":
                values = cut[:, maps.index(first)].reshape(len(top), -1)
            elif column.kind == "centre":
                values = mosaic[first, top + self.size // 2, left + self.size // 2][:, None]
            else:  # the first coefficient is the mean times the side
                values = windows.compress(mosaic[planes], top, left, self.size, 1)[..., 0, 0] / self.size
            values = values.round() if np.dtype(column.dtype).kind in "iu" else values
            tiles[column.name] = values.astype(column.dtype, copy=False)
            first = planes.stop
        return tiles

    def _by_plane(self):
        return [column for column in self.columns for _ in column.codes]

    def _columns(self, number, classes_as):
        band = self.grid.bands[number]
        pixel = np.uint8 if band.dtype == "uint8" else grids.value_type([band]).type
        length, dtype = (self.size**2, pixel) if self.full else (self.block**2, np.float32)
        if not band.classes:
            return [Column(band.name, number, "map", (None,), length, dtype)]
        if classes_as == "onehot":
            dtype = np.float32
            return [Column(f"{band.name}_{code}", number, "map", (code,), length, dtype) for code in band.classes]
        if classes_as == "fractions":
            return [Column(band.name, number, "fractions", band.classes, len(band.classes), np.float32)]
        if classes_as == "centre":
            return [Column(band.name, number, "centre", (None,), 1, pixel)]
        if not self.full:
            raise ConfigError(
                f"{band.path}: band {band.name!r} contains class numbers, whose DCT is meaningless; found "
                "classes_as='pixels', expected 'onehot' (a map of each class's share), 'fractions' or 'centre'; or "
                "keep the pixels with block='full'"
            )
        return [Column(band.name, number, "map", (None,), length, dtype)]

    def _means(self):
        with Reader(self.grid) as reader:
            means = reader.means()
            self.impossible = {self.grid.bands[i].name: values for i, values in reader.impossible.items()}
            shares = {i: reader.shares(i) for i, band in enumerate(self.grid.bands) if band.classes}
        for i, share in shares.items():
            means[i] = self.grid.bands[i].classes[int(np.argmax(share))]
        codes = [band.classes for band in self.grid.bands]
        return np.array([means[b] if c is None else shares[b][codes[b].index(c)] for b, c in self.planes])
