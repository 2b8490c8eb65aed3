"""Species lists as what a loss compares logits with: multi-hot rows, or the positions of their ones."""

import torch


def multi_hot(species: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Targets that are 1 where a row names the class.

    species : (batch, width) int, class indices padded by -1
    n_classes : length of a row of targets
    returns : (batch, n_classes) float32
    """
    targets = torch.zeros(len(species), n_classes, device=species.device)
    targets.view(-1)[positions(species, n_classes)] = 1
    return targets


def positions(species: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Where the ones of `multi_hot` are in its values row by row, (label,) int64, sorted, each once.

    species, n_classes : of `multi_hot`
    """
    row, place = (species >= 0).nonzero(as_tuple=True)
    return (row * n_classes + species[row, place]).unique()
