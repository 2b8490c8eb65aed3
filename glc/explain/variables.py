"""The variables of an experiment's table inputs: a column each, or the columns of zeros and ones of a category."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol, Self, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from scipy import sparse

from glc.config import Experiment
from glc.surveys import SurveyData


class ModelValues(Protocol):
    """Values of one model's inputs at n places (`glc.fitted.inputs.InputsAt`), a dataclass.

    tables : input -> frame (n, columns) float32, NaN where missing
    imagery, known : input -> array (n, …)
    missing : (n, inputs) bool, which inputs a place lacks
    """

    tables: dict[str, pd.DataFrame]
    imagery: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    missing: pd.DataFrame


Values: TypeAlias = Mapping[str, ModelValues]
"""Values of the inputs of an experiment, or of each member of an ensemble, by its name."""


V = TypeVar("V")
"""`ModelValues` as the fitted experiment has them."""


class Fitted(Protocol[V]):
    """What an explanation needs of a fitted experiment (`glc.fitted`)."""

    settings: Experiment
    species: pd.DataFrame
    data: SurveyData

    @property
    def relative(self) -> bool:
        """Whether scores are a relative suitability."""
        ...

    def places(self, lon: np.ndarray, lat: np.ndarray) -> pd.DataFrame:
        """Places as a frame with the columns of ``SurveyData.places``."""
        ...

    def inputs(self, places: pd.DataFrame, allow_missing: bool = False) -> Mapping[str, V]:
        """Values of the inputs at places."""
        ...

    def scores(
        self, places: pd.DataFrame, values: Mapping[str, V] | None = None, fold: int | None = None
    ) -> sparse.csr_matrix:
        """(n, species) CSR of scores; fold: by the model that did not see it."""
        ...


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


def tables_of(values: Values) -> dict[str, pd.DataFrame]:
    """The tables of all members, input -> frame (n, columns); members share what has the same names."""
    joined: dict[str, pd.DataFrame] = {}
    for member in values.values():
        for name, table in member.tables.items():
            known = joined.get(name)
            more = table if known is None else table[[column for column in table if column not in known]]
            joined[name] = more if known is None else pd.concat([known, more], axis=1)
    return joined


def inputs_of(values: Values) -> list[str]:
    """Names of all inputs that have values: tables, then imagery."""
    tables = [name for member in values.values() for name in member.tables]
    imagery = [name for member in values.values() for name in member.imagery]
    return list(dict.fromkeys([*tables, *imagery]))


def at_rows(values: Values, rows: np.ndarray) -> dict[str, ModelValues]:
    """The values of other places: `rows` of these, which may repeat."""
    return {
        name: dataclasses.replace(
            member,
            tables={key: table.iloc[rows].reset_index(drop=True) for key, table in member.tables.items()},
            imagery={key: array[rows] for key, array in member.imagery.items()},
            known={key: array[rows] for key, array in member.known.items()},
            missing=member.missing.iloc[rows].reset_index(drop=True),
        )
        for name, member in values.items()
    }


def with_columns(values: Values, table: str, columns: Sequence[str], numbers: np.ndarray) -> dict[str, ModelValues]:
    """The values with other `numbers` (n, columns) in some columns of an input, in every member that reads them."""
    changed = dict(values)
    for name, member in values.items():
        if table in member.tables:
            own = member.tables[table].copy()
            read = [column in own for column in columns]
            own[[column for column in columns if column in own]] = numbers[:, read]
            changed[name] = dataclasses.replace(member, tables={**member.tables, table: own})
    return changed


def with_permuted(values: Values, name: str, order: np.ndarray) -> dict[str, ModelValues]:
    """The values with those of a whole input, and which of them are missing, in another `order` of the places."""
    changed = dict(values)
    for key, member in values.items():
        moved = member
        if name in member.tables:
            table = member.tables[name].iloc[order].reset_index(drop=True)
            moved = dataclasses.replace(moved, tables={**member.tables, name: table})
        if name in member.imagery:
            imagery = {**member.imagery, name: member.imagery[name][order]}
            known = {**member.known, name: member.known[name][order]}
            moved = dataclasses.replace(moved, imagery=imagery, known=known)
        if name in member.missing:
            missing = member.missing.copy()
            missing[name] = missing[name].to_numpy()[order]
            moved = dataclasses.replace(moved, missing=missing)
        changed[key] = moved
    return changed
