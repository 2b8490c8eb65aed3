"""Mixup: shares, what is missing, and that it follows its generator."""

import numpy as np
import pytest
import torch

from glc.errors import ConfigError
from glc.nets.inputs.augment import mix, mixup

NAN = float("nan")


def example():
    torch.manual_seed(0)
    batch = {
        "surveyId": torch.arange(4),
        "species": torch.full((4, 3), -1, dtype=torch.int32),
        "weight": torch.tensor([1.0, 0.5, 1.0, 1.0]),
        "cube": torch.randn(4, 2, 3, 3),
    }
    return batch, (torch.rand(4, 6) < 0.4).float()


def test_values_and_labels_are_mixed_in_the_same_shares():
    batch, targets = example()
    order = torch.tensor([2, 0, 3, 1])
    mixed, labels = mix(batch, targets, 0.3, order)
    for i, j in enumerate(order.tolist()):
        for name in ("cube", "weight"):
            torch.testing.assert_close(mixed[name][i], 0.3 * batch[name][i] + 0.7 * batch[name][j])
        torch.testing.assert_close(labels[i], 0.3 * targets[i] + 0.7 * targets[j])
    for name in ("surveyId", "species"):
        assert torch.equal(mixed[name], batch[name])
    torch.testing.assert_close(labels.sum(0), targets.sum(0))  # an order is a permutation: no class gains


def test_share_of_one_is_the_identity_and_of_zero_the_other_order():
    batch, targets = example()
    batch["cube"][1, 0] = NAN
    order = torch.tensor([1, 0, 3, 2])
    for share, rows in ((1.0, slice(None)), (0.0, order)):
        mixed, labels = mix(batch, targets, share, order)
        assert torch.equal(mixed["cube"].nan_to_num(9), batch["cube"][rows].nan_to_num(9))
        assert torch.equal(labels, targets[rows])


def test_what_one_lacks_is_that_of_the_greater_part():
    batch = {"cube": torch.tensor([[1.0, NAN, 3.0, NAN], [5.0, 6.0, NAN, NAN]])}
    targets, order = torch.eye(2), torch.tensor([1, 0])
    found = mix(batch, targets, 0.75, order)[0]["cube"]
    wanted = [[2.0, NAN, 3.0, NAN], [4.0, 6.0, NAN, NAN]]
    np.testing.assert_array_equal(found.numpy(), wanted)
    found = mix(batch, targets, 0.25, order)[0]["cube"]
    np.testing.assert_array_equal(found.numpy(), wanted[::-1])


def test_the_share_is_beta_and_follows_the_generator():
    targets = torch.eye(8)
    generator = torch.Generator().manual_seed(0)
    before = targets.clone()
    shares = []
    for _ in range(400):
        labels = mixup({}, targets, 0.4, generator)[1]
        other = labels[labels.diagonal() < 1]
        shares.append(labels.diagonal().min().item() if len(other) else NAN)  # a row that meets itself tells nothing
    shares = np.array(shares)
    shares = shares[np.isfinite(shares)]
    assert abs(shares.mean() - 0.5) < 0.06
    assert abs(shares.var() - 1 / (4 * (2 * 0.4 + 1))) < 0.02  # of Beta(a, a)
    assert torch.equal(targets, before)
    same = [mixup({}, targets, 0.4, torch.Generator().manual_seed(3))[1] for _ in range(2)]
    assert torch.equal(*same)


def test_alpha_must_be_above_0():
    with pytest.raises(ConfigError, match="found alpha 0, expected a number above 0"):
        mixup({}, torch.eye(2), 0)
