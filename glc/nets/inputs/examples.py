"""Surveys to the examples a net reads: presence-absence surveys, and presence-only ones as configured."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from glc import labels, schema, storage
from glc.config import Po
from glc.errors import DataError
from glc.surveys import SurveyData
from glc.types import Facts

CLASSES = "classes.json"


def write(data: SurveyData, out: Path, *, fold: int, stop: int | None, po: Po) -> Facts:
    """Write the tables ``train`` and ``stop`` (early stopping) of one fold and the class list under `out`.

    data : `glc.surveys.SurveyData`
    fold : its surveys are kept for validation: training does not see them
    stop : the fold that stops the training, which does not see it either; None: `fold` itself
    po : `config.Po`; where there are presence-only records alone, ``pseudo`` replaces them by the pseudo-surveys made
        of them, of training and stopping records apart, and all else keeps each as an example
    Classes are the species of the training examples, in order of id; labels of the stopping surveys outside them are
    left out (and counted).
    returns : facts for the manifest
    """
    folds = data.places["fold"].to_numpy()
    train = data.train(fold)
    if stop is None:
        stopping = data.valid(fold)
    else:
        stopping, train = train[folds[train] == stop], train[folds[train] != stop]
    if not len(train) or not len(stopping):
        raise DataError(
            f"fold {fold}: {len(train)} training and {len(stopping)} stopping surveys; choose fewer folds "
            "(validation.count) or smaller blocks (validation.size_m)"
        )
    target = data.labels_of(stopping)
    stop_frame = _frame(data, stopping, 1.0)
    frames = [_frame(data, train, 1.0)]
    matrices = [data.labels_of(train)]
    facts: Facts = {"train_surveys": len(train), "stop_surveys": len(stopping), "presence_only": po.use}
    if data.relative:
        if po.use == "pseudo":
            frame, matrix, provenance, counted = _pseudo(data, train, po)
            stop_frame, target, _, stop_counted = _pseudo(data, stopping, po)
            if not len(frame) or not len(stop_frame):
                raise DataError(
                    f"fold {fold}: {len(frame)} pseudo-surveys to train on and {len(stop_frame)} to stop by, from "
                    f"{len(train)} and {len(stopping)} surveys; lower po.min_species ({po.min_species}) or raise "
                    f"po.radius_m ({po.radius_m:g})"
                )
            frames, matrices = [frame], [matrix]
            storage.write_table(provenance, "provenance", out / "provenance")
            facts |= {"pseudo": counted, "stop_pseudo": stop_counted}
    elif po.use in ("surveys", "only"):
        rows = data.presence_only
        if po.use == "only":
            if not len(rows):
                raise DataError("po.use: found 'only', expected 'none': the dataset has no presence-only records")
            frames, matrices, facts["train_surveys"] = [], [], 0
        frames.append(_frame(data, rows, po.weight))
        matrices.append(data.labels_of(rows))
    elif po.use == "pseudo":
        frame, matrix, provenance, counted = _pseudo(data, data.presence_only, po)
        frames.append(frame)
        matrices.append(matrix)
        storage.write_table(provenance, "provenance", out / "provenance")
        facts |= {"pseudo": counted}
    seen = np.zeros(len(data.species), bool)
    for matrix in matrices:
        seen |= np.asarray(matrix.sum(axis=0)).ravel() > 0
    classes = np.flatnonzero(seen)
    rows = _write(frames, matrices, classes, out / "train")
    _write([stop_frame], [target], classes, out / "stop")
    (out / CLASSES).write_text(json.dumps([int(s) for s in data.species[classes]]))
    return facts | {
        "classes": len(classes),
        "train_examples": rows,
        "stop_labels_outside_classes": int(target[:, ~seen].sum()),
    }


def read_classes(folder: Path) -> np.ndarray:
    """Species ids (m,) int32 of the class indices."""
    return np.array(json.loads((folder / CLASSES).read_text()), np.int32)


def _pseudo(data: SurveyData, rows: np.ndarray, po: Po) -> tuple[pd.DataFrame, sparse.csr_matrix, pd.DataFrame, Facts]:
    """Pseudo-surveys of presence-only surveys: examples, their labels, `glc.etl.pseudo`'s provenance and counts."""
    from glc.etl import pseudo

    surveys = data.places.iloc[rows][["surveyId", "lon", "lat", "easting", "northing", "crs"]].reset_index(drop=True)
    surveys["species"] = labels.to_lists(data.labels_of(rows), data.species).to_numpy(zero_copy_only=False)
    made, provenance, counted = pseudo.aggregate(surveys, po.radius_m, po.min_species)
    frame = made[["surveyId", "easting", "northing"]].assign(dataset="po", weight=po.weight)
    matrix = labels.to_matrix(pa.array(made["species"].tolist(), pa.list_(pa.int32())), data.species)
    return frame, matrix, provenance, counted


def _frame(data, rows, weight):
    return data.places.iloc[rows][["dataset", "surveyId", "easting", "northing"]].assign(weight=weight)


def _write(frames, matrices, classes, folder):
    lists = [labels.to_lists(matrix[:, classes].sorted_indices(), np.arange(len(classes))) for matrix in matrices]
    frame = pd.concat(frames, ignore_index=True)
    table = pa.table(
        {
            "dataset": schema.dataset_numbers(frame["dataset"]),
            "surveyId": frame["surveyId"].to_numpy(np.int64),
            "easting": frame["easting"].to_numpy(np.float32),
            "northing": frame["northing"].to_numpy(np.float32),
            "weight": frame["weight"].to_numpy(np.float32),
            "species": pa.concat_arrays(lists),
        }
    )
    return storage.write_table(table, "examples", folder, row_group_rows=8_192)
