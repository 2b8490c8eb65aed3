"""Pairs of surveys as batches of triplets: their imagery, and for each anchor a distant one of the batch."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from scipy.spatial.distance import cdist

from glc import geo, schema
from glc.errors import DataError
from glc.nets.inputs.batches import blocks
from glc.nets.inputs.examples import CLASSES, read_classes
from glc.nets.inputs.summary import Summary
from glc.training.part import WHOLE

PAIRS, NEIGHBOURS = "pairs", "neighbour_species"
_SCALARS = (
    "dataset",
    "surveyId",
    "lon",
    "lat",
    "easting",
    "northing",
    "neighbour_dataset",
    "neighbour_id",
)
_BLOCK_M = 20_000
_ROWS = 4096


@dataclass(frozen=True)
class Table:
    """A table of pairs in memory: `columns` by name, and the species of row i, ``values[starts[i]:starts[i + 1]]``.

    neighbours : the same two arrays, of the species of the neighbours; None where they are not wanted
    """

    columns: dict[str, np.ndarray]
    values: np.ndarray
    starts: np.ndarray
    n_classes: int
    """1 where the pairs have no labels."""
    neighbours: tuple[np.ndarray, np.ndarray] | None = None

    def surveys(self, rows, side):
        """(dataset number, survey id) of the anchors or the neighbours of `rows`; side : anchor or neighbour."""
        names = ("dataset", "surveyId") if side == "anchor" else ("neighbour_dataset", "neighbour_id")
        return tuple(self.columns[name][rows] for name in names)

    def species(self, rows):
        """Species of the anchors of `rows`, (n, width) int32 padded with -1."""
        return _padded(self.values, self.starts, rows)

    def neighbour_species(self, rows):
        """Species of the neighbours of `rows`, (n, width) int32 padded with -1."""
        return _padded(*self.neighbours, rows)


def _padded(values, starts, rows):
    counts = starts[rows + 1] - starts[rows]
    padded = np.full((len(rows), max(int(counts.max(initial=0)), 1)), -1, np.int32)
    inside = np.arange(padded.shape[1]) < counts[:, None]
    padded[inside] = values[(starts[rows][:, None] + np.arange(padded.shape[1]))[inside]]
    return padded


def read(folder, labels, neighbours=False):
    """Read what `glc.neighbours.triplets.write` wrote into `folder`.

    labels : with the species of the anchors; neighbours : and with those of their neighbours
    """
    folder = Path(folder)
    files = sorted((folder / PAIRS).glob("*.parquet"))
    if not files:
        raise DataError(f"{folder / PAIRS}: no parquet file of a table of pairs; run the task Triplets")
    parts = list(blocks(files, _SCALARS))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in _SCALARS}
    n = len(columns["surveyId"])
    expected = sum(pq.ParquetFile(path).metadata.num_rows for path in files)
    if n != expected:
        raise DataError(f"{folder / PAIRS}: one pass gave {n:,} pairs, expected {expected:,}; rebuild the table")
    if not labels:
        return Table(columns, np.zeros(0, np.int32), np.zeros(n + 1, np.int64), 1)
    if not (folder / CLASSES).is_file():
        raise DataError(
            f"{folder}: {CLASSES} is missing, so the pairs have no species; sample them with the same pretrain options"
        )
    # ragged, so not through Petastorm, which would want every row as long as the longest
    near = None
    if neighbours:
        if not (folder / NEIGHBOURS).is_dir():
            raise DataError(
                f"{folder}: {NEIGHBOURS} is missing, expected the species of the neighbours for "
                "pretrain.species_of = 'triplet'; sample the pairs with the same pretrain options"
            )
        near = _lists(sorted((folder / NEIGHBOURS).glob("*.parquet")))
    return Table(columns, *_lists(files), len(read_classes(folder)), near)


def _lists(files):
    """The column `species` of parquet files as all its values and where those of each row start."""
    lists = pq.read_table(files, columns=["species"])["species"].combine_chunks()
    counts = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return lists.flatten().to_numpy(zero_copy_only=False), starts


def split(table, features, holdout, seed, progress=False):
    """Rows to train on and rows for the validation curve, and the counts of all that is left out.

    The anchors of whole squares of 20 km are held out until `holdout` of the pairs are. A pair is left out where either
    survey has no imagery at all, and from training where the neighbour is an anchor that is held out.
    """
    n = len(table.columns["surveyId"])
    every = np.arange(n)
    usable = np.ones(n, bool)
    for side in ("anchor", "neighbour"):
        usable &= features.known(*table.surveys(every, side))
    square = geo.block_ids(table.columns["easting"], table.columns["northing"], _BLOCK_M)
    _, square, sizes = np.unique(square[usable], return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    chosen = np.cumsum(sizes[order]) <= holdout * usable.sum()
    chosen[:1] = True  # a square that is larger than the share, rather than none
    held = np.zeros(n, bool)
    held[np.flatnonzero(usable)] = np.isin(square, order[chosen])
    own, near = (_codes(*table.surveys(every, side)) for side in ("anchor", "neighbour"))
    touching = usable & ~held & np.isin(near, own[held])
    train, valid = np.flatnonzero(usable & ~held & ~touching), np.flatnonzero(held)
    facts = {
        "pairs": n,
        "train_pairs": len(train),
        "valid_pairs": len(valid),
        "pairs_without_imagery": int((~usable).sum()),
        "pairs_touching_valid": int(touching.sum()),
    }
    if len(train) < 2 or len(valid) < 2:
        raise DataError(
            f"pretrain: found {facts}, expected training and held-out pairs; draw more pairs over a larger area, or "
            "look at the flags of the imagery tables"
        )
    return train, valid, facts


def summarise(table, rows, features, where):
    """The `Summary` of the anchors of `rows`, as a net's ``prepare`` takes it; moments are over distinct anchors."""
    _, first = np.unique(_codes(*table.surveys(rows, "anchor")), return_index=True)
    anchors = rows[first]
    place = np.column_stack([table.columns[name][anchors] for name in ("easting", "northing")]).astype(float)
    mean, std = place.mean(axis=0), place.std(axis=0)
    counts, width = np.zeros(table.n_classes, np.int64), 1
    for start in range(0, len(anchors), _ROWS):
        species = table.species(anchors[start : start + _ROWS])
        counts += np.bincount(species[species >= 0], minlength=table.n_classes)
        width = max(width, species.shape[1])
    inputs = features.moments(*table.surveys(anchors, "anchor"))
    return Summary(where, len(anchors), (len(anchors),), width, counts, tuple(mean), tuple(std), inputs)


