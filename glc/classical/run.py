"""Run a classical model over the validation folds and the test."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as ds
from scipy import sparse

from glc import scores as score_tables
from glc import storage
from glc.classical._base import Classical
from glc.errors import ConfigError, DataError, did_you_mean
from glc.neighbours.search import curve
from glc.progress import tqdm
from glc.surveys import TEST, SurveyData
from glc.types import Facts, Say

FITS = "fits"
"""What the bar of the fits, one per fold and one for the test, is called."""


def write(
    model: Classical,
    data: SurveyData,
    out: Path,
    *,
    folds: Sequence[int],
    keep: int,
    refit: bool = True,
    neighbours: pd.DataFrame | None = None,
    table: np.ndarray | None = None,
    progress: Say = print,
) -> None:
    """Write ``valid`` (each fold scored from the others) and ``test`` (scored from all training surveys) under `out`.

    model : `Classical`
    data : `glc.surveys.SurveyData`
    refit : whether another fit to all training surveys scores the test; otherwise the mean of the folds' fits does
    neighbours : frame of schema ``neighbours`` or None
    table : for a model that ``reads`` one, what `read_table` gives
    What the model saves of its last fit lies in ``model`` under `out`. The manifest also carries, under
    ``model_facts``, for each fold (``0``, ..., and ``test`` of a refit) the `facts` of the fit, if there are any.
    """
    folds, none = list(folds), np.empty(0, np.int64)
    fits = [*folds, TEST] if refit else folds
    tests, facts = [], {}

    def validation() -> Iterator[score_tables.Scores]:
        for done, fold in enumerate(tqdm(fits, desc=FITS, unit="fit", leave=False)):
            progress(f"{model.name}: scoring {'the test' if fold == TEST else f'fold {fold}'}", 100 * done // len(fits))
            valid = none if fold == TEST else data.valid(fold)
            test = none if refit and fold != TEST else data.test
            queries = np.concatenate([valid, test])
            # neighbours in space have the same records around them, which are then in the processor's caches
            order = np.argsort(
                curve(*(data.places[name].to_numpy()[queries] for name in ("lon", "lat"))), kind="stable"
            )
            parts = model.blocks(data, None if fold == TEST else fold, queries[order], neighbours, table)
            kept = [score_tables.keep_best(part, keep) for part in parts] or [sparse.csr_matrix((0, len(data.species)))]
            matrix = sparse.vstack(kept, format="csr", dtype=np.float32)[np.argsort(order)]
            if fold == TEST or not refit:
                tests.append(score_tables.of_rows(data, test, TEST, matrix[len(valid) :]))
            if model.facts:
                facts["test" if fold == TEST else str(fold)] = dict(model.facts)
            if fold != TEST:
                yield score_tables.of_rows(data, valid, fold, matrix[: len(valid)])

    # each fold's scores are written before the next model is fitted: together they may be gigabytes
    valid_rows = score_tables.write_parts(validation(), out / "valid")
    saved = out / "model"
    saved.mkdir()
    model.save(saved)
    if not any(saved.iterdir()):
        saved.rmdir()
    test_scores = tests[0] if len(tests) == 1 else score_tables.mean(tests, keep)
    storage.note(
        out,
        valid_rows=valid_rows,
        test_rows=score_tables.write(test_scores, out / "test"),
        **({"model_facts": facts} if facts else {}),
    )


def read_table(folder: Path, data: SurveyData, bands: Sequence[str] = ()) -> np.ndarray:
    """Environmental values at the surveys of `data`: (surveys, features) float32, NaN where missing.

    folder : output of the task ``Tabular``
    bands : of its columns, a categorical one standing for its classes; none:
        all
    A ConfigError names a band that is not there, a DataError tells of training or test surveys without a row.
    """
    columns = columns_of(storage.manifest(folder), bands)
    values = np.full((len(data.places), len(columns)), np.nan, np.float32)
    filled = np.zeros(len(data.places), bool)
    rows = {name: np.flatnonzero(data.places["dataset"] == name) for name in data.places["dataset"].unique()}
    ids = {name: pd.Index(data.places["surveyId"].to_numpy()[own]) for name, own in rows.items()}
    source = ds.dataset(sorted((folder / "tabular").glob("part-*.parquet")))
    with tqdm(total=source.count_rows(), desc="environmental values", unit="survey", leave=False) as bar:
        for batch in source.to_batches(columns=["dataset", "surveyId", *columns]):
            for name, own in rows.items():
                part = batch.filter(pc.equal(batch["dataset"], name))
                at = ids[name].get_indexer(part["surveyId"].to_numpy())
                into = own[at[at >= 0]]
                for number, column in enumerate(columns):
                    values[into, number] = part[column].to_numpy(zero_copy_only=False)[at >= 0]
                filled[into] = True
            bar.update(len(batch))
    lost = np.concatenate([data.train(), data.test])
    lost = lost[~filled[lost]]
    if len(lost):
        first = data.places.iloc[lost[0]]
        raise DataError(
            f"{folder}: no row of values for {len(lost):,} surveys, the first survey {first['surveyId']} of "
            f"{first['dataset']}; expected one for each training and test survey; rebuild the table"
        )
    return values


def columns_of(facts: Facts, bands: Sequence[str]) -> list[str]:
    """The columns of a table that a classical model reads.

    facts : of the task ``Tabular``
    bands : as of `read_table`
    """
    chosen = []
    for band in bands or facts["columns"]:
        own = facts["categories"].get(band, [band])
        if not set(own) <= set(facts["columns"]):
            known = [*facts["columns"], *facts["categories"]]
            raise ConfigError(
                f"inputs, table: unknown band {band!r}; expected some of: {', '.join(known)}{did_you_mean(band, known)}"
            )
        chosen += own
    return list(dict.fromkeys(chosen))
