"""Biases of a net that goes on from examples of other frequencies."""

import numpy as np
import pytest
import torch

from glc.nets.checkpoints import LINKS
from glc.nets.recentred import offsets

rng = np.random.default_rng(0)


@pytest.mark.parametrize("link", LINKS)
def test_the_mean_probability_of_each_class_is_the_wanted_one(link):
    logits = (rng.normal(0, 3, (500, 40)) - rng.uniform(0, 12, 40)).astype(np.float32)
    wanted = rng.uniform(0.001, 0.4, 40)
    if link == "softmax":
        wanted /= wanted.sum()
    shifted = logits + offsets(logits, wanted, link)
    np.testing.assert_allclose(LINKS[link](torch.from_numpy(shifted)).mean(dim=0), wanted, rtol=5e-3)


def test_logits_of_the_right_frequencies_stay():
    logits = rng.normal(-2, 1, (300, 10)).astype(np.float32)
    wanted = torch.from_numpy(logits).sigmoid().mean(dim=0).double().numpy()
    np.testing.assert_allclose(offsets(logits, wanted, "sigmoid"), 0, atol=1e-5)
