"""Species lists as multi-hot rows, and as the places of their ones."""

import torch

from glc.training.targets import multi_hot, positions

SPECIES = torch.tensor([[2, 0, -1], [-1, -1, -1], [3, 3, -1]], dtype=torch.int32)


def test_multi_hot():
    assert multi_hot(SPECIES, 4).tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_positions_are_those_of_the_ones():
    assert positions(SPECIES, 4).tolist() == multi_hot(SPECIES, 4).view(-1).nonzero().squeeze(1).tolist() == [0, 2, 11]
