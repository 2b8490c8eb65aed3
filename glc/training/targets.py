"""Species lists as what a loss compares logits with: multi-hot rows, or the positions of their ones."""

import torch


def multi_hot(species: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Targets that are 1 where a row names the class.

    species : (batch, width) int, class indices padded by -1
    n_classes : length of a row of targets
    returns : (batch, n_classes) float32
    """
    targets = torch.zeros(len(species), n_classes, device=species.device)
    targets.view(-1)[_positions(species, n_classes)] = 1
    return targets


class MultiHot:
    """`multi_hot` in memory that is used again, where a batch is no longer wanted when the next one comes.

    Only the ones of the batch before are cleared: zeros of 256 rows of 11,255 take longer than all else of a batch.
    """

    def __init__(self, n_classes: int) -> None:
        """No memory is taken before the first batch.

        n_classes : length of a row of targets
        """
        self.n_classes = n_classes
        self._rows, self._ones = torch.zeros(0, n_classes), torch.zeros(0, dtype=torch.int64)

    def __call__(self, species: torch.Tensor) -> torch.Tensor:
        """Targets of a batch, which the next call overwrites.

        species : of `multi_hot`
        returns : (batch, n_classes) float32
        """
        if len(species) > len(self._rows) or species.device != self._rows.device:
            self._rows = torch.zeros(len(species), self.n_classes, device=species.device)
        else:
            self._rows.view(-1)[self._ones] = 0
        self._ones = _positions(species, self.n_classes)
        self._rows.view(-1)[self._ones] = 1
        return self._rows[: len(species)]


def positions(species: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Where the ones of `multi_hot` are in its values row by row, (label,) int64, sorted, each once.

    species, n_classes : of `multi_hot`
    """
    return _positions(species, n_classes).unique()


def _positions(species, n_classes):
    row, place = (species >= 0).nonzero(as_tuple=True)
    return row * n_classes + species[row, place]
