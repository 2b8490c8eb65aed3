"""Examples in memory whose lists of species are padded only when a batch takes them."""

from collections.abc import Iterable

import numpy as np
import torch

from glc import schema


class Unpadded:
    """Examples in memory, the lists of species one after the other: padded, they could take 40 times the memory.

    parts : batches with lists padded by -1
    columns : all other tensors by name
    """

    def __init__(self, parts: Iterable[dict[str, torch.Tensor]]) -> None:
        columns, species, lengths = {name: [] for name in schema.TABLES["examples"].names if name != "species"}, [], []
        for part in parts:
            known = part["species"] >= 0
            species.append(part["species"][known])
            lengths.append(known.sum(dim=1))
            for name, column in columns.items():
                column.append(part[name])
        self.columns = {name: torch.cat(column) for name, column in columns.items()}
        self._species, lengths = torch.cat(species), torch.cat(lengths)
        self._starts, self._lengths = lengths.cumsum(0) - lengths, lengths

    def take(self, rows: np.ndarray, width: int) -> dict[str, torch.Tensor]:
        """The batch of these rows, with lists padded to `width`."""
        rows = torch.from_numpy(rows)
        batch = {name: column[rows] for name, column in self.columns.items()}
        place = torch.arange(width)
        known = place < self._lengths[rows, None]
        padded = torch.full((len(rows), width), -1, dtype=torch.int32)
        padded[known] = self._species[(self._starts[rows, None] + place)[known]]
        return batch | {"species": padded}
