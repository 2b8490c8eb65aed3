"""What a species distribution model learns from: places with covariates, who was seen there, which stand for absence.

Presence-only tables with a background and presence-absence tables are the same thing here: they differ in which rows
stand for the absence of a species.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from glc.errors import DataError

PLACE = ("x", "y")
"""Columns of a place, in the units of its region's own coordinate system."""


@dataclass(frozen=True)
class Examples:
    """Training examples of one group of species.

    table : n rows; the columns `PLACE` and the covariates
    species : S names
    present : (n, S) bool
    background : (n,) bool; a species is taken for absent at the background rows where it is not present
    categorical : names of the covariates that are classes
    """

    table: pd.DataFrame
    species: tuple[str, ...]
    present: np.ndarray
    background: np.ndarray
    categorical: tuple[str, ...] = ()

    def __post_init__(self):
        shape = (len(self.table), len(self.species))
        if self.present.shape != shape or self.background.shape != shape[:1]:
            raise DataError(
                f"examples: present {self.present.shape} and background {self.background.shape} do not fit a table of "
                f"{shape[0]} rows and {shape[1]} species; expected {shape} and {shape[:1]}"
            )
        poor = ~self.present.any(axis=0) | ~(self.background[:, None] & ~self.present).any(axis=0)
        if poor.any():
            raise DataError(
                f"examples: species {self.species[poor.argmax()]!r} has no presence or no background; leave it out"
            )

    @property
    def covariates(self) -> list[str]:
        """Names of the covariates."""
        return [name for name in self.table if name not in PLACE]

    def rows(self, species: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of presences and rows of absences of the species with that number."""
        present = self.present[:, species]
        return np.flatnonzero(present), np.flatnonzero(self.background & ~present)

    def subset(self, keep: np.ndarray) -> tuple["Examples", np.ndarray]:
        """The examples of the rows `keep` (n,) bool, and the numbers of the species that still can be learnt."""
        present, background = self.present[keep], self.background[keep]
        able = present.any(axis=0) & (background[:, None] & ~present).any(axis=0)
        names = tuple(name for name, learnable in zip(self.species, able, strict=True) if learnable)
        part = Examples(self.table[keep], names, present[:, able], background, self.categorical)
        return part, np.flatnonzero(able)


@dataclass(frozen=True)
class Group:
    """Species that are learnt from the same places: what to learn from, where to predict, and what is true there.

    sites : frame of the test sites by ``siteid``: `PLACE` and the covariates
    truth : (site, species) bool, or None where it is not known
    """

    name: str
    examples: Examples
    sites: pd.DataFrame
    truth: np.ndarray | None


class Encoder:
    """Covariates as numbers: numeric ones as they are, classes one-hot (a class that was never seen is all zeros)."""

    def __init__(self, table, categorical, place):
        self.numeric = [name for name in table if name not in categorical and (place or name not in PLACE)]
        self.levels = {name: np.unique(table[name]) for name in table if name in categorical}

    def __call__(self, table):
        """Matrix (n, features) float32: the numeric covariates first, then the classes."""
        numeric = table[self.numeric].to_numpy(np.float32)
        classes = [table[name].to_numpy()[:, None] == levels for name, levels in self.levels.items()]
        return np.hstack([numeric, *classes], dtype=np.float32, casting="unsafe")


def write_scores(folder: Path, groups: Sequence[Group], scores: Sequence[np.ndarray]) -> dict[str, list[int]]:
    """Write scores (site, species) of each group: one parquet file with ``siteid`` and one column per species.

    returns : name of a group -> numbers of its sites and species
    """
    for group, values in zip(groups, scores, strict=True):
        frame = pd.DataFrame(values, index=group.sites.index, columns=list(group.examples.species))
        frame.reset_index().to_parquet(folder / f"{group.name}.parquet", index=False)
    return {group.name: [len(group.sites), len(group.examples.species)] for group in groups}


def read_scores(folder: Path, group: Group) -> np.ndarray:
    """Scores (site, species) of a group that `write_scores` wrote, in the order of its sites and species."""
    frame = pd.read_parquet(folder / f"{group.name}.parquet").set_index("siteid")
    return frame.loc[group.sites.index, list(group.examples.species)].to_numpy()


def presence_only(records, background, species, covariates, categorical=()):
    """`Examples` of presence records and background points.

    records : frame of presences: ``spid``, `PLACE` and the covariates; records at one place become one row
    background : frame of `PLACE` and the covariates
    species : names, in the order of the scores' columns
    """
    columns = [*PLACE, *covariates]
    known = records[records["spid"].isin(species)]
    row, table = _distinct(known[columns])
    present = np.zeros((len(table) + len(background), len(species)), bool)
    present[row, pd.Index(species).get_indexer(known["spid"])] = True
    joined = pd.concat([table, background[columns]], ignore_index=True)
    is_background = np.arange(len(joined)) >= len(table)
    return Examples(joined, tuple(species), present, is_background, tuple(categorical))


def _distinct(table):
    number = table.groupby(list(table), sort=False, dropna=False).ngroup().to_numpy()
    return number, table[~pd.Series(number).duplicated().to_numpy()]
