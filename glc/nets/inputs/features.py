"""Imagery by survey: the tables of tiles and cubes as tensors from which any batch of surveys is gathered.

The tables stay as they are; no copy for a fold, a triplet or an epoch is ever written. Each is read once, through
Petastorm, into memory, and a batch takes the rows of its surveys. What is larger than the memory it may take is read
from the table whenever it is needed, by row group (`glc.nets.inputs.streamed`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from glc.errors import DataError
from glc.neighbours._base import RowSource
from glc.nets.inputs.index import Index
from glc.training.part import Part
from glc.types import JSON, Facts

if TYPE_CHECKING:
    from glc.nets.inputs.streamed import Reading

_BYTES = 64 << 20  # of float32 values that are gathered at a time, where that is ours to choose


@dataclass(frozen=True)
class Layout:
    """What a batch holds of one input: (batch, band, row, col) float32, NaN where it is missing."""

    kind: str
    """coeffs: low DCT terms of tiles; pixels; series: 64 1-D DCT terms laid out 8 x 8; cube: values by (band, ., .);
    table: values by (feature, 1, 1); graph: a weight by (species, 1, 1), 0 where there is no neighbour with it; votes:
    weighted records by (species, 1 + scale, source), those of everywhere before those of the scales."""
    bands: tuple[str, ...]
    rows: int
    cols: int
    size: int = 0
    """Side in pixels of the tiles; 0 for cubes."""
    levels: int = 0
    """Largest value of pixels of 8 bits, 255; 0 of all others."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(band, row, col)."""
        return len(self.bands), self.rows, self.cols

    def to_dict(self) -> dict[str, JSON]:
        """Plain values, for a checkpoint."""
        return asdict(self) | {"bands": list(self.bands)}

    @classmethod
    def from_dict(cls, values: Mapping[str, JSON]) -> "Layout":
        """The inverse of `to_dict`."""
        return cls(**values | {"bands": tuple(values["bands"])})


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of an input over training examples, (band, row, col) float32.

    Where no example has a value the mean is 0; where all have the same the deviation is 0.
    """

    mean: np.ndarray
    std: np.ndarray
    known: float
    """Share of the examples that have any value."""


class Features:
    """Imagery of surveys, by input.

    layouts : dict of input name -> `Layout`
    values : dict of input name -> (survey, band, row, col) array of uint8, int16, ... or float
    known : dict of input name -> (survey, band) bool, whether the survey has the band
    keys : dict of input name -> (survey, 2) int64, number of the dataset in `schema.DATASETS`, and surveyId
    reading : the order in which surveys are best asked for; None: any, all values are in memory
    """

    def __init__(
        self,
        layouts: dict[str, Layout],
        values: dict[str, np.ndarray | RowSource],
        known: dict[str, np.ndarray],
        keys: Mapping[str, np.ndarray],
        reading: "Reading | None" = None,
    ) -> None:
        self.layouts, self._values, self._known, self.reading = layouts, values, known, reading
        self._index = {name: Index(pairs) for name, pairs in keys.items()}
        self._generators: dict[str, np.random.Generator] = {}

    def add_graph(
        self,
        name: str,
        matrix: sparse.csr_matrix | RowSource,
        species: np.ndarray,
        keys: np.ndarray,
        hidden: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        """Take the vectors or votes of surveys' neighbours as the input `name`.

        matrix : (n, m) CSR, or what gives rows of an (n, m, scale, source) array
        species : (m,) ids
        keys : (n, 2) as
        of the others. They come normalised: no moments
        hidden : (n,) probability that a survey shows none (zeros) when it is asked for, or None
        seed : of those draws
        """
        if len(matrix.shape) == 2:
            self.layouts[name], values = Layout("graph", tuple(map(str, species)), 1, 1), _Rows(matrix)
        else:
            self.layouts[name], values = Layout("votes", tuple(map(str, species)), *matrix.shape[2:]), matrix
        if hidden is not None:
            self._generators[name] = np.random.default_rng(seed)
            values = _Hiding(values, hidden, self._generators[name])
        self._values[name] = values
        self._known[name] = np.ones((len(keys), 1), bool)
        self._index[name] = Index(keys)

    def of(self, dataset: np.ndarray | torch.Tensor, survey: np.ndarray | torch.Tensor) -> dict[str, torch.Tensor]:
        """Imagery of surveys by their dataset's number and id, (n,) integers: name -> (n, band, row, col) float32.

        What a survey does not have, all of it or a band, is NaN.
        """
        dataset, survey = np.asarray(dataset), np.asarray(survey)
        imagery = {}
        for name in self.layouts:
            rows = self._index[name](dataset, survey)
            there = rows >= 0
            known = there[:, None] & self._known[name][rows]  # row -1 is any survey's: not there, so masked
            taken = self._values[name][rows].astype(np.float32, copy=False)
            if not known.all():
                taken[~np.broadcast_to(known, taken.shape[:2])] = np.nan
            imagery[name] = torch.from_numpy(taken)
        return imagery

    def random_state(self) -> Facts:
        """The states of the generators that draw which surveys show no neighbours, by input."""
        return {name: rng.bit_generator.state for name, rng in self._generators.items()}

    def set_random_state(self, state: Facts) -> None:
        """Go back to a state that `random_state` returned."""
        for name, rng in self._generators.items():
            rng.bit_generator.state = state[name]

    def draw_apart(self, part: Part) -> None:
        """Hide the neighbours of other surveys than the other processes of a training do.

        part : this process; the first goes on as it would alone
        """
        for rng in self._generators.values():
            if not part.first:
                rng.bit_generator.state = rng.bit_generator.jumped(part.index).state

    def steps(self, count: int) -> list[slice]:
        """Slices of `count` surveys whose imagery takes bounded memory."""
        size = sum(4 * int(np.prod(layout.shape)) for layout in self.layouts.values())
        rows = max(1, _BYTES // max(size, 1))
        return [slice(start, start + rows) for start in range(0, count, rows)]

    def known(
        self, dataset: np.ndarray | torch.Tensor, survey: np.ndarray | torch.Tensor, names: Sequence[str] | None = None
    ) -> np.ndarray:
        """Whether surveys (n,) have a value of any input, (n,) bool.

        names : of the inputs that count; None: all
        """
        has_value = np.zeros(len(survey), bool)
        for name in self.layouts if names is None else names:
            rows = self._index[name](np.asarray(dataset), np.asarray(survey))
            has_value |= (rows >= 0) & self._known[name][rows].any(axis=1)
        return has_value

    def moments(self, dataset: np.ndarray, survey: np.ndarray) -> dict[str, Moments]:
        """`Moments` of each input over surveys (n,), in float64, without missing values."""
        layouts = {name: layout for name, layout in self.layouts.items() if layout.kind not in ("graph", "votes")}
        total = {name: np.zeros((3, *layout.shape)) for name, layout in layouts.items()}
        known = dict.fromkeys(layouts, 0)
        centre = {}
        if self.reading is not None:
            order = self.reading.in_order(dataset, survey)
            dataset, survey = dataset[order], survey[order]
        for rows in self.steps(len(survey)):
            imagery = self.of(dataset[rows], survey[rows])
            for name, block in ((name, imagery[name]) for name in layouts):
                block = block.numpy().astype(np.float64)
                valid = np.isfinite(block)
                known[name] += int(valid.any(axis=(1, 2, 3)).sum())
                if name not in centre:  # squares about a typical value: large offsets cost no digits
                    count = valid.sum(axis=0)
                    centre[name] = np.where(valid, block, 0).sum(axis=0) / np.maximum(count, 1)
                block = np.where(valid, block - centre[name], 0)
                total[name] += np.stack([valid.sum(axis=0), block.sum(axis=0), (block**2).sum(axis=0)])
        by_input = {}
        for name, (count, first, second) in total.items():
            if not known[name]:
                raise DataError(
                    f"input {name!r}: none of {len(survey):,} training examples has any value of it; look at the flags "
                    "and the quarantine of its table, or leave the input out"
                )
            count = np.maximum(count, 1)
            mean = first / count
            spread = np.sqrt(np.maximum(second / count - mean**2, 0))
            by_input[name] = Moments(
                (centre[name] + mean).astype(np.float32), spread.astype(np.float32), known[name] / len(survey)
            )
        return by_input


class _Rows:
    """A sparse matrix whose rows are taken as dense (n, m, 1, 1) float32."""

    def __init__(self, matrix):
        self.matrix = matrix.tocsr()

    def __getitem__(self, rows):
        return self.matrix[rows].toarray().astype(np.float32, copy=False)[:, :, None, None]


class _Hiding:
    """Rows of which each is zero with its own probability, drawn again whenever the row is read."""

    def __init__(self, values, hidden, rng):
        self.values, self.hidden, self.rng = values, hidden, rng

    def __getitem__(self, rows):
        taken = self.values[rows]
        taken[self.rng.random(len(rows)) < self.hidden[rows]] = 0
        return taken
