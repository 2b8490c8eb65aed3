"""Which labelled surveys a classical model learns from."""

import numpy as np

from glc.classical._base import Classical
from glc.config import Sources, section
from glc.surveys import SurveyData
from glc.types import MemberOptions


@section
class TrainingSources:
    """Labelled surveys that are learned from."""

    sources: Sources = ("train",)
    """Surveys learned from: train, presence-absence; po, presence-only (the 5 million rows of the 2024 paper are both).
    """


class ChoosesSources(Classical):
    """A model whose options say by `sources` which labelled surveys it learns from."""

    @classmethod
    def needs_surveys(cls, options: MemberOptions) -> str:
        return without_po(options.sources)


def without_po(sources: tuple[str, ...], key: str = "sources") -> str:
    """`Classical.needs_surveys` of a model that learns from `sources`, its option `key`; empty if po is among them."""
    if "po" in sources:
        return ""
    return (
        f"model.{key}: found {list(sources)}, which are presence-absence surveys, expected 'po' among them; write "
        f'NAME+model.{key}=["po"]'
    )


def training_rows(data: SurveyData, fold: int | None, sources: tuple[str, ...]) -> np.ndarray:
    """Row numbers of the labelled surveys that a model of `fold` may see.

    data : all surveys of the dataset
    fold : the validation fold; None for the model of the test
    sources : of `TrainingSources`, in the order in which their rows follow each other
    returns : (n,) row numbers
    """
    return np.concatenate([data.labelled(name, fold) for name in sources])
