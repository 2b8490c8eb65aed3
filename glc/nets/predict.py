"""A trained net's scores of its validation fold and of the test."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import sparse

from glc import config, labels, schema, storage
from glc import scores as score_tables
from glc.nets import checkpoints
from glc.nets.inputs import examples
from glc.nets.inputs.features import Features
from glc.progress import tqdm
from glc.registry import models
from glc.surveys import TEST, SurveyData
from glc.types import JSON


def write(
    fit_folder: Path,
    examples_folder: Path,
    data: SurveyData,
    out: Path,
    *,
    fold: int,
    keep: int,
    first: int | None = None,
    features: Features | None = None,
    predict: Mapping[str, JSON] | None = None,
    accelerator: str = "auto",
) -> None:
    """Write ``valid`` (the surveys of `fold`) and ``test`` scores under `out`, and ``first`` (of the fold `first`).

    data : `glc.surveys.SurveyData`
    features : `inputs.features.Features` of its surveys, for a net with inputs
    predict : options of prediction, an experiment's ``[predict]``, for the net's own `Prediction`
    """
    checkpoint = fit_folder / checkpoints.CHECKPOINT
    net = models.get(checkpoints.read(checkpoint)["model"])
    prediction = config.prediction(net, predict or {})
    reading = features.reading if features else None
    features, facts = net.prediction_features(features, data, prediction)
    classes = examples.read_classes(examples_folder)
    counts = {}
    wanted = [("valid", data.valid(fold), fold), ("test", data.test, TEST)]
    if first is not None:
        wanted.append(("first", data.valid(first), first))
    for name, rows, number in wanted:
        places = data.places.iloc[rows]
        places = places.assign(dataset=schema.dataset_numbers(places["dataset"]))
        if reading is not None:
            order = reading.in_order(places["dataset"], places["surveyId"])
            places = places.iloc[order]
        blocks = checkpoints.predict_blocks(
            checkpoint, places, features, accelerator=accelerator, prediction=prediction
        )
        kept = [score_tables.keep_best(block, keep) for block in tqdm(blocks, desc=f"scores {name}", leave=False)]
        matrix = sparse.vstack(kept, format="csr", dtype=np.float32)
        if reading is not None:
            matrix = matrix[np.argsort(order)]
        matrix = labels.widen(matrix, classes, data.species)
        counts[f"{name}_rows"] = score_tables.write(score_tables.of_rows(data, rows, number, matrix), out / name)
    storage.note(out, **counts, **facts)
