"""One survey as the models see it: its images, rasters, series and cubes, each next to what its low DCT terms keep.

After Tighnari 2024, Figures 1 and 2; Miyaguchi et al. 2024, Figures 4 to 6; and Estopinan et al. 2020, Figure 2. Only
the files of the survey that is shown are read, and those of a few candidates, of which the one with most modalities is
shown.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glc import dct, registry
from glc.covariates import Patches, Raster
from glc.errors import DataError, GlcError, MissingError
from glc.etl import arrays, cubes, series
from glc.rasters import grids
from glc.rasters.cutter import FLAGS
from glc.rasters.images import ImageCutter
from glc.report import lowpass
from glc.report.figures import PICTURE_WIDTH, axes, drawn
from glc.report.palette import INK, MODEL, OTHER
from glc.report.series import BAND_COLOURS, approximate

SIZE, BLOCK, TERMS_2D, TERMS = 128, 8, 50, 64
"""Pixels of a raster's tile, and the coefficients that the paper keeps: per axis, of rows read as one, of series."""
FEWER = 16
_MOST_BANDS = 20
_MONTHS = "JFMAMJJASOND"


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


@dataclass(frozen=True)
class Picture:
    """A figure as inline SVG, and its caption; new_row : whether it begins a row of figures on a wide page."""

    svg: str
    caption: str
    new_row: bool = False


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


def pictures(imagery: Imagery, row: pd.DataFrame) -> tuple[list[Picture], list[str]]:
    """Figures of one survey, and sentences on what it lacks.

    row : frame of the one survey, as the candidates of `choose`
    """
    made, absent = [], []
    for covariate in imagery.patches:
        values, flags = images(covariate, imagery.folders, row)
        if flags[0] != FLAGS[0]:
            absent.append(f"{_sentence(covariate.title)}: this survey's file is {flags[0]}.")
            continue
        made += _patch_pictures(covariate, {name: pixels[0] for name, pixels in values.items()})
    for covariate in imagery.rasters:
        try:
            made += _raster_pictures(covariate, imagery.folders, row)
        except GlcError as error:
            absent.append(f"{_sentence(covariate.title)}: {error}.")
    done = set()
    if imagery.series:
        values, first = series_of(imagery, row)
        if np.isfinite(values).any():
            made += _series_pictures(values[0], first)
            done.add("landsat")
        else:
            absent.append("Quarterly series: this survey has none.")
    for kind, folder in imagery.cubes.items():
        if kind in done:
            continue
        (path,) = cubes.locate(row, folder, kind)
        if path is None:
            absent.append(f"Cube {kind}: this survey has no file.")
            continue
        try:
            made += _cube_pictures(kind, np.asarray(arrays.read(path), np.float32))
        except DataError as error:
            absent.append(f"Cube {kind}: {error}.")
    return made, absent


def _sentence(title):
    return title[:1].upper() + title[1:]


def _patch_pictures(covariate, bands):
    panels, shown = [], []
    if {"red", "green", "blue"} <= set(bands):
        panels.append(("RGB", rgb(np.stack([bands[name] for name in ("red", "green", "blue")], axis=-1)), None))
        shown += ["red", "green", "blue"]
    for name, pixels in bands.items():
        if name not in shown:
            classes = name in covariate.classes
            panels.append((_title(name, pixels, classes), pixels, "classes" if classes else _colours(name)))
    alt = f"{covariate.title} of the survey: {', '.join(title.splitlines()[0] for title, *_ in panels)}"
    caption = f"{_sentence(covariate.title)}; {next(iter(bands.values())).shape[0]} pixels wide."
    made = [Picture(panels_of(alt, panels, 2), caption, new_row=True)]
    plain = [name for name in ("nir", *bands) if name in bands and name not in covariate.classes]
    plain = [name for name in plain if np.ptp(bands[name]) > 0]
    return made + ([_low_pass(plain[0], bands[plain[0]])] if plain else [])


