"""Scores of a map's cells, block by block: a block is a file, so that a run that was stopped continues."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glc import storage
from glc.errors import DataError
from glc.maps import cover
from glc.maps.geotiff import LAST, NODATA, quantised
from glc.maps.grid import Block, Grid
from glc.maps.scorer import InputsT, Scorer, missing_inputs
from glc.progress import tqdm
from glc.types import Say

APPLICABILITY = ("dissimilarity", "inside", "distance_to_training_m", "expected_f1")
"""Bands of ``applicability.tif``."""
RICHNESS = ("decided", "expected")
"""Bands of ``richness.tif``."""
BANDS = 500
"""Most bands of a file."""
_ENTRIES = 16_000_000
"""Scores of species at cells that may be held at once, 8 bytes each where none is zero."""
_PROBED = 200
_BANDS_TRIED = 50


@dataclass(frozen=True)
class Cost:
    """What a map takes, from its first block.

    seconds : of scoring the other blocks and of writing the files
    map_bytes : of its files
    disk_bytes : of everything on disk at its peak: parts of blocks, a file that is rewritten, the published copy
    """

    seconds: float
    map_bytes: int
    disk_bytes: int


class Blocks:
    """The scored blocks of a map in a folder.

    scorer : a fitted experiment
    grid : of the map
    chosen : (rows, cols) bool, the cells that are predicted
    species : (bands,) row numbers of the species in the scorer's
    folder : of the blocks' files; those that are there are not scored again
    """

    def __init__(
        self, scorer: Scorer[InputsT], grid: Grid, chosen: np.ndarray, species: Sequence[int], folder: Path
    ) -> None:
        self.scorer, self.grid, self.chosen, self.folder = scorer, grid, chosen, folder
        self.species = np.asarray(species, int)
        self.every = [block for block in grid.blocks() if self._chosen_of(block).any()]
        """Blocks with a cell that is predicted."""

    def _chosen_of(self, block: Block) -> np.ndarray:
        return self.chosen[block.row : block.row + block.rows, block.col : block.col + block.cols]

    def path(self, block: Block) -> Path:
        """File of a block."""
        return self.folder / f"{block.row}-{block.col}.npz"

    @property
    def files(self) -> list[tuple[int, int]]:
        """First and last-but-one band of each file of probabilities."""
        return [(start, min(start + BANDS, len(self.species))) for start in range(0, len(self.species), BANDS)]

    def probe(self, allow_missing: bool) -> list[str]:
        """Score a few cells: refuses a map that no input of the model covers, and prepares the model.

        allow_missing : do not refuse
        returns : what a user should know of the inputs, sentences
        raises : DataError when the model reads inputs and the cells have none of them
        """
        lon, lat = self.grid.centre(*cover.sample(self.chosen, _PROBED))
        places = self.scorer.places(lon, lat)
        values = self.scorer.inputs(places, allow_missing)
        missing = missing_inputs(places, values)
        lacking = list(missing.columns[missing.to_numpy(bool).all(axis=0)])
        if lacking and len(lacking) == missing.shape[1] and not allow_missing:
            west, south, east, north = self.grid.degrees
            raise DataError(
                f"map of lon {west:.4g} to {east:.4g}, lat {south:.4g} to {north:.4g}: none of {len(lon)} cells tried "
                f"has a value of {', '.join(lacking)}, which is all that the model reads; give rasters of that area "
                "(--imagery-folder), other bounds, or predict with the training means: --allow-missing"
            )
        self.scorer.scores(places, values)
        return list(dict.fromkeys(note for inputs in values.values() for note in inputs.notes))

    def score(self, say: Say, check: Callable[[Cost, str], None]) -> Cost | None:
        """Score all blocks that have no file yet.

        say : takes a line about what is being done
        check : called after the first block with the cost of the map, and a line that says it; an error ends the run
        returns : that cost; None where nothing was left to score
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        pending = [block for block in self.every if not self.path(block).is_file()]
        if not pending:
            return None
        first = max(pending, key=lambda block: int(self._chosen_of(block).sum()))
        started = time.monotonic()
        self._write(first)
        cost = self._cost(first, time.monotonic() - started, pending)
        check(
            cost,
            f"first of {len(pending):,} blocks done: {len(self.species):,} species at {int(self.chosen.sum()):,} cells "
            f"take about {cost.seconds / 60:.1f} more minutes and {cost.map_bytes / 2**20:,.1f} MB (while they are "
            f"written {cost.disk_bytes / 2**20:,.1f} MB)",
        )
        rest = [block for block in pending if block != first]
        for number, block in enumerate(tqdm(rest, desc="scoring blocks", unit="block"), 1):
            self._write(block)
            if number % 10 == 0:
                say(f"scored {number + 1:,} of {len(pending):,} blocks", 5 + 70 * number / len(pending))
        return cost

    def _write(self, block):
        cells = np.flatnonzero(self._chosen_of(block).ravel())
        lon, lat = self.grid.centres(block)
        step = int(np.clip(_ENTRIES // max(len(self.scorer.species), 1), 64, 10_000))
        chunks = [self._chunk(lon[rows], lat[rows]) for rows in _runs(cells, step)]
        arrays = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0] if name != "scores"}
        names = chunks[0]["inputs"]
        for number, (start, stop) in enumerate(self.files):
            columns = [chunk["scores"][:, start:stop].tocsc() for chunk in chunks]
            before = np.cumsum([0, *(part.shape[0] for part in columns)])
            counts = np.sum([np.diff(part.indptr) for part in columns], axis=0)
            order = np.argsort(np.concatenate([_column_of(part) for part in columns]), kind="stable")
            at = np.concatenate([part.indices + first for part, first in zip(columns, before, strict=False)])
            arrays[f"cell{number}"] = cells[at[order]].astype(np.int32)
            arrays[f"value{number}"] = np.concatenate([part.data for part in columns])[order].astype(np.float32)
            arrays[f"start{number}"] = np.concatenate([[0], np.cumsum(counts)])
        with storage.atomic_file(self.path(block)) as path:
            np.savez(path, **(arrays | {"cells": cells.astype(np.int32), "inputs": names}))

    def _chunk(self, lon, lat):
        places = self.scorer.places(lon, lat)
        values = self.scorer.inputs(places, allow_missing=True)
        scores = self.scorer.scores(places, values).tocsr()
        if scores.data.min(initial=0) < 0 or not np.isfinite(scores.data).all():
            raise DataError("a score is negative or no number, expected 0 or more; fit the experiment again")
        nothing = np.full(len(places), np.nan, np.float32)
        richness = {name: nothing for name in RICHNESS}
        if not self.scorer.relative:
            decided = self.scorer.decide(scores, places)
            richness["decided"] = np.asarray(decided.sets.sum(axis=1)).ravel()
            richness["expected"] = decided.expected_species
        trust = self.scorer.applicability(places, values)
        chunk = {name: np.asarray(column, np.float32) for name, column in richness.items()}
        chunk |= {name: trust[name].to_numpy(np.float32, na_value=np.nan) for name in APPLICABILITY}
        if self.scorer.relative:
            chunk["expected_f1"] = nothing
        missing = missing_inputs(places, values)
        return chunk | {
            "missing": missing.to_numpy(bool).reshape(len(places), missing.shape[1]),
            "inputs": np.array(missing.columns, str),
            "scores": scores[:, self.species],
        }

    def _cost(self, block, seconds, pending):
        """What the map takes, from the seconds that this block of it took."""
        arrays = self.load(block, ["cells", "cell0", "value0", "start0"])
        cells = len(arrays["cells"])
        started, packed, stop = time.monotonic(), 0, self.files[0][1]
        tried = np.unique(np.linspace(0, stop - 1, min(_BANDS_TRIED, stop)).astype(int))
        for band in tried:
            span = slice(arrays["start0"][band], arrays["start0"][band + 1])
            values = np.full(block.rows * block.cols, NODATA, np.uint16)
            values[arrays["cells"]] = 0
            values[arrays["cell0"][span]] = quantised(arrays["value0"][span], 1 / LAST)
            steps = np.diff(values.reshape(block.rows, block.cols), axis=1, prepend=np.uint16(0))
            packed += len(zlib.compress(steps.tobytes(), 6))
        bands = len(tried)
        per_cell = packed / bands / cells * len(self.species) + 6 * 4  # richness and applicability hardly shrink
        # written once quickly, once more with overviews
        writing = 2 * (time.monotonic() - started) / bands / cells * len(self.species)
        ahead = sum(int(self._chosen_of(other).sum()) for other in pending if other != block)
        every = int(self.chosen.sum())
        map_bytes = int(per_cell * every * 4 / 3)  # overviews
        parts = self.path(block).stat().st_size / cells * every
        largest = map_bytes * min(1.0, BANDS / len(self.species))
        return Cost(seconds / cells * ahead + writing * every, map_bytes, int(parts + 2 * map_bytes + largest))

    def read(self, names: Sequence[str]) -> Iterator[tuple[Block, dict[str, np.ndarray]]]:
        """Some arrays of each block."""
        for block in self.every:
            yield block, self.load(block, names)

    def load(self, block: Block, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some arrays of a block; nothing of the others is read."""
        with np.load(self.path(block)) as arrays:
            return {name: arrays[name] for name in names}

    def missing(self) -> tuple[list[str], np.ndarray]:
        """Inputs that no cell has, and the cells that lack another one, which have no prediction.

        returns : (names, (rows, cols) bool)
        raises : DataError if no cell is left
        """
        inputs, lacking = [], np.zeros(0, int)
        for _, part in self.read(["inputs", "missing"]):
            inputs = [str(name) for name in part["inputs"]]
            lacking = part["missing"].sum(axis=0) + (lacking if len(lacking) else 0)
        nowhere = lacking == int(self.chosen.sum())
        gaps = np.zeros(self.grid.shape, bool)
        for block, part in self.read(["cells", "missing"]):
            inside = gaps[block.row : block.row + block.rows, block.col : block.col + block.cols]
            row, col = np.unravel_index(part["cells"], (block.rows, block.cols))
            inside[row, col] = part["missing"][:, ~nowhere].any(axis=1)
        if gaps.sum() == self.chosen.sum():
            some = ", ".join(name for name, no in zip(inputs, nowhere, strict=True) if not no)
            raise DataError(
                f"no cell has all of {some}: the rasters do not overlap there; choose other bounds, or rasters of the "
                "whole area"
            )
        return [name for name, no in zip(inputs, nowhere, strict=True) if no], gaps

    def highest(self) -> float:
        """The highest score of all."""
        names = [f"value{number}" for number in range(len(self.files))]
        return max(float(values.max(initial=0)) for _, part in self.read(names) for values in part.values())


def _runs(cells, step):
    return [cells[start : start + step] for start in range(0, len(cells), max(step, 1))]


def _column_of(matrix):
    return np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
