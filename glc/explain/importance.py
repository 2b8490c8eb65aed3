"""Permutation importance: how much a score on held-out blocks falls when an input's values change places.

Each validation survey is scored by the model of its fold, which has not seen its block. The values of one variable, or
of a whole input, are then permuted among the validation surveys of that fold and scored by the same model.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from scipy import sparse

from glc import storage
from glc.errors import DataError
from glc.evaluation import metrics
from glc.explain.variables import (
    Fitted,
    Variable,
    inputs_of,
    sample,
    tables_of,
    variables,
    with_columns,
    with_permuted,
)
from glc.scores import top_k
from glc.types import Say

F1, AUC = "sample_f1", "macro_auc"
MEASURES = (F1, AUC)
"""What falls: F1 per survey at one set size, or the area under the ROC curve per species."""
ALL = ""
"""The column of a row that is of a whole input."""
PLACE = "place"
"""The row of the coordinates themselves, with what follows from them: neighbours, region, country, year."""
CORRELATED = 0.7
"""Absolute rank correlation from which variables share what they say (Dormann et al. 2013)."""
TABLE, FACTS = "importance.csv", "importance.json"
COLUMNS = ("input", "column", "variable", "mean", "std", "correlated_with")


@dataclasses.dataclass(frozen=True)
class Importance:
    """Permutation importance of an experiment's inputs.

    frame : with a row per input (column `ALL`), one of the `PLACE`, and one per column of a table: input, column,
        variable (the name that the columns of one category share, else the column), mean and std (drop of the measure
        over folds and repeats), correlated_with (other variables with a rank correlation of `CORRELATED` or more)
    measure : one of `MEASURES`; score : its value without permutation, the mean over folds
    set_size : species per survey of the F1; 0 for the area
    folds, surveys, repeats : what it was measured on
    """

    frame: pd.DataFrame
    measure: str
    score: float
    set_size: int
    folds: tuple[int, ...]
    surveys: int
    repeats: int

    def write(self, folder: Path) -> None:
        """Write ``importance.csv``, and what of it is no table as ``importance.json``, into `folder`."""
        storage.write_csv(self.frame, folder / TABLE)
        facts = {name: value for name, value in vars(self).items() if name != "frame"}
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote."""
        facts = storage.read_json(folder / FACTS)
        texts = {name: str for name in COLUMNS if name not in ("mean", "std")}
        frame = storage.read_csv(folder / TABLE, dtype=texts, keep_default_na=False)
        return cls(frame, **facts | {"folds": tuple(facts["folds"])})


def importance(fitted: Fitted, **options: int | str) -> pd.DataFrame:
    """The frame (input, column, variable, mean, std, correlated_with) of `measured`, whose options it takes."""
    return measured(fitted, **options).frame


def weights(frame: pd.DataFrame, table: str) -> dict[str, float]:
    """Weight of each column of an input: its importance, at least 0, and 1 for all where none is important.

    frame : of `importance`
    table : name of the input
    """
    own = frame[(frame["input"] == table) & (frame["column"] != ALL)]
    positive = own["mean"].clip(lower=0)
    return dict(zip(own["column"], positive if positive.any() else np.ones(len(own)), strict=True))


