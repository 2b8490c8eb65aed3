"""Tiles of images that are already cut, one file per survey: read, checked, compressed; unreadable ones are reported.

A file that is missing, empty, truncated, of another size or with other channels costs its survey that layer alone: its
bands get their mean over a fixed sample of the survey's fellows, and no pixel of them is valid.
"""

import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from glc import dct
from glc.covariates import Patches
from glc.covariates._base import file_name
from glc.covariates._base import places as places_of
from glc.errors import ConfigError, DataError
from glc.rasters import archives, windows
from glc.rasters.cutter import Cut
from glc.rasters.reader import LARGEST
from glc.types import StrPath

_OK, _MISSING, _CORRUPT = 0, 3, 4  # of rasters.FLAGS
_SAMPLE, _BATCH, _BATCH_PLANES = 64, 256, 1_024
_FILE_BYTES = 1 << 24  # of any image file, however small; larger ones may hold their pixels unpacked, twice
_BLOCK_SIDE = 1024  # of what a file stores together and GDAL decodes at once, however small the image
_UNREADABLE = (OSError, ValueError, RasterioError)
_DRIVERS = {"JPEG": b"\xff\xd8", "PNG": b"\x89PNG", "GTiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")}


class Learned(NamedTuple):
    """What a sample of images tells of all: the mean of each plane, (planes,), and whether all are 8-bit."""

    means: np.ndarray
    all_bytes: bool


