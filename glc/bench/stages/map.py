"""A map of the most frequent species of a fitted experiment."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from glc import fitted
from glc.bench import luigi_task
from glc.bench.stage import Facts, Stage, Way
from glc.errors import DataError
from glc.maps import grid as grids
from glc.maps.cover import NO_MASK, CoverOptions
from glc.maps.distribution import write
from glc.maps.origin import Origin
from glc.maps.species import choose
from glc.rasters.files import opened

DATASET, EXPERIMENT = "virtual:small", "votes"
CELLS, SPECIES, FEW = 1_000_000, 200, 1_000
OURS, BY_CELL = "glc", "the same model, cell by cell"
_MODEL, _CELLS, _SCORES = "model", "cells", "scores.npz"


def prepare(folder: Path, scale: float) -> None:
    """A fitted experiment, and the number of cells."""
    options = {"experiment": EXPERIMENT, "dataset": DATASET, "root": str(folder / "root")}
    luigi_task.run("Model", **options)
    (folder / _MODEL).symlink_to(next(folder.glob("root/models/*/*")).resolve())
    (folder / _CELLS).write_text(str(round(CELLS * scale)))


def ours(folder: Path, out: Path) -> Facts:
    """`glc.maps.distribution.write`: probability, richness and applicability as GeoTIFFs, with a preview."""
    model, grid, rows = _task(folder)
    (out / "map").mkdir()
    write(
        model,
        grid,
        CoverOptions(mask=NO_MASK),
        rows,
        Origin(title="bench", dataset=DATASET, experiment=EXPERIMENT, provenance={}),
        out / "map",
        out / "parts",
        _quiet,
        _quiet,
    )
    return {"rows": grid.cells}


def _quiet(text: str, percent: float = 0, /) -> None:
    """A bench shows no progress of its ways."""


def by_cell(folder: Path, out: Path) -> Facts:
    """Scores of one cell after the other, for `FEW` cells."""
    model, grid, rows = _task(folder)
    row, col = _few(grid)
    scores = []
    for lon, lat in zip(*grid.centre(row, col), strict=True):
        places = model.places([lon], [lat])
        scores.append(model.scores(places, model.inputs(places))[:, rows].toarray()[0])
    np.savez(out / _SCORES, scores=np.array(scores))
    return {"rows": len(row), "share": len(row) / grid.cells}


def check(folder: Path, results: Mapping[str, Path]) -> None:
    """A DataError where a cell's probability differs by more than the rounding of the map."""
    _, grid, _ = _task(folder)
    wanted = np.load(results[BY_CELL] / _SCORES)["scores"]
    with opened(results[OURS] / "map/probability.tif") as source:
        row, col = _few(grid)
        mine = source.read()[:, row, col].T * np.array(source.scales)
        rounding = max(source.scales)
    if not np.allclose(mine, wanted, atol=rounding):
        raise DataError(f"{folder}: scores differ by up to {np.abs(mine - wanted).max():g}, expected {rounding:g}")


def _task(folder):
    model = fitted.load((folder / _MODEL).resolve())
    cells = int((folder / _CELLS).read_text())
    west, south, east, north = model.facts["bounds"]
    code = f"EPSG:{model.facts['crs']}"
    whole = grids.of_bounds((west, south, east, north), code, 10_000)
    grid = grids.of_bounds((west, south, east, north), code, 10_000 * math.sqrt(whole.cells / cells))
    return model, grid, choose(model.species, "", SPECIES)


def _few(grid):
    return np.unravel_index(np.linspace(0, grid.cells - 1, min(FEW, grid.cells)).astype(int), grid.shape)


STAGE = Stage(
    title=f"a map of {SPECIES} species, 1 M cells; {EXPERIMENT} on {DATASET}",
    wanted="report",
    prepare=prepare,
    ways=(Way(OURS, ours), Way(BY_CELL, by_cell)),
    check=check,
)
