"""The worked example of each base class runs, and members are of the class that says what they must do."""

import doctest

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from glc import registry
from glc.classical._base import Classical
from glc.config import Positive, section
from glc.covariates import Metadata, Patches, Raster
from glc.ensembles._base import Ensemble
from glc.neighbours._base import GraphFeature
from glc.nets.architectures._base import Net
from glc.nets.inputs.features import Layout
from glc.nets.pretraining._base import Pretraining
from glc.prediction.correction import Correction
from glc.prediction.decode import Decoder
from glc.prediction.ranking import rank
from glc.registry import Registry
from glc.sdm._base import DistributionModel
from glc.sdm.per_species import each_species
from glc.training.losses import Loss
from tests.helpers import survey_data
from tests.sdm import world

TOOLS = {
    "section": section,
    "Positive": Positive,
    "np": np,
    "sparse": sparse,
    "torch": torch,
    "nn": nn,
    "Layout": Layout,
}


@pytest.mark.parametrize("base", [Classical, Ensemble, Net, Loss, DistributionModel, GraphFeature, Decoder, Correction])
def test_the_worked_example_runs(base):
    # what it registers is in a registry of its own, of which no other test knows
    names = {name: Registry(name) for name in ("models", "losses", "sdms", "graphs", "decoders", "corrections")}
    data = {"data": survey_data(), "group": world.group(n=60, sites=20), "each_species": each_species}
    labels = sparse.csr_matrix([[True, True, False], [True, False, True]])
    data["ranked"] = rank(sparse.csr_matrix([[0.9, 0.5, 0.1], [0.8, 0.4, 0.2]]), labels)
    (example,) = [
        found
        for found in doctest.DocTestFinder(recurse=False).find(base, globs=TOOLS | names | data | {base.__name__: base})
        if found.examples
    ]
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0
    assert result.attempted >= 2


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (registry.models, (Classical, Ensemble, Net)),
        (registry.corrections, (Correction,)),
        (registry.losses, (Loss,)),
        (registry.sdms, (DistributionModel,)),
        (registry.graphs, (GraphFeature,)),
        (registry.decoders, (Decoder,)),
        (registry.pretrainings, (Pretraining,)),
        (registry.covariates, (Raster, Patches, Metadata)),
    ],
)
def test_every_member_is_of_a_class_that_says_what_it_must_do(kind, bases):
    for name in kind.choices():
        member = kind.get(name)
        assert issubclass(member if isinstance(member, type) else type(member), bases), name


def test_ensembles_alone_join_other_experiments():
    for name in registry.models.choices():
        model = registry.models.get(name)
        assert model.ensemble == issubclass(model, Ensemble), name
