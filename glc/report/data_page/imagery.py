"""What images, rasters, series and cubes a dataset's folders hold, and those of its surveys.

Only the files of the survey that is shown are read, and those of a few candidates, of which the one with most
modalities is shown.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc import registry
from glc.covariates import Patches, Raster
from glc.errors import DataError, MissingError
from glc.etl import cubes, series
from glc.rasters.cutter import FLAGS
from glc.rasters.images import ImageCutter


@dataclass(frozen=True)
class Imagery:
    """What a dataset's folders hold.

    folders : searched in turn
    patches, rasters : covariates that are there; of those that read the same files, the first
    series : dataset, or None where one set serves all -> band -> its CSV
    cubes : kind -> folder below which its files are
    absent : sentences on what is not there
    """

    folders: tuple[Path, ...]
    patches: tuple[Patches, ...]
    rasters: tuple[Raster, ...]
    series: dict[str | None, dict[str, Path]]
    cubes: dict[str, Path]
    absent: tuple[str, ...]


def find(folders: Sequence[Path]) -> Imagery:
    """The `Imagery` of a dataset's `folders`; files that contradict each other count as absent, with the reason."""
    patches, rasters, taken, absent = [], [], set(), []
    every = [registry.covariates.get(name) for name in registry.covariates.choices()]
    every = [member for member in every if member.kind in ("images", "rasters")]
    for covariate in sorted(every, key=lambda member: member.classes_as == "onehot"):  # twins: maps of classes first
        try:
            where, layers = covariate.find(folders) if covariate.kind == "images" else (None, ())
            files = covariate.find(folders) if covariate.kind == "rasters" else [where, *layers_of(layers)]
        except MissingError:
            continue
        key = tuple(map(str, files))
        if key not in taken:
            taken.add(key)
            if covariate.kind == "rasters":
                rasters.append(covariate)
            else:  # class numbers, and not a picture per class
                patches.append(dataclasses.replace(covariate, classes_as="pixels"))
    tables, kinds = {}, {}
    for folder in folders:
        try:
            tables = tables or series.find(folder)
        except MissingError:
            pass
        except DataError as error:
            absent.append(f"The quarterly series cannot be used: {error}.")
        for kind in cubes.KINDS:
            try:
                cubes.folders(folder, kind)
                kinds.setdefault(kind, folder)
            except MissingError:
                continue
    for there, what in (
        (patches, "images of the surveys"),
        (rasters, "rasters"),
        (tables or "landsat" in kinds, "quarterly series"),
        ("bioclim" in kinds, "monthly climate cubes"),
    ):
        if not there:
            absent.append(f"The dataset's folders hold no {what}.")
    return Imagery(tuple(folders), tuple(patches), tuple(rasters), tables, kinds, tuple(absent))


def layers_of(layers):
    """The templates of patches' layers, by which two covariates of the same files are recognised."""
    return [template for layer in layers for group in layer.templates.values() for template in group]


def choose(imagery: Imagery, candidates: pd.DataFrame) -> tuple[int, str]:
    """The row number of the candidate that has most modalities, and how it was chosen, a sentence.

    candidates : frame with dataset, surveyId, lon, lat, and image_id, series_id where the edition has them. Datasets
        are looked at in the order in which they come, until a survey has all that there is
    """
    most = len(imagery.patches) + bool(imagery.series) + len(imagery.cubes)
    best, row = -1, 0
    candidates = candidates.reset_index(drop=True)
    for _, group in candidates.groupby("dataset", sort=False):
        has = np.zeros(len(group), int)
        for covariate in imagery.patches:
            has += images(covariate, imagery.folders, group)[1] == FLAGS[0]
        if imagery.series:
            has += np.isfinite(series_of(imagery, group)[0]).any(axis=(1, 2))
        for kind, folder in imagery.cubes.items():
            has += np.array([path is not None for path in cubes.locate(group, folder, kind)])
        if has.max() > best:
            best, row = int(has.max()), int(group.index[has.argmax()])
        if best == most:
            break
    if not most:
        return row, "the first of a random few"
    return (
        row,
        f"of {len(candidates):,} surveys looked at, the first with {best} of {most} kinds of images, series and cubes",
    )


def images(covariate: Patches, folders: Sequence[Path], rows: pd.DataFrame) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(band -> pixels (survey, side, side), flags (survey,)) of the surveys `rows`; no bands where none has a file."""
    layers = covariate.find(folders)[1]
    size = min(layer.side for layer in layers)
    try:
        cutter = ImageCutter(covariate, folders, size, "full", rows)
    except DataError:  # none of these surveys has an image that can be read; others may
        return {}, np.full(len(rows), "missing", object)
    values, _, rank, _ = cutter.cut(rows)
    return {name: pixels.reshape(-1, size, size) for name, pixels in values.items()}, FLAGS[rank]


def series_of(imagery: Imagery, rows: pd.DataFrame) -> tuple[np.ndarray, int]:
    """Quarterly series (survey, band, quarter) of the surveys `rows`, NaN where missing, and their first year."""
    ids = rows["series_id"] if "series_id" in rows else rows["surveyId"]
    values, first = np.full((len(rows), len(series.BANDS), 4), np.nan, np.float32), 0
    for dataset, tables in imagery.series.items():
        own = np.flatnonzero(ids.notna() & ((rows["dataset"] == dataset) | (dataset is None)))
        quarters = series.header(tables["red"])[2]
        if values.shape[2] != len(quarters):
            values = np.full((*values.shape[:2], len(quarters)), np.nan, np.float32)
        first = min(quarters)[0]
        if len(own):
            wanted, inverse = np.unique(ids.iloc[own].astype(np.int64), return_inverse=True)
            read = np.full((len(series.BANDS), len(wanted), len(quarters)), np.nan, np.float32)
            series.read(tables, wanted, read)
            values[own] = read.swapaxes(0, 1)[inverse]
    return values, first
