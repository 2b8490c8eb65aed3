"""Baselines that any model must beat: the most frequent species of all surveys, a country, region or district."""

import json
from collections.abc import Sequence
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


def write(data: SurveyData, out: Path, folds: Sequence[int], truth: pd.DataFrame | None = None) -> list[Facts]:
    """Write ``baselines.json``: per level the sample-averaged F1 on the validation `folds`, and on the test if known.

    data : `glc.surveys.SurveyData`
    truth : frame (dataset, surveyId, speciesId) of the tests' labels, or None
    returns : the list of dicts (level, valid, valid_low, valid_high, and each of ``data.tests``, None without labels)
    """
    rows = []
    for level in LEVELS:
        model = Frequency(Frequency.Options(level=level))
        values, blocks = [], []
        for fold in folds:
            queries = data.valid(fold)
            sets = top_k(model.scores(data, fold, queries), SIZE)
            values.append(metrics.survey_f1(sets, data.labels_of(queries)))
            blocks.append(data.places["block"].to_numpy()[queries])
        values, blocks = np.concatenate(values), np.concatenate(blocks)
        low, high = evaluate.bootstrap(values, blocks)
        row = {"level": level, "valid": float(values.mean()), "valid_low": low, "valid_high": high}
        for split, at in data.tests.items():
            species, actual = evaluate.test_labels(data, truth, split)
            row[split] = None
            if actual is not None:
                sets = top_k(model.scores(data, None, data.test[at]), SIZE)
                row[split] = metrics.sample_f1(labels.widen(sets, data.species, species), actual)
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
        model = Frequency(Frequency.Options(level=level, sources=("po",)))
        queries = [data.valid(fold) for fold in folds]
        scored = sparse.vstack([model.scores(data, fold, at) for fold, at in zip(folds, queries, strict=True)])
        fold, at = np.repeat(list(folds), [len(part) for part in queries]), np.concatenate(queries)
        valid = suitability.measure(
            scored.tocsr(), data.labels_of(at), data.places.iloc[at], fold, data.species, resamples=0
        )[0]
        test = None
        if actual is not None:
            wider = labels.widen(model.scores(data, None, data.test), data.species, species)
            places, alone = data.places.iloc[data.test], np.full(len(data.test), TEST)
            test = suitability.measure(wider, actual, places, alone, species, resamples=0)[0]
        rows.append({"level": level, "valid": valid, "test": test})
    (Path(out) / BASELINES).write_text(json.dumps(rows, indent=1) + "\n")
    return rows
