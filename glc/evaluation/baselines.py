"""Baselines that any model must beat: the most frequent species of all surveys, a country, region or district."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from glc import labels
from glc.classical.frequency import LEVELS, Frequency
from glc.evaluation import evaluate, metrics, suitability
from glc.scores import top_k
from glc.surveys import TEST, SurveyData
from glc.types import Facts

SIZE = 25
BASELINES = "baselines.json"


@dataclass(frozen=True)
class Predicted:
    """The sets of a baseline for surveys of one split.

    rows : (n,) row numbers of the surveys in the `SurveyData`; fold : (n,) whose training surveys were counted
    sets, actual : (n, species) CSR over one vocabulary; actual is None where the labels are not known
    """

    rows: np.ndarray
    fold: np.ndarray
    sets: sparse.csr_matrix
    actual: sparse.csr_matrix | None

    @property
    def f1(self) -> np.ndarray:
        """F1 of each survey, (n,); NaN where the labels are not known."""
        return np.full(len(self.rows), np.nan) if self.actual is None else metrics.survey_f1(self.sets, self.actual)


def predict(
    level: str, data: SurveyData, folds: Sequence[int], truth: pd.DataFrame | None = None
) -> dict[str, Predicted]:
    """The sets of the baseline of a level: ``valid``, of the validation `folds`, and each of ``data.tests``.

    data, folds, truth : as in `write`
    """
    model = Frequency(Frequency.Options(level=level))

    def best(fold: int | None, at: np.ndarray) -> sparse.csr_matrix:
        share, rows = model.shares(data, fold)
        return top_k(share, SIZE)[rows(data.places.iloc[at])]  # of areas, which are far fewer than surveys

    queries = [data.valid(fold) for fold in folds]
    sets = [best(fold, at) for fold, at in zip(folds, queries, strict=True)]
    rows = np.concatenate(queries)
    fold = np.repeat(list(folds), [len(part) for part in queries])
    splits = {"valid": Predicted(rows, fold, sparse.vstack(sets, format="csr"), data.labels_of(rows))}
    for split, at in data.tests.items():
        species, actual = evaluate.test_labels(data, truth, split)
        wider = labels.widen(best(None, data.test[at]), data.species, species)
        splits[split] = Predicted(data.test[at], np.full(len(at), TEST), wider, actual)
    return splits


def write(data: SurveyData, out: Path, folds: Sequence[int], truth: pd.DataFrame | None = None) -> list[Facts]:
    """Write ``baselines.json``: per level the sample-averaged F1 on the validation `folds`, and on the test if known.

    data : `glc.surveys.SurveyData`
    truth : frame (dataset, surveyId, speciesId) of the tests' labels, or None
    returns : the list of dicts (level, valid, valid_low, valid_high, and each of ``data.tests``, None without labels)
    """
    rows = []
    for level in LEVELS:
        splits = predict(level, data, folds, truth)
        values = splits["valid"].f1
        low, high = evaluate.bootstrap(values, data.places["block"].to_numpy()[splits["valid"].rows])
        row = {"level": level, "valid": float(values.mean()), "valid_low": low, "valid_high": high}
        for split in data.tests:
            known = splits[split].actual is not None
            row[split] = metrics.sample_f1(splits[split].sets, splits[split].actual) if known else None
        rows.append(row)
    (Path(out) / BASELINES).write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def write_relative(data: SurveyData, out: Path, folds: Sequence[int], truth: pd.DataFrame | None = None) -> list[Facts]:
    """Write ``baselines.json`` of presence-only records alone: per level the measures of `glc.evaluation.suitability`.

    The score of a species is its share of the records of the level; that of all records is the same at all sites, so
    that its AUC is 0.5 and its Boyce index is not defined.

    data, folds, truth : as in `write`
    returns : the list of dicts (level, valid, test), the last two as `suitability.measure` returns them, without
        intervals; test is None where its records are not known
    """
    rows = []
    species, actual = evaluate.test_labels(data, truth, "test")
    for level in LEVELS:
        model = _relative(level)
        valid = measure_relative(level, data, folds)[0]
        test = None
        if actual is not None:
            wider = labels.widen(model.scores(data, None, data.test), data.species, species)
            places, alone = data.places.iloc[data.test], np.full(len(data.test), TEST)
            test = suitability.measure(wider, actual, places, alone, species, resamples=0)[0]
        rows.append({"level": level, "valid": valid, "test": test})
    (Path(out) / BASELINES).write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def measure_relative(level: str, data: SurveyData, folds: Sequence[int]) -> tuple[Facts, pd.DataFrame]:
    """Measures on validation of the baseline of a level, of presence-only records alone, and its table of species.

    returns : as `suitability.measure`, without intervals
    """
    model = _relative(level)
    queries = [data.valid(fold) for fold in folds]
    scored = sparse.vstack([model.scores(data, fold, at) for fold, at in zip(folds, queries, strict=True)])
    fold, at = np.repeat(list(folds), [len(part) for part in queries]), np.concatenate(queries)
    return suitability.measure(
        scored.tocsr(), data.labels_of(at), data.places.iloc[at], fold, data.species, resamples=0
    )


def _relative(level: str) -> Frequency:
    return Frequency(Frequency.Options(level=level, sources=("po",)))
