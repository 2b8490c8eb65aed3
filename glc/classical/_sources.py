"""Which labelled surveys a classical model learns from."""

import numpy as np

from glc.config import Sources, section
from glc.surveys import SurveyData


@section
class TrainingSources:
    """Labelled surveys that are learned from."""

    sources: Sources = ("train",)
    """Surveys learned from: train, presence-absence; po, presence-only (the 5 million rows of the 2024 paper are both).
    """


def training_rows(data: SurveyData, fold: int | None, sources: tuple[str, ...]) -> np.ndarray:
    """Row numbers of the labelled surveys that a model of `fold` may see.

    data : all surveys of the dataset
    fold : the validation fold; None for the model of the test
    sources : of `TrainingSources`, in the order in which their rows follow each other
    returns : (n,) row numbers
    """
    pools = {"train": data.train(fold), "po": data.presence_only}
    return np.concatenate([pools[name] for name in sources])