def _raster_pictures(covariate, folders, row):
    tiles, classes = {}, set()
    for grid in grids.find(covariate, folders):
        (down,), (across,) = grid.pixels(row["lon"], row["lat"])
        if down < 0 or all(band.name in tiles for band in grid.bands):
            continue
        with grid.open() as reader:
            box, valid = reader.box(int(down) - SIZE // 2, int(across) - SIZE // 2, SIZE, SIZE)
        for band, pixels, known in zip(grid.bands, box, valid, strict=True):
            if known.any() and band.name not in tiles:
                tiles[band.name] = np.ma.array(pixels.astype(float), mask=~known)
                classes |= {band.name} if band.classes else set()
    if not tiles:
        raise DataError("no pixel around the survey is known")
    panels = [
        (_title(name, tile.compressed(), name in classes), tile, "classes" if name in classes else _colours(name))
        for name, tile in list(tiles.items())[:_MOST_BANDS]
    ]
    share = min(1 - np.ma.getmaskarray(tile).mean() for tile in tiles.values())
    caption = f"{_sentence(covariate.title)}: {SIZE} × {SIZE} pixels around the survey, north up."
    caption += " Colours of classes have no order." if classes else " Numbers are the lowest and highest value."
    caption += "" if share == 1 else f" White is nodata, up to {1 - share:.0%} of the pixels."
    caption += f" The first {len(panels)} of {len(tiles)} bands." if len(panels) < len(tiles) else ""
    alt = f"{covariate.title}: {len(panels)} bands"
    made = [Picture(panels_of(alt, panels, min(len(panels), 4)), caption, new_row=True)]
    plain = [name for name, tile in tiles.items() if name not in classes and np.ptp(tile.compressed()) > 0]
    return made + ([_low_pass(plain[0], tiles[plain[0]])] if plain else [])


def _low_pass(name, pixels):
    """The DCT of all pixels, nodata being their mean; it is left out of the measure, and blank."""
    known = np.ma.compressed(np.ma.asarray(pixels)).astype(float)
    hidden = np.ma.getmaskarray(pixels)
    filled = np.ma.filled(np.ma.asarray(pixels).astype(float), known.mean())
    flat, square = lowpass.low_pass_1d(filled, TERMS_2D), dct.low_pass(filled, BLOCK)
    kept = [float(lowpass.psnr(known[None], near[~hidden][None], np.ptp(known))) for near in (flat, square)]
    how = (_colours(name), known.min(), known.max())
    panels = [
        (f"{name}\npixels", pixels, how),
        (f"1-D DCT, {TERMS_2D} terms\n{kept[0]:.1f} dB", np.ma.array(flat, mask=hidden), how),
        (f"2-D DCT, {BLOCK} × {BLOCK} terms\n{kept[1]:.1f} dB", np.ma.array(square, mask=hidden), how),
    ]
    return Picture(
        panels_of(f"{name}: pixels, and what 1-D and 2-D low-pass filters keep", panels, 3),
        f"What low-pass filters keep of {name}: of all rows read as one, and by rows and columns (DS@GT, Figure 5). "
        "dB: peak signal-to-noise ratio.",
    )


def _series_pictures(values, first):
    time = first + (np.arange(values.shape[1]) + 0.5) / 4
    named = dict(zip(series.BANDS, values, strict=True))
    text = f"Landsat series, {values.shape[1]} quarters; {np.isnan(values).mean():.0%} of the values are missing."
    cube = values.reshape(len(values), -1, 4).swapaxes(1, 2)
    return [
        Picture(
            bands_over_time("Six bands by quarter", time, named),
            f"{text} Cube flattened to lines (Tighnari, Figure 1).",
            new_row=True,
        ),
        Picture(
            band_and_terms("The blue band and its DCT", time, named["blue"], "blue", "year"),
            "The blue band and what its DCT keeps, missing values taken for zero (DS@GT, Figure 6).",
        ),
        Picture(
            folded(
                "Each band by quarter and year", dict(zip(series.BANDS, cube, strict=True)), first, "1234", "quarter"
            ),
            "The same folded to a cube (band, quarter, year): what repeats every year makes rows. White is missing.",
        ),
    ]


def _cube_pictures(kind, cube):
    if cube.shape != cubes.KINDS[kind].shape and cube.ndim != 3:
        raise DataError(f"found shape {cube.shape}, expected {cubes.KINDS[kind].shape}")
    names = cubes.KINDS[kind].names
    if kind == "landsat":
        return _series_pictures(cube.swapaxes(1, 2).reshape(len(cube), -1), 2000)
    flat, time = cube.reshape(len(cube), -1), 2000 + (np.arange(cube[0].size) + 0.5) / 12
    named = dict(zip(names, cube.swapaxes(1, 2), strict=True))
    return [
        Picture(
            band_and_terms(f"{name} by month and its DCT", time, line, name, "year (the first is taken for 2000)"),
            f"Monthly climate, {name}: the cube flattened (Tighnari, Figure 1), and what its DCT keeps.",
        )
        for name, line in list(zip(names, flat, strict=True))[:2]
    ] + [
        Picture(
            folded("Each variable by month and year", named, 2000, _MONTHS, "month"),
            "Monthly climate, folded to a cube (variable, year, month).",
        )
    ]


def rgb(pixels: np.ndarray) -> np.ndarray:
    """Bands (row, col, 3) as colours from 0 to 1: bytes as they are, others between their 2 and 98 % quantiles."""
    if pixels.dtype == np.uint8:
        return pixels / 255
    low, high = np.quantile(pixels, (0.02, 0.98))
    return np.clip((pixels - low) / (high - low if high > low else 1), 0, 1)


def _title(name, pixels, classes):
    if classes:
        return f"{name}\n{len(np.unique(pixels))} classes"
    return f"{name}\n{pixels.min():.4g} to {pixels.max():.4g}"


def _colours(name):
    return "gray" if name == "nir" else "viridis"


@drawn
def panels_of(panels, columns):
    """Images in a grid; panels : (title, (row, col) values or (row, col, 3) colours, how they are coloured).

    how : None of colours, 'classes', the name of a colour map, or (colour map, lowest, highest)
    """
    count = -(-len(panels) // columns)
    side = PICTURE_WIDTH / max(columns, 2)
    figure = Figure(figsize=(columns * side, count * (side + 0.42)), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    grid = figure.subplots(count, columns, squeeze=False).ravel()
    for ax in grid:
        ax.set_axis_off()
    for ax, (title, values, how) in zip(grid, panels, strict=False):
        ax.set_title(title, fontsize=8 if columns < 4 else 7)
        if how is None:
            ax.imshow(values, interpolation="nearest")
        elif how == "classes":
            known = ~np.ma.getmaskarray(values)
            numbers = np.ma.masked_all(values.shape)
            numbers[known] = np.unique(np.ma.getdata(values)[known], return_inverse=True)[1] % 20
            ax.imshow(numbers, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
        else:
            cmap, low, high = how if isinstance(how, tuple) else (how, values.min(), values.max())
            ax.imshow(values, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    return figure


@drawn
def bands_over_time(time, named):
    """Lines of `named`, name -> values over `time`, years."""
    figure, ax = axes(2.9)
    for name, line in named.items():
        ax.plot(time, line, color=BAND_COLOURS[name], linewidth=1, label=name)
    ax.set_ylabel("value of the series")
    _years(ax)
    ax.set_xlim(time[0], time[-1])  # a series that ends early does so visibly
    figure.legend(loc="outside lower center", ncols=6, handlelength=1.2, columnspacing=1.2)
    return figure


@drawn
def band_and_terms(time, values, name, label):
    """A line and its approximations by few coefficients; values : (time,), NaN where missing."""
    figure, ax = axes(3.1)
    ax.plot(time, values, ".", color=INK, markersize=3, label=name)
    gaps = np.isnan(values)
    if gaps.any():
        ax.plot(time[gaps], np.zeros(gaps.sum()), "x", color=INK, markersize=3.5, label="missing, taken for 0")
    for count, colour in ((TERMS, MODEL), (FEWER, OTHER)):
        if count <= len(values):
            near = approximate(values, count)
            error = float(np.sqrt(np.mean((near - np.nan_to_num(values)) ** 2)))
            text = f"{count} of {len(values)} terms, RMSE {error:.3g}"
            ax.plot(time, near, color=colour, linewidth=1, label=text)
    ax.set_ylabel(name)
    _years(ax, label)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@drawn
def folded(named, first, ticks, label):
    """Each of `named` (season, year) as an image, `ticks` a letter per season."""
    rows = -(-len(named) // 2)
    figure = Figure(figsize=(PICTURE_WIDTH, 0.5 + rows * 1.35), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 2, squeeze=False)
    for ax in grid.ravel()[len(named) :]:
        ax.set_axis_off()
    for number, (ax, (name, values)) in enumerate(zip(grid.ravel(), named.items(), strict=False)):
        years = values.shape[1]
        ax.imshow(values, aspect="auto", interpolation="nearest", extent=(first, first + years, len(ticks), 0))
        known = values[np.isfinite(values)]
        ax.set_title(
            f"{name}: {known.min():.4g} to {known.max():.4g}" if len(known) else f"{name}: missing", fontsize=8
        )
        ax.set_yticks(
            np.arange(len(ticks)) + 0.5,
            ticks if number % 2 == 0 else [""] * len(ticks),
            fontsize=7 if len(ticks) < 6 else 5.5,
        )
        if number % 2 == 0:
            ax.set_ylabel(label)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.tick_params(length=0)
    return figure


def _years(ax: Axes, label: str = "year") -> None:
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    ax.set_xlabel(label)
