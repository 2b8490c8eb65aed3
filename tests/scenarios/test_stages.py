"""A training in stages, through the DAG: presence-only records first, presence-absence surveys after them."""

import numpy as np
import pytest
import torch

from glc import storage
from glc.config import Variant
from glc.nets import checkpoints
from glc.nets.checkpoints import CHECKPOINT
from glc.nets.inputs.examples import read_classes
from glc.tasks import Evaluate
from glc.tasks.training import fits
from tests.tasks.pipeline import TINY, run

FOLDS = {"count": 4, "run": 1}


@pytest.mark.slow
def test_the_second_stage_starts_from_the_weights_of_the_first(root):
    first = Variant("geolocation").changed(po={"use": "only"}, train={"loss": "deepmaxent", "max_epochs": 2})
    held = {"max_epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0}
    second = Variant("geolocation").changed(start={"experiment": first.name}, train=held, validation=FOLDS)
    task = Evaluate(root=root, dataset=TINY, experiment=second)
    trained = [name for name in run(task) if name in ("Fit", "FitAllFolds", "ChosenEpoch")]
    assert trained == ["FitAllFolds", "ChosenEpoch", "Fit"]
    (fit,) = fits(task)
    earlier, theirs = (fit.requires()[name].folder for name in ("earlier", "earlier examples"))
    assert storage.manifest(theirs)["train_surveys"] == 0
    own, known = read_classes(fit.requires()["examples"].folder), read_classes(theirs)
    assert len(np.setdiff1d(known, own)), "species of presence-only records alone"
    before, after = (
        torch.load(folder / CHECKPOINT, weights_only=True)["state_dict"] for folder in (earlier, fit.folder)
    )
    shared, at, there = np.intersect1d(own, known, return_indices=True)
    assert len(shared) > 20
    for name, value in after.items():
        last = len(value) == len(own) != len(before[name])
        if not (last and name.endswith("bias")):
            torch.testing.assert_close(value[at] if last else value, before[name][there] if last else before[name])
    examples = storage.read_table(fit.requires()["examples"].folder / "train", "examples").to_pandas()
    counts = np.bincount(np.concatenate(examples["species"]), minlength=len(own))
    predicted = checkpoints.predict(fit.folder / CHECKPOINT, examples).mean(axis=0)
    np.testing.assert_allclose(predicted, counts / len(examples), rtol=0.01)
