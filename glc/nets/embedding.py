"""A trained net's embedding of surveys: what its last layer reads."""

from collections.abc import Mapping

import numpy as np

from glc import config, schema
from glc.nets import checkpoints
from glc.nets.inputs.features import Features
from glc.registry import models
from glc.surveys import SurveyData
from glc.types import JSON, StrPath


def of_surveys(
    checkpoint: StrPath,
    data: SurveyData,
    rows: np.ndarray,
    features: Features | None,
    *,
    imagery: tuple[str, ...],
    predict: Mapping[str, JSON] | None = None,
    accelerator: str = "auto",
) -> np.ndarray:
    """The embedding of surveys, (n, d) float32, NaN where a survey has nothing of the inputs `imagery`.

    rows : (n,) of ``data.places``
    features : of the net's inputs; None: it has none
    predict : options of prediction, an experiment's ``[predict]``
    """
    net = models.get(checkpoints.read(checkpoint)["model"])
    prediction = config.prediction(net, predict or {})
    read, _ = net.prediction_features(features, data, prediction)
    places = data.places.iloc[rows]
    places = places.assign(dataset=schema.dataset_numbers(places["dataset"]))
    order = np.arange(len(places))
    if features is not None and features.reading is not None:
        order = features.reading.in_order(places["dataset"], places["surveyId"])
    parts: list[np.ndarray] = []
    for _ in checkpoints.predict_blocks(
        checkpoint, places.iloc[order], read, accelerator=accelerator, prediction=prediction, embedded=parts.append
    ):
        pass
    values = np.concatenate(parts)[np.argsort(order)] if parts else np.zeros((len(rows), 0), np.float32)
    if features is None:
        return np.full(values.shape, np.nan, np.float32)
    values[~features.known(places["dataset"].to_numpy(), places["surveyId"].to_numpy(), imagery)] = np.nan
    return values
