"""A map of a fitted experiment as a folder: GeoTIFFs, styles for QGIS, a STAC item and a preview."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from glc import storage
from glc.maps import geotiff, item, preview, species, styles
from glc.maps.blocks import APPLICABILITY, RICHNESS, Blocks, Cost
from glc.maps.cover import Cover, CoverOptions
from glc.maps.geotiff import Band, Numbers
from glc.maps.grid import Block, Grid
from glc.maps.origin import Origin
from glc.maps.scorer import InputsT, Scorer
from glc.types import Facts, Say, StrPath

log = logging.getLogger(__name__)

_FINER = 1.5
"""Cells that are smaller than the data by less than this are as fine as the data."""
_UNITS = {"distance_to_training_m": "m", "decided": "species", "expected": "species"}
_MEANING = {
    "dissimilarity": "dissimilarity index (Meyer and Pebesma 2021)",
    "inside": "1: inside of the area of applicability, 0: outside",
    "distance_to_training_m": "great-circle distance to the nearest training survey",
    "expected_f1": "F1 to expect, by the error profile of the validation",
    "decided": "species in the decided set",
    "expected": "expected number of species",
}


def write(
    scorer: Scorer[InputsT],
    grid: Grid,
    cover: CoverOptions,
    rows: Sequence[int],
    origin: Origin,
    out: Path,
    parts: Path,
    say: Say,
    notice: Callable[[str], object],
    *,
    allow_missing: bool = False,
    data_resolution_m: Mapping[str, float] = MappingProxyType({}),
    where: StrPath | None = None,
) -> Facts:
    """Write the map of a fitted experiment.

    scorer : the fitted experiment
    grid, cover : which cells there are, and which of them are predicted
    rows : row numbers of the mapped species in the scorer's
    origin : for the metadata
    out : folder that gets the files
    parts : folder of the scored blocks; what a stopped run left there is used, and it can be removed afterwards
    say : takes lines about what is being done
    notice : takes lines that should stay on the screen: what the map takes, once its first block is scored
    allow_missing : predict even if the model's inputs have no value anywhere
    data_resolution_m : metres that the data can tell apart, by what limits it, for a warning
    where : folder that the map is copied to, for the error when the disk is too small; default: `out`
    returns : facts for the manifest
    raises : DataError when no cell is on land, no input covers the map, or the disk is too small for it
    """
    say("looking which cells are predicted", 1)
    covering = Cover(grid, cover)
    chosen, messages = covering.all(), list(covering.messages)
    blocks = Blocks(scorer, grid, chosen, rows, parts)
    messages += [*finer_than_data(data_resolution_m, grid), *blocks.probe(allow_missing)]
    for message in messages:
        log.warning("%s", message)

    def check(cost: Cost, text: str) -> None:
        notice(text)
        remedy = "choose a coarser --resolution, fewer --species or a smaller area, or free some"
        storage.check_space(out, cost.disk_bytes, f"the map {where or out}", remedy)

    cost = blocks.score(say, check)
    lacking, gaps = blocks.missing()
    if lacking:
        messages.append(f"inputs without a value anywhere, replaced by the training mean: {', '.join(lacking)}")
        log.warning("%s", messages[-1])
    names = [
        (int(scorer.species["speciesId"].iloc[row]), scorer.species["name"].iloc[row], scorer.species["key"].iloc[row])
        for row in rows
    ]
    writer = _Writer(blocks, gaps, origin, scorer.relative, out)
    bands = [_band(*name, relative=scorer.relative) for name in names]
    writer.probabilities(bands, say)
    writer.floats("richness", RICHNESS)
    writer.floats("applicability", APPLICABILITY, overviews="nearest")
    styles.write(out, scorer.relative, writer.highest_richness)
    say("drawing the preview", 92)
    preview.write(out, grid, [species.label(*name[:2]) for name in names], origin.title, scorer.relative)
    text = {"messages": messages, "relative": scorer.relative}
    item.write(out, grid, origin, writer.files, text)
    stated = {"minutes_stated": round(cost.seconds / 60, 1), "bytes_stated": cost.map_bytes} if cost else {}
    return stated | {
        "cells": grid.cells,
        "predicted_cells": int((chosen & ~gaps).sum()),
        "species": len(names),
        "crs": grid.crs,
        "shape": list(grid.shape),
        "messages": messages,
    }


def finer_than_data(data_resolution_m: Mapping[str, float], grid: Grid) -> list[str]:
    """A line for the user when the cells are smaller than the data can tell apart; see `write`."""
    coarse = {name: metres for name, metres in data_resolution_m.items() if metres > _FINER * grid.cell_m}
    if not coarse:
        return []
    text = ", ".join(f"{name} about {metres:,.0f} m" for name, metres in sorted(coarse.items()))
    return [f"resolution {grid.cell_m:,.0f} m is finer than the data ({text}): neighbouring cells are hardly different"]


def _band(species_id, name, key, relative):
    tags = {"speciesId": str(species_id), "values": "relative suitability" if relative else "probability"}
    tags |= {"name": name} if isinstance(name, str) and name else {}
    tags |= {"key": key} if isinstance(key, str) and key else {}
    text = species.label(species_id, name)
    return Band(text, unit=tags["values"] if relative else "", tags=tags)


class _Writer:
    """The files of a map, from its scored blocks."""

    def __init__(self, blocks: Blocks, gaps: np.ndarray, origin: Origin, relative: bool, out: Path) -> None:
        self.blocks, self.gaps, self.out = blocks, gaps, out
        self.grid, self.tags = blocks.grid, origin.tags(relative)
        self.files: list[tuple[str, Sequence[Band], Numbers]] = []
        self.highest_richness = 1.0
        self._blocks = {(block.row, block.col): block for block in blocks.every}

    def probabilities(self, bands: Sequence[Band], say: Say) -> None:
        """``probability.tif``, or several with a VRT."""
        numbers = geotiff.probabilities(self.blocks.highest())
        spans = self.blocks.files
        written = []
        for number, (start, stop) in enumerate(spans):
            say(f"writing {stop:,} of {len(bands):,} species", 75 + 15 * number / len(spans))
            name = "probability.tif" if len(spans) == 1 else f"probability-{number:03d}.tif"
            values = self._values(number, stop - start, numbers)
            geotiff.write(self.out / name, self.grid, bands[start:stop], numbers, self.tags, values)
            self.files.append((name, bands[start:stop], numbers))
            written.append((name, bands[start:stop]))
        if len(spans) > 1:
            geotiff.write_vrt(self.out / "probability.vrt", self.grid, written, numbers)

    def _values(self, number, bands, numbers) -> Callable[[Block], np.ndarray]:
        names = ["cells", f"cell{number}", f"value{number}", f"start{number}"]

        def values(tile: Block) -> np.ndarray:
            whole = np.full((bands, tile.rows, tile.cols), numbers.nodata, numbers.dtype)
            for block, row, col in self._within(tile):
                arrays = self.blocks.load(block, names)
                stored = np.full((bands, block.rows * block.cols), numbers.nodata, numbers.dtype)
                stored[:, arrays["cells"]] = 0
                band = np.repeat(np.arange(bands), np.diff(arrays[names[3]]))
                stored[band, arrays[names[1]]] = geotiff.quantised(arrays[names[2]], numbers.scale)
                shaped = stored.reshape(bands, block.rows, block.cols)
                shaped[:, self._gaps(block)] = numbers.nodata
                whole[:, row : row + block.rows, col : col + block.cols] = shaped
            return whole

        return values

    def floats(self, name: str, columns: Sequence[str], overviews: str = "average") -> None:
        """``richness.tif`` or ``applicability.tif``."""
        numbers = Numbers("float32", float("nan"), overviews=overviews)

        def values(tile: Block) -> np.ndarray:
            whole = np.full((len(columns), tile.rows, tile.cols), np.nan, np.float32)
            for block, row, col in self._within(tile):
                arrays = self.blocks.load(block, ["cells", *columns])
                stored = np.full((len(columns), block.rows * block.cols), np.nan, np.float32)
                stored[:, arrays["cells"]] = [arrays[column] for column in columns]
                shaped = stored.reshape(len(columns), block.rows, block.cols)
                shaped[:, self._gaps(block)] = np.nan
                whole[:, row : row + block.rows, col : col + block.cols] = shaped
            if name == "richness":
                self.highest_richness = max(self.highest_richness, float(np.nanmax(whole, initial=1.0)))
            return whole

        bands = [Band(column, _UNITS.get(column, ""), {"meaning": _MEANING[column]}) for column in columns]
        geotiff.write(self.out / f"{name}.tif", self.grid, bands, numbers, self.tags, values)
        self.files.append((f"{name}.tif", bands, numbers))

    def _within(self, tile):
        for row in range(tile.row, tile.row + tile.rows, geotiff.BLOCK):
            for col in range(tile.col, tile.col + tile.cols, geotiff.BLOCK):
                if (row, col) in self._blocks:
                    yield self._blocks[row, col], row - tile.row, col - tile.col

    def _gaps(self, block):
        return self.gaps[block.row : block.row + block.rows, block.col : block.col + block.cols]
