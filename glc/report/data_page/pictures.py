"""One survey as the models see it: its images, rasters, series and cubes, each next to what its low DCT terms keep.

After Tighnari 2024, Figures 1 and 2; Miyaguchi et al. 2024, Figures 4 to 6; and Estopinan et al. 2020, Figure 2.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glc import dct
from glc.covariates import Patches, Raster
from glc.errors import DataError, GlcError
from glc.etl import arrays, cubes, series
from glc.rasters import grids
from glc.rasters.cutter import FLAGS
from glc.rasters.reader import Reader
from glc.report import lowpass
from glc.report.data_page.imagery import Imagery, images, series_of
from glc.report.data_page.section import Picture
from glc.report.data_page.survey_figures import band_and_terms, bands_over_time, folded, panels_of, rgb

SIZE, BLOCK, TERMS = 128, 8, 50
"""Pixels of a raster's tile, and the coefficients that the paper keeps: per axis, and of rows read as one."""
_MOST_BANDS = 20
_MONTHS = "JFMAMJJASOND"


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


def _patch_pictures(covariate: Patches, bands: dict[str, np.ndarray]) -> list[Picture]:
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


def _raster_pictures(covariate: Raster, folders: Sequence[Path], row: pd.DataFrame) -> list[Picture]:
    tiles, classes = {}, set()
    for grid in grids.find(covariate, folders):
        (down,), (across,) = grid.pixels(row["lon"], row["lat"])
        if down < 0 or all(band.name in tiles for band in grid.bands):
            continue
        with Reader(grid) as reader:
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
    flat, square = lowpass.low_pass_1d(filled, TERMS), dct.low_pass(filled, BLOCK)
    kept = [float(lowpass.psnr(known[None], near[~hidden][None], np.ptp(known))) for near in (flat, square)]
    how = (_colours(name), known.min(), known.max())
    panels = [
        (f"{name}\npixels", pixels, how),
        (f"1-D DCT, {TERMS} terms\n{kept[0]:.1f} dB", np.ma.array(flat, mask=hidden), how),
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


def _title(name, pixels, classes):
    if classes:
        return f"{name}\n{len(np.unique(pixels))} classes"
    return f"{name}\n{pixels.min():.4g} to {pixels.max():.4g}"


def _colours(name):
    return "gray" if name == "nir" else "viridis"
