"""The pixel grids of a covariate's GeoTIFFs: which bands share one, and where a place falls.

Files in another CRS than the covariate's, and files that are turned, are warped on reading (`glc.rasters.reader`);
but those whose ground no grid in degrees has in one piece keep their own CRS (`glc.rasters.warp.in_one_piece`).
"""

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import ArrayLike
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError

from glc.covariates._base import Raster, column_name, limits_of, natural
from glc.errors import DataError
from glc.rasters import files, pixels, warp
from glc.rasters.files import opened, refuse_unplaced
from glc.types import StrPath

_COMMON_GROUND = 0.5
"""Share of the smaller raster's places that variables of one covariate have in common, at least."""


@dataclass(frozen=True)
class Band:
    """One band of a file: `index` counts from 1; `classes` are its codes where it is categorical.

    months : of a year's mean, the bands that it is the mean of; its own path and index are those of the first
    limits, beyond : lowest and highest possible value, and what replaces others, as of a `glc.covariates.Raster`
    """

    name: str
    path: str
    index: int
    dtype: str
    classes: tuple[int, ...] = ()
    months: tuple["Band", ...] = ()
    limits: tuple[float, float] = (-np.inf, np.inf)
    beyond: tuple[float, float] | None = None


@dataclass(frozen=True)
class Grid:
    """Bands that share their pixels: a size, a transform and a CRS; `warped` where the files have another.

    shape : (rows, cols); block : (rows, cols) that the file stores together; nodata : as declared, or None
    area : which area of the covariate the files are of, where their names tell (`glc.covariates.Raster`)
    """

    bands: tuple[Band, ...]
    shape: tuple[int, int]
    block: tuple[int, int]
    transform: rasterio.Affine
    crs: str
    warped: bool
    nodata: float | None
    area: str = ""

    @property
    def files(self) -> list[str]:
        """Paths of the files that its bands are read from, each once."""
        return list(dict.fromkeys(member.path for band in self.bands for member in band.months or (band,)))

    def pixels(self, lon: ArrayLike, lat: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns, (n,) int64 each, of places in degrees; -1 where a place is not on the grid."""
        return pixels.of_places(self.crs, self.transform, self.shape, lon, lat)

    @property
    def columns_around(self) -> int:
        """Columns that go once around the Earth, so that the first is the next one; 0 where they do not."""
        return pixels.columns_around(self.crs, self.transform, self.shape)


def find(covariate: Raster, folders: Iterable[StrPath]) -> list[Grid]:
    """The grids of a `glc.covariates.Raster` in `folders`: files that share their pixels are one grid.

    Bands of several areas that are called the same are one variable; the grids of the first area come first.
    A DataError names a file that cannot be opened, has no CRS, or does not have the declared bands, files side by side
    that are parts of one raster, and a variable that one of the areas lacks.
    """
    groups, numbers = {}, {}
    paths = covariate.find(folders)
    for path in paths:
        area = covariate.area_of(path)[1]
        grid, bands = _describe(path, covariate, numbers.setdefault(area, 0))
        numbers[area] += len(bands)
        groups.setdefault((*grid, area), []).extend(bands)
    _check_joined([Grid(tuple(bands), *grid) for grid, bands in groups.items()], covariate)
    for number in numbers.values():
        if covariate.bands and number != len(covariate.bands):
            raise DataError(
                f"{paths[0]}: {len(paths)} file(s) of covariate {covariate.name!r} have {number} bands, expected "
                f"{len(covariate.bands)}: {', '.join(covariate.bands)}; is it another product?"
            )
    grids = [Grid(_yearly(bands, covariate), *grid) for grid, bands in groups.items()]
    order = ["", *covariate.areas]
    grids = sorted(_named(grids, covariate), key=lambda grid: order.index(grid.area))
    grids = [replace(grid, bands=tuple(_limited(band, covariate) for band in grid.bands)) for grid in grids]
    _check_areas(grids, covariate)
    return grids


def check_cover(covariate: Raster, grids: Sequence[Grid], lon: ArrayLike, lat: ArrayLike) -> None:
    """Raise a DataError when none of the places, degrees, is on any of a covariate's `grids`."""
    lon, lat = np.asarray(lon, float), np.asarray(lat, float)
    if not len(lon) or any((grid.pixels(lon, lat)[0] >= 0).any() for grid in grids):
        return
    path = grids[0].bands[0].path
    with opened(path) as file:
        crs, (west, south, east, north) = file.crs, pixels.degrees_of(file.crs, file.transform, file.shape)
    raise DataError(
        f"{path}: covariate {covariate.name!r} covers none of the surveys: its pixels (CRS {crs}) "
        f"span lon {west:.4g} to {east:.4g}, lat {south:.4g} to {north:.4g}, the surveys lon {lon.min():.4g} to "
        f"{lon.max():.4g}, lat {lat.min():.4g} to {lat.max():.4g}; give the raster of the surveys' area, or correct "
        "its CRS: gdal_edit.py -a_srs EPSG:CODE FILE"
    )


def projected(grids: Sequence[Grid]) -> dict[str, str]:
    """The first file of each of the `grids` whose files have another CRS than EPSG:4326: path -> that CRS."""
    crs_of = {}
    for path in dict.fromkeys(grid.files[0] for grid in grids):
        with opened(path) as file:
            if file.crs != CRS.from_epsg(4326):
                crs_of[path] = file.crs.to_string()
    return crs_of


def columns(grids):
    """The variables of `grids`: {name: [(number of the grid, number of its band)]}, one for each area."""
    by_name = {}
    for number, grid in enumerate(grids):
        for at, band in enumerate(grid.bands):
            by_name.setdefault(band.name, []).append((number, at))
    return by_name


def _check_joined(grids, covariate):
    """Refuse files of one area that lie side by side: each would be a variable, unknown where the others are."""
    for grid, other in combinations(grids, 2):
        if grid.area != other.area or max(_share(grid, other), _share(other, grid)) >= _COMMON_GROUND:
            continue
        (first, *_), (second, *_), count = grid.files, other.files, sum(len(each.files) for each in grids)
        raise DataError(
            f"{first}: covariate {covariate.name!r} has {count} files, and this one and {second} lie side by side; "
            f"expected one file per variable for the whole area; join them, each variable by itself: gdalwarp {first} "
            f"{second} JOINED.tif (or gdal_merge.py -o JOINED.tif), and keep JOINED.tif in the place of its parts"
        )


def _share(grid, other):
    """Share of the places on a grid that are on another one too."""
    lon, lat = pixels.places_on(grid.crs, grid.transform, grid.shape)
    return (other.pixels(lon, lat)[0] >= 0).mean() if len(lon) else 1.0


def _check_areas(grids, covariate):
    known = {}
    for grid in grids:
        known.setdefault(grid.area, {}).update({band.name: band.path for band in grid.bands})
    for name in columns(grids):
        lack = [area for area, bands in known.items() if name not in bands]
        if lack:
            path = next(bands[name] for bands in known.values() if name in bands)
            raise DataError(
                f"{path}: {name!r} of covariate {covariate.name!r} is here, but not in any file of "
                f"{lack[0] or 'no area'}; expected the same variables of each area "
                f"({', '.join(area or 'no area' for area in known)}; areas that a file's name may end in: "
                f"{', '.join(covariate.areas)}); add the file, or move the others of its area away"
            )


def value_type(bands):
    """float32 where it holds all values of the bands' types exactly, else float64."""
    return np.result_type(np.float32, *(np.dtype(band.dtype) for band in bands))


def _limited(band, covariate):
    """A band with the limits that its covariate declares for its name."""
    if band.classes:
        return band
    own = {"limits": limits_of(covariate.limits, band.name), "beyond": covariate.beyond}
    return replace(band, **own, months=tuple(replace(month, **own) for month in band.months))


def _describe(path, covariate, number):
    nodata = covariate.nodata_of(path)
    try:
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(opened(path))
            refuse_unplaced(path, source)
            mask = files.alpha(source)
            if mask and not files.is_mask(source, mask):
                mask, source = None, stack.enter_context(files.all_values(source))
            turned = source.transform.b or source.transform.d or source.transform.e > 0 or source.transform.a < 0
            crs = covariate.crs or source.crs.to_string()
            if not warp.in_one_piece(source, crs):
                crs = source.crs.to_string()
            warped = bool(turned) or CRS.from_user_input(crs) != source.crs
            bands, (label, area) = [], covariate.area_of(path)
            for index in source.indexes:
                if index == mask:
                    continue
                scaled = (source.scales[index - 1], source.offsets[index - 1]) != (1, 0)
                dtype = "float32" if scaled and source.dtypes[index - 1] != "float64" else source.dtypes[index - 1]
                classes = tuple(covariate.classes.get(number + index, ()))
                own = None if area else source.descriptions[index - 1]  # the file's name tells the variable
                name = own or (label if source.count - bool(mask) == 1 else f"{label}_{index}")
                bands.append(Band(column_name(name), str(path), index, dtype, classes))
            shape, block, transform = source.shape, source.block_shapes[0], source.transform
            if warped:
                with warp.warped(source, crs, nodata, categorical=any(band.classes for band in bands)) as vrt:
                    shape, block, transform = vrt.shape, vrt.block_shapes[0], vrt.transform
            return (tuple(shape), tuple(block), transform, crs, warped, nodata), bands
    except RasterioIOError as error:
        raise DataError(f"{path}: cannot be opened as a raster: {error}; expected a GeoTIFF; copy it again") from error


def _yearly(bands, covariate):
    """`bands` of one grid, those of a year's twelve months joined to one; a DataError names a month that is missing."""
    if not covariate.monthly:
        return tuple(bands)
    years, joined = {}, []
    for band in bands:
        month = re.fullmatch(covariate.monthly, Path(band.path).stem)
        if month:
            years.setdefault((month["variable"], month["year"]), []).append((int(month["month"]), band))
        else:
            joined.append(band)
    for names, months in years.items():
        numbers, members = zip(*sorted(months, key=lambda month: month[0]), strict=True)
        if numbers != tuple(range(1, 13)):
            raise DataError(
                f"{members[0].path}: found months {', '.join(map(str, numbers))} of {' '.join(names)} with these "
                "pixels, expected 1 to 12, each once; add or remove files, or warp them to one grid"
            )
        first = replace(members[0], name="_".join(names), dtype=value_type(members).name)
        joined.append(replace(first, months=members))
    return tuple(joined)


def _named(grids, covariate):
    """The grids with the declared band names, or with files' names where bands of two files are called the same."""
    bands = [band for grid in grids for band in grid.bands]
    areas = [grid.area for grid in grids for _ in grid.bands]
    names = [band.name for band in bands]
    if covariate.bands:
        for area in dict.fromkeys(areas):
            mine = [i for i in range(len(bands)) if areas[i] == area]
            order = sorted(mine, key=lambda i: (natural(bands[i].path), bands[i].index))
            for name, i in zip(covariate.bands, order, strict=True):
                names[i] = name
    elif len(set(zip(areas, names, strict=True))) < len(names):
        names = [column_name(f"{covariate.area_of(band.path)[0].split('.')[0]}_{band.name}") for band in bands]
    if len(set(zip(areas, names, strict=True))) < len(names):
        raise DataError(f"{bands[0].path}: bands of covariate {covariate.name!r} share a name: {sorted(names)}")
    renamed = iter(names)
    return [replace(grid, bands=tuple(replace(band, name=next(renamed)) for band in grid.bands)) for grid in grids]
