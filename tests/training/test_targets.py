"""Species lists as multi-hot rows, and as the places of their ones."""

import torch

from glc.training.targets import MultiHot, multi_hot, positions

SPECIES = torch.tensor([[2, 0, -1], [-1, -1, -1], [3, 3, -1]], dtype=torch.int32)


def test_multi_hot():
    assert multi_hot(SPECIES, 4).tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_positions_are_those_of_the_ones():
    assert positions(SPECIES, 4).tolist() == multi_hot(SPECIES, 4).view(-1).nonzero().squeeze(1).tolist() == [0, 2, 11]


def test_memory_that_is_used_again_holds_the_last_batch_alone():
    targets = MultiHot(4)
    for species in (SPECIES, SPECIES.flip(0), SPECIES[:2], SPECIES[:0], SPECIES.repeat(2, 1), SPECIES):
        assert torch.equal(targets(species), multi_hot(species, 4))
    assert targets(SPECIES).data_ptr() == targets(SPECIES[1:]).data_ptr()