def measured(
    fitted: Fitted,
    *,
    measure: str = "",
    repeats: int = 5,
    surveys: int = 1_000,
    seed: int = 0,
    progress: Say | None = None,
) -> Importance:
    """Permutation importance of all inputs and of all columns of tables, on held-out blocks.

    fitted : the experiment
    measure : of `MEASURES`; default the area for presence-only models, else the F1
    repeats : permutations of each input or variable per fold
    surveys : most validation surveys per fold
    seed : of permutations, and of the draw of surveys
    progress : called with a line and percent

    The columns of a category are permuted together and have one importance, as its class must stay one. Values of a
    correlated variable can replace those that are permuted: both then look less important than they are together,
    which is why such variables are named.

    Source: Breiman 2001, section 10; per fold as Fisher et al. 2019, section 3.
    """
    measure = measure or (AUC if fitted.relative else F1)
    data, folds = fitted.data, range(fitted.settings.validation.run)
    rows = {fold: sample(data.valid(fold), surveys, seed) for fold in folds if len(data.valid(fold))}
    if not rows:
        raise DataError("importance: found no validation survey, expected at least one fold with surveys")
    size = max(1, round(float(data.labels_of(data.train()).sum(axis=1).mean())))
    places = {fold: data.places.iloc[own].reset_index(drop=True) for fold, own in rows.items()}
    values = {fold: fitted.inputs(own, allow_missing=True) for fold, own in places.items()}
    names = inputs_of(next(iter(values.values())))
    own_tables = [tables_of(part) for part in values.values()]
    tables = {name: pd.concat([part[name] for part in own_tables]) for name in own_tables[0]}
    known = variables(tables)
    keys = [(name, ALL) for name in (*names, PLACE) if names]
    keys += [(variable.input, variable.name) for variable in known]
    columns = {(variable.input, variable.name): list(variable.columns) for variable in known}
    drops: dict[tuple[str, str], list[float]] = {key: [] for key in keys}
    scores = []
    for done, (fold, own) in enumerate(rows.items()):
        value = _measure(measure, size, data.labels_of(own))
        scores.append(value(fitted.scores(places[fold], values[fold], fold=fold)))
        whole = tables_of(values[fold])
        for number, key in enumerate(keys):
            if progress is not None:
                share = (done + number / len(keys)) / len(rows)
                progress(f"fold {fold}: importance of {' '.join(filter(None, key))}", 100 * share)
            rng = np.random.default_rng([seed, fold, number])
            for _ in range(repeats):
                order = rng.permutation(len(own))
                elsewhere, changed = places[fold], values[fold]
                if key in columns:
                    numbers = whole[key[0]][columns[key]].to_numpy()[order]
                    changed = with_columns(changed, key[0], columns[key], numbers)
                elif key[0] == PLACE:
                    elsewhere = elsewhere.iloc[order].reset_index(drop=True)
                else:
                    changed = with_permuted(changed, key[0], order)
                drops[key].append(scores[-1] - value(fitted.scores(elsewhere, changed, fold=fold)))
    return Importance(
        _frame(drops, columns, _correlated(tables, known)),
        measure,
        float(np.mean(scores)),
        size if measure == F1 else 0,
        tuple(rows),
        sum(map(len, rows.values())),
        repeats,
    )


def _measure(name: str, size: int, actual: sparse.csr_matrix) -> Callable[[sparse.csr_matrix], float]:
    if name == AUC:
        return lambda scores: metrics.macro_auc(scores, actual)
    return lambda scores: metrics.sample_f1(top_k(scores, size), actual)


def _frame(
    drops: dict[tuple[str, str], list[float]],
    columns: dict[tuple[str, str], list[str]],
    related: dict[tuple[str, str], list[str]],
) -> pd.DataFrame:
    rows = [
        {
            "input": key[0],
            "column": column,
            "variable": key[1],
            "mean": float(np.mean(values)),
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
            "correlated_with": ", ".join(related.get(key, ())),
        }
        for key, values in drops.items()
        for column in columns.get(key, [ALL])
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _correlated(tables: dict[str, pd.DataFrame], known: Sequence[Variable]) -> dict[tuple[str, str], list[str]]:
    """(input, variable) -> variables of numbers with which it has a rank correlation of `CORRELATED` or more."""
    numbers = [item for item in known if not item.categorical]
    if len(numbers) < 2:
        return {}
    values = [tables[item.input][item.columns[0]].to_numpy() for item in numbers]
    strength = np.nan_to_num(pd.DataFrame(dict(enumerate(values))).rank().corr().abs().to_numpy(copy=True))
    np.fill_diagonal(strength, 0)
    return {
        (item.input, item.name): [numbers[at].name for at in np.flatnonzero(strength[row] >= CORRELATED)]
        for row, item in enumerate(numbers)
    }
