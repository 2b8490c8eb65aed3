"""The variables of an experiment's table inputs: a column each, or the columns of zeros and ones of a category."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol, Self

import numpy as np
import pandas as pd
from scipy import sparse

from glc.config import Experiment
from glc.surveys import SurveyData


class Values(Protocol):
    """Values of an experiment's inputs at n places, a dataclass.

    tables : input -> frame (n, columns) float32, NaN where missing
    imagery : input -> array (n, …)
    missing : (n, inputs) bool, which inputs a place lacks
    """

    tables: dict[str, pd.DataFrame]
    imagery: dict[str, np.ndarray]
    missing: pd.DataFrame


class Fitted(Protocol):
    """What an explanation needs of a fitted experiment (`glc.fitted`)."""

    settings: Experiment
    species: pd.DataFrame
    data: SurveyData
    relative: bool

    def places(self, lon: np.ndarray, lat: np.ndarray) -> pd.DataFrame:
        """Places as a frame with the columns of ``SurveyData.places``."""

    def inputs(self, places: pd.DataFrame, allow_missing: bool = False) -> Values:
        """Values of the inputs at places."""

    def scores(self, places: pd.DataFrame, values: Values | None = None, fold: int | None = None) -> sparse.csr_matrix:
        """(n, species) CSR of scores; fold: by the model that did not see it."""


@dataclass(frozen=True)
class Variable:
    """What is varied, or permuted, as one: a column of numbers, or a category's columns of zeros and ones.

    input : the table input that it is of
    name : the column, or what the names of a category's columns have in common
    columns : of the table, one, or one per category
    """

    input: str
    name: str
    columns: tuple[str, ...]

    @property
    def categorical(self) -> bool:
        """Whether its columns are the classes of one category."""
        return len(self.columns) > 1

    @property
    def categories(self) -> tuple[str, ...]:
        """What tells its columns apart: the ends of their names."""
        return tuple(column.removeprefix(self.name).lstrip("_") for column in self.columns)


def variables(tables: Mapping[str, pd.DataFrame]) -> list[Variable]:
    """The variables of table inputs, in the order of their columns.

    tables : input -> frame (n, columns), NaN where missing

    Neighbouring columns are one category if their names share a beginning and every row has a one in at most one of
    them, and a zero in the others.
    """
    return [
        Variable(name, _common(group) if len(group) > 1 else group[0], tuple(group))
        for name, table in tables.items()
        for group in _groups(table)
    ]


def _groups(table: pd.DataFrame) -> list[list[str]]:
    groups: list[list[str]] = []
    total: np.ndarray | None = None
    for column in map(str, table.columns):
        values = table[column].to_numpy(np.float64)
        known = values[np.isfinite(values)]
        binary = len(known) > 0 and bool(np.isin(known, (0, 1)).all())
        ones = np.nan_to_num(values) if binary else None
        joins = total is not None and ones is not None and bool((total + ones <= 1).all())
        if joins and _common([*groups[-1], column]):
            groups[-1].append(column)
            total = total + ones
        else:
            groups.append([column])
            total = ones
    return groups


def _common(columns: Sequence[str]) -> str:
    """What the names have in common up to an underscore, '' if that is nothing."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*columns, strict=False))
    return "".join(letters[0] for letters in alike).rpartition("_")[0]


@dataclass(frozen=True)
class Background:
    """Surveys over which a response is averaged.

    rows : of ``SurveyData.places``
    places : those rows
    values : `Values` of the inputs there
    """

    rows: np.ndarray
    places: pd.DataFrame
    values: Values

    @classmethod
    def drawn(cls, fitted: Fitted, size: int, seed: int = 0) -> Self:
        """At most `size` training surveys, drawn without replacement."""
        rows = sample(fitted.data.train(), size, seed)
        places = fitted.data.places.iloc[rows].reset_index(drop=True)
        return cls(rows, places, fitted.inputs(places, allow_missing=True))


def sample(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    """At most `size` of `rows`, in their order."""
    if len(rows) <= size:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))


def at_rows(values: Values, rows: np.ndarray) -> Values:
    """The values of other places: `rows` of these, which may repeat."""
    return dataclasses.replace(
        values,
        tables={name: table.iloc[rows].reset_index(drop=True) for name, table in values.tables.items()},
        imagery={name: array[rows] for name, array in values.imagery.items()},
        missing=values.missing.iloc[rows].reset_index(drop=True),
    )