class ImageCutter:
    """Cuts the tiles of a `glc.covariates.Patches` found in `folders`; the middle of images larger than `size`.

    columns : name -> (length of its lists, dtype of their values); files : folders and archives that are read
    """

    def __init__(
        self,
        covariate: Patches,
        folders: Sequence[StrPath],
        size: int,
        block: int | Literal["full"],
        sample: pd.DataFrame,
        learned: "Learned | None" = None,
    ) -> None:
        """Look for the folders, and at some of the images.

        sample : frame of all surveys, as in `cut`; some of their images tell each band's type and mean
        learned : these, where they are known from other surveys; `sample` is then not looked at
        """
        self.nodata, self.size = covariate.nodata, size
        self.full, self.block = block == "full", block
        self.folder, self.layers = covariate.find(folders)
        for layer in self.layers:
            if layer.side < size:
                raise ConfigError(
                    f"size={size}: images of covariate {covariate.name!r} are {layer.side} pixels wide; "
                    f"expected at most {layer.side}"
                )
            if covariate.classes and covariate.classes_as == "pixels" and not self.full:
                raise ConfigError(
                    f"covariate {covariate.name!r} contains class numbers, whose DCT is meaningless; keep the pixels "
                    "(block='full', in an experiment block = 0), or take a covariate with one layer per class"
                )
        self.classes = covariate.classes
        self.planes = [covariate.planes(layer) for layer in self.layers]
        self.places = {
            template: places_of(self.folder, template)
            for layer in self.layers
            for group in layer.templates.values()
            for template in group
        }
        self.files = list(dict.fromkeys(str(path) for pairs in self.places.values() for path, _ in pairs))
        self.sources = {}
        self.learned = learned or Learned(*self._means(covariate, sample))
        self.means = self.learned.means
        pixel = np.uint8 if self.learned.all_bytes else np.float32
        length, dtype = (size**2, pixel) if self.full else (self.block**2, np.float32)
        self.columns = {name: (length, dtype) for planes in self.planes for name, *_ in planes}

    def __getstate__(self):
        return self.__dict__ | {"sources": {}}  # open archives stay in their process

    def order(self, places: pd.DataFrame) -> np.ndarray:
        """Row numbers of the frame `places` by dataset and id of the image, as files are."""
        return np.lexsort((_ids(places), places["dataset"]))

    def cut(self, places: pd.DataFrame) -> Cut:
        """Tiles of the frame `places`; returns what `rasters.RasterCutter.cut` does.

        places : dataset, surveyId, and image_id where files are not called by the survey's id
        """
        values = {name: np.empty((len(places), length), dtype) for name, (length, dtype) in self.columns.items()}
        valid = {name: np.zeros(len(places), np.float32) for name in self.columns}
        rank, problems = np.zeros(len(places), np.int8), []
        surveys = list(zip(places["dataset"], _ids(places).tolist(), strict=True))
        first = 0
        for layer, planes in zip(self.layers, self.planes, strict=True):
            bands = range(first, first + len(planes))
            first = bands.stop
            means = self.means[list(bands)].astype(np.float32)
            step = max(1, min(_BATCH, _BATCH_PLANES // len(bands)))
            for start in range(0, len(surveys), step):
                batch = surveys[start : start + step]
                pixels = np.empty((len(batch), len(bands), self.size, self.size), np.float32)
                known = np.zeros(pixels.shape, bool)
                for i, (dataset, survey) in enumerate(batch):
                    try:
                        _, pixels[i], known[i] = self._read(layer, planes, dataset, survey)
                        continue
                    except KeyError as error:
                        problem, flag = (str(error.args[0]), "missing"), _MISSING
                    except _UNREADABLE as error:
                        problem, flag = (self._where(layer, dataset, survey), str(error.__cause__ or error)), _CORRUPT
                    problems.append((start + i, *problem))
                    rank[start + i] = max(rank[start + i], flag)
                for i in np.flatnonzero(~known.all(axis=(1, 2, 3))):
                    windows.fill(pixels[i], known[i], range(len(bands)), means, self.size // 2)
                made = pixels if self.full else dct.compress(pixels, self.block)
                block_rows = slice(start, start + len(batch))
                for band, (name, *_) in enumerate(planes):
                    tile = made[:, band].reshape(len(batch), -1)
                    values[name][block_rows] = tile.round() if self.columns[name][1] == np.uint8 else tile
                    valid[name][block_rows] = known[:, band].mean(axis=(1, 2))
        return values, valid, rank, problems

    def _read(self, layer, planes, dataset, survey):
        """(whether 8-bit, pixels (planes, size, size) float32, valid) of a survey's file of a layer."""
        data = self._bytes(layer, dataset, survey)
        pixels, valid = decode(data, len(layer.bands), layer.side, self.nodata)
        start = (layer.side - self.size) // 2
        middle = (slice(None), slice(start, start + self.size), slice(start, start + self.size))
        if any(band in self.classes for band in layer.bands):
            for number, band in enumerate(layer.bands):
                valid[number] &= np.isin(pixels[number], self.classes[band]) if band in self.classes else True
            own = [pixels[b] if code is None else (pixels[b] == code) for _, b, code in planes]
            pixels = np.stack(own).astype(pixels.dtype)
            valid = valid[[b for _, b, _ in planes]]
        return pixels.dtype == np.uint8, pixels[middle].astype(np.float32), valid[middle]

    def _bytes(self, layer, dataset, survey):
        limit = max(_FILE_BYTES, 2 * len(layer.bands) * layer.side**2 * np.dtype(np.float64).itemsize)
        for path, name in self._candidates(layer, dataset, survey):
            if path not in self.sources:
                self.sources[path] = archives.opened(path)
            try:
                return self.sources[path].read(name, limit)
            except KeyError:
                continue
        raise KeyError(self._where(layer, dataset, survey))

    def _candidates(self, layer, dataset, survey):
        for template in layer.templates.get(dataset, ()):
            for path, below in self.places[template]:
                yield path, file_name(below, survey)

    def _where(self, layer, dataset, survey):
        for path, name in self._candidates(layer, dataset, survey):
            return f"{path}/{name}"
        return ", ".join(file_name(t, survey) for t in layer.templates.get(dataset, ())) or f"none for {dataset}"

    def _means(self, covariate, sample):
        """Mean of each band over the readable ones of 64 surveys, evenly spread, and whether all are 8-bit.

        Where none of them has an image, for few surveys have any, the others are tried until 64 have been found.
        """
        sample = sample.iloc[self.order(sample)]
        means, all_bytes = [], True
        for layer, planes in zip(self.layers, self.planes, strict=True):
            has = sample[sample["dataset"].isin(list(layer.templates))]
            spread = np.unique(np.linspace(0, len(has) - 1, min(_SAMPLE, len(has))).round().astype(int))
            others = np.setdiff1d(np.arange(len(has)), spread)
            samples = []
            for part in (has.iloc[spread], has.iloc[others]):
                for dataset, survey in zip(part["dataset"], _ids(part), strict=True):
                    if len(samples) == _SAMPLE:
                        break
                    try:
                        eight_bit, pixels, valid = self._read(layer, planes, dataset, int(survey))
                    except (KeyError, *_UNREADABLE):
                        continue  # told of when its turn comes
                    all_bytes &= eight_bit
                    total = np.where(valid, pixels, 0).sum(axis=(1, 2))
                    samples.append(total / np.maximum(valid.sum(axis=(1, 2)), 1))
                if samples:
                    break
            if not samples:
                raise DataError(
                    f"{self.folder}: none of {len(has)} surveys tried has a readable image of bands "
                    f"{', '.join(layer.bands)} of covariate {covariate.name!r}; expected {next(iter(self.places))}; "
                    "do these images belong to these surveys?"
                )
            means.append(np.mean(samples, axis=0))
        return np.concatenate(means), all_bytes


def decode(data: bytes, bands: int, side: int, nodata: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of an image file and which are valid, both (bands, side, side).

    data : bytes of a JPEG, PNG or TIFF; raises OSError or ValueError with the cause where it is not whole, not `side`
        pixels square, or has another number of bands. All of this but the first is asked of its header: a file of
        100 kB may unpack to gigabytes
    """
    driver = _driver(data)
    with warnings.catch_warnings(), rasterio.Env(GDAL_ERROR_ON_LIBJPEG_WARNING=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # patches are only pixels
        with MemoryFile(data) as file, file.open(driver=driver) as source:
            channels, high, wide = source.count, *source.shape
            if (channels, high, wide) != (bands, side, side):
                raise ValueError(
                    f"found {channels} bands of {high} x {wide} pixels, expected {bands} of {side} x {side}"
                )
            stored_high, stored_wide = source.block_shapes[0]
            if stored_high * stored_wide > max(side, _BLOCK_SIDE) ** 2:
                raise ValueError(
                    f"found blocks of {stored_high} x {stored_wide} pixels in an image of {side} x {side}, expected "
                    f"at most {max(side, _BLOCK_SIDE)} x {max(side, _BLOCK_SIDE)}"
                )
            pixels, own = source.read(), source.nodata
    nodata = own if own is not None else nodata
    valid = np.ones(pixels.shape, bool) if nodata is None else pixels != nodata
    return pixels, valid & (np.abs(pixels) <= LARGEST) if pixels.dtype.kind == "f" else valid


def header(data: bytes) -> tuple[tuple[str, ...], int, int]:
    """What an image file says of itself, without its pixels: names of its bands (empty: none), rows, columns.

    data : as of `decode`
    """
    driver = _driver(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile(data) as file, file.open(driver=driver) as source:
            return tuple(name or "" for name in source.descriptions), source.height, source.width


def _driver(data):
    if not data:
        raise ValueError("found 0 bytes")
    driver = next((name for name, starts in _DRIVERS.items() if data.startswith(starts)), None)
    if driver is None:
        raise ValueError(f"found a file that starts with {data[:12]!r}, expected a JPEG, PNG or TIFF")
    return driver


def _ids(places):
    """The id that each survey's files are called by."""
    return places["image_id"] if "image_id" in places else places["surveyId"]