class Loader:
    """Batches of pairs, a fresh pass at each ``iter()``; `len` is the number of batches.

    A batch of n pairs is a dict of inputs: name -> (2n, band, row, col) float32, all anchors, then their neighbours;
    distant: (n,) int64, for each anchor the number of another anchor of the batch that is further than `radius_m`
    great-circle metres from it, chosen at random among them, -1 where the batch has none; species: (n, width) int32
    class indices padded with -1; neighbour_species: the same of the neighbours, if the table has them. With `shuffle`
    each pass has its own order and choices, which follow from `seed` and the number of the pass; without, all passes
    are the same. Of several processes each has the inputs of the rows that are its `part`, and all else of the batch.
    are the same. Where imagery is streamed, the pairs come in the order of `glc.nets.inputs.streamed.shuffled_pairs`.
    """

    def __init__(self, table, rows, features, batch_size, radius_m, seed, shuffle, part=WHOLE):
        self.table, self.rows, self.features, self.part = table, rows, features, part
        self.batch_size, self.radius_m, self.seed, self.shuffle = batch_size, radius_m, seed, shuffle
        self.begun = 0  # passes

    def __len__(self):
        return math.ceil(len(self.rows) / self.batch_size)

    def __iter__(self):
        rng = np.random.default_rng([self.seed, self.shuffle, self.begun if self.shuffle else 0])
        self.begun += 1
        # the held-out ones too are mixed, once and for all, so that a batch is not one neighbourhood
        rows = self._order(rng)
        for start in range(0, len(rows), self.batch_size):
            yield self.batch(rows[start : start + self.batch_size], rng)

    def _order(self, rng):
        if self.features.reading is None:
            return rng.permutation(self.rows)
        sides = (self.table.surveys(self.rows, side) for side in ("anchor", "neighbour"))
        return self.rows[self.features.reading.shuffled_pairs(*sides, rng)]

    def batch(self, rows, rng):
        """The batch of these rows of the table."""
        own = rows[self.part.rows(len(rows))]
        sides = [self.table.surveys(own, side) for side in ("anchor", "neighbour")]
        place = geo.unit_sphere(self.table.columns["lon"][rows], self.table.columns["lat"][rows])
        batch = {
            "inputs": self.features.of(*(np.concatenate(pair) for pair in zip(*sides, strict=True))),
            "distant": torch.from_numpy(distant(place, self.radius_m, rng)),
            "species": torch.from_numpy(self.table.species(rows)),
        }
        if self.table.neighbours:
            batch["neighbour_species"] = torch.from_numpy(self.table.neighbour_species(rows))
        return batch


def distant(place, radius_m, rng):
    """For each of n places on the unit sphere (n, 3) another, uniform over those further than `radius_m`; -1: none."""
    metres = geo.arc(cdist(place, place))
    draw = np.where(metres > radius_m, rng.random(metres.shape), -1.0)
    best = draw.argmax(axis=1)
    return np.where(draw.max(axis=1, initial=-1.0) >= 0, best, -1)


def _codes(dataset, survey):
    """One int64 for each (dataset, survey): equal where both are."""
    return survey.astype(np.int64) * len(schema.DATASETS) + dataset
