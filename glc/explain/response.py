"""Response curves: how the score of a species depends on one variable, the others as at training surveys."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from glc.errors import ConfigError, did_you_mean
from glc.explain.variables import Background, Fitted, Variable, at_rows, tables_of, variables, with_columns

MOST_ROWS = 10_000
"""Places that are scored at once."""
BAND = (0.1, 0.9)
"""Quantiles of the surveys' own curves that bound the band."""
_INNER = (0.01, 0.99)
"""Quantiles of a column between which its curve is drawn: beyond them a model extrapolates."""


@dataclasses.dataclass(frozen=True)
class Responses:
    """Partial dependence of species on the variables of the table inputs.

    curves : frame with a row per species, variable and value: species (id), input, variable, category (text, empty for
        a number), value (NaN for a category), mean over the background, and low and high, the quantiles `BAND` of the
        surveys' own curves (individual conditional expectation)
    rug : variable's (input, name) -> its values at the background; of a category the share of each
    surveys : number of surveys of the background
    """

    curves: pd.DataFrame
    rug: dict[tuple[str, str], np.ndarray]
    surveys: int


def responses(
    fitted: Fitted, species: Sequence[int], *, surveys: int = 200, points: int = 24, seed: int = 0
) -> Responses:
    """Response curves of `species` over a background of training surveys.

    fitted : the experiment; one without table inputs has no curves
    species : ids, of `fitted.species`
    surveys : size of the background
    points : values per curve, evenly spaced between the 1 % and the 99 % quantile of the background
    seed : of the draw of the background

    Source: partial dependence (Friedman 2001, section 8.2), individual curves (Goldstein et al. 2015).
    """
    columns = _columns(fitted, species)
    background = Background.drawn(fitted, surveys, seed)
    tables = tables_of(background.values)
    frames, rug = [], {}
    for variable in variables(tables):
        settings, labels = _settings(tables[variable.input], variable, points)
        if not len(settings):
            continue
        curves = _curves(fitted, background, variable, settings, columns)
        low, high = np.quantile(curves, BAND, axis=1)
        own = tables[variable.input][list(variable.columns)].to_numpy(np.float64)
        rug[variable.input, variable.name] = np.nanmean(own, axis=0) if variable.categorical else own[:, 0]
        for number, identity in enumerate(species):
            frames.append(
                pd.DataFrame(
                    {
                        "species": int(identity),
                        "input": variable.input,
                        "variable": variable.name,
                        "category": labels,
                        "value": np.full(len(labels), np.nan) if variable.categorical else settings[:, 0],
                        "mean": curves.mean(axis=1)[:, number],
                        "low": low[:, number],
                        "high": high[:, number],
                    }
                )
            )
    empty = pd.DataFrame(columns=["species", "input", "variable", "category", "value", "mean", "low", "high"])
    return Responses(pd.concat(frames, ignore_index=True) if frames else empty, rug, len(background.rows))


def chosen(fitted: Fitted, wanted: Sequence[str], count: int = 3) -> list[int]:
    """Ids of the species that are asked for; of none, the `count` most frequent ones.

    wanted : ids or names, as text
    raises : ConfigError for a species that the experiment does not know, with names like it
    """
    known = fitted.species
    if not wanted:
        order = np.argsort(-known["records"].to_numpy(), kind="stable")
        return known["speciesId"].to_numpy()[order[:count]].tolist()
    by_text = {str(number): number for number in known["speciesId"]}
    named = known.dropna(subset="name")
    by_text |= {name.casefold(): number for name, number in zip(named["name"], named["speciesId"], strict=True)}
    for text in wanted:
        if text.strip().casefold() not in by_text:
            choices = list(named["name"]) or [str(number) for number in known["speciesId"]]
            raise ConfigError(
                f"--species: found {text!r}, expected the id or name of one of {len(known):,} species of the "
                f"experiment{did_you_mean(text, choices)}"
            )
    return [int(by_text[text.strip().casefold()]) for text in wanted]


def _columns(fitted: Fitted, species: Sequence[int]) -> np.ndarray:
    """Columns of `species` in the scores."""
    known = fitted.species["speciesId"].to_numpy()
    at = np.searchsorted(known, species)
    for number, column in zip(species, at, strict=True):
        if column >= len(known) or known[column] != number:
            raise ConfigError(f"species {number}: not one of the {len(known):,} species of the experiment")
    return at


def _settings(table: pd.DataFrame, variable: Variable, points: int) -> tuple[np.ndarray, list[str]]:
    """What the variable's columns are set to, (values, columns), and the category of each."""
    if variable.categorical:
        return np.eye(len(variable.columns), dtype=np.float32), list(variable.categories)
    values = table[variable.columns[0]].to_numpy(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.empty((0, 1), np.float32), []
    low, high = np.quantile(values, _INNER)
    if low == high:
        low, high = values.min(), values.max()
    levels = np.unique(values)
    spaced = levels if len(levels) <= min(points, 12) else np.linspace(low, high, points)
    return spaced[:, None].astype(np.float32), [""] * len(spaced)


def _curves(
    fitted: Fitted, background: Background, variable: Variable, settings: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Scores (setting, survey, species), every survey of the background under every setting."""
    count = len(background.rows)
    at_once = max(1, MOST_ROWS // max(count, 1))
    parts = []
    for start in range(0, len(settings), at_once):
        part = settings[start : start + at_once]
        rows = np.tile(np.arange(count), len(part))
        values = at_rows(background.values, rows)
        changed = with_columns(values, variable.input, variable.columns, np.repeat(part, count, axis=0))
        places = background.places.iloc[rows].reset_index(drop=True)
        scores = fitted.scores(places, changed)[:, columns]
        parts.append(np.asarray(scores.todense()).reshape(len(part), count, len(columns)))
    return np.concatenate(parts)
